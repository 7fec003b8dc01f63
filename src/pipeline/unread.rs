//! A head that the HTTP parser refused: no call, but a record.
//!
//! The parser has answered it and closes the connection before anybody here is told. So its record comes in the moment after
//! the answer, and says no more than from where the head came.

use std::net::SocketAddr;

use super::Gate;
use crate::domain::{
    audit::{Decision, Draft, Findings, Outcome, Stage, Subject},
    ids::{EntryId, RequestId},
};

/// Puts on record that a head was refused: one that was too long with 431, any other with 400.
pub fn record(gate: &Gate, peer: Option<SocketAddr>, is_too_long: bool) {
    let (status, reason) = if is_too_long { (431, "head-too-long") } else { (400, "unreadable-head") };
    let draft = Draft {
        id: EntryId(gate.clock.new_id()),
        request_id: RequestId(gate.clock.new_id()),
        time: gate.clock.now(),
        stage: Stage::Whole,
        subject: Some(Subject { peer: peer.map(|peer| peer.ip().to_canonical()), ..Subject::default() }),
        findings: Findings {
            decision: Some(Decision::Refused),
            reason: Some(reason.into()),
            status: Some(status),
            outcome: Some(Outcome::Complete),
            ..Findings::default()
        },
    };
    gate.metrics.request(&draft, 0, 0);
    match gate.audit.slot() {
        Ok(place) => gate.audit.leave(place, draft, gate.recording.durability),
        Err(error) => tracing::error!(%error, "a head that was refused is not on record"),
    }
}
