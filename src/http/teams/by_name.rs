//! Teams by their names.

use actix_web::{HttpRequest, web::Data};

use super::{Team, TeamCreate, TeamPatch, edit, faults, models, name as read_name, shown};
use crate::{
    domain::{allowed::Allowed, display_name::DisplayName, ids::TeamId, refusal::Refusal},
    http::{
        administered::{self, Wanted},
        by_name::TeamName,
        conditional::{At, Tagged},
        extract::{Caller, DraftBody},
        failure::unavailable,
        no_content::NoContent,
        office::Administration,
        problem::Problem,
        put::{Put, PutOf},
    },
    store::teams::{NewTeam, TeamChange, TeamRow},
};

/// `GET /admin/teams/by-name/{name}`.
pub async fn show(
    administration: Data<Administration>,
    _: Caller,
    TeamName(name): TeamName,
) -> Result<Tagged<Team>, Problem> {
    Ok(shown(&found(&administration, &name).await?))
}

/// `PUT /admin/teams/by-name/{name}`.
pub async fn put(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(TeamName(name), conditions): At<TeamName>,
    DraftBody(draft): DraftBody<PutOf<TeamCreate>>,
) -> Result<Put<Team>, Problem> {
    let own = |body: &PutOf<TeamCreate>| body.faults(&name, |team| faults(Some(&team.name), Some(&team.models)));
    let body = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let body = body.named(&name).map_err(Refusal::InvalidRequest)?;
    let wanted =
        WantedTeam { administration: &administration, name: read_name(&body.name)?, models: models(&body.models)? };
    let placed = administered::put(&request, &administration.users, &conditions, &wanted).await?;
    let row = placed.row();
    Ok(Put::of(&placed, format!("/admin/teams/{}", row.id), Team::from(row)))
}

/// `PATCH /admin/teams/by-name/{name}`.
pub async fn change(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(TeamName(name), conditions): At<TeamName>,
    DraftBody(draft): DraftBody<TeamPatch>,
) -> Result<Tagged<Team>, Problem> {
    let present = found(&administration, &name).await?;
    Ok(edit(&administration, &request, &present, &conditions, draft).await?)
}

/// `DELETE /admin/teams/by-name/{name}`.
pub async fn delete(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    At(TeamName(name), conditions): At<TeamName>,
) -> Result<NoContent, Problem> {
    let present = found(&administration, &name).await?;
    Ok(administered::delete_present(&request, &administration.users, (present.id, &present), &conditions).await?)
}

async fn found(administration: &Administration, name: &str) -> Result<TeamRow, Refusal> {
    let missing = || Refusal::NoSuchName { noun: "team", name: name.to_owned(), hint: None };
    // A name that no team can have is that of none.
    let wanted = DisplayName::new(name).map_err(|_| missing())?;
    administration.store.team_by_name(&wanted).await.map_err(unavailable)?.ok_or_else(missing)
}

/// What a team is to be.
struct WantedTeam<'a> {
    administration: &'a Administration,
    name: DisplayName,
    models: Allowed,
}

impl Wanted<TeamRow> for WantedTeam<'_> {
    async fn present(&self) -> Result<Option<TeamRow>, Refusal> {
        self.administration.store.team_by_name(&self.name).await.map_err(unavailable)
    }

    fn id_of(&self, present: &TeamRow) -> TeamId {
        present.id
    }

    async fn made(&self) -> Result<NewTeam, Refusal> {
        let Self { administration, name, models } = self;
        let (id, created_at) = (TeamId(administration.clock.new_id()), administration.clock.now());
        Ok(NewTeam { id, name: name.clone(), models: models.clone(), created_at })
    }

    async fn change(&self, present: &TeamRow) -> Result<TeamChange, Refusal> {
        Ok(TeamChange { name: None, models: Some(self.models.clone()), only_at: Some(present.revision) })
    }
}
