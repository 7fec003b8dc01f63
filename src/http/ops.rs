//! `/metrics`, on the operators' own port.

mod budgets;

use actix_web::{
    HttpResponse,
    web::{Data, ServiceConfig, get},
};

use super::Office;
use crate::{
    actors::{handle::Handle, quota_lender::Asked},
    telemetry::{ActorGauge, ExchangeCount, Metrics, Seen},
};

pub use self::budgets::BudgetSums;

/// What the ops port serves.
pub fn configure(config: &mut ServiceConfig) {
    config.route("/metrics", get().to(metrics));
}

async fn metrics(office: Data<Office>, metrics: Data<Metrics>, sums: Data<BudgetSums>) -> HttpResponse {
    let (budgets, alerts) = (sums.read(&office).await, office.announcements.told());
    let (actors, exchanges) = (gauges(&office), exchanges(&office).collect());
    metrics.set_audit_backlog(office.audit.backlog());
    metrics.set_clock_ahead(office.clock.ahead_us());
    match metrics.render(Seen { actors, exchanges, budgets, alerts: &alerts }) {
        Ok(text) => HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text),
        Err(error) => {
            tracing::error!(%error, "metrics could not be rendered");
            HttpResponse::InternalServerError().finish()
        }
    }
}

fn gauges(office: &Office) -> Vec<ActorGauge> {
    let mut gauges = vec![
        gauge(office.issuer.handle()),
        gauge(office.users.handle()),
        gauge(office.limits.handle()),
        gauge(office.doors.handle()),
        gauge(office.outside_keys.handle()),
        gauge(office.ledger.handle()),
        gauge(office.audit.handle()),
        gauge(office.announcements.handle()),
        gauge(office.budgets.handle()),
        gauge(office.lender.handle()),
    ];
    gauges.extend(office.quotas.keepers().map(gauge));
    gauges
}

fn exchanges(office: &Office) -> impl Iterator<Item = ExchangeCount> {
    office.lender.asked().into_iter().map(|Asked { home, result, count }| ExchangeCount { home, result, count })
}

fn gauge<A: actix::Actor>(handle: &Handle<A>) -> ActorGauge {
    ActorGauge { actor: handle.name(), in_flight: handle.in_flight(), restarts: handle.restarts() }
}
