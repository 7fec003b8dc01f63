//! Who am I, and what is left to me?

pub mod password;

use actix_web::{
    HttpMessage, HttpRequest,
    web::{Data, Json},
};
use apistos::{ApiComponent, api_operation};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Office, extract::Caller, problem::Problem};
use crate::{
    domain::network::Network,
    domain::{
        ids::{SessionId, UserId},
        limit::{Standing, Unit},
        principal::Role,
    },
    http::failure::no_answer,
    pipeline::limit::allowances,
};

/// The caller and their allowances, now. Asking charges nothing.
#[derive(Serialize, JsonSchema, ApiComponent)]
pub struct Me {
    user: MyUser,
    role: Role,
    /// Null where the call came with an API key or a token of an outside issuer.
    session: Option<MySession>,
    limits: Vec<MyLimit>,
    /// No budgets can be set yet, so this is empty.
    budgets: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct MyUser {
    id: UserId,
    username: String,
}

#[derive(Serialize, JsonSchema)]
struct MySession {
    id: SessionId,
}

#[derive(Serialize, JsonSchema)]
struct MyLimit {
    name: String,
    unit: Unit,
    limit: u64,
    /// Null for calls under way.
    window_s: Option<u64>,
    remaining: u64,
    /// Seconds until all of it is back; null for calls under way.
    reset_s: Option<u64>,
}

impl From<Standing> for MyLimit {
    fn from(standing: Standing) -> Self {
        Self {
            name: standing.policy.to_string(),
            unit: standing.unit,
            limit: standing.limit,
            window_s: standing.window_s,
            remaining: standing.remaining,
            reset_s: standing.reset_s,
        }
    }
}

#[api_operation(
    tag = "Me",
    summary = "Who am I",
    description = "The caller, their session, and what is left of their limits.",
    error_code = 401,
    error_code = 429,
    error_code = 503
)]
pub async fn show(office: Data<Office>, request: HttpRequest, Caller(principal): Caller) -> Result<Json<Me>, Problem> {
    let allowances = allowances(&office.policies.read(), &principal, network(&request));
    let limits = office.quotas.look(principal.account.id, allowances).await.map_err(no_answer)?;
    Ok(Json(Me {
        user: MyUser { id: principal.account.id, username: principal.account.username.to_string() },
        role: principal.role,
        session: principal.session.map(|id| MySession { id }),
        limits: limits.into_iter().map(MyLimit::from).collect(),
        budgets: vec![],
    }))
}

/// The network that a call to a managed URL is believed to come from.
fn network(request: &HttpRequest) -> Network {
    request.extensions().get::<Network>().copied().unwrap_or(Network::UNKNOWN)
}
