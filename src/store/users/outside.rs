//! Users of trusted outside issuers: made once for each subject.

use std::sync::Arc;

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, SelectableHelper};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{Record, UserRow, create, is_taken};
use crate::{
    domain::{
        allowed::Allowed,
        ids::{TeamId, UserId},
        principal::{OutsideIdentity, Role, UserStatus, Username},
    },
    store::{
        Store, StoreError,
        administered::Administered,
        connection::{Connection, on_backend},
        revisions,
        schema::{teams, users},
        users::NewUser,
        values::read_text,
    },
};

/// A user to be, if there is none for this identity yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsideUser {
    pub id: UserId,
    pub identity: OutsideIdentity,
    /// The user gets the first of them that is free.
    pub usernames: Vec<Username>,
    pub role: Role,
    /// The name of the team, if there is one of this name.
    pub team: Option<Arc<str>>,
    pub created_at: Timestamp,
}

impl Store {
    /// The user of this identity, deleted or not, if there has ever been one.
    pub async fn user_of(&self, identity: &OutsideIdentity) -> Result<Option<UserRow>, StoreError> {
        let identity = identity.clone();
        self.read("users", async move |connection: &mut Connection| of_identity(connection, &identity).await).await
    }

    /// The user of this identity, deleted or not; made now, without a password, if there has never been one. Of several
    /// replicas that do so at once only one makes it.
    ///
    /// # Errors
    /// `Conflict` if every one of the names is taken.
    pub async fn provision_user(&self, user: OutsideUser) -> Result<UserRow, StoreError> {
        match self.user_of(&user.identity).await? {
            Some(known) => Ok(known),
            None => {
                self.transaction("users", async move |connection: &mut Connection| provision(connection, user).await)
                    .await
            }
        }
    }
}

async fn provision(connection: &mut Connection, user: OutsideUser) -> Result<UserRow, StoreError> {
    let revision = revisions::next(connection, revisions::IDENTITY).await?;
    if let Some(known) = of_identity(connection, &user.identity).await? {
        return Ok(known);
    }
    let username = free_name(connection, &user).await?.ok_or(StoreError::Conflict("users"))?;
    let new = NewUser {
        id: user.id,
        username,
        password_hash: None,
        role: user.role,
        status: UserStatus::Active,
        team_id: team_of(connection, user.team.as_deref()).await?,
        models: Allowed::default(),
        created_at: user.created_at,
    };
    create::insert(connection, &new, Some(&user.identity), revision).await?;
    UserRow::living(connection, user.id).await?.ok_or_else(|| StoreError::Other("a new user is not there".into()))
}

async fn team_of(connection: &mut Connection, name: Option<&str>) -> Result<Option<TeamId>, StoreError> {
    let Some(name) = name else { return Ok(None) };
    let team = teams::table.filter(teams::name.eq(name)).filter(teams::deleted_at.is_null()).select(teams::id);
    let id: Option<String> = on_backend!(connection, |conn| team.first(conn).await.optional())?;
    id.map(|id| read_text("teams.id", &id)).transpose()
}

async fn of_identity(connection: &mut Connection, identity: &OutsideIdentity) -> Result<Option<UserRow>, StoreError> {
    let user = users::table
        .filter(users::external_issuer.eq(identity.issuer.to_string()))
        .filter(users::external_subject.eq(identity.subject.to_string()));
    let record: Option<Record> =
        on_backend!(connection, |conn| user.select(Record::as_select()).first(conn).await.optional())?;
    record.map(UserRow::try_from).transpose()
}

async fn free_name(connection: &mut Connection, user: &OutsideUser) -> Result<Option<Username>, StoreError> {
    for username in &user.usernames {
        if !is_taken(connection, username, user.id).await? {
            return Ok(Some(username.clone()));
        }
    }
    Ok(None)
}
