//! Rows of the store as the snapshots have them.

use std::sync::Arc;

use crate::{
    domain::principal::{Account, KeyBounds, Team},
    snapshot::{
        api_keys::{KeyStanding, Used},
        directory::Directory,
    },
    store::{api_keys::ApiKeyRow, teams::TeamRow, users::UserRow},
};

/// The directory after this change of a user.
pub(super) fn followed_by(directory: Directory, row: &UserRow) -> Directory {
    let directory = match row.deleted_at {
        Some(_) => directory.without(row.id),
        None => directory.with(account(row)),
    };
    match &row.outside {
        Some(identity) => directory.with_outside(identity, row.id),
        None => directory,
    }
}

/// A user as the directory has it.
fn account(row: &UserRow) -> Account {
    Account {
        id: row.id,
        username: row.username.clone(),
        role: row.role,
        status: row.status,
        team: row.team_id,
        models: row.models.clone(),
        tokens_not_before: row.tokens_not_before,
        follows_issuer: row.follows_issuer(),
    }
}

/// The directory after this change of a team.
pub(super) fn with_team(directory: Directory, row: &TeamRow) -> Directory {
    let team = || Team { name: row.name.as_str().into(), models: row.models.clone() };
    directory.with_team(row.id, row.deleted_at.is_none().then(team))
}

/// A key as the snapshot has it.
pub(super) fn standing(row: &ApiKeyRow) -> KeyStanding {
    KeyStanding {
        user: row.user_id,
        secret_hash: row.secret_hash,
        expires_at: row.expires_at,
        is_revoked: row.revoked_at.is_some(),
        bounds: Arc::new(KeyBounds {
            name: row.name.as_str().into(),
            role: row.role,
            routes: row.routes.clone(),
            models: row.models.clone(),
        }),
        generation: row.generation,
        old: row.old,
        used: Used::default(),
    }
}
