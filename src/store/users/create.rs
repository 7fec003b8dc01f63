//! New users: by an administrator, and the first administrator of an empty store.

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{UserRow, is_taken, is_team, living};
use crate::{
    domain::{
        ids::{TeamId, UserId},
        principal::{OutsideIdentity, Role, UserStatus, Username},
    },
    store::{
        Store, StoreError,
        connection::{Connection, on_backend},
        idempotency::{self, Idempotency, Known},
        revisions,
        schema::users,
        values::micros,
    },
};

/// A user to be. It has no `Debug`: it holds the hash of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct NewUser {
    pub id: UserId,
    pub username: Username,
    /// In PHC string form; without one the user cannot log in.
    pub password_hash: Option<String>,
    pub role: Role,
    pub status: UserStatus,
    pub team_id: Option<TeamId>,
    pub created_at: Timestamp,
}

/// What came of creating a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    New(UserRow),
    /// The same request came before. This is its answer, and nothing was changed.
    Replayed {
        status: u16,
        location: Option<String>,
        body: String,
    },
    /// The key came before with another request.
    KeyReused,
    UsernameTaken,
    NoSuchTeam,
}

impl Store {
    /// Creates a user and, with it, keeps the answer under the key of the request.
    ///
    /// # Errors
    /// `Conflict` if the id is taken.
    pub async fn create_user(&self, user: NewUser, request: Option<Idempotency>) -> Result<Created, StoreError> {
        self.transaction(async move |connection: &mut Connection| {
            let revision = revisions::next(connection, revisions::IDENTITY).await?;
            if let Some(request) = &request {
                match idempotency::look_up(connection, request).await? {
                    Known::Fresh => {}
                    Known::Answered { status, location, body } => {
                        return Ok(Created::Replayed { status, location, body });
                    }
                    Known::Reused => return Ok(Created::KeyReused),
                }
            }
            if is_taken(connection, &user.username, user.id).await? {
                return Ok(Created::UsernameTaken);
            }
            if !is_team(connection, user.team_id).await? {
                return Ok(Created::NoSuchTeam);
            }
            if let Some(request) = &request {
                idempotency::keep(connection, request).await?;
            }
            insert(connection, &user, None, revision).await.map(Created::New)
        })
        .await
    }

    /// Creates a user if there has never been one, and tells whether it did. Of several replicas that do so at once only
    /// one does.
    pub async fn create_first_admin(&self, user: NewUser) -> Result<bool, StoreError> {
        if self.read(any_user).await? {
            return Ok(false);
        }
        self.transaction(async move |connection: &mut Connection| {
            let revision = revisions::next(connection, revisions::IDENTITY).await?;
            let is_first = !any_user(connection).await?;
            if is_first {
                insert(connection, &user, None, revision).await?;
            }
            Ok(is_first)
        })
        .await
    }
}

async fn any_user(connection: &mut Connection) -> Result<bool, StoreError> {
    let any = diesel::select(diesel::dsl::exists(users::table.select(users::id)));
    Ok(on_backend!(connection, |conn| any.get_result(conn).await)?)
}

pub(super) async fn insert(
    connection: &mut Connection,
    user: &NewUser,
    outside: Option<&OutsideIdentity>,
    revision: i64,
) -> Result<UserRow, StoreError> {
    let insert = diesel::insert_into(users::table).values((
        users::id.eq(user.id.to_string()),
        users::username.eq(user.username.as_str()),
        users::password_hash.eq(&user.password_hash),
        users::role.eq(user.role.as_str()),
        users::status.eq(user.status.as_str()),
        users::team_id.eq(user.team_id.map(|id| id.to_string())),
        users::created_at.eq(micros(user.created_at)),
        users::updated_at.eq(micros(user.created_at)),
        users::revision.eq(revision),
        users::external_issuer.eq(outside.map(|identity| identity.issuer.to_string())),
        users::external_subject.eq(outside.map(|identity| identity.subject.to_string())),
    ));
    on_backend!(connection, |conn| insert.execute(conn).await)?;
    living(connection, user.id).await?.ok_or_else(|| StoreError::Other("a new user is not there".into()))
}
