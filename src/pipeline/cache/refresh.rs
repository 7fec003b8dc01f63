//! What is served although stale is confirmed meanwhile (RFC 5861 §3): a call that nobody waits for.
//!
//! It is no request of a client and leaves no record; it is counted as `refresh`. Metered routes have none, because nobody
//! would pay for it.

use actix_web::HttpRequest;
use http::header::{CACHE_CONTROL, PRAGMA};

use super::plan::Plan;
use crate::{
    domain::route::Route,
    pipeline::{
        attempts::Attempts, audit::AttemptsNote, bill::Open, forwarded::Forwarded, outgoing::outgoing,
        rewritten::Rewritten, visit::Visit,
    },
    upstream::OutgoingBody,
};

/// Begins the call.
pub(super) fn begin(visit: &Visit<'_>, request: &HttpRequest, route: &Route, mut plan: Plan) {
    let Visit { gate, call, record, .. } = visit;
    let attempts = Attempts::of(gate, (route, &route.aims), (call.id, "GET", None), AttemptsNote::default());
    let Some(mut attempts) = attempts else { return };
    let Ok(mut outgoing) =
        outgoing((call, record.known.principal().map(AsRef::as_ref)), request, route, OutgoingBody::Empty)
    else {
        return;
    };
    outgoing.method = http::Method::GET;
    for wish in [CACHE_CONTROL, PRAGMA] {
        outgoing.headers.remove(wish);
    }
    plan.prepare(&mut outgoing);
    // It outlasts the request, and is named by that.
    record.trace.carry(&mut outgoing.headers);
    gate.metrics.cache(&route.name, "refresh");
    let name = std::sync::Arc::clone(&route.name);
    actix_web::rt::spawn(async move {
        let concluded = match attempts.send(outgoing, &Rewritten::default()).await {
            Ok(answer) => {
                plan.answered(&answer);
                // A body that is kept is read on although nobody takes it here.
                drop(plan.conclude(Forwarded::new(answer, Open::default())).await);
                Ok(())
            }
            Err(error) => plan.conclude_failure(error).map(drop),
        };
        if let Err(error) = concluded {
            tracing::debug!(route = %name, error = %error.with_causes(), "a kept answer was not confirmed");
        }
    });
}
