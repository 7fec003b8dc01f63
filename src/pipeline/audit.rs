//! Every request ends here: one record, on disk before the answer's first byte.
//!
//! A [`record::Record`] is opened before anything else happens to a request and takes its places in the audit log then. An
//! answer that is whole leaves one entry, which is committed before the answer goes. A streamed answer leaves its
//! decision before, and its outcome with its last byte. A record that is dropped, because the client went away or a
//! handler panicked, says so.

mod known;
mod limits;
mod note;
mod outlive;
mod passed;
pub(super) mod record;
mod streamed;

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
};

use self::streamed::Recorded;
pub use self::{
    note::{AttemptsNote, CostNote, Note, Paid},
    outlive::outlive,
    passed::Intake,
};
use super::{
    call::{Call, Doubt},
    gate::Gate,
    visit::Visit,
};
use crate::{
    answer::{headers, problem},
    domain::{
        audit::Outcome,
        limit::Standing,
        refusal::{Refusal, Unavailable},
    },
};

/// Words the outcome, puts the record on disk, and only then lets the answer go.
pub async fn close(
    mut visit: Box<Visit<'_>>,
    request: &HttpRequest,
    outcome: Result<HttpResponse, Refusal>,
) -> HttpResponse {
    let Visit { gate, call, record, .. } = &mut *visit;
    record.known.take_note(request.extensions_mut().remove::<Note>().unwrap_or_default());
    record.known.judge(&outcome);
    if let Err(refusal) = &outcome {
        refusal.refusing_policies().for_each(|policy| gate.metrics.limit_refusal(policy));
        if let Some(doubt) = request.conn_data::<Doubt>().filter(|_| refusal.doubts_framing()) {
            doubt.raise();
        }
    }
    // What a refusal by a rule has not begun, and a call that only reads, can be repeated.
    let has_begun = outcome.as_ref().map_or_else(Refusal::is_failure, |_| true);
    let was_done = has_begun && (call.may_change() || record.is_decided());
    // Nobody is there to read what is answered to a client that hung up.
    let ending = if matches!(outcome, Err(Refusal::Disconnected)) { Outcome::Aborted } else { Outcome::Complete };
    let mut response = outcome.unwrap_or_else(|refusal| problem::render(&refusal, call.id, &call.path));
    record.known.answered(response.status().as_u16());
    let standings = record.known.limits.now();
    headers::add(
        response.headers_mut(),
        call.id,
        &standings,
        gate.peers.browser(call.allowed_origin.as_deref(), &call.transport),
    );
    let (head, body) = response.into_parts();
    let written = match body.try_into_bytes() {
        Ok(bytes) => {
            record.known.sent(&bytes);
            record.finish(ending).await.map(|()| BoxBody::new(bytes))
        }
        Err(body) => match record.decide_at_least().await {
            Ok(()) => return head.set_body(BoxBody::new(Recorded::new(body, visit.record))),
            Err(refusal) => Err(refusal),
        },
    };
    match written {
        Ok(body) => head.set_body(body),
        Err(_) if was_done => refuse(gate, call, &Refusal::Unavailable(Unavailable::Outcome), &standings),
        Err(refusal) => {
            let response = refuse(gate, call, &refusal, &standings);
            record.known.judge(&Err(refusal));
            record.known.answered(response.status().as_u16());
            record.leave(Outcome::Complete);
            response
        }
    }
}

/// Words a refusal that cannot be put on record.
pub fn refuse(gate: &Gate, call: &Call, refusal: &Refusal, standings: &[Standing]) -> HttpResponse {
    let mut response = problem::render(refusal, call.id, &call.path);
    headers::add(
        response.headers_mut(),
        call.id,
        standings,
        gate.peers.browser(call.allowed_origin.as_deref(), &call.transport),
    );
    response
}
