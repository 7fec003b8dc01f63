//! One call that makes an API key with all that belongs to it: its user, where nobody has the name, a budget and limits.

use actix_web::{HttpRequest, web::Data};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value, json};

use super::{ApiKey, ApiKeyCreate, Expiry, new_key};
use crate::{
    domain::{
        allowed::{Allowed, every_name},
        budget::{self, Period, Scope},
        calendar::Every,
        display_name::DisplayName,
        ids::{BudgetId, LimitId, TeamId, UserId},
        limit::{self, Mode, OnError, Per, Unit},
        money::Money,
        name::Name,
        principal::{Role, UserStatus, Username},
        refusal::{Fault, Refusal},
    },
    http::{
        administered::{Exposed, note},
        budgets::{Budget, new_budget},
        created::CreatedAt,
        extract::{Caller, DraftBody, PathId},
        failure::{no_answer, unavailable},
        idempotency,
        input::Moment,
        limits::{self, Limit},
        named::Mentions,
        office::Administration,
        problem::Problem,
    },
    store::{
        administered::Created,
        api_keys::ApiKeyRow,
        budgets::{BudgetRow, NewBudget},
        idempotency::Answer,
        key_orders::{KeyOrder, MadeKey, OrderRefused},
        limits::{LimitRow, NewLimit},
        teams::TeamRow,
        users::{NewUser, UserRow},
    },
};

/// An API key to be, with all that belongs to it.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamKeyCreate {
    /// Whose key it is: a user of the team. Where nobody has the name, a user of the role `user` is made in the team, without a
    /// password.
    #[schemars(with = "Username")]
    username: String,
    #[schemars(with = "DisplayName")]
    name: String,
    /// In the future; without it the key does not expire.
    #[schemars(with = "Option<Moment>")]
    expires_at: Option<Expiry>,
    /// What the key may do where it is less than the user may; without it, all of that.
    role: Option<Role>,
    /// `["*"]`, or names of routes.
    #[serde(default = "every_name")]
    #[schemars(length(min = 1, max = 1_000))]
    routes: Vec<String>,
    /// `["*"]`, or names of models; `gpt-*` is each that begins so.
    #[serde(default = "every_name")]
    #[schemars(length(min = 1, max = 1_000))]
    models: Vec<String>,
    /// Of this key alone.
    budget: Option<KeyBudget>,
    /// Of this key alone.
    #[serde(default)]
    #[schemars(length(max = 16))]
    limits: Vec<KeyLimit>,
}

/// The budget of a key that is made with it.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyBudget {
    /// `key` unless given. Keys may share it: each has its own budget.
    #[serde(default = "key")]
    #[schemars(with = "Name")]
    name: String,
    #[serde(default = "every_name")]
    #[schemars(length(min = 1, max = 1_000))]
    models: Vec<String>,
    #[schemars(with = "Money")]
    limit_usd: String,
    period: Period,
    #[serde(default)]
    mode: Mode,
    /// Fractions of the limit at which to say so.
    #[serde(default)]
    #[schemars(with = "Vec<f64>", length(max = 16))]
    alert_at: Vec<Number>,
}

/// A limit of a key that is made with it.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyLimit {
    /// Keys may share it: each has its own limit.
    #[schemars(with = "Name")]
    name: String,
    #[serde(default = "every_name")]
    #[schemars(length(min = 1))]
    routes: Vec<String>,
    unit: Unit,
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    limit: u64,
    #[schemars(range(min = 1, max = 315_360_000))]
    window_s: Option<u64>,
    window: Option<Every>,
    #[schemars(length(min = 1, max = 64))]
    time_zone: Option<String>,
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    burst: Option<u64>,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    on_error: OnError,
}

fn key() -> String {
    "key".into()
}

/// An API key with all that was made with it.
#[derive(Serialize, JsonSchema)]
pub struct TeamKey {
    #[serde(flatten)]
    api_key: ApiKey,
    /// `tg_<id>_<secret>`. The gateway cannot show it again.
    #[serde(skip_serializing_if = "String::is_empty")]
    key: String,
    budget: Option<Budget>,
    limits: Vec<Limit>,
}

/// `POST /admin/teams/{id}/api-keys`: shows the secret once.
pub async fn create(
    administration: Data<Administration>,
    request: HttpRequest,
    Caller(admin): Caller,
    PathId(team): PathId<TeamId>,
    DraftBody(draft): DraftBody<TeamKeyCreate>,
) -> Result<CreatedAt<TeamKey>, Problem> {
    let team = administration.store.team(team).await.map_err(unavailable)?.ok_or(Refusal::NotFound)?;
    let nobody = UserId(administration.clock.new_id());
    let own = |body: &TeamKeyCreate| body.order(&administration, nobody).err().unwrap_or_default();
    let body = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let (owner, user) = owner(&administration, &team, &body.username).await?;
    let order = KeyOrder { user, ..body.order(&administration, owner).map_err(Refusal::InvalidRequest)? };
    let shown = shown(&administration, &order, &body.username);
    let location = format!("/admin/api-keys/{}", order.key.id);
    let once = idempotency::remember(&administration, &request, admin.account.id, &body, (&location, &shown))?;
    let made = administration.users.make_key(order, once).await.map_err(no_answer)?.map_err(unavailable)?;
    match made {
        Created::New(made) => {
            in_force(&administration).await;
            note(&request, Some(owner), json!({ "before": null, "after": record(&made) }));
            let key = administration.keys.mint.text_of(made.key.id, made.key.generation).to_string();
            Ok(CreatedAt::new(location, &TeamKey { key, ..shown })?)
        }
        Created::Replayed(answer) => Ok(CreatedAt::again(again(&administration, answer)?)),
        Created::KeyReused => Err(idempotency::reused().into()),
        Created::Refused(refused) => Err(refusal(refused).into()),
    }
}

impl TeamKeyCreate {
    /// The key of this user with its budget and limits, or all that is wrong with them.
    fn order(&self, administration: &Administration, user: UserId) -> Result<KeyOrder, Vec<Fault>> {
        let Self { name, expires_at, role, routes, models, .. } = self;
        let (name, routes, models) = (name.clone(), routes.clone(), models.clone());
        let body = ApiKeyCreate { name, expires_at: *expires_at, role: *role, routes, models };
        let mut faults = vec![];
        if let Err(error) = Username::new(&self.username) {
            faults.push(Fault::new("/username", error.to_string()));
        }
        let key = new_key(administration, user, &body).map_err(|of_key| faults.extend(of_key));
        let subject = key.as_ref().ok().map(|key| key.id.to_string());
        let budget = self.budget.clone().map(|budget| budget.made(administration, subject.clone()));
        let budget = budget.transpose().map_err(|of_budget| faults.extend(below("/budget", of_budget)));
        let mut limits = vec![];
        for (index, limit) in self.limits.iter().enumerate() {
            let place = format!("/limits/{index}");
            if self.limits.iter().take(index).any(|other| other.name == limit.name) {
                faults.push(Fault::new(format!("{place}/name"), "is the name of another one"));
            }
            match limit.clone().made(administration, subject.clone()) {
                Ok(limit) => limits.push(limit),
                Err(of_limit) => faults.extend(below(&place, of_limit)),
            }
        }
        match (key, budget) {
            (Ok(key), Ok(budget)) if faults.is_empty() => Ok(KeyOrder { user: None, key, budget, limits }),
            _ => Err(faults),
        }
    }
}

impl KeyBudget {
    fn made(self, administration: &Administration, subject: Option<String>) -> Result<NewBudget, Vec<Fault>> {
        let Self { name, models, limit_usd, period, mode, alert_at } = self;
        let spec = budget::Spec { name, scope: Scope::Key, subject, models, limit_usd, period, mode, alert_at };
        let budget = spec.budget(BudgetId(administration.clock.new_id()))?;
        Ok(NewBudget { spec, budget, created_at: administration.clock.now() })
    }
}

impl KeyLimit {
    fn made(self, administration: &Administration, subject: Option<String>) -> Result<NewLimit, Vec<Fault>> {
        let Self { name, routes, unit, limit, window_s, window, time_zone, burst, mode, on_error } = self;
        let per = Per::Key;
        let spec =
            limit::Spec { name, routes, per, subject, unit, limit, window_s, window, time_zone, burst, mode, on_error };
        let policy = limits::check(administration, &spec, LimitId(administration.clock.new_id()))?;
        Ok(NewLimit { spec, policy, created_at: administration.clock.now() })
    }
}

fn below(place: &str, faults: Vec<Fault>) -> impl Iterator<Item = Fault> {
    faults.into_iter().map(move |fault| fault.within(place))
}

/// Whose key it is, and the user to be made where nobody has the name.
async fn owner(
    administration: &Administration,
    team: &TeamRow,
    username: &str,
) -> Result<(UserId, Option<NewUser>), Refusal> {
    let fault = |detail: String| Refusal::invalid("/username", detail);
    let username: Username = username.parse().map_err(|error| fault(format!("{error}")))?;
    match administration.store.user_by_username(&username).await.map_err(unavailable)? {
        Some(user) if user.team_id == Some(team.id) => Ok((user.id, None)),
        Some(_) => Err(fault(format!("is not in the team \"{}\": put the user into it, or name another", team.name))),
        None => {
            let (id, created_at) = (UserId(administration.clock.new_id()), administration.clock.now());
            let (role, status) = (Role::User, UserStatus::Active);
            let (team_id, models) = (Some(team.id), Allowed::default());
            let user = NewUser { id, username, password_hash: None, role, status, team_id, models, created_at };
            Ok((id, Some(user)))
        }
    }
}

/// All but the secret.
fn shown(administration: &Administration, order: &KeyOrder, username: &str) -> TeamKey {
    let key_name = order.key.name.to_string();
    let mut api_key = ApiKey::from(&order.key);
    api_key.mentions(&mut |_, name| *name = Some(Some(username.to_owned())));
    let mut budget = order.budget.as_ref().map(|budget| new_budget(budget, administration.clock.now()));
    let mut limits: Vec<Limit> = order.limits.iter().map(Limit::from).collect();
    // The key is all that they mention.
    if let Some(budget) = &mut budget {
        budget.mentions(&mut |_, name| *name = Some(Some(key_name.clone())));
    }
    for limit in &mut limits {
        limit.mentions(&mut |_, name| *name = Some(Some(key_name.clone())));
    }
    TeamKey { api_key, key: String::new(), budget, limits }
}

/// The answer as it was given first: what was kept, and the secret made again.
fn again(administration: &Administration, answer: Answer) -> Result<Answer, Refusal> {
    let mut shown: Map<String, Value> = serde_json::from_str(&answer.body).map_err(|_| Refusal::Internal)?;
    let id = shown.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok()).ok_or(Refusal::Internal)?;
    shown.insert("key".into(), administration.keys.mint.text_of(id, 0).to_string().into());
    Ok(Answer { body: Value::Object(shown).to_string(), ..answer })
}

/// Waits until this replica counts the key's calls in its budget and its limits.
async fn in_force(administration: &Administration) {
    let (limits, budgets) = (administration.limits.catch_up(), administration.budgets.catch_up());
    for read in [limits.await, budgets.await] {
        if !matches!(read, Ok(Ok(()))) {
            tracing::warn!("the limits and the budget of a new API key are in force after the next poll");
        }
    }
}

fn record(MadeKey { user, key, budget, limits }: &MadeKey) -> Value {
    json!({
        "user": user.as_ref().map(Exposed::record),
        "api_key": key.record(),
        "budget": budget.as_ref().map(Exposed::record),
        "limits": limits.iter().map(Exposed::record).collect::<Vec<_>>(),
    })
}

fn refusal(refused: OrderRefused) -> Refusal {
    let place = match &refused {
        OrderRefused::Limit(index, _) => format!("/limits/{index}"),
        _ => "/budget".into(),
    };
    let refusal = match refused {
        OrderRefused::User(refused) => return UserRow::refusal(refused),
        OrderRefused::Key(refused) => return ApiKeyRow::refusal(refused),
        OrderRefused::Budget(misfit) => BudgetRow::refusal(misfit),
        OrderRefused::Limit(_, misfit) => LimitRow::refusal(misfit),
    };
    match refusal {
        Refusal::InvalidRequest(faults) => Refusal::InvalidRequest(below(&place, faults).collect()),
        other => other,
    }
}
