//! Whether the gateway is alive, and whether it is ready.

use std::{collections::BTreeMap, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, Responder,
    body::BoxBody,
    web::{Data, Json},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    office::Operations,
    openapi::operation::{Answer, Draft},
    problem::{Problem, documented::Success},
};
use crate::actors::audit_writer::Condition;

/// The process serves requests.
#[derive(Serialize, JsonSchema)]
pub struct Health {
    status: &'static str,
}

/// Each dependency and its state.
#[derive(Serialize, JsonSchema)]
pub struct Readiness {
    /// `ready`, `draining` or `unavailable`.
    status: &'static str,
    /// `ok` or `unavailable` for each: every kind of actor by its name in `/metrics`, `store`, `redis` where there is one, and
    /// `audit`, the audit log, which is `spooling` where entries wait on the disk for the store, and `checkpoints`, those of the
    /// audit log, which are `standing still` where none can be signed.
    dependencies: BTreeMap<&'static str, &'static str>,
}

/// `GET /healthz`: the process answers.
pub async fn healthz() -> Result<Json<Health>, Problem> {
    Ok(Json(Health { status: "ok" }))
}

/// `GET /readyz`: whether calls should be sent here.
pub async fn readyz(operations: Data<Operations>) -> Result<ReadinessAnswer, Problem> {
    let actors = operations.roster.states().into_iter();
    let mut dependencies: BTreeMap<_, _> = actors.map(|(actor, in_its)| (actor, state(in_its.is_running()))).collect();
    dependencies.insert("audit", audit(&operations));
    // Cut off from the store for longer than `auth.max_staleness_s`, or with tokens that others refuse.
    dependencies.insert("identity", state(operations.staleness.is_within_bound()));
    dependencies.insert("clock", state(operations.clock.ahead_us().unsigned_abs() <= MAX_CLOCK_DIFFERENCE_US));
    let all = dependencies.values().all(|state| *state != UNAVAILABLE);
    // Tokens are verified without the store, and what is recorded waits in the spool.
    let store = tokio::time::timeout(PATIENCE, operations.store.ping()).await;
    dependencies.insert("store", state(matches!(store, Ok(Ok(())))));
    // Calls are recorded all the same; what is recorded is vouched for later, or not at all.
    dependencies.insert("checkpoints", if operations.checkpoints.stand_still() { STANDING_STILL } else { OK });
    // Calls are served without Redis, as each limit's `on_error` says.
    if let Some(redis) = &operations.redis {
        dependencies.insert("redis", state(redis.ping().await.is_ok()));
    }
    let status = match (operations.draining.has_begun(), all) {
        (true, _) => "draining",
        (false, true) => READY,
        (false, false) => UNAVAILABLE,
    };
    Ok(ReadinessAnswer(Readiness { status, dependencies }))
}

/// How long a dependency may take to answer: less than a usual prober waits.
const PATIENCE: Duration = Duration::from_millis(500);

/// How far this machine's clock may be from the store's: as far as other replicas accept its tokens.
const MAX_CLOCK_DIFFERENCE_US: u64 = 5_000_000;

const OK: &str = "ok";
const STANDING_STILL: &str = "standing still";
const SPOOLING: &str = "spooling";
const READY: &str = "ready";
const UNAVAILABLE: &str = "unavailable";

fn state(works: bool) -> &'static str {
    if works { OK } else { UNAVAILABLE }
}

fn audit(operations: &Operations) -> &'static str {
    match operations.audit.condition() {
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

impl Answer for ReadinessAnswer {
    fn describe(draft: &mut Draft<'_>) {
        draft.answers::<Readiness>(Success::Ok);
    }
}
