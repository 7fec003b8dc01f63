//! The subject of a limit or a budget, by its id or by its name: an id is put in the place of what administrators write.

pub mod by_name;

use super::{failure::unavailable, input::Draft};
use crate::{
    domain::{
        limit::Per,
        refusal::{Fault, Refusal},
    },
    store::Store,
};

/// Where a subject was written.
pub struct Written<'t> {
    /// The pointer to the limit or the budget.
    pub at: String,
    pub per: Per,
    pub subject: &'t mut Option<String>,
}

/// Puts the ids of users, teams and API keys in the place of their names. What names none, or several, is a fault of the
/// draft. An address stands for itself.
///
/// # Errors
/// `Unavailable` if the store does not answer.
pub async fn resolve<T>(
    store: &Store,
    draft: &mut Draft<T>,
    of: impl FnOnce(&mut T) -> Vec<Written<'_>>,
) -> Result<(), Refusal> {
    let mut faults = vec![];
    for written in draft.value_mut().map(of).unwrap_or_default() {
        faults.extend(put_id(store, written).await?);
    }
    draft.add(faults);
    Ok(())
}

/// Puts the id in the place of a name, or says what is wrong with it.
async fn put_id(store: &Store, Written { at, per, subject }: Written<'_>) -> Result<Option<Fault>, Refusal> {
    let Some(text) = subject.as_deref() else { return Ok(None) };
    Ok(match store.subject_id(per, text).await.map_err(unavailable)? {
        Ok(id) => {
            *subject = Some(id);
            None
        }
        Err(unknown) => {
            // It is said once, and nothing more of a text that is no id.
            *subject = None;
            Some(Fault::new(format!("{at}/subject"), unknown.to_string()))
        }
    })
}

/// The places of a limit or a budget at `at` of which nothing can be said, because another field is not what it must be.
pub fn unsure<T>(draft: &Draft<T>, at: &str) -> Vec<String> {
    const FOLLOWS: [(&str, &str); 8] = [
        ("/window", "/window_s"),
        ("/window", "/time_zone"),
        ("/unit", "/time_zone"),
        ("/unit", "/burst"),
        ("/unit", "/window_s"),
        ("/unit", "/window"),
        ("/per", "/subject"),
        ("/scope", "/subject"),
    ];
    let faulty = FOLLOWS.iter().filter(|(of, _)| draft.is_faulty(&format!("{at}{of}")));
    faulty.map(|(_, follows)| format!("{at}{follows}")).collect()
}
