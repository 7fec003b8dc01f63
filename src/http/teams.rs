//! Teams, for administrators.

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Office,
    administered::{self, Exposed},
    created::CreatedAt,
    extract::{Caller, JsonBody, PathId, QueryOf},
    failure::unavailable,
    idempotency,
    no_content::NoContent,
    page::{Page, PageQuery},
    patch::Patch,
    problem::Problem,
};
use crate::{
    domain::{display_name::DisplayName, ids::TeamId, refusal::Refusal},
    store::teams::{NewTeam, TeamChange, TeamRefused, TeamRow},
};

/// A group of users.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Team {
    id: TeamId,
    name: String,
    #[schemars(with = "String")]
    created_at: Timestamp,
    #[schemars(with = "String")]
    updated_at: Timestamp,
}

/// A team to be.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamCreate {
    /// 1 to 64 printable characters.
    name: String,
}

/// The fields to change; the others stay.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TeamPatch {
    /// 1 to 64 printable characters.
    name: Patch<String>,
}

/// A page of teams.
#[derive(Serialize, JsonSchema)]
pub struct TeamPage {
    #[serde(flatten)]
    page: Page<Team>,
}

impl From<&TeamRow> for Team {
    fn from(row: &TeamRow) -> Self {
        Self { id: row.id, name: row.name.to_string(), created_at: row.created_at, updated_at: row.updated_at }
    }
}

impl From<&NewTeam> for Team {
    fn from(new: &NewTeam) -> Self {
        Self { id: new.id, name: new.name.to_string(), created_at: new.created_at, updated_at: new.created_at }
    }
}

pub async fn list(
    office: Data<Office>,
    _: Caller,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<TeamPage>, Problem> {
    let (limit, after) = (query.limit()?, query.after()?);
    let rows = office.store.teams_page(after, limit.saturating_add(1)).await.map_err(unavailable)?;
    let teams = rows.iter().map(Team::from).collect();
    Ok(Json(TeamPage { page: Page::of(teams, limit, |team: &Team| team.id.to_string()) }))
}

pub async fn create(
    office: Data<Office>,
    request: HttpRequest,
    Caller(admin): Caller,
    JsonBody(body): JsonBody<TeamCreate>,
) -> Result<CreatedAt<Team>, Problem> {
    let (id, now) = (TeamId(office.clock.new_id()), office.clock.now());
    let team = NewTeam { id, name: name(&body.name)?, created_at: now };
    let (location, view) = (format!("/admin/teams/{id}"), Team::from(&team));
    let once = idempotency::remember(&office, &request, admin.account.id, &body, (&location, &view))?;
    let made = administered::create::<TeamRow>(&request, &office.users, team, once).await?;
    Ok(CreatedAt::of(made, location, |row| Team::from(row))?)
}

pub async fn show(office: Data<Office>, _: Caller, PathId(id): PathId<TeamId>) -> Result<Json<Team>, Problem> {
    let row = office.store.team(id).await.map_err(unavailable)?.ok_or(Refusal::NotFound)?;
    Ok(Json(Team::from(&row)))
}

pub async fn change(
    office: Data<Office>,
    request: HttpRequest,
    caller: Caller,
    PathId(id): PathId<TeamId>,
    JsonBody(body): JsonBody<TeamPatch>,
) -> Result<Json<Team>, Problem> {
    let Some(text) = body.name.given() else {
        return show(office, caller, PathId(id)).await;
    };
    let change = TeamChange { name: Some(name(&text)?) };
    let row = administered::change::<TeamRow>(&request, &office.users, id, change).await?;
    Ok(Json(Team::from(&row)))
}

pub async fn delete(
    office: Data<Office>,
    request: HttpRequest,
    _: Caller,
    PathId(id): PathId<TeamId>,
) -> Result<NoContent, Problem> {
    Ok(administered::delete::<TeamRow>(&request, &office.users, id).await?)
}

impl Exposed for TeamRow {
    const NOUN: &'static str = "team";

    fn record(&self) -> Value {
        json!(Team::from(self))
    }

    fn refusal(refused: TeamRefused) -> Refusal {
        Refusal::Conflict(match refused {
            TeamRefused::NameTaken => "There is a team with this name.".into(),
            TeamRefused::InUse => "There are users in this team. Take them out first.".into(),
        })
    }
}

fn name(text: &str) -> Result<DisplayName, Refusal> {
    DisplayName::new(text).map_err(|error| Refusal::invalid("/name", error.to_string()))
}
