//! Rows of the store as the snapshots have them.

use crate::{
    domain::principal::Account,
    snapshot::{api_keys::KeyStanding, directory::Directory},
    store::{api_keys::ApiKeyRow, users::UserRow},
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
        tokens_not_before: row.tokens_not_before,
        follows_issuer: row.follows_issuer(),
    }
}

/// A key as the snapshot has it.
pub(super) fn standing(row: &ApiKeyRow) -> KeyStanding {
    KeyStanding {
        user: row.user_id,
        secret_hash: row.secret_hash,
        expires_at: row.expires_at,
        is_revoked: row.revoked_at.is_some(),
    }
}
