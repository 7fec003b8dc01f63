//! Teams, for administrators.

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Office,
    created::CreatedAt,
    extract::{Caller, JsonBody, PathId, QueryOf, given},
    failure::{no_answer, unavailable},
    idempotency,
    no_content::NoContent,
    page::{Page, PageQuery},
    problem::Problem,
};
use crate::{
    actors::registrar::{CreateTeam, RenameTeam},
    domain::{ids::TeamId, refusal::Refusal, team::TeamName},
    pipeline::audit::Note,
    store::teams::{NewTeam, TeamChanged, TeamCreated, TeamRow},
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
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamPatch {
    /// 1 to 64 printable characters.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "String")]
    name: Option<String>,
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
    let (what, by) = ((request.path(), &body), admin.account.id);
    let idempotency = idempotency::key(request.headers())?
        .map(|key| idempotency::remember(&office.fingerprints, key, by, &what, &location, &view, now))
        .transpose()?;
    let create = CreateTeam { team, idempotency };
    match office.users.create_team(create).await.map_err(no_answer)?.map_err(unavailable)? {
        TeamCreated::New(row) => {
            let view = Team::from(&row);
            note(&request, json!({ "before": null, "after": view }));
            Ok(CreatedAt::new(location, &view)?)
        }
        TeamCreated::Replayed { location, body } => Ok(CreatedAt::again(location, body)),
        TeamCreated::RequestReused => Err(idempotency::reused().into()),
        TeamCreated::NameTaken => Err(name_taken().into()),
    }
}

pub async fn show(office: Data<Office>, _: Caller, PathId(id): PathId<TeamId>) -> Result<Json<Team>, Problem> {
    let row = office.store.team(id).await.map_err(unavailable)?.ok_or(Refusal::NotFound)?;
    Ok(Json(Team::from(&row)))
}

pub async fn change(
    office: Data<Office>,
    request: HttpRequest,
    caller: Caller,
    id: PathId<TeamId>,
    JsonBody(body): JsonBody<TeamPatch>,
) -> Result<Json<Team>, Problem> {
    let Some(text) = &body.name else {
        return show(office, caller, id).await;
    };
    let rename = RenameTeam { id: id.0, name: name(text)? };
    let changed = office.users.rename_team(rename).await.map_err(no_answer)?.map_err(unavailable)?;
    let (before, after) = done(changed)?;
    let view = Team::from(&after);
    note(&request, json!({ "before": Team::from(&before), "after": view }));
    Ok(Json(view))
}

pub async fn delete(
    office: Data<Office>,
    request: HttpRequest,
    _: Caller,
    PathId(id): PathId<TeamId>,
) -> Result<NoContent, Problem> {
    let (before, _) = done(office.users.delete_team(id).await.map_err(no_answer)?.map_err(unavailable)?)?;
    note(&request, json!({ "before": Team::from(&before), "after": null }));
    Ok(NoContent)
}

fn done(changed: TeamChanged) -> Result<(TeamRow, TeamRow), Refusal> {
    match changed {
        TeamChanged::Done { before, after } => Ok((before, after)),
        TeamChanged::NotFound => Err(Refusal::NotFound),
        TeamChanged::NameTaken => Err(name_taken()),
        TeamChanged::InUse => Err(Refusal::Conflict("There are users in this team. Take them out first.".into())),
    }
}

fn name(text: &str) -> Result<TeamName, Refusal> {
    text.parse().map_err(|error| Refusal::invalid("/name", format!("{error}")))
}

fn name_taken() -> Refusal {
    Refusal::Conflict("There is a team with this name.".into())
}

fn note(request: &HttpRequest, change: serde_json::Value) {
    Note::add(request, |note| note.change = Some(change));
}
