//! Teams: groups of users. A change of one is a change of identity, and stamped as such.
//!
//! The `Registrar` writes them; handlers read. A team that somebody is in is not deleted; a deleted one stays as a row.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, Queryable, Selectable, SelectableHelper};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{
    Store, StoreError,
    connection::{Connection, on_backend},
    idempotency::{self, Idempotency, Known},
    revisions,
    schema::{teams, users},
    values::{micros, read_text, read_time},
};
use crate::domain::{ids::TeamId, team::TeamName};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamRow {
    pub id: TeamId,
    pub name: TeamName,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
    /// The stamp of the last change.
    pub revision: i64,
}

/// A team to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTeam {
    pub id: TeamId,
    pub name: TeamName,
    pub created_at: Timestamp,
}

/// What came of creating a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TeamCreated {
    New(TeamRow),
    /// The same request came before. This is its answer, and nothing was changed.
    Replayed {
        location: Option<String>,
        body: String,
    },
    /// The `Idempotency-Key` came before with another request.
    RequestReused,
    NameTaken,
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one a change, and it is taken apart at once")]
pub enum TeamChanged {
    /// They are equal, and nothing was written, if the change asked for what is so already.
    Done {
        before: TeamRow,
        after: TeamRow,
    },
    NotFound,
    NameTaken,
    /// There are users in it.
    InUse,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = teams)]
struct Record {
    id: String,
    name: String,
    created_at: i64,
    updated_at: i64,
    deleted_at: Option<i64>,
    revision: i64,
}

impl Store {
    /// Creates a team and, with it, keeps the answer under the key of the request.
    ///
    /// # Errors
    /// `Conflict` if the id is taken.
    pub async fn create_team(&self, team: NewTeam, request: Option<Idempotency>) -> Result<TeamCreated, StoreError> {
        self.transaction(async move |connection: &mut Connection| {
            let revision = revisions::next(connection, revisions::IDENTITY).await?;
            if let Some(request) = &request {
                match idempotency::look_up(connection, request).await? {
                    Known::Fresh => {}
                    Known::Answered { location, body, .. } => return Ok(TeamCreated::Replayed { location, body }),
                    Known::Reused => return Ok(TeamCreated::RequestReused),
                }
            }
            if is_taken(connection, &team.name, team.id).await? {
                return Ok(TeamCreated::NameTaken);
            }
            if let Some(request) = &request {
                idempotency::keep(connection, request).await?;
            }
            insert(connection, team, revision).await.map(TeamCreated::New)
        })
        .await
    }

    /// Gives a team another name.
    pub async fn rename_team(&self, id: TeamId, name: TeamName, now: Timestamp) -> Result<TeamChanged, StoreError> {
        self.transaction(async move |connection: &mut Connection| {
            let revision = revisions::next(connection, revisions::IDENTITY).await?;
            let Some(before) = living(connection, id).await? else { return Ok(TeamChanged::NotFound) };
            if before.name == name {
                return Ok(TeamChanged::Done { after: before.clone(), before });
            }
            if is_taken(connection, &name, id).await? {
                return Ok(TeamChanged::NameTaken);
            }
            let after = TeamRow { name, updated_at: now, revision, ..before.clone() };
            update(connection, &after).await?;
            Ok(TeamChanged::Done { before, after })
        })
        .await
    }

    /// Deletes a team that nobody is in. The row stays; the name becomes free.
    pub async fn delete_team(&self, id: TeamId, now: Timestamp) -> Result<TeamChanged, StoreError> {
        self.transaction(async move |connection: &mut Connection| {
            let revision = revisions::next(connection, revisions::IDENTITY).await?;
            let Some(before) = living(connection, id).await? else { return Ok(TeamChanged::NotFound) };
            if has_members(connection, id).await? {
                return Ok(TeamChanged::InUse);
            }
            let after = TeamRow { updated_at: now, deleted_at: Some(now), revision, ..before.clone() };
            update(connection, &after).await?;
            Ok(TeamChanged::Done { before, after })
        })
        .await
    }

    /// The team, unless deleted.
    pub async fn team(&self, id: TeamId) -> Result<Option<TeamRow>, StoreError> {
        self.read(async move |connection: &mut Connection| living(connection, id).await).await
    }

    /// At most `limit` teams in the order of their ids, from the one after `after` on; deleted ones are left out.
    pub async fn teams_page(&self, after: Option<TeamId>, limit: u32) -> Result<Vec<TeamRow>, StoreError> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.read(async move |connection: &mut Connection| {
            let page = teams::table.filter(teams::deleted_at.is_null()).filter(teams::id.gt(after));
            let page = page.order(teams::id).limit(limit.into());
            let records: Vec<Record> =
                on_backend!(connection, |conn| page.select(Record::as_select()).load(conn).await)?;
            records.into_iter().map(TeamRow::try_from).collect()
        })
        .await
    }
}

/// The team, unless deleted.
pub(super) async fn living(connection: &mut Connection, id: TeamId) -> Result<Option<TeamRow>, StoreError> {
    let team = teams::table.find(id.to_string()).filter(teams::deleted_at.is_null());
    let record: Option<Record> =
        on_backend!(connection, |conn| team.select(Record::as_select()).first(conn).await.optional())?;
    record.map(TeamRow::try_from).transpose()
}

/// Whether another team goes by this name. Reliable within a transaction that took a stamp: names change in those only.
async fn is_taken(connection: &mut Connection, name: &TeamName, except: TeamId) -> Result<bool, StoreError> {
    let others = teams::table
        .filter(teams::name.eq(name.as_str()))
        .filter(teams::deleted_at.is_null())
        .filter(teams::id.ne(except.to_string()));
    Ok(on_backend!(connection, |conn| diesel::select(diesel::dsl::exists(others)).get_result(conn).await)?)
}

async fn has_members(connection: &mut Connection, id: TeamId) -> Result<bool, StoreError> {
    let members = users::table.filter(users::team_id.eq(id.to_string())).filter(users::deleted_at.is_null());
    Ok(on_backend!(connection, |conn| diesel::select(diesel::dsl::exists(members)).get_result(conn).await)?)
}

async fn insert(connection: &mut Connection, team: NewTeam, revision: i64) -> Result<TeamRow, StoreError> {
    let insert = diesel::insert_into(teams::table).values((
        teams::id.eq(team.id.to_string()),
        teams::name.eq(team.name.as_str()),
        teams::created_at.eq(micros(team.created_at)),
        teams::updated_at.eq(micros(team.created_at)),
        teams::revision.eq(revision),
    ));
    on_backend!(connection, |conn| insert.execute(conn).await)?;
    living(connection, team.id).await?.ok_or_else(|| StoreError::Other("a new team is not there".into()))
}

async fn update(connection: &mut Connection, team: &TeamRow) -> Result<(), StoreError> {
    let update = diesel::update(teams::table.find(team.id.to_string())).set((
        teams::name.eq(team.name.as_str()),
        teams::updated_at.eq(micros(team.updated_at)),
        teams::deleted_at.eq(team.deleted_at.map(micros)),
        teams::revision.eq(team.revision),
    ));
    on_backend!(connection, |conn| update.execute(conn).await)?;
    Ok(())
}

impl TryFrom<Record> for TeamRow {
    type Error = StoreError;

    fn try_from(record: Record) -> Result<Self, StoreError> {
        Ok(Self {
            id: read_text("teams.id", &record.id)?,
            name: read_text("teams.name", &record.name)?,
            created_at: read_time("teams.created_at", record.created_at)?,
            updated_at: read_time("teams.updated_at", record.updated_at)?,
            deleted_at: record.deleted_at.map(|time| read_time("teams.deleted_at", time)).transpose()?,
            revision: record.revision,
        })
    }
}
