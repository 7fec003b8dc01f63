//! New users, and the first administrator of an empty store.

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::unshown;
use crate::{
    domain::{
        allowed::Allowed,
        ids::{TeamId, UserId},
        principal::{OutsideIdentity, Role, UserStatus, Username},
    },
    store::{
        Store, StoreError,
        connection::{Connection, on_backend},
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
    pub models: Allowed,
    pub created_at: Timestamp,
}

impl Store {
    /// Creates a user if there has never been one; true if it did. Of several replicas that do so at once only
    /// one does. A password that a replica has made up is noted as unshown.
    pub async fn create_first_admin(&self, user: NewUser, made_up_by: Option<&str>) -> Result<bool, StoreError> {
        let made_up_by = made_up_by.map(str::to_owned);
        if self.read("users", any_user).await? {
            return Ok(false);
        }
        self.transaction("users", async move |connection: &mut Connection| {
            let revision = revisions::next(connection, revisions::IDENTITY).await?;
            let is_first = !any_user(connection).await?;
            if is_first {
                insert(connection, &user, None, revision).await?;
                if let (Some(hash), Some(replica)) = (&user.password_hash, &made_up_by) {
                    unshown::note(connection, user.id, hash, replica).await?;
                }
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
) -> Result<(), StoreError> {
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
        users::models.eq(user.models.to_stored()),
        users::external_issuer.eq(outside.map(|identity| identity.issuer.to_string())),
        users::external_subject.eq(outside.map(|identity| identity.subject.to_string())),
    ));
    on_backend!(connection, |conn| insert.execute(conn).await)?;
    Ok(())
}
