//! Sessions: one row a login, from its first refresh token to its end; and one a token that an API key was exchanged
//! for, which ends with the token or the key.
//!
//! The token issuer writes them; the snapshot of revocations follows with [`Store::sessions_revoked_since`]. A refresh
//! token itself is never stored: it names its session and its generation, and only the current generation rotates.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, NullableExpressionMethods, OptionalExtension, QueryDsl, Queryable,
    Selectable, SelectableHelper,
};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{
    PURGE_ROWS, Store, StoreError,
    connection::{Connection, on_backend},
    revisions,
    schema::{api_keys, sessions, users},
    values::{micros, read_text, read_time},
};
use crate::domain::{
    ids::{ApiKeyId, SessionId, UserId},
    principal::UserStatus,
};

/// A login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    pub id: SessionId,
    pub user_id: UserId,
    /// How often the refresh token was exchanged; 0 at first.
    pub generation: i64,
    pub created_at: Timestamp,
    /// The last exchange, or the login.
    pub rotated_at: Timestamp,
    pub expires_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    /// The revision of the revocation; 0 while there is none.
    pub revision: i64,
    /// The API key it was exchanged for, if it was not a login.
    pub api_key_id: Option<ApiKeyId>,
}

/// A login to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewSession {
    pub id: SessionId,
    pub user_id: UserId,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions)]
struct Record {
    id: String,
    user_id: String,
    generation: i64,
    created_at: i64,
    rotated_at: i64,
    expires_at: i64,
    revoked_at: Option<i64>,
    revision: i64,
    api_key_id: Option<String>,
}

impl Store {
    /// Opens a session if the user still is as it was at `user_revision`, active and not deleted; false if not. So a
    /// login that races a change of its user leaves no live session behind.
    ///
    /// # Errors
    /// `Conflict` if the id is taken.
    pub async fn open_session(&self, session: NewSession, user_revision: i64) -> Result<bool, StoreError> {
        self.transaction("sessions", async move |connection: &mut Connection| {
            let is_unchanged = hold_user(connection, session.user_id, Some(user_revision)).await?;
            if is_unchanged {
                insert(connection, &session, None).await?;
            }
            Ok(is_unchanged)
        })
        .await
    }

    /// Opens a session in exchange for an API key, if the key is live, `secret_hash` that of a good secret of it, and its user active;
    /// gives when the session ends: no later than the key does and, where the secret was replaced, than that one. `None` if it was not
    /// opened. Both rows are held until it is open: a change of the user, a new secret or a revocation of the key comes first, and
    /// prevents it, or comes after, and revokes it.
    ///
    /// # Errors
    /// `Conflict` if the id is taken.
    pub async fn open_session_for_key(
        &self,
        session: NewSession,
        key: ApiKeyId,
        secret_hash: [u8; 32],
    ) -> Result<Option<Timestamp>, StoreError> {
        self.transaction("sessions", async move |connection: &mut Connection| {
            if !hold_user(connection, session.user_id, None).await? {
                return Ok(None);
            }
            let Some(until) = hold_key(connection, (key, &secret_hash), session.user_id, session.created_at).await?
            else {
                return Ok(None);
            };
            let expires_at = read_time("api_keys.expires_at", micros(session.expires_at).min(until))?;
            insert(connection, &NewSession { expires_at, ..session }, Some(key)).await?;
            Ok(Some(expires_at))
        })
        .await
    }

    /// The session, also a revoked or expired one.
    pub async fn session(&self, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
        self.read("sessions", async move |connection: &mut Connection| {
            let session = sessions::table.find(id.to_string());
            let record: Option<Record> =
                on_backend!(connection, |conn| session.select(Record::as_select()).first(conn).await.optional())?;
            record.map(SessionRow::try_from).transpose()
        })
        .await
    }

    /// At most `limit` live sessions of a user in the order of their ids, from the one after `after` on.
    pub async fn sessions_page(
        &self,
        user: UserId,
        now: Timestamp,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.read("sessions", async move |connection: &mut Connection| {
            let live = sessions::table
                .filter(sessions::user_id.eq(user.to_string()))
                .filter(sessions::revoked_at.is_null())
                .filter(sessions::expires_at.gt(micros(now)))
                .filter(sessions::id.gt(after));
            let page = live.order(sessions::id).limit(limit.into());
            let records: Vec<Record> =
                on_backend!(connection, |conn| page.select(Record::as_select()).load(conn).await)?;
            records.into_iter().map(SessionRow::try_from).collect()
        })
        .await
    }

    /// Moves a live session from this generation to the next. True for one of several callers at once; false for
    /// the others, and for an old generation.
    pub async fn rotate_session(
        &self,
        id: SessionId,
        from_generation: i64,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write("UPDATE", "sessions", async move |connection: &mut Connection| {
            let current = sessions::table
                .find(id.to_string())
                .filter(sessions::generation.eq(from_generation))
                .filter(sessions::revoked_at.is_null())
                .filter(sessions::expires_at.gt(micros(now)));
            let rotate = diesel::update(current).set((
                sessions::generation.eq(sessions::generation + 1),
                sessions::rotated_at.eq(micros(now)),
                sessions::expires_at.eq(micros(expires_at)),
            ));
            Ok(on_backend!(connection, |conn| rotate.execute(conn).await)? == 1)
        })
        .await
    }

    /// Revokes a session; false if there is none or it was revoked before.
    pub async fn revoke_session(&self, id: SessionId, now: Timestamp) -> Result<bool, StoreError> {
        self.transaction("sessions", async move |connection: &mut Connection| {
            let revision = revisions::next(connection, revisions::IDENTITY).await?;
            let session = sessions::table.find(id.to_string()).filter(sessions::revoked_at.is_null());
            let revoke =
                diesel::update(session).set((sessions::revoked_at.eq(micros(now)), sessions::revision.eq(revision)));
            Ok(on_backend!(connection, |conn| revoke.execute(conn).await)? == 1)
        })
        .await
    }

    /// The sessions revoked after this revision and not before this time, each with the time and the revision of its
    /// revocation, in the order of the revisions. The time leaves out those whose last access token has expired.
    pub async fn sessions_revoked_since(
        &self,
        revision: i64,
        not_before: Timestamp,
    ) -> Result<Vec<(SessionId, Timestamp, i64)>, StoreError> {
        self.poll("sessions", async move |connection: &mut Connection| {
            let revoked = sessions::table
                .filter(sessions::revoked_at.ge(micros(not_before)))
                .filter(sessions::revision.gt(revision))
                .order((sessions::revision, sessions::id))
                .select((sessions::id, sessions::revoked_at.assume_not_null(), sessions::revision));
            let rows: Vec<(String, i64, i64)> = on_backend!(connection, |conn| revoked.load(conn).await)?;
            rows.into_iter().map(revoked_session).collect()
        })
        .await
    }

    /// Deletes sessions that expired before `before`, the oldest first, and gives their number; about [`PURGE_ROWS`] at most,
    /// so that it never holds the database for long: call it again while it finds that many.
    pub async fn purge_sessions(&self, before: Timestamp) -> Result<usize, StoreError> {
        let expires = sessions::expires_at;
        self.write("DELETE", "sessions", async move |connection: &mut Connection| {
            let oldest = sessions::table.select(expires).order(expires).offset(PURGE_ROWS);
            let stop: Option<i64> = on_backend!(connection, |conn| oldest.first(conn).await.optional())?;
            let old = sessions::table.filter(expires.lt(micros(before))).filter(expires.le(stop.unwrap_or(i64::MAX)));
            let purge = diesel::delete(old);
            Ok(on_backend!(connection, |conn| purge.execute(conn).await)?)
        })
        .await
    }
}

/// Revokes the sessions that are neither revoked nor expired. A purge touches expired ones only, so the two never wait
/// for each other's rows.
pub(super) async fn revoke_live(
    connection: &mut Connection,
    user: UserId,
    now: Timestamp,
    revision: i64,
) -> Result<usize, StoreError> {
    let live = sessions::table
        .filter(sessions::user_id.eq(user.to_string()))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(micros(now)));
    let revoke = diesel::update(live).set((sessions::revoked_at.eq(micros(now)), sessions::revision.eq(revision)));
    Ok(on_backend!(connection, |conn| revoke.execute(conn).await)?)
}

/// Revokes the live sessions that an API key was exchanged for.
pub(super) async fn revoke_live_of_key(
    connection: &mut Connection,
    key: ApiKeyId,
    now: Timestamp,
    revision: i64,
) -> Result<(), StoreError> {
    let live = sessions::table
        .filter(sessions::api_key_id.eq(key.to_string()))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(micros(now)));
    let revoke = diesel::update(live).set((sessions::revoked_at.eq(micros(now)), sessions::revision.eq(revision)));
    on_backend!(connection, |conn| revoke.execute(conn).await)?;
    Ok(())
}

/// Locks the row of a user by writing what it holds already; false if the user is not as expected: active, and at this
/// revision where one is given.
async fn hold_user(connection: &mut Connection, id: UserId, revision: Option<i64>) -> Result<bool, StoreError> {
    let user = users::table
        .find(id.to_string())
        .filter(users::revision.between(revision.unwrap_or(0), revision.unwrap_or(i64::MAX)))
        .filter(users::status.eq(UserStatus::Active.as_str()))
        .filter(users::deleted_at.is_null());
    let hold = diesel::update(user).set(users::updated_at.eq(users::updated_at));
    Ok(on_backend!(connection, |conn| hold.execute(conn).await)? == 1)
}

/// Locks the row of a live key by writing what it holds already. Gives until when a session may last that is opened for the secret of this
/// hash, in microseconds; `None` if the key is not this user's or not live, or the secret not good any more.
async fn hold_key(
    connection: &mut Connection,
    (id, secret_hash): (ApiKeyId, &[u8; 32]),
    user: UserId,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    let now = micros(now);
    let key = api_keys::table
        .find(id.to_string())
        .filter(api_keys::user_id.eq(user.to_string()))
        .filter(api_keys::revoked_at.is_null())
        .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now)));
    let hold = diesel::update(key).set(api_keys::name.eq(api_keys::name));
    if on_backend!(connection, |conn| hold.execute(conn).await)? != 1 {
        return Ok(None);
    }
    let secrets = api_keys::table.find(id.to_string()).select((
        api_keys::secret_hash,
        api_keys::old_secret_hash,
        api_keys::old_until,
        api_keys::expires_at,
    ));
    let (present, old, old_until, expires_at): (Vec<u8>, Option<Vec<u8>>, Option<i64>, Option<i64>) =
        on_backend!(connection, |conn| secrets.first(conn).await)?;
    let is_it = |hash: &[u8]| hash == secret_hash.as_slice();
    let until = match old {
        _ if is_it(&present) => i64::MAX,
        Some(old) if is_it(&old) => old_until.unwrap_or(now),
        _ => return Ok(None),
    };
    Ok((until > now).then(|| expires_at.unwrap_or(i64::MAX).min(until)))
}

async fn insert(
    connection: &mut Connection,
    session: &NewSession,
    api_key: Option<ApiKeyId>,
) -> Result<(), StoreError> {
    let insert = diesel::insert_into(sessions::table).values((
        sessions::id.eq(session.id.to_string()),
        sessions::user_id.eq(session.user_id.to_string()),
        sessions::generation.eq(0),
        sessions::created_at.eq(micros(session.created_at)),
        sessions::rotated_at.eq(micros(session.created_at)),
        sessions::expires_at.eq(micros(session.expires_at)),
        sessions::revision.eq(0),
        sessions::api_key_id.eq(api_key.map(|id| id.to_string())),
    ));
    on_backend!(connection, |conn| insert.execute(conn).await)?;
    Ok(())
}

impl TryFrom<Record> for SessionRow {
    type Error = StoreError;

    fn try_from(record: Record) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_text("sessions.id", &record.id)?,
            user_id: read_text("sessions.user_id", &record.user_id)?,
            generation: record.generation,
            created_at: read_time("sessions.created_at", record.created_at)?,
            rotated_at: read_time("sessions.rotated_at", record.rotated_at)?,
            expires_at: read_time("sessions.expires_at", record.expires_at)?,
            revoked_at: record.revoked_at.map(|time| read_time("sessions.revoked_at", time)).transpose()?,
            revision: record.revision,
            api_key_id: record.api_key_id.map(|id| read_text("sessions.api_key_id", &id)).transpose()?,
        })
    }
}

fn revoked_session((id, at, revision): (String, i64, i64)) -> Result<(SessionId, Timestamp, i64), StoreError> {
    Ok((read_text("sessions.id", &id)?, read_time("sessions.revoked_at", at)?, revision))
}
