//! Users as they are stored, and how they are read.
//!
//! Handlers read through it; the directory follows changes with [`Store::users_changed_since`]. Deleted users stay as
//! rows, so that audit records keep their names; nothing but the follower sees them. Writes: by the flow of
//! [`administered`](super::administered), with the rules in `change`; and `create`, `outside` and `unshown`.

mod change;
mod create;
mod outside;
mod unshown;

use diesel::{
    BoolExpressionMethods, ExpressionMethods, IntoSql, OptionalExtension, QueryDsl, Queryable, Selectable,
    SelectableHelper, sql_types::Bool,
};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{
    Store, StoreError,
    administered::Administered,
    connection::{Connection, on_backend},
    filter::Filter,
    revisions,
    schema::users,
    teams::TeamRow,
    values::{read_list, read_text, read_time},
};
use crate::domain::{
    allowed::Allowed,
    ids::{TeamId, UserId},
    principal::{OutsideIdentity, Role, UserStatus, Username},
};

pub use change::{UserChange, UserRefused};
pub use create::NewUser;
pub use outside::OutsideUser;

/// A user, without the hash of the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    pub id: UserId,
    pub username: Username,
    pub role: Role,
    pub status: UserStatus,
    pub team_id: Option<TeamId>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
    /// The number of the last change of this user; it grows with each change of any user.
    pub revision: i64,
    /// Who the user is to an outside issuer, if one vouched for them.
    pub outside: Option<OutsideIdentity>,
    /// Tokens of outside issuers that were made before this time are dead.
    pub tokens_not_before: Timestamp,
    /// The models that the user may call.
    pub models: Allowed,
}

impl UserRow {
    /// True while the user of an outside issuer is as they were made: every change of an administrator has its time.
    pub fn follows_issuer(&self) -> bool {
        self.outside.is_some() && self.updated_at == self.created_at
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = users)]
struct Record {
    id: String,
    username: String,
    role: String,
    status: String,
    team_id: Option<String>,
    created_at: i64,
    updated_at: i64,
    deleted_at: Option<i64>,
    revision: i64,
    external_issuer: Option<String>,
    external_subject: Option<String>,
    tokens_not_before: i64,
    models: Option<String>,
}

impl Store {
    /// The user, unless deleted.
    pub async fn user(&self, id: UserId) -> Result<Option<UserRow>, StoreError> {
        self.read("users", async move |connection: &mut Connection| UserRow::living(connection, id).await).await
    }

    /// The user of this name, unless deleted.
    pub async fn user_by_username(&self, username: &Username) -> Result<Option<UserRow>, StoreError> {
        Ok(self.password_of(username).await?.map(|(user, _)| user))
    }

    /// The user of this name, unless deleted, and the hash of the password if there is one.
    pub async fn password_of(&self, username: &Username) -> Result<Option<(UserRow, Option<String>)>, StoreError> {
        let username = username.clone();
        self.read("users", async move |connection: &mut Connection| {
            let named = users::table.filter(users::username.eq(username.as_str())).filter(users::deleted_at.is_null());
            let found: Option<(Record, Option<String>)> = on_backend!(connection, |conn| {
                named.select((Record::as_select(), users::password_hash)).first(conn).await.optional()
            })?;
            found.map(|(record, hash)| Ok((UserRow::try_from(record)?, hash))).transpose()
        })
        .await
    }

    /// At most `limit` users in the order of their ids, from the one after `after` on; deleted ones are left out.
    pub async fn users_page(
        &self,
        filter: Filter,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<UserRow>, StoreError> {
        let ((name, any_name), (team, any_team)) = filter.parts();
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.read("users", async move |connection: &mut Connection| {
            let page = users::table.filter(users::deleted_at.is_null()).filter(users::id.gt(after));
            let page = page.filter(users::username.eq(name).or(any_name.into_sql::<Bool>()));
            let page = page.filter(users::team_id.eq(team).or(any_team.into_sql::<Bool>()));
            let page = page.order(users::id).limit(limit.into());
            rows(on_backend!(connection, |conn| page.select(Record::as_select()).load(conn).await)?)
        })
        .await
    }

    /// Every user that was created, changed or deleted after this revision, in the order of the revisions.
    pub async fn users_changed_since(&self, revision: i64) -> Result<Vec<UserRow>, StoreError> {
        self.poll("users", async move |connection: &mut Connection| {
            let changed = users::table.filter(users::revision.gt(revision)).order((users::revision, users::id));
            rows(on_backend!(connection, |conn| changed.select(Record::as_select()).load(conn).await)?)
        })
        .await
    }

    /// The revision of the last change of a user, a team or an API key, or of the last revocation of a session.
    pub async fn identity_revision(&self) -> Result<i64, StoreError> {
        self.poll("revisions", async move |connection: &mut Connection| {
            revisions::last(connection, revisions::IDENTITY).await
        })
        .await
    }
}

diesel::define_sql_function! {
    /// Of ASCII letters, on both databases.
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

/// Whether another user has this name, whatever the case. Reliable within a transaction that took a revision: names
/// change in those only.
async fn is_taken(connection: &mut Connection, username: &Username, except: UserId) -> Result<bool, StoreError> {
    let others = users::table
        .filter(lower(users::username).eq(username.as_str().to_ascii_lowercase()))
        .filter(users::deleted_at.is_null())
        .filter(users::id.ne(except.to_string()));
    Ok(on_backend!(connection, |conn| diesel::select(diesel::dsl::exists(others)).get_result(conn).await)?)
}

/// Whether this team exists; true for none. Reliable within a transaction that took a revision: teams change in those only.
async fn is_team(connection: &mut Connection, id: Option<TeamId>) -> Result<bool, StoreError> {
    match id {
        None => Ok(true),
        Some(id) => Ok(TeamRow::living(connection, id).await?.is_some()),
    }
}

fn rows(records: Vec<Record>) -> Result<Vec<UserRow>, StoreError> {
    records.into_iter().map(UserRow::try_from).collect()
}

impl TryFrom<Record> for UserRow {
    type Error = StoreError;

    fn try_from(record: Record) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_text("users.id", &record.id)?,
            username: read_text("users.username", &record.username)?,
            role: read_text("users.role", &record.role)?,
            status: read_text("users.status", &record.status)?,
            team_id: record.team_id.map(|id| read_text("users.team_id", &id)).transpose()?,
            created_at: read_time("users.created_at", record.created_at)?,
            updated_at: read_time("users.updated_at", record.updated_at)?,
            deleted_at: record.deleted_at.map(|time| read_time("users.deleted_at", time)).transpose()?,
            revision: record.revision,
            outside: record.external_issuer.zip(record.external_subject).map(outside_identity),
            tokens_not_before: read_time("users.tokens_not_before", record.tokens_not_before)?,
            models: read_list("users.models", record.models.as_deref())?,
        })
    }
}

fn outside_identity((issuer, subject): (String, String)) -> OutsideIdentity {
    OutsideIdentity { issuer: issuer.into(), subject: subject.into() }
}
