//! `/metrics`, on the operators' own port.

mod budgets;

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{ALLOW, VARY},
    web::{Data, ServiceConfig, get, head, resource, to},
};

use super::{csv::wants, office::Operations};
use crate::{
    actors::{quota_lender::Asked, roster::Roster},
    snapshot::condition::Condition,
    store::Connections,
    telemetry::{ActorGauge, ExchangeCount, Metrics, OPENMETRICS, PoolGauge, Seen},
};

pub use self::budgets::BudgetSums;

/// What a scraper asks for that reads OpenMetrics.
const OPENMETRICS_ESSENCE: &str = "application/openmetrics-text";

/// What the ops port serves.
pub fn configure(config: &mut ServiceConfig) {
    let resource = resource("/metrics").route(get().to(metrics)).route(head().to(metrics));
    config.service(resource.default_service(to(other_method)));
}

async fn other_method() -> HttpResponse {
    HttpResponse::MethodNotAllowed().insert_header((ALLOW, "GET, HEAD")).finish()
}

async fn metrics(
    request: HttpRequest,
    operations: Data<Operations>,
    metrics: Data<Metrics>,
    sums: Data<BudgetSums>,
) -> HttpResponse {
    let (budgets, alerts) = (sums.read(&operations).await, operations.announcements.reported());
    let (actors, exchanges) = (gauges(&operations.roster), exchanges(&operations).collect());
    metrics.set_audit_backlog(operations.audit.backlog());
    metrics.set_checkpoints_stand_still(operations.checkpoints.stand_still());
    metrics.set_store_file_replaced(operations.store.check_place().is_err());
    metrics.set_clock_ahead(operations.clock.ahead_us());
    let (upstreams, pools) = (upstreams(&operations), pools(&operations));
    let seen = Seen { actors, exchanges, pools, budgets, upstreams, alerts: &alerts };
    if wants(&request, OPENMETRICS_ESSENCE, |usual| matches!(usual, ("text", "plain" | "*") | ("*", _))) {
        let text = metrics.render_openmetrics(seen);
        return HttpResponse::Ok().insert_header((VARY, "Accept")).content_type(OPENMETRICS).body(text);
    }
    match metrics.render(seen) {
        Ok(text) => HttpResponse::Ok()
            .insert_header((VARY, "Accept"))
            .content_type("text/plain; version=0.0.4; charset=utf-8")
            .body(text),
        Err(error) => {
            tracing::error!(%error, "metrics could not be rendered");
            HttpResponse::InternalServerError().finish()
        }
    }
}

fn gauges(roster: &Roster) -> Vec<ActorGauge> {
    let states = roster.states().into_iter();
    states.map(|(actor, state)| ActorGauge { actor, in_flight: state.in_flight, restarts: state.restarts }).collect()
}

fn upstreams(operations: &Operations) -> Vec<(Arc<str>, i64)> {
    let (routing, now_ms) = (operations.routing.read(), operations.clock.monotonic_ms());
    let state = |(name, condition): (&Arc<str>, &Condition)| (Arc::clone(name), condition.state(now_ms).number());
    routing.conditions().map(state).collect()
}

fn pools(operations: &Operations) -> Vec<PoolGauge> {
    let (kind, store) = operations.store.connections();
    let redis = operations.redis.as_ref().map(|redis| ("redis", redis.connections()));
    let gauge = |(store, Connections { idle, in_use, waiting }): (&'static str, Connections)| PoolGauge {
        store,
        idle,
        in_use,
        waiting,
    };
    [(kind, store)].into_iter().chain(redis).map(gauge).collect()
}

fn exchanges(operations: &Operations) -> impl Iterator<Item = ExchangeCount> {
    operations.lender.asked().into_iter().map(|Asked { home, result, count }| ExchangeCount { home, result, count })
}
