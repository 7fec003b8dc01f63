//! Every request ends here: one record, on disk before the answer's first byte.
//!
//! A [`Record`] is opened before anything else happens to a request and takes its places in the audit log then. An
//! answer that is whole leaves one entry, which is committed before the answer goes. A streamed answer leaves its
//! decision before, and its outcome with its last byte. A record that is dropped, because the client went away or a
//! handler panicked, says so.

mod note;
mod passed;
mod record;
mod streamed;

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
};

use self::streamed::Recorded;
pub use self::{
    note::{CostNote, Note, Paid},
    passed::Intake,
    record::Record,
};
use super::call::{Call, Doubt};
use crate::{
    answer::{headers, problem},
    domain::{audit::Outcome, limit::Standing, refusal::Refusal},
};

/// Words the outcome, puts the record on disk, and only then lets the answer go.
pub async fn close(
    call: &Call,
    mut record: Record,
    request: &HttpRequest,
    outcome: Result<HttpResponse, Refusal>,
) -> HttpResponse {
    record.take_note(request.extensions_mut().remove::<Note>().unwrap_or_default());
    record.judge(&outcome);
    if let (Err(refusal), Some(doubt)) = (&outcome, request.conn_data::<Doubt>())
        && refusal.doubts_framing()
    {
        doubt.raise();
    }
    // Nobody is there to read what is answered to a client that hung up.
    let ending = if matches!(outcome, Err(Refusal::Disconnected)) { Outcome::Aborted } else { Outcome::Complete };
    let mut response = outcome.unwrap_or_else(|refusal| problem::render(&refusal, call.id, &call.path));
    record.answered(response.status().as_u16());
    let standings = record.take_standings();
    headers::add(response.headers_mut(), call.id, &standings, call.allowed_origin.as_deref());
    match commit(record, response, ending).await {
        Ok(response) => response,
        Err(refusal) => refuse(call, &refusal, &standings),
    }
}

/// Words a refusal that cannot be put on record.
pub fn refuse(call: &Call, refusal: &Refusal, standings: &[Standing]) -> HttpResponse {
    let mut response = problem::render(refusal, call.id, &call.path);
    headers::add(response.headers_mut(), call.id, standings, call.allowed_origin.as_deref());
    response
}

async fn commit(mut record: Record, response: HttpResponse, outcome: Outcome) -> Result<HttpResponse, Refusal> {
    let (head, body) = response.into_parts();
    match body.try_into_bytes() {
        Ok(bytes) => {
            record.sent(&bytes);
            record.finish(outcome).await?;
            Ok(head.set_body(BoxBody::new(bytes)))
        }
        Err(body) => {
            record.decide_at_least().await?;
            Ok(head.set_body(BoxBody::new(Recorded::new(body, record))))
        }
    }
}
