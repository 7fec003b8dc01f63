//! Teams, for administrators.

pub mod by_name;

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    administered::{self, Exposed},
    conditional::{At, Conditions, Tagged},
    created::CreatedAt,
    extract::{Caller, DraftBody, PathId, QueryOf},
    failure::unavailable,
    idempotency,
    input::Draft,
    no_content::NoContent,
    office::Administration,
    page::{FilterQuery, Page},
    patch::Patch,
    problem::Problem,
    put::Nameable,
    users::models,
};
use crate::{
    domain::{
        allowed::every_name,
        display_name::DisplayName,
        ids::TeamId,
        refusal::{Fault, Refusal},
    },
    store::teams::{NewTeam, TeamChange, TeamRefused, TeamRow},
};

/// A group of users.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Team {
    id: TeamId,
    name: String,
    /// The models that its users may call.
    models: Vec<String>,
    #[schemars(with = "String")]
    created_at: Timestamp,
    #[schemars(with = "String")]
    updated_at: Timestamp,
}

/// A team to be.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamCreate {
    #[schemars(with = "DisplayName")]
    name: String,
    /// `["*"]`, or names of models as requests have them; `gpt-*` is each that begins so.
    #[serde(default = "every_name")]
    #[schemars(length(min = 1, max = 1_000))]
    models: Vec<String>,
}

impl Nameable for TeamCreate {
    fn own_faults(&self, _: Timestamp) -> Vec<Fault> {
        faults(Some(&self.name), Some(&self.models))
    }
}

/// The fields to change; the others stay.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TeamPatch {
    #[schemars(with = "Patch<DisplayName>")]
    name: Patch<String>,
    models: Patch<Vec<String>>,
}

/// A page of teams.
#[derive(Serialize, JsonSchema)]
pub struct TeamPage {
    #[serde(flatten)]
    page: Page<Team>,
}

impl From<&TeamRow> for Team {
    fn from(row: &TeamRow) -> Self {
        Self {
            id: row.id,
            name: row.name.to_string(),
            models: row.models.names(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<&NewTeam> for Team {
    fn from(new: &NewTeam) -> Self {
        Self {
            id: new.id,
            name: new.name.to_string(),
            models: new.models.names(),
            created_at: new.created_at,
            updated_at: new.created_at,
        }
    }
}

/// `GET /admin/teams`.
pub async fn list(
    administration: Data<Administration>,
    _: Caller,
    QueryOf(query): QueryOf<FilterQuery>,
) -> Result<Json<TeamPage>, Problem> {
    let (limit, after) = (query.limit(), query.after()?);
    let rows =
        administration.store.teams_page(query.filter(), after, limit.saturating_add(1)).await.map_err(unavailable)?;
    let teams = rows.iter().map(Team::from).collect();
    Ok(Json(TeamPage { page: Page::of(teams, limit, |team: &Team| team.id.to_string()) }))
}

/// `POST /admin/teams`.
pub async fn create(
    administration: Data<Administration>,
    request: HttpRequest,
    Caller(admin): Caller,
    DraftBody(draft): DraftBody<TeamCreate>,
) -> Result<CreatedAt<Team>, Problem> {
    let own = |body: &TeamCreate| faults(Some(&body.name), Some(&body.models));
    let body = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let (id, now) = (TeamId(administration.clock.new_id()), administration.clock.now());
    let team = NewTeam { id, name: name(&body.name)?, models: models(&body.models)?, created_at: now };
    let (location, view) = (format!("/admin/teams/{id}"), Team::from(&team));
    let once = idempotency::remember(&administration, &request, admin.account.id, &body, (&location, &view))?;
    let made = administered::create::<TeamRow>(&request, &administration.users, team, once).await?;
    Ok(CreatedAt::of(made, location, |row| Team::from(row))?)
}

/// `GET /admin/teams/{id}`.
pub async fn show(
    administration: Data<Administration>,
    _: Caller,
    PathId(id): PathId<TeamId>,
) -> Result<Tagged<Team>, Problem> {
    Ok(shown(&found(&administration, id).await?))
}

/// `PATCH /admin/teams/{id}`.
pub async fn change(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(PathId(id), conditions): At<PathId<TeamId>>,
    DraftBody(draft): DraftBody<TeamPatch>,
) -> Result<Tagged<Team>, Problem> {
    let present = found(&administration, id).await?;
    Ok(edit(&administration, &request, &present, &conditions, draft).await?)
}

/// `DELETE /admin/teams/{id}`.
pub async fn delete(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(PathId(id), conditions): At<PathId<TeamId>>,
) -> Result<NoContent, Problem> {
    let present = found(&administration, id).await?;
    Ok(administered::delete_present(&request, &administration.users, (id, &present), &conditions).await?)
}

async fn found(administration: &Administration, id: TeamId) -> Result<TeamRow, Refusal> {
    administration.store.team(id).await.map_err(unavailable)?.ok_or(Refusal::NotFound)
}

fn shown(row: &TeamRow) -> Tagged<Team> {
    Tagged::new(row.tag(), Team::from(row))
}

async fn edit(
    administration: &Administration,
    request: &HttpRequest,
    present: &TeamRow,
    conditions: &Conditions,
    draft: Draft<TeamPatch>,
) -> Result<Tagged<Team>, Refusal> {
    let own =
        |body: &TeamPatch| faults(body.name.as_given().map(String::as_str), body.models.as_given().map(Vec::as_slice));
    let TeamPatch { name: new_name, models: names } = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let name = new_name.given().as_deref().map(name).transpose()?;
    let models = names.given().as_deref().map(models).transpose()?;
    let change = TeamChange { name, models, only_at: administered::only_at(present, conditions)? };
    let row = administered::change::<TeamRow>(request, &administration.users, present.id, change, conditions).await?;
    Ok(shown(&row))
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

/// All that is wrong with what is given.
fn faults(new_name: Option<&str>, names: Option<&[String]>) -> Vec<Fault> {
    let of_name = new_name.and_then(|text| name(text).err());
    let of_models = names.and_then(|names| models(names).err());
    of_name.into_iter().chain(of_models).flat_map(Refusal::into_faults).collect()
}

fn name(text: &str) -> Result<DisplayName, Refusal> {
    DisplayName::new(text).map_err(|error| Refusal::invalid("/name", error.to_string()))
}
