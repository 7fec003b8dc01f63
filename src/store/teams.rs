//! Teams: groups of users. A change of one takes a revision of identity.
//!
//! The `Registrar` writes them; handlers read. A team that has users is not deleted; a deleted one stays as a row.

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
    revisions,
    schema::{teams, users},
    values::{micros, read_list, read_text, read_time},
};
use crate::domain::{allowed::Allowed, display_name::DisplayName, ids::TeamId};

/// A team as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamRow {
    pub id: TeamId,
    pub name: DisplayName,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
    /// The number of the last change.
    pub revision: i64,
    /// The models that its users may call.
    pub models: Allowed,
}

/// A team to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTeam {
    pub id: TeamId,
    pub name: DisplayName,
    pub models: Allowed,
    pub created_at: Timestamp,
}

/// What is to be changed; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TeamChange {
    pub name: Option<DisplayName>,
    pub models: Option<Allowed>,
    /// Makes the change only if the team still is as it was at this revision.
    pub only_at: Option<i64>,
}

/// Why the store refuses a team, a change of one or its deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TeamRefused {
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
    models: Option<String>,
}

impl Store {
    /// The team, unless deleted.
    pub async fn team(&self, id: TeamId) -> Result<Option<TeamRow>, StoreError> {
        self.read("teams", async move |connection: &mut Connection| TeamRow::living(connection, id).await).await
    }

    /// The team of exactly this name, unless deleted.
    pub async fn team_by_name(&self, name: &DisplayName) -> Result<Option<TeamRow>, StoreError> {
        let name = name.to_string();
        self.read("teams", async move |connection: &mut Connection| {
            let named = teams::table.filter(teams::name.eq(name)).filter(teams::deleted_at.is_null());
            let record: Option<Record> =
                on_backend!(connection, |conn| named.select(Record::as_select()).first(conn).await.optional())?;
            record.map(TeamRow::try_from).transpose()
        })
        .await
    }

    /// At most `limit` teams in the order of their ids, from the one after `after` on; deleted ones are left out.
    pub async fn teams_page(
        &self,
        filter: Filter,
        after: Option<TeamId>,
        limit: u32,
    ) -> Result<Vec<TeamRow>, StoreError> {
        let ((name, any_name), (team, any_team)) = filter.parts();
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.read("teams", async move |connection: &mut Connection| {
            let page = teams::table.filter(teams::deleted_at.is_null()).filter(teams::id.gt(after));
            let page = page.filter(teams::name.eq(name).or(any_name.into_sql::<Bool>()));
            let page = page.filter(teams::id.eq(team).or(any_team.into_sql::<Bool>()));
            let page = page.order(teams::id).limit(limit.into());
            let records: Vec<Record> =
                on_backend!(connection, |conn| page.select(Record::as_select()).load(conn).await)?;
            records.into_iter().map(TeamRow::try_from).collect()
        })
        .await
    }
}

impl Store {
    /// Every team that was created, changed or deleted after this revision, in the order of the revisions.
    pub async fn teams_changed_since(&self, revision: i64) -> Result<Vec<TeamRow>, StoreError> {
        self.poll("teams", async move |connection: &mut Connection| {
            let changed = teams::table.filter(teams::revision.gt(revision)).order((teams::revision, teams::id));
            let records: Vec<Record> =
                on_backend!(connection, |conn| changed.select(Record::as_select()).load(conn).await)?;
            records.into_iter().map(TeamRow::try_from).collect()
        })
        .await
    }
}

impl Administered for TeamRow {
    type Id = TeamId;
    type New = NewTeam;
    type Change = TeamChange;
    type Refused = TeamRefused;

    const TABLE: &'static str = "teams";
    const REVISION: &'static str = revisions::IDENTITY;

    fn id_of(new: &NewTeam) -> TeamId {
        new.id
    }

    fn revision(&self) -> i64 {
        self.revision
    }

    fn only_at(change: &TeamChange) -> Option<i64> {
        change.only_at
    }

    async fn living(connection: &mut Connection, id: TeamId) -> Result<Option<Self>, StoreError> {
        let team = teams::table.find(id.to_string()).filter(teams::deleted_at.is_null());
        let record: Option<Record> =
            on_backend!(connection, |conn| team.select(Record::as_select()).first(conn).await.optional())?;
        record.map(TeamRow::try_from).transpose()
    }

    async fn refuse_new(connection: &mut Connection, new: &NewTeam) -> Result<Option<TeamRefused>, StoreError> {
        Ok(is_taken(connection, &new.name, new.id).await?.then_some(TeamRefused::NameTaken))
    }

    async fn insert(connection: &mut Connection, new: &NewTeam, revision: i64) -> Result<(), StoreError> {
        let insert = diesel::insert_into(teams::table).values((
            teams::id.eq(new.id.to_string()),
            teams::name.eq(new.name.as_str()),
            teams::created_at.eq(micros(new.created_at)),
            teams::updated_at.eq(micros(new.created_at)),
            teams::revision.eq(revision),
            teams::models.eq(new.models.to_stored()),
        ));
        on_backend!(connection, |conn| insert.execute(conn).await)?;
        Ok(())
    }

    fn changed(&self, change: &TeamChange) -> Option<Self> {
        let name = change.name.clone().unwrap_or_else(|| self.name.clone());
        let models = change.models.clone().unwrap_or_else(|| self.models.clone());
        let after = Self { name, models, ..self.clone() };
        (after != *self).then_some(after)
    }

    async fn refuse_change(
        connection: &mut Connection,
        _: &Self,
        after: &Self,
    ) -> Result<Option<TeamRefused>, StoreError> {
        Ok(is_taken(connection, &after.name, after.id).await?.then_some(TeamRefused::NameTaken))
    }

    async fn update(
        connection: &mut Connection,
        _: &Self,
        after: Self,
        _: TeamChange,
        stamp: Stamp,
    ) -> Result<Self, StoreError> {
        let after = Self { updated_at: stamp.now, revision: stamp.revision, ..after };
        update(connection, &after).await?;
        Ok(after)
    }

    async fn refuse_deletion(connection: &mut Connection, row: &Self) -> Result<Option<TeamRefused>, StoreError> {
        Ok(has_members(connection, row.id).await?.then_some(TeamRefused::InUse))
    }

    async fn delete(connection: &mut Connection, row: &Self, stamp: Stamp) -> Result<Self, StoreError> {
        let after = Self { deleted_at: Some(stamp.now), ..row.clone() };
        Self::update(connection, row, after, TeamChange::default(), stamp).await
    }
}

/// Whether another team has a name that readers would take for this one. Reliable within a transaction that took a
/// revision: names change in those only.
async fn is_taken(connection: &mut Connection, name: &DisplayName, except: TeamId) -> Result<bool, StoreError> {
    let others = teams::table.filter(teams::deleted_at.is_null()).filter(teams::id.ne(except.to_string()));
    let names: Vec<String> = on_backend!(connection, |conn| others.select(teams::name).load(conn).await)?;
    let mut others = names.iter().filter_map(|other| other.parse::<DisplayName>().ok());
    Ok(others.any(|other| other.is_like(name)))
}

async fn has_members(connection: &mut Connection, id: TeamId) -> Result<bool, StoreError> {
    let members = users::table.filter(users::team_id.eq(id.to_string())).filter(users::deleted_at.is_null());
    Ok(on_backend!(connection, |conn| diesel::select(diesel::dsl::exists(members)).get_result(conn).await)?)
}

async fn update(connection: &mut Connection, team: &TeamRow) -> Result<(), StoreError> {
    let update = diesel::update(teams::table.find(team.id.to_string())).set((
        teams::name.eq(team.name.as_str()),
        teams::updated_at.eq(micros(team.updated_at)),
        teams::deleted_at.eq(team.deleted_at.map(micros)),
        teams::revision.eq(team.revision),
        teams::models.eq(team.models.to_stored()),
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
            models: read_list("teams.models", record.models.as_deref())?,
        })
    }
}
