//! The roles of users as the steps of a plan leave them: no API key is given more than its user may do.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::references::{Reference, text};
use crate::{
    cli::{
        Failure,
        apply::{
            document::{Entry, Kind},
            gateway::{Gateway, list},
            mistakes::Mistake,
        },
    },
    domain::principal::Role,
    http::api_keys::ROLE_BEYOND,
};

/// By the names of users, as far as that matters.
#[derive(Default)]
pub(super) struct Roles(HashMap<String, Option<Role>>);

impl Roles {
    /// Takes in what is to become of a user who is `present` now, or is made.
    pub(super) fn note(&mut self, entry: &Entry, present: Option<&Map<String, Value>>) {
        if entry.kind == Kind::User {
            let role = role_in(&entry.fields).or_else(|| present.and_then(role_in));
            self.0.insert(entry.name.clone(), role);
        }
    }

    /// A mistake if an API key is given a role that may do what that of its user may not.
    ///
    /// # Errors
    /// The gateway refuses to show the user.
    pub(super) async fn judge(
        &mut self,
        gateway: &Gateway,
        (entry, references): (&Entry, &[Reference]),
        present: Option<&Map<String, Value>>,
    ) -> Result<Option<Mistake>, Failure> {
        let given = role_in(&entry.fields).filter(|role| present.and_then(role_in) != Some(*role));
        let user = references.iter().find(|reference| reference.field == "user_id");
        let (Kind::ApiKey, Some(given), Some(Reference { to: (_, user), .. })) = (entry.kind, given, user) else {
            return Ok(None);
        };
        let of_user = match self.0.get(user) {
            Some(role) => *role,
            None => gateway.named(list(Kind::User), user).await?.first().and_then(role_in),
        };
        self.0.insert(user.clone(), of_user);
        let is_beyond = of_user.is_some_and(|of_user| given.is_beyond(of_user));
        Ok(is_beyond.then(|| entry.bad("role", ROLE_BEYOND)))
    }
}

fn role_in(fields: &Map<String, Value>) -> Option<Role> {
    text(fields, "role")?.parse().ok()
}
