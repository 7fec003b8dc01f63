//! Changes of teams: the messages, and how each becomes one transaction in the store.

use actix::{Context, Handler};

use super::Registrar;
use crate::{
    actors::handle::{Ask, Request},
    domain::{ids::TeamId, team::TeamName},
    store::{
        StoreError,
        teams::{NewTeam, TeamChanged, TeamCreated},
        users::Idempotency,
    },
};

/// Adds a team.
pub struct CreateTeam {
    pub team: NewTeam,
    pub idempotency: Option<Idempotency>,
}

/// Gives a team another name.
pub struct RenameTeam {
    pub id: TeamId,
    pub name: TeamName,
}

/// Deletes a team that nobody is in.
pub struct DeleteTeam {
    pub id: TeamId,
}

impl Request for CreateTeam {
    type Answer = Result<TeamCreated, StoreError>;
}
impl Request for RenameTeam {
    type Answer = Result<TeamChanged, StoreError>;
}
impl Request for DeleteTeam {
    type Answer = Result<TeamChanged, StoreError>;
}

impl Handler<Ask<CreateTeam>> for Registrar {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<CreateTeam>, context: &mut Context<Self>) {
        let store = self.store.clone();
        let create = async move { store.create_team(request.team, request.idempotency).await };
        self.change(create, reply, context);
    }
}

impl Handler<Ask<RenameTeam>> for Registrar {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<RenameTeam>, context: &mut Context<Self>) {
        let (store, now) = (self.store.clone(), self.clock.now());
        let rename = async move { store.rename_team(request.id, request.name, now).await };
        self.change(rename, reply, context);
    }
}

impl Handler<Ask<DeleteTeam>> for Registrar {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<DeleteTeam>, context: &mut Context<Self>) {
        let (store, now) = (self.store.clone(), self.clock.now());
        let delete = async move { store.delete_team(request.id, now).await };
        self.change(delete, reply, context);
    }
}
