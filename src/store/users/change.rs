//! Changes of users and their deletion, with the two rules that must hold over all replicas: there is always an active
//! admin, and a session never outlives the role, status or password it was opened under.

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{UserRow, is_taken, is_team, living};
use crate::{
    domain::{
        ids::{TeamId, UserId},
        principal::{Role, UserStatus, Username},
    },
    store::{
        Store, StoreError,
        connection::{Connection, on_backend},
        revisions,
        schema::users,
        sessions,
        values::micros,
    },
};

/// What is to be changed; what is `None` stays. It has no `Debug`: it may hold the hash of a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct UserChange {
    pub username: Option<Username>,
    /// In PHC string form.
    pub password_hash: Option<String>,
    pub role: Option<Role>,
    pub status: Option<UserStatus>,
    /// `Some(None)` takes the user out of the team.
    pub team_id: Option<Option<TeamId>>,
    /// Makes the change only if the user still is as it was at this revision.
    pub only_at: Option<i64>,
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one a change, and it is taken apart at once")]
pub enum Changed {
    /// They are equal, and nothing was written, if the change asked for what is so already.
    Done {
        before: UserRow,
        after: UserRow,
    },
    /// There is no such user, or it is deleted.
    NotFound,
    /// It would have left no active admin.
    LastAdmin,
    UsernameTaken,
    NoSuchTeam,
    /// The user is not as it was at the revision that was asked for.
    Stale,
}

impl Store {
    /// Changes a user. A new role, status or password revokes all live sessions of the user with it.
    pub async fn change_user(&self, id: UserId, change: UserChange, now: Timestamp) -> Result<Changed, StoreError> {
        self.transaction(async move |connection: &mut Connection| {
            let revision = revisions::next(connection, revisions::IDENTITY).await?;
            let Some(before) = living(connection, id).await? else { return Ok(Changed::NotFound) };
            if change.only_at.is_some_and(|revision| revision != before.revision) {
                return Ok(Changed::Stale);
            }
            let after = change.applied_to(&before);
            if after == before && change.password_hash.is_none() {
                return Ok(Changed::Done { before, after });
            }
            rewrite(connection, before, after, change.password_hash, Stamp { now, revision }).await
        })
        .await
    }

    /// Deletes a user and revokes all live sessions. The row stays; the name becomes free.
    pub async fn delete_user(&self, id: UserId, now: Timestamp) -> Result<Changed, StoreError> {
        self.transaction(async move |connection: &mut Connection| {
            let revision = revisions::next(connection, revisions::IDENTITY).await?;
            let Some(before) = living(connection, id).await? else { return Ok(Changed::NotFound) };
            let after = UserRow { deleted_at: Some(now), ..before.clone() };
            rewrite(connection, before, after, None, Stamp { now, revision }).await
        })
        .await
    }
}

impl UserChange {
    fn applied_to(&self, before: &UserRow) -> UserRow {
        UserRow {
            username: self.username.clone().unwrap_or_else(|| before.username.clone()),
            role: self.role.unwrap_or(before.role),
            status: self.status.unwrap_or(before.status),
            team_id: self.team_id.unwrap_or(before.team_id),
            ..before.clone()
        }
    }
}

/// When a change is made, and which one it is.
#[derive(Clone, Copy)]
struct Stamp {
    now: Timestamp,
    revision: i64,
}

/// Writes `after` over `before`, unless a rule forbids it.
///
/// The user's row comes before the sessions: a login that is about to open one holds that row, so it either commits
/// first and its session is among those revoked, or finds the user changed and opens none.
async fn rewrite(
    connection: &mut Connection,
    before: UserRow,
    after: UserRow,
    password_hash: Option<String>,
    stamp: Stamp,
) -> Result<Changed, StoreError> {
    if is_active_admin(&before) && !is_active_admin(&after) && !has_other_admin(connection, after.id).await? {
        return Ok(Changed::LastAdmin);
    }
    if after.username != before.username && is_taken(connection, &after.username, after.id).await? {
        return Ok(Changed::UsernameTaken);
    }
    if after.team_id != before.team_id && !is_team(connection, after.team_id).await? {
        return Ok(Changed::NoSuchTeam);
    }
    let ends_tokens = password_hash.is_some() || standing(&before) != standing(&after);
    let tokens_not_before = if ends_tokens { stamp.now } else { before.tokens_not_before };
    let after = UserRow { updated_at: stamp.now, revision: stamp.revision, tokens_not_before, ..after };
    update(connection, &after, password_hash).await?;
    if ends_tokens {
        sessions::revoke_live(connection, after.id, stamp.now, stamp.revision).await?;
    }
    Ok(Changed::Done { before, after })
}

/// What a session was opened under.
fn standing(user: &UserRow) -> (Role, UserStatus, bool) {
    (user.role, user.status, user.deleted_at.is_some())
}

fn is_active_admin(user: &UserRow) -> bool {
    standing(user) == (Role::Admin, UserStatus::Active, false)
}

async fn has_other_admin(connection: &mut Connection, than: UserId) -> Result<bool, StoreError> {
    let others = users::table
        .filter(users::role.eq(Role::Admin.as_str()))
        .filter(users::status.eq(UserStatus::Active.as_str()))
        .filter(users::deleted_at.is_null())
        .filter(users::id.ne(than.to_string()));
    Ok(on_backend!(connection, |conn| diesel::select(diesel::dsl::exists(others)).get_result(conn).await)?)
}

/// Ends the tokens of outside issuers that a user has by now; false if there is no such user.
pub(in crate::store) async fn end_tokens(
    connection: &mut Connection,
    id: UserId,
    now: Timestamp,
    revision: i64,
) -> Result<bool, StoreError> {
    let user = users::table.find(id.to_string()).filter(users::deleted_at.is_null());
    let end = diesel::update(user).set((users::tokens_not_before.eq(micros(now)), users::revision.eq(revision)));
    Ok(on_backend!(connection, |conn| end.execute(conn).await)? == 1)
}

async fn update(connection: &mut Connection, user: &UserRow, password_hash: Option<String>) -> Result<(), StoreError> {
    let update = diesel::update(users::table.find(user.id.to_string())).set((
        users::username.eq(user.username.as_str()),
        password_hash.map(|hash| users::password_hash.eq(hash)),
        users::role.eq(user.role.as_str()),
        users::status.eq(user.status.as_str()),
        users::team_id.eq(user.team_id.map(|id| id.to_string())),
        users::updated_at.eq(micros(user.updated_at)),
        users::deleted_at.eq(user.deleted_at.map(micros)),
        users::tokens_not_before.eq(micros(user.tokens_not_before)),
        users::revision.eq(user.revision),
    ));
    on_backend!(connection, |conn| update.execute(conn).await)?;
    Ok(())
}
