//! The subject of a limit or a budget, by its id or by its name: what administrators write is put in the place of an id.

use super::{failure::unavailable, input::Draft};
use crate::{
    domain::{
        ids::UserId,
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
    for Written { at, per, subject } in draft.value_mut().map(of).unwrap_or_default() {
        let Some(name) = subject.as_deref().filter(|text| text.parse::<UserId>().is_err()) else { continue };
        let (kind, several) = match per {
            Per::User => ("user", ""),
            Per::Team => ("team", ""),
            Per::Key => ("API key", "; write user/key, or the id"),
            Per::Global | Per::Address => continue,
        };
        let mut ids = store.subjects_named(per, name).await.map_err(unavailable)?;
        let detail = match (ids.pop(), ids.is_empty()) {
            (Some(id), true) => {
                *subject = Some(id);
                continue;
            }
            (Some(_), false) => format!("is the name of several {kind}s{several}"),
            (None, _) => format!("there is no {kind} with this name or id"),
        };
        // It is said once, and nothing more of a text that is no id.
        *subject = None;
        faults.push(Fault::new(format!("{at}/subject"), detail));
    }
    draft.add(faults);
    Ok(())
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
