//! The active admins as the steps of a plan leave them: a gateway is never without one.

use serde_json::{Map, Value};

use super::references::text;
use crate::cli::{
    Failure,
    apply::{
        document::{Entry, Kind},
        gateway::{Gateway, list},
        mistakes::Mistake,
    },
};

/// How many active admins there are at the gateway, as soon as that matters, and what the steps so far change about it.
#[derive(Default)]
pub(super) struct Admins {
    there: Option<usize>,
    gained: usize,
    lost: usize,
}

impl Admins {
    /// Takes in what is to become of a user who is `present` now, or is made; a mistake if no active admin is left then.
    ///
    /// # Errors
    /// The gateway refuses to show its users.
    pub(super) async fn take(
        &mut self,
        gateway: &Gateway,
        entry: &Entry,
        present: Option<&Map<String, Value>>,
    ) -> Result<Option<Mistake>, Failure> {
        if entry.kind != Kind::User {
            return Ok(None);
        }
        let mut after = present.cloned().unwrap_or_default();
        after.extend(entry.fields.clone());
        match (present.is_some_and(is_active_admin), is_active_admin(&after)) {
            (false, true) => self.gained = self.gained.saturating_add(1),
            (true, false) => {
                let there = match self.there {
                    Some(there) => there,
                    None => gateway.all(list(Kind::User)).await?.iter().filter(|user| is_active_admin(user)).count(),
                };
                self.there = Some(there);
                self.lost = self.lost.saturating_add(1);
                if there.saturating_add(self.gained) <= self.lost {
                    let field = if is_admin(&after) { "status" } else { "role" };
                    return Ok(Some(entry.bad(field, "leaves no active admin; make another one before it")));
                }
            }
            _ => {}
        }
        Ok(None)
    }
}

fn is_active_admin(user: &Map<String, Value>) -> bool {
    is_admin(user) && text(user, "status").is_none_or(|status| status == "active")
}

fn is_admin(user: &Map<String, Value>) -> bool {
    text(user, "role").as_deref() == Some("admin")
}
