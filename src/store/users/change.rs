//! Changes of users and their deletion, with the two rules that must hold over all replicas: there is always an active
//! admin, and a session never outlives the role, status or password it was opened under.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, SelectableHelper};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{NewUser, Record, UserRow, create, is_taken, is_team};
use crate::{
    domain::{
        allowed::Allowed,
        ids::{TeamId, UserId},
        principal::{Role, UserStatus, Username},
    },
    store::{
        Store, StoreError,
        administered::{Administered, Stamp},
        connection::{Connection, on_backend},
        revisions,
        schema::{api_keys, users},
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
    pub models: Option<Allowed>,
    /// Makes the change only if the user still is as it was at this revision.
    pub only_at: Option<i64>,
    /// The user's outside issuer says so, and the user goes on to follow it; not an administrator.
    pub by_issuer: bool,
}

/// Why the store refuses a user, a change of one or its deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserRefused {
    /// It would have left no active admin.
    LastAdmin,
    UsernameTaken,
    NoSuchTeam,
}

impl Administered for UserRow {
    type Id = UserId;
    type New = NewUser;
    type Change = UserChange;
    type Refused = UserRefused;

    const TABLE: &'static str = "users";
    const REVISION: &'static str = revisions::IDENTITY;

    fn id_of(new: &NewUser) -> UserId {
        new.id
    }

    fn revision(&self) -> i64 {
        self.revision
    }

    fn only_at(change: &UserChange) -> Option<i64> {
        change.only_at
    }

    async fn living(connection: &mut Connection, id: UserId) -> Result<Option<Self>, StoreError> {
        let user = users::table.find(id.to_string()).filter(users::deleted_at.is_null());
        let record: Option<Record> =
            on_backend!(connection, |conn| user.select(Record::as_select()).first(conn).await.optional())?;
        record.map(Self::try_from).transpose()
    }

    async fn refuse_new(connection: &mut Connection, new: &NewUser) -> Result<Option<UserRefused>, StoreError> {
        if is_taken(connection, &new.username, new.id).await? {
            return Ok(Some(UserRefused::UsernameTaken));
        }
        Ok((!is_team(connection, new.team_id).await?).then_some(UserRefused::NoSuchTeam))
    }

    async fn insert(connection: &mut Connection, new: &NewUser, revision: i64) -> Result<(), StoreError> {
        create::insert(connection, new, None, revision).await
    }

    fn changed(&self, change: &UserChange) -> Option<Self> {
        let after = Self {
            username: change.username.clone().unwrap_or_else(|| self.username.clone()),
            role: change.role.unwrap_or(self.role),
            status: change.status.unwrap_or(self.status),
            team_id: change.team_id.unwrap_or(self.team_id),
            models: change.models.clone().unwrap_or_else(|| self.models.clone()),
            ..self.clone()
        };
        // An administrator who names the role of an outside issuer's user decides it, even if it stays.
        let decides = change.role.is_some() && self.follows_issuer() && !change.by_issuer;
        (after != *self || change.password_hash.is_some() || decides).then_some(after)
    }

    async fn refuse_change(
        connection: &mut Connection,
        before: &Self,
        after: &Self,
    ) -> Result<Option<UserRefused>, StoreError> {
        if is_active_admin(before) && !is_active_admin(after) && !has_other_admin(connection, after.id).await? {
            return Ok(Some(UserRefused::LastAdmin));
        }
        if after.username != before.username && is_taken(connection, &after.username, after.id).await? {
            return Ok(Some(UserRefused::UsernameTaken));
        }
        let moves = after.team_id != before.team_id;
        Ok((moves && !is_team(connection, after.team_id).await?).then_some(UserRefused::NoSuchTeam))
    }

    /// A new role, status or password revokes all live sessions of the user.
    ///
    /// The user's row comes before the sessions: a login that is about to open one holds that row, so it either commits
    /// first and its session is among those revoked, or finds the user changed and opens none.
    async fn update(
        connection: &mut Connection,
        before: &Self,
        after: Self,
        change: UserChange,
        stamp: Stamp,
    ) -> Result<Self, StoreError> {
        let ends_tokens = change.password_hash.is_some() || standing(before) != standing(&after);
        let tokens_not_before = if ends_tokens { stamp.now } else { before.tokens_not_before };
        let updated_at = match &before.outside {
            None => stamp.now,
            Some(_) if change.by_issuer && before.follows_issuer() => before.updated_at,
            Some(_) => later(stamp.now, before.created_at),
        };
        let after = Self { updated_at, revision: stamp.revision, tokens_not_before, ..after };
        update(connection, &after, change.password_hash).await?;
        if ends_tokens {
            sessions::revoke_live(connection, after.id, stamp.now, stamp.revision).await?;
        }
        Ok(after)
    }

    async fn refuse_deletion(connection: &mut Connection, row: &Self) -> Result<Option<UserRefused>, StoreError> {
        Self::refuse_change(connection, row, &deleted(row, row.updated_at)).await
    }

    /// Revokes all live sessions and API keys of the user. The user's row comes before those of the keys, as where a key is
    /// exchanged for a session.
    async fn delete(connection: &mut Connection, row: &Self, stamp: Stamp) -> Result<Self, StoreError> {
        let after = Self::update(connection, row, deleted(row, stamp.now), UserChange::default(), stamp).await?;
        let live = api_keys::table.filter(api_keys::user_id.eq(row.id.to_string()));
        let live = live.filter(api_keys::revoked_at.is_null());
        let end = (api_keys::revoked_at.eq(micros(stamp.now)), api_keys::revision.eq(stamp.revision));
        let revoke = diesel::update(live).set(end);
        on_backend!(connection, |conn| revoke.execute(conn).await)?;
        Ok(after)
    }
}

impl Store {
    /// Revokes all live sessions of a user and gives their number; `None` if there is no such user. Tokens of outside
    /// issuers that were made before are dead with them.
    pub async fn revoke_sessions_of(&self, user: UserId, now: Timestamp) -> Result<Option<usize>, StoreError> {
        self.transaction("sessions", async move |connection: &mut Connection| {
            let revision = revisions::next(connection, revisions::IDENTITY).await?;
            // The user's row comes first, as in every change of a user.
            if !end_tokens(connection, user, now, revision).await? {
                return Ok(None);
            }
            sessions::revoke_live(connection, user, now, revision).await.map(Some)
        })
        .await
    }
}

fn deleted(user: &UserRow, at: Timestamp) -> UserRow {
    UserRow { deleted_at: Some(at), ..user.clone() }
}

/// `now`, or the moment after `created_at` if it is not later: that a user was changed shows by these two times.
fn later(now: Timestamp, created_at: Timestamp) -> Timestamp {
    let next = Timestamp::from_microsecond(created_at.as_microsecond().saturating_add(1));
    next.map_or(now, |next| now.max(next))
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
async fn end_tokens(
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
        users::models.eq(user.models.to_stored()),
        users::updated_at.eq(micros(user.updated_at)),
        users::deleted_at.eq(user.deleted_at.map(micros)),
        users::tokens_not_before.eq(micros(user.tokens_not_before)),
        users::revision.eq(user.revision),
    ));
    on_backend!(connection, |conn| update.execute(conn).await)?;
    Ok(())
}
