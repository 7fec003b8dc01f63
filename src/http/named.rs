//! Beside an id its name: what an answer mentions of users, teams and API keys is looked up once for all its items.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::failure::unavailable;
use crate::{
    domain::{limit::Per, refusal::Refusal},
    store::Store,
};

/// A name as an answer has it: null where there is none. Nothing, where an object is put on record instead of answered.
pub type NameOf = Option<Option<String>>;

/// Something that has ids of users, teams or API keys in it.
pub trait Mentions {
    /// Shows each id, where there is one, and the place for its name.
    fn mentions(&mut self, each: &mut dyn FnMut(Option<String>, &mut NameOf));
}

/// The items with the names of what they mention, also of what was deleted.
///
/// # Errors
/// `Unavailable` if the store does not answer.
pub async fn named<T: Mentions>(store: &Store, mut items: Vec<T>) -> Result<Vec<T>, Refusal> {
    let mut ids = BTreeSet::new();
    for item in &mut items {
        item.mentions(&mut |id, _| ids.extend(id));
    }
    let names = store.names(ids).await.map_err(unavailable)?;
    for item in &mut items {
        item.mentions(&mut |id, name| *name = Some(id.and_then(|id| names.of(&id).map(str::to_owned))));
    }
    Ok(items)
}

/// One item with the names of what it mentions.
///
/// # Errors
/// `Unavailable` if the store does not answer.
pub async fn named_one<T: Mentions>(store: &Store, item: T) -> Result<T, Refusal> {
    named(store, vec![item]).await?.pop().ok_or(Refusal::Internal)
}

/// The name of the subject of a limit or a budget.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct SubjectNames {
    /// Null where there is no subject, or where it is an address.
    #[serde(rename = "subject_name", skip_serializing_if = "Option::is_none")]
    subject: NameOf,
    /// The same, where the subject is a user.
    #[serde(rename = "user_name", skip_serializing_if = "Option::is_none")]
    user: NameOf,
    /// The same, where the subject is a team.
    #[serde(rename = "team_name", skip_serializing_if = "Option::is_none")]
    team: NameOf,
    /// The same, where the subject is an API key.
    #[serde(rename = "key_name", skip_serializing_if = "Option::is_none")]
    key: NameOf,
}

impl SubjectNames {
    /// Shows the subject, where there is one, and the places for its name.
    pub fn mentions(&mut self, per: Per, subject: Option<&str>, each: &mut dyn FnMut(Option<String>, &mut NameOf)) {
        let id = subject.filter(|_| per != Per::Address).map(str::to_owned);
        each(id.clone(), &mut self.subject);
        let by_kind = match per {
            Per::User => &mut self.user,
            Per::Team => &mut self.team,
            Per::Key => &mut self.key,
            Per::Global | Per::Address => return,
        };
        if id.is_some() {
            each(id, by_kind);
        }
    }
}
