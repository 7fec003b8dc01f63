//! Whether the gateway is alive, and whether it is ready.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, Responder,
    body::BoxBody,
    web::{Data, Json},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    configured::{self, UpstreamState},
    extract::Caller,
    office::{AuditLog, Operations},
    openapi::operation::{Answer, Draft},
    problem::{Problem, documented::Success},
};
use crate::actors::{audit_writer::Condition, roster::ActorState};

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
    /// `ok` or `unavailable` for each: every kind of actor by its name in `/metrics`, `store`, which is `file replaced` where the
    /// file of SQLite was moved, deleted or replaced while it was open, `redis` where there is one, and `audit`, the audit log, which is `spooling` where entries wait on the disk for the store, and `checkpoints`, those of the
    /// audit log, which are `standing still` where none can be signed.
    dependencies: BTreeMap<&'static str, &'static str>,
}

/// Readiness in detail, of this replica.
#[derive(Serialize, JsonSchema)]
pub struct Status {
    #[serde(flatten)]
    readiness: Readiness,
    version: &'static str,
    /// Its name in the audit log.
    replica: String,
    #[schemars(with = "String")]
    time: Timestamp,
    #[schemars(with = "String")]
    started_at: Timestamp,
    /// How far this machine's clock is ahead of the store's, in microseconds.
    clock_ahead_us: i64,
    /// Audit entries accepted and not yet in the store.
    audit_backlog: u64,
    /// The actors by their kind.
    actors: BTreeMap<&'static str, ActorStatus>,
    /// The upstreams by their name.
    upstreams: BTreeMap<String, UpstreamState>,
}

/// All actors of one kind.
#[derive(Serialize, JsonSchema)]
pub struct ActorStatus {
    running: usize,
    started: usize,
    /// Messages accepted and not answered.
    in_flight: usize,
    restarts: u64,
}

/// `GET /healthz`: the process answers.
pub async fn healthz() -> Result<Json<Health>, Problem> {
    Ok(Json(Health { status: "ok" }))
}

/// `GET /readyz`: whether calls should be sent here.
pub async fn readyz(operations: Data<Operations>) -> Result<ReadinessAnswer, Problem> {
    Ok(ReadinessAnswer(readiness(&operations).await))
}

/// `GET /admin/status`: what readiness is made of.
pub async fn status(
    operations: Data<Operations>,
    audit_log: Data<AuditLog>,
    _: Caller,
) -> Result<Json<Status>, Problem> {
    let readiness = readiness(&operations).await;
    let routing = operations.routing.read();
    let upstream =
        |(name, _): (&Arc<str>, _)| Some((name.to_string(), configured::state(&operations, &routing, name)?));
    let actor = |(name, state): (&'static str, ActorState)| {
        let ActorState { running, started, in_flight, restarts } = state;
        (name, ActorStatus { running, started, in_flight, restarts })
    };
    Ok(Json(Status {
        readiness,
        version: env!("CARGO_PKG_VERSION"),
        replica: audit_log.chain.to_string(),
        time: operations.clock.now(),
        started_at: audit_log.started_at,
        clock_ahead_us: operations.clock.ahead_us(),
        audit_backlog: operations.audit.backlog(),
        actors: operations.roster.states().into_iter().map(actor).collect(),
        upstreams: routing.conditions().filter_map(upstream).collect(),
    }))
}

async fn readiness(operations: &Operations) -> Readiness {
    let actors = operations.roster.states().into_iter();
    let mut dependencies: BTreeMap<_, _> = actors.map(|(actor, in_its)| (actor, state(in_its.is_running()))).collect();
    dependencies.insert("audit", audit(operations));
    // Cut off from the store for longer than `auth.max_staleness_s`, or with tokens that others refuse.
    dependencies.insert("identity", state(operations.staleness.is_within_bound()));
    dependencies.insert("clock", state(operations.clock.ahead_us().unsigned_abs() <= MAX_CLOCK_DIFFERENCE_US));
    // A store that is away comes back by itself; a file that is not the store's own does not.
    let is_in_place = operations.store.check_place().is_ok();
    let all = is_in_place && dependencies.values().all(|state| *state != UNAVAILABLE);
    dependencies.insert("store", if is_in_place { store(operations).await } else { FILE_REPLACED });
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
    Readiness { status, dependencies }
}

/// Tokens are verified without the store, and what is recorded waits in the spool: calls are served while it is away.
async fn store(operations: &Operations) -> &'static str {
    let answer = tokio::time::timeout(PATIENCE, operations.store.ping()).await;
    state(matches!(answer, Ok(Ok(()))))
}

/// How long a dependency may take to answer: less than a usual prober waits.
const PATIENCE: Duration = Duration::from_millis(500);

/// How far this machine's clock may be from the store's: as far as other replicas accept its tokens.
const MAX_CLOCK_DIFFERENCE_US: u64 = 5_000_000;

const OK: &str = "ok";
const STANDING_STILL: &str = "standing still";
const FILE_REPLACED: &str = "file replaced";
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
        for success in [Success::Ok, Success::Unready] {
            draft.answers::<Readiness>(success);
        }
    }
}
