//! What there is at the gateway of what the file names.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::references::{Reference, text};
use crate::cli::{
    Failure,
    apply::{
        document::{Entry, Kind},
        gateway::{Gateway, list},
    },
};

/// What is there, or will be when its turn has come: then it has no id yet.
pub(super) type Known = HashMap<(Kind, String), Option<String>>;

/// Of each list the names that there are, or will be.
pub(super) type Names = HashMap<Kind, HashSet<String>>;

/// The names in the lists that entries lead to without an id, or must not be alike in, at the gateway and in the file.
pub(super) async fn names(gateway: &Gateway, entries: &[Entry]) -> Result<Names, Failure> {
    let mut names = Names::new();
    // Those of people matter where the file makes some: no two may be alike.
    let of_people = |kind: &Kind| entries.iter().any(|entry| entry.kind == *kind);
    let of_people = [Kind::Team, Kind::User].into_iter().filter(of_people);
    for kind in [Kind::Upstream, Kind::Route].into_iter().chain(of_people) {
        let there = gateway.all(list(kind)).await?;
        let there = there.iter().filter_map(|item| text(item, kind.name_field()));
        let listed = entries.iter().filter(|entry| entry.kind == kind).map(|entry| entry.name.clone());
        names.insert(kind, there.chain(listed).collect());
    }
    Ok(names)
}

/// Finds out whether something is there, unless that is known.
pub(super) async fn look_up(gateway: &Gateway, known: &mut Known, to: &(Kind, String)) -> Result<(), Failure> {
    if known.contains_key(to) {
        return Ok(());
    }
    let (kind, name) = to;
    let found = match kind {
        Kind::ApiKey => {
            let Some((user, key)) = name.split_once('/') else { return Ok(()) };
            let users = gateway.named(list(Kind::User), user).await?;
            match users.first().and_then(|user| text(user, "id")) {
                Some(id) => keys_of(gateway, &id, key).await?,
                None => vec![],
            }
        }
        _ => gateway.named(list(*kind), name).await?,
    };
    if let Some(id) = found.first().and_then(|found| text(found, "id")) {
        known.insert(to.clone(), Some(id));
    }
    Ok(())
}

/// A user's API keys of a name that are in force.
async fn keys_of(gateway: &Gateway, user: &str, name: &str) -> Result<Vec<Map<String, Value>>, Failure> {
    let keys = gateway.named(&format!("/admin/users/{user}/api-keys"), name).await?;
    Ok(keys.into_iter().filter(|key| key.get("revoked_at").is_none_or(Value::is_null)).collect())
}

/// What is there of an entry now.
pub(super) async fn present(
    gateway: &Gateway,
    known: &Known,
    entry: &Entry,
    references: &[Reference],
) -> Result<Option<Map<String, Value>>, Failure> {
    let id = |field: &str| {
        let reference = references.iter().find(|reference| reference.field == field);
        reference.map(|Reference { to, .. }| known.get(to).cloned().flatten())
    };
    let found = match entry.kind {
        Kind::ApiKey => match id("user_id").flatten() {
            Some(user) => keys_of(gateway, &user, &entry.name).await?,
            None => vec![],
        },
        _ => gateway.named(list(entry.kind), &entry.name).await?,
    };
    if !matches!(entry.kind, Kind::Limit | Kind::Budget) {
        return Ok(found.into_iter().next());
    }
    let subject = match id("subject") {
        // Whose it is does not exist yet.
        Some(None) => return Ok(None),
        Some(id) => id,
        None => entry.fields.get("subject").and_then(Value::as_str).map(str::to_owned),
    };
    Ok(found.into_iter().find(|found| text(found, "subject") == subject))
}
