//! Who am I, and what is left to me?

pub mod password;

use std::{collections::BTreeSet, sync::Arc};

use actix_web::{
    HttpMessage, HttpRequest,
    web::{Data, Json},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    budgets,
    extract::Caller,
    failure::{no_answer, unavailable},
    office::Accounting,
    problem::Problem,
};
use crate::{
    answer::window::WindowBody,
    domain::{
        budget::{Budget, ModelSet},
        ids::{BudgetId, SessionId, UserId},
        ledger::BudgetAccount,
        limit::{Mode, Standing, Unit},
        money::Money,
        network::Network,
        principal::{Principal, Role},
        refusal::Refusal,
    },
    pipeline::{limit::allowances, reserve::budgets_of},
};

/// The caller and their allowances, now. Asking charges nothing.
#[derive(Serialize, JsonSchema)]
pub struct Me {
    user: MyUser,
    role: Role,
    /// Null where the call came with an API key or a token of an outside issuer.
    session: Option<MySession>,
    limits: Vec<MyLimit>,
    budgets: Vec<MyBudget>,
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

/// A limit that applies to the caller, as it stands now.
#[derive(Serialize, JsonSchema)]
struct MyLimit {
    name: String,
    unit: Unit,
    limit: u64,
    #[serde(flatten)]
    window: WindowBody,
    remaining: u64,
    /// Seconds until all of it is back; null for calls under way.
    reset_s: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct MyBudget {
    id: BudgetId,
    name: String,
    limit_usd: Money,
    /// The models it counts; null for all.
    models: Option<BTreeSet<String>>,
    mode: Mode,
    #[serde(flatten)]
    standing: budgets::Standing,
}

impl From<Standing> for MyLimit {
    fn from(standing: Standing) -> Self {
        Self {
            name: standing.policy.name.to_string(),
            unit: standing.policy.unit,
            limit: standing.policy.limit(),
            window: (&standing).into(),
            remaining: standing.remaining,
            reset_s: standing.reset_s(),
        }
    }
}

/// `GET /me`.
pub async fn show(
    accounting: Data<Accounting>,
    request: HttpRequest,
    Caller(principal): Caller,
) -> Result<Json<Me>, Problem> {
    let allowances = allowances(&accounting.policies.read(), &principal, network(&request));
    let limits = accounting.quotas.look(principal.account.id, allowances).await.map_err(no_answer)?;
    Ok(Json(Me {
        user: MyUser { id: principal.account.id, username: principal.account.username.to_string() },
        role: principal.role,
        session: principal.session.map(|id| MySession { id }),
        limits: limits.into_iter().map(MyLimit::from).collect(),
        budgets: budgets_of_caller(&accounting, &principal).await?,
    }))
}

/// The budgets that the caller's calls are counted in, and how they stand.
async fn budgets_of_caller(accounting: &Accounting, principal: &Principal) -> Result<Vec<MyBudget>, Refusal> {
    accounting.settled().await;
    let now = accounting.clock.now();
    let book = accounting.budgets.read();
    let mine: Vec<_> = budgets_of(&book, principal)
        .map(|(subject, budget)| (budget.claim(subject, now).account, Arc::clone(budget)))
        .collect();
    drop(book);
    let balances = accounting.store.balances(mine.iter().map(|(account, _)| *account).collect()).await;
    let balances = balances.map_err(unavailable)?;
    let view = |(account, budget): (BudgetAccount, Arc<Budget>)| MyBudget {
        id: budget.id,
        name: budget.name.to_string(),
        limit_usd: budget.limit,
        models: match &budget.models {
            ModelSet::All => None,
            ModelSet::Named(names) => Some(names.clone()),
        },
        mode: budget.mode,
        standing: budgets::Standing::of(&budget, &[balances.get(&account).copied().unwrap_or_default()], now),
    };
    Ok(mine.into_iter().map(view).collect())
}

/// The network that a call to a managed URL is believed to come from.
fn network(request: &HttpRequest) -> Network {
    request.extensions().get::<Network>().copied().unwrap_or(Network::UNKNOWN)
}
