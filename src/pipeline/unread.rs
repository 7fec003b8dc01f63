//! A head that is not handed to the pipeline: the HTTP parser refused it, or it did not come whole in time. Its answer and
//! its record are those of any other refusal; who called is not known, and what for as far as the request line says it.
//!
//! Called by the connection layer, once, at the end of a connection.

use std::net::SocketAddr;

use actix_web::{
    HttpResponse,
    body::{BodySize, MessageBody},
};

use super::{audit, call::Call, connection::Connection, gate::Gate};
use crate::domain::{
    audit::{Decision, Draft, Findings, Outcome, Stage, Subject},
    ids::{EntryId, RequestId},
    redaction::redact,
    refusal::{Refusal, Unavailable},
};

/// Why a head was refused, for the client and for the record.
pub struct Unread {
    pub refusal: Refusal,
    pub reason: &'static str,
}

/// Puts the refusal on record and gives the answer, which says what was recorded.
pub async fn answer(gate: &Gate, peer: Option<SocketAddr>, connection: &Connection, unread: &Unread) -> HttpResponse {
    let (id, transport) = (RequestId(gate.clock.new_id()), connection.transport());
    let (method, path) = connection.opening().asked().unwrap_or_default();
    let allowed_origin = connection.opening().origin().filter(|origin| gate.peers.allows(origin)).map(str::to_owned);
    let unread_call = Call::unread(id, peer.map(|peer| peer.ip().to_canonical()), transport.clone(), &gate.clock);
    let call = Call { method, path, allowed_origin, ..unread_call };
    let answer = audit::refuse(gate, &call, &unread.refusal, &[]);
    let draft = Draft {
        id: EntryId(gate.clock.new_id()),
        request_id: id,
        time: call.time,
        stage: Stage::Whole,
        subject: Some(Subject {
            peer: call.peer,
            method: call.method.clone(),
            path: redact(&call.path).into_owned(),
            client_certificate: transport.client_certificate().map(str::to_owned),
            ..Subject::default()
        }),
        findings: Findings {
            decision: Some(Decision::Refused),
            reason: Some(unread.reason.into()),
            status: Some(answer.status().as_u16()),
            outcome: Some(Outcome::Complete),
            request_bytes: Some(0),
            response_bytes: size_of(&answer),
            ..Findings::default()
        },
    };
    gate.metrics.request(&draft, 0, 0, None);
    gate.access_log.request(&draft, None, gate.clock.now());
    let recorded = match gate.audit.slot() {
        Ok(slot) => gate.audit.write(slot, draft, gate.recording.durability).await.is_ok(),
        Err(_) => false,
    };
    if recorded {
        return answer;
    }
    tracing::error!(request = %id, "a head that was refused is not on record");
    audit::refuse(gate, &call, &Refusal::Unavailable(Unavailable::Audit), &[])
}

fn size_of(answer: &HttpResponse) -> Option<u64> {
    match answer.body().size() {
        BodySize::Sized(bytes) => Some(bytes),
        BodySize::None => Some(0),
        BodySize::Stream => None,
    }
}
