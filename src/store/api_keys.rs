//! API keys: whose they are, what their secrets hash to, and until when they may be used.
//!
//! The `Registrar` writes them; its snapshot follows with [`Store::api_keys_changed_since`]. A secret is never stored.
//! Revoked and expired keys stay as rows for a while, so that a call with one is refused with the reason.

mod change;
mod upkeep;

use diesel::{
    BoolExpressionMethods, ExpressionMethods, IntoSql, OptionalExtension, QueryDsl, Queryable, Selectable,
    SelectableHelper, sql_types::Bool,
};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{
    Store, StoreError,
    administered::{Administered, Stamp},
    connection::{Connection, on_backend},
    filter::Filter,
    idempotency::Idempotency,
    revisions,
    schema::{api_keys, users},
    sessions,
    users::UserRow,
    values::{micros, read_digest, read_list, read_text, read_time},
};
use crate::domain::{
    allowed::Allowed,
    api_key::{MAX_KEPT_KEYS, MAX_LIVE_KEYS, OldSecret},
    display_name::DisplayName,
    ids::{ApiKeyId, UserId},
    principal::Role,
};

pub use change::{KeyChange, KeyRotation, KeyTerms};

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRow {
    pub id: ApiKeyId,
    pub user_id: UserId,
    pub name: DisplayName,
    /// SHA-256.
    pub secret_hash: [u8; 32],
    pub created_at: Timestamp,
    /// `None`: it does not expire.
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// The revision of its creation or, later, of its last change or its revocation.
    pub revision: i64,
    /// `None`: that of the user.
    pub role: Option<Role>,
    pub routes: Allowed,
    pub models: Allowed,
    /// To the minute; `None`: not yet.
    pub last_used_at: Option<Timestamp>,
    /// How often the secret was replaced.
    pub generation: i64,
    /// The secret before, while it is good.
    pub old: Option<OldSecret>,
}

/// An API key to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    pub id: ApiKeyId,
    pub user_id: UserId,
    pub name: DisplayName,
    /// SHA-256.
    pub secret_hash: [u8; 32],
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// `None`: that of the user.
    pub role: Option<Role>,
    pub routes: Allowed,
    pub models: Allowed,
    /// Refuses the key where the user has a live one of this name.
    pub only_of_name: bool,
}

/// An API key, and whose it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyOf {
    pub id: ApiKeyId,
    /// Where one is given, a key of another user is not found.
    pub owner: Option<UserId>,
}

/// Why the store refuses an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRefused {
    NoSuchUser,
    /// The role of the key may do what that of the user may not.
    RoleBeyond,
    /// The user has [`MAX_LIVE_KEYS`] keys that are neither revoked nor expired, or [`MAX_KEPT_KEYS`] in all.
    TooMany,
    /// It was revoked.
    Revoked,
    /// The user has a live key of this name.
    NameTaken,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys)]
struct Record {
    id: String,
    user_id: String,
    name: String,
    secret_hash: Vec<u8>,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    revision: i64,
    role: Option<String>,
    routes: Option<String>,
    models: Option<String>,
    last_used_at: Option<i64>,
    generation: i64,
    old_secret_hash: Option<Vec<u8>>,
    old_until: Option<i64>,
}

impl Store {
    /// The key, also a revoked one.
    pub async fn api_key(&self, key: KeyOf) -> Result<Option<ApiKeyRow>, StoreError> {
        self.read("api_keys", async move |connection: &mut Connection| ApiKeyRow::living(connection, key).await).await
    }

    /// The keys of a user with exactly this name that are neither revoked nor expired, two at most.
    pub async fn api_keys_by_name(
        &self,
        user: UserId,
        name: &DisplayName,
        now: Timestamp,
    ) -> Result<Vec<ApiKeyRow>, StoreError> {
        let name = name.clone();
        self.read("api_keys", async move |connection: &mut Connection| live_of_name(connection, user, &name, now).await)
            .await
    }

    /// At most `limit` API keys of a user in the order of their ids, from the one after `after` on; revoked and expired
    /// ones are among them.
    pub async fn api_keys_page(
        &self,
        user: UserId,
        filter: Filter,
        after: Option<ApiKeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKeyRow>, StoreError> {
        let ((name, any_name), (team, any_team)) = filter.parts();
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.read("api_keys", async move |connection: &mut Connection| {
            let page = api_keys::table.filter(api_keys::user_id.eq(user.to_string())).filter(api_keys::id.gt(after));
            let page = page.filter(api_keys::name.eq(name).or(any_name.into_sql::<Bool>()));
            let members = users::table.filter(users::team_id.eq(team)).select(users::id);
            let page = page.filter(api_keys::user_id.eq_any(members).or(any_team.into_sql::<Bool>()));
            let page = page.order(api_keys::id).limit(limit.into());
            rows(on_backend!(connection, |conn| page.select(Record::as_select()).load(conn).await)?)
        })
        .await
    }

    /// Every API key that was created or revoked after this revision, in the order of the revisions.
    pub async fn api_keys_changed_since(&self, revision: i64) -> Result<Vec<ApiKeyRow>, StoreError> {
        self.poll("api_keys", async move |connection: &mut Connection| {
            let changed = api_keys::table.filter(api_keys::revision.gt(revision));
            let changed = changed.order((api_keys::revision, api_keys::id));
            rows(on_backend!(connection, |conn| changed.select(Record::as_select()).load(conn).await)?)
        })
        .await
    }
}

/// To delete a key is to revoke it.
impl Administered for ApiKeyRow {
    type Id = KeyOf;
    type New = NewApiKey;
    type Change = KeyChange;
    type Refused = KeyRefused;

    const TABLE: &'static str = "api_keys";
    const REVISION: &'static str = revisions::IDENTITY;

    fn id_of(new: &NewApiKey) -> KeyOf {
        KeyOf { id: new.id, owner: None }
    }

    fn revision(&self) -> i64 {
        self.revision
    }

    /// The key, also a revoked one.
    async fn living(connection: &mut Connection, KeyOf { id, owner }: KeyOf) -> Result<Option<Self>, StoreError> {
        Ok(find(connection, id).await?.filter(|key| owner.is_none_or(|owner| owner == key.user_id)))
    }

    async fn refuse_new(connection: &mut Connection, new: &NewApiKey) -> Result<Option<KeyRefused>, StoreError> {
        let Some(user) = UserRow::living(connection, new.user_id).await? else {
            return Ok(Some(KeyRefused::NoSuchUser));
        };
        if is_beyond(new.role, user.role) {
            return Ok(Some(KeyRefused::RoleBeyond));
        }
        if new.only_of_name && !live_of_name(connection, new.user_id, &new.name, new.created_at).await?.is_empty() {
            return Ok(Some(KeyRefused::NameTaken));
        }
        let live = count_live(connection, new.user_id, new.created_at).await?;
        let kept = count_kept(connection, new.user_id).await?;
        let too_many = live >= i64::from(MAX_LIVE_KEYS) || kept >= i64::from(MAX_KEPT_KEYS);
        Ok(too_many.then_some(KeyRefused::TooMany))
    }

    async fn insert(connection: &mut Connection, new: &NewApiKey, revision: i64) -> Result<(), StoreError> {
        let insert = diesel::insert_into(api_keys::table).values((
            api_keys::id.eq(new.id.to_string()),
            api_keys::user_id.eq(new.user_id.to_string()),
            api_keys::name.eq(new.name.as_str()),
            api_keys::secret_hash.eq(new.secret_hash.as_slice()),
            api_keys::created_at.eq(micros(new.created_at)),
            api_keys::expires_at.eq(new.expires_at.map(micros)),
            api_keys::revision.eq(revision),
            api_keys::role.eq(new.role.map(Role::as_str)),
            api_keys::routes.eq(new.routes.to_stored()),
            api_keys::models.eq(new.models.to_stored()),
        ));
        on_backend!(connection, |conn| insert.execute(conn).await)?;
        Ok(())
    }

    fn only_at(change: &KeyChange) -> Option<i64> {
        Some(change.only_at())
    }

    fn once(change: &KeyChange) -> Option<&Idempotency> {
        change.once()
    }

    fn changed(&self, change: &KeyChange) -> Option<Self> {
        change.applied_to(self)
    }

    async fn refuse_change(
        connection: &mut Connection,
        before: &Self,
        after: &Self,
    ) -> Result<Option<KeyRefused>, StoreError> {
        if before.revoked_at.is_some() {
            return Ok(Some(KeyRefused::Revoked));
        }
        let Some(user) = UserRow::living(connection, before.user_id).await? else {
            return Ok(Some(KeyRefused::NoSuchUser));
        };
        Ok((before.role != after.role && is_beyond(after.role, user.role)).then_some(KeyRefused::RoleBeyond))
    }

    async fn update(
        connection: &mut Connection,
        before: &Self,
        after: Self,
        _: KeyChange,
        stamp: Stamp,
    ) -> Result<Self, StoreError> {
        change::update(connection, before, after, stamp).await
    }

    /// Revokes the key, and with it the live sessions it was exchanged for.
    async fn delete(connection: &mut Connection, row: &Self, stamp: Stamp) -> Result<Self, StoreError> {
        if row.revoked_at.is_some() {
            return Ok(row.clone());
        }
        let after = Self { revoked_at: Some(stamp.now), revision: stamp.revision, ..row.clone() };
        let revoke = diesel::update(api_keys::table.find(row.id.to_string()))
            .set((api_keys::revoked_at.eq(micros(stamp.now)), api_keys::revision.eq(stamp.revision)));
        // The key's row comes before the sessions: an exchange that is about to open one holds that row.
        on_backend!(connection, |conn| revoke.execute(conn).await)?;
        sessions::revoke_live_of_key(connection, row.id, stamp.now, stamp.revision).await?;
        Ok(after)
    }
}

/// Whether the role of a key may do what that of its user may not.
pub(super) fn is_beyond(role: Option<Role>, of_user: Role) -> bool {
    role.is_some_and(|role| role.is_beyond(of_user))
}

/// The keys of a user with exactly this name that are neither revoked nor expired, two at most.
async fn live_of_name(
    connection: &mut Connection,
    user: UserId,
    name: &DisplayName,
    now: Timestamp,
) -> Result<Vec<ApiKeyRow>, StoreError> {
    let live = api_keys::table
        .filter(api_keys::user_id.eq(user.to_string()))
        .filter(api_keys::name.eq(name.to_string()))
        .filter(api_keys::revoked_at.is_null())
        .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(micros(now))))
        .order(api_keys::id)
        .limit(2);
    rows(on_backend!(connection, |conn| live.select(Record::as_select()).load(conn).await)?)
}

async fn find(connection: &mut Connection, id: ApiKeyId) -> Result<Option<ApiKeyRow>, StoreError> {
    let key = api_keys::table.find(id.to_string());
    let record: Option<Record> =
        on_backend!(connection, |conn| key.select(Record::as_select()).first(conn).await.optional())?;
    record.map(ApiKeyRow::try_from).transpose()
}

/// Reliable within a transaction that took a revision: keys are created in those only.
async fn count_live(connection: &mut Connection, user: UserId, now: Timestamp) -> Result<i64, StoreError> {
    let live = api_keys::table
        .filter(api_keys::user_id.eq(user.to_string()))
        .filter(api_keys::revoked_at.is_null())
        .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(micros(now))))
        .count();
    Ok(on_backend!(connection, |conn| live.get_result(conn).await)?)
}

async fn count_kept(connection: &mut Connection, user: UserId) -> Result<i64, StoreError> {
    let kept = api_keys::table.filter(api_keys::user_id.eq(user.to_string())).count();
    Ok(on_backend!(connection, |conn| kept.get_result(conn).await)?)
}

fn rows(records: Vec<Record>) -> Result<Vec<ApiKeyRow>, StoreError> {
    records.into_iter().map(ApiKeyRow::try_from).collect()
}

fn old_secret((hash, until): (Vec<u8>, i64)) -> Result<OldSecret, StoreError> {
    let secret_hash = read_digest("api_keys.old_secret_hash", hash)?;
    Ok(OldSecret { secret_hash, until: read_time("api_keys.old_until", until)? })
}

impl TryFrom<Record> for ApiKeyRow {
    type Error = StoreError;

    fn try_from(record: Record) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_text("api_keys.id", &record.id)?,
            user_id: read_text("api_keys.user_id", &record.user_id)?,
            name: read_text("api_keys.name", &record.name)?,
            secret_hash: read_digest("api_keys.secret_hash", record.secret_hash)?,
            created_at: read_time("api_keys.created_at", record.created_at)?,
            expires_at: record.expires_at.map(|time| read_time("api_keys.expires_at", time)).transpose()?,
            revoked_at: record.revoked_at.map(|time| read_time("api_keys.revoked_at", time)).transpose()?,
            revision: record.revision,
            role: record.role.map(|role| read_text("api_keys.role", &role)).transpose()?,
            routes: read_list("api_keys.routes", record.routes.as_deref())?,
            models: read_list("api_keys.models", record.models.as_deref())?,
            last_used_at: record.last_used_at.map(|time| read_time("api_keys.last_used_at", time)).transpose()?,
            generation: record.generation,
            old: record.old_secret_hash.zip(record.old_until).map(old_secret).transpose()?,
        })
    }
}
