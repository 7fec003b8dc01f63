//! Asks upstreams for their health, as the configuration says, and tells their conditions what they answered.
//!
//! An upstream is healthy whose answer is a success and in time. Routes and upstreams are read anew each time, so that a
//! reload is followed at once.

use std::{collections::HashMap, sync::Arc, time::Duration};

use http::{HeaderMap, Method};

use crate::{
    clock::Clock,
    snapshot::{
        Snapshot,
        condition::Condition,
        routing::{Check, Routing},
    },
    upstream::{Client, InFlight, Outgoing, OutgoingBody, Target},
};

/// How often is looked whether a check is due.
const TICK: Duration = Duration::from_millis(250);

/// The longest that an answer is waited for; never longer than to the next check.
const PATIENCE: Duration = Duration::from_secs(5);

/// The checks of all upstreams.
pub(super) struct HealthChecks {
    routing: Snapshot<Routing>,
    clock: Clock,
    client: Client,
    /// When each is due, on the monotonic clock.
    due_ns: HashMap<Arc<str>, u64>,
}

impl HealthChecks {
    /// Checks that have not begun.
    pub fn new(routing: Snapshot<Routing>, clock: Clock) -> Self {
        Self { routing, clock, client: Client::new(), due_ns: HashMap::new() }
    }

    /// Checks for as long as the gateway runs.
    pub fn start(mut self) {
        actix_web::rt::spawn(async move {
            loop {
                self.begin_due();
                tokio::time::sleep(TICK).await;
            }
        });
    }

    fn begin_due(&mut self) {
        let (routing, now_ns) = (self.routing.read(), self.clock.monotonic_ns());
        self.due_ns.retain(|name, _| routing.checks().iter().any(|check| check.upstream == *name));
        for check in routing.checks() {
            let due = self.due_ns.entry(Arc::clone(&check.upstream)).or_insert(now_ns);
            let upstream = routing.upstream(&check.upstream).filter(|_| *due <= now_ns);
            let Some((target, condition)) = upstream else { continue };
            *due = now_ns.saturating_add(u64::try_from(check.interval.as_nanos()).unwrap_or(u64::MAX));
            // Its place is not one of a call's.
            let target = Target { in_flight: InFlight::new(1), ..Target::clone(target) };
            let id = self.clock.new_id().to_string();
            actix_web::rt::spawn(ask(self.client.clone(), target, condition.clone(), (check.clone(), id)));
        }
    }
}

async fn ask(client: Client, target: Target, condition: Condition, (check, request_id): (Check, String)) {
    let outgoing = Box::new(Outgoing {
        method: Method::GET,
        path_and_query: check.path,
        headers: HeaderMap::new(),
        body: OutgoingBody::Empty,
        request_id,
        original: None,
        unix_time_s: 0,
        importance: crate::domain::importance::Importance::Critical,
    });
    // That a kept connection was closed meanwhile says nothing of the upstream's health.
    let answered = tokio::time::timeout(PATIENCE.min(check.interval), client.send_anew(&target, outgoing)).await;
    let is_good = matches!(&answered, Ok(Ok(answer)) if answer.status.is_success());
    if !is_good {
        let said = answered.map(|sent| sent.map(|answer| answer.status.as_u16()).map_err(|error| error.with_causes()));
        tracing::warn!(upstream = %check.upstream, ?said, "a health check failed");
    }
    condition.health(is_good);
}
