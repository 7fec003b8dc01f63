//! Whether the gateway is alive, and whether it is ready.

use std::{collections::BTreeMap, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, Responder,
    body::BoxBody,
    web::{Data, Json},
};
use apistos::{ApiComponent, api_operation, paths::Responses};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Office, problem::Problem};
use crate::actors::audit_writer::Condition;

/// The process serves requests.
#[derive(Serialize, JsonSchema, ApiComponent)]
pub struct Health {
    status: &'static str,
}

/// Each dependency and its state.
#[derive(Serialize, JsonSchema, ApiComponent)]
pub struct Readiness {
    /// `ready`, `draining` or `unavailable`.
    status: &'static str,
    /// By name: `ok` or `unavailable`; `spooling` where audit entries wait on the disk for the store.
    dependencies: BTreeMap<&'static str, &'static str>,
}

#[api_operation(tag = "Operations", summary = "Liveness", no_security = true, error_code = 429)]
pub async fn healthz() -> Result<Json<Health>, Problem> {
    Ok(Json(Health { status: "ok" }))
}

#[api_operation(
    tag = "Operations",
    summary = "Readiness",
    description = "200 where calls are served and the gateway is not draining, else 503 with the same body. Calls are \
                   served without the store and without Redis, as far as they need neither; not without the audit log.",
    no_security = true,
    error_code = 429,
    error_code = 503
)]
pub async fn readyz(office: Data<Office>) -> Result<ReadinessAnswer, Problem> {
    let mut dependencies = BTreeMap::new();
    dependencies.insert("audit", audit(&office));
    dependencies.insert("token_issuer", state(office.issuer.handle().is_running()));
    dependencies.insert("registrar", state(office.users.handle().is_running()));
    dependencies.insert("regulator", state(office.limits.handle().is_running()));
    dependencies.insert("price_regulator", state(office.prices.handle().is_running()));
    dependencies.insert("doorkeeper", state(office.doors.handle().is_running()));
    // Cut off from the store for longer than `auth.max_staleness_s`, or with tokens that others refuse.
    dependencies.insert("identity", state(office.keys.staleness.is_within_bound()));
    dependencies.insert("clock", state(office.clock.ahead_us().unsigned_abs() <= MAX_CLOCK_DIFFERENCE_US));
    dependencies.insert("quota_keepers", state(office.quotas.are_running()));
    dependencies.insert("quota_lender", state(office.lender.handle().is_running()));
    let all = dependencies.values().all(|state| *state != UNAVAILABLE);
    // Tokens are verified without the store, and what is recorded waits in the spool.
    let store = tokio::time::timeout(PATIENCE, office.store.ping()).await;
    dependencies.insert("store", state(matches!(store, Ok(Ok(())))));
    // Calls are served without Redis, as each limit's `on_error` says.
    if let Some(redis) = &office.redis {
        dependencies.insert("redis", state(redis.ping().await.is_ok()));
    }
    let status = match (office.draining.has_begun(), all) {
        (true, _) => "draining",
        (false, true) => READY,
        (false, false) => UNAVAILABLE,
    };
    Ok(ReadinessAnswer(Readiness { status, dependencies }))
}

/// How long a dependency may take to answer: less than whoever asks for readiness waits.
const PATIENCE: Duration = Duration::from_millis(500);

/// How far this machine's clock may be from the store's: as far as other replicas accept its tokens.
const MAX_CLOCK_DIFFERENCE_US: u64 = 5_000_000;

const OK: &str = "ok";
const SPOOLING: &str = "spooling";
const READY: &str = "ready";
const UNAVAILABLE: &str = "unavailable";

fn state(works: bool) -> &'static str {
    if works { OK } else { UNAVAILABLE }
}

fn audit(office: &Office) -> &'static str {
    match office.audit.condition() {
        _ if !office.audit.handle().is_running() => UNAVAILABLE,
        Condition::Storing => OK,
        Condition::Spooling => SPOOLING,
        Condition::Refusing => UNAVAILABLE,
    }
}

/// The readiness with the status that says the same.
pub struct ReadinessAnswer(Readiness);

impl Responder for ReadinessAnswer {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut answer = super::problem::readiness(self.0.status == READY);
        answer.json(self.0)
    }
}

impl ApiComponent for ReadinessAnswer {
    fn child_schemas() -> Vec<(String, apistos::reference_or::ReferenceOr<schemars::schema::Schema>)> {
        Readiness::child_schemas()
    }

    fn schema() -> Option<(String, apistos::reference_or::ReferenceOr<schemars::schema::Schema>)> {
        Readiness::schema()
    }

    fn responses(content_type: Option<String>) -> Option<Responses> {
        Json::<Readiness>::responses(content_type)
    }
}
