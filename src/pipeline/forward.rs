//! The call goes to its upstream.

use std::{pin::pin, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::{
    FutureExt, StreamExt,
    future::{Either, select},
};

use super::{
    attempts::Attempts,
    audit::outlive,
    bill::Open,
    body::{BodyBounds, ClientBody},
    cache::plan::Plan,
    call::Call,
    forwarded::Forwarded,
    gate::Gate,
    outgoing::outgoing,
    reserve::Reserved,
    rewritten::Rewritten,
    turns::pass_in_turns,
    visit::Visit,
};
use crate::{
    domain::{
        refusal::{Refusal, Unavailable},
        route::Route,
    },
    meter::MAX_WHOLE_BYTES,
    telemetry::Step,
    upstream::{
        Answer, AnswerBody, AnswerStream, MAX_KEPT_BYTES, Outgoing, OutgoingBody, StreamError, UpstreamError, headers,
    },
};
use actix_web::HttpRequest;

/// The longest answer that is collected before its head goes, where its length is stated.
const MAX_COLLECTED_BYTES: u64 = 64 * 1024;

/// How long such an answer is waited for.
const COLLECTED_WITHIN: Duration = Duration::from_millis(20);

/// Sends the call and waits for the head of the answer; of a whole answer that is billed by tokens, for its end.
///
/// A call that is billed goes on though its client goes away: one at a fixed price to the head, which says whether it was
/// served, and a whole answer by tokens to its end, which says what it took. That of a stream is known as far as it came,
/// and the upstream is stopped there. A call that others wait for goes on as well.
pub async fn forward(
    visit: &mut Visit<'_>,
    request: &HttpRequest,
    mut body: ClientBody,
    (reserved, mut plan): (Reserved, Plan),
    route: &Route,
) -> Result<Forwarded, Refusal> {
    let note = visit.record.known.attempts_note();
    let Reserved { mut open, aims, rewritten } = reserved;
    let asked = (visit.call.id, &*visit.call.method, visit.record.known.asked_model());
    let attempts = Attempts::of(visit.gate, (route, &aims), asked, note).ok_or(Refusal::UpstreamFailed)?;
    if attempts.may_retry() && rewritten.is_empty() && body.is_within(MAX_KEPT_BYTES) {
        // Kept, so that it can be sent again.
        body.read(&visit.gate.shape.body, &visit.record.known.intake(), &mut visit.buffered).await?;
    }
    let Visit { gate, call, record, .. } = visit;
    if let [aim] = &*aims {
        record.known.upstream(&aim.upstream);
    }
    let body = if rewritten.is_empty() {
        body.outgoing(gate.shape.body, record.known.intake())
    } else {
        // Written for each place.
        OutgoingBody::Empty
    };
    let mut outgoing = outgoing((call, record.known.principal().map(AsRef::as_ref)), request, route, body)?;
    open.sent();
    record.enter(Step::Forward);
    let begun_ns = gate.clock.monotonic_ns();
    if open.by_tokens() {
        // A coded answer would hide its usage.
        outgoing.headers.insert(http::header::ACCEPT_ENCODING, http::HeaderValue::from_static("identity"));
    }
    plan.prepare(&mut outgoing);
    record.trace.carry(&mut outgoing.headers);
    let attempts = attempts.traced(record.trace.attempts(route.meter, record.known.asked_model()));
    let goes_on = open.is_billed() || plan.leads();
    let exchange = Box::pin(exchange(attempts, (outgoing, rewritten), open, plan));
    let sent = if goes_on { outlive(record, gate, call, exchange).await? } else { exchange.await };
    let now_ns = gate.clock.monotonic_ns();
    record.known.waited(now_ns.saturating_sub(begun_ns));
    let has_tried = record.known.tried();
    // A stream goes on behind its head, to the end of the request.
    if !matches!(&sent, Ok(Forwarded { answer: Answer { body: AnswerBody::Stream(_), .. }, .. })) {
        record.trace.upstream_ended(now_ns);
    }
    match sent {
        Ok(forwarded) => {
            // Of several attempts the record has the last, which need not be the one whose answer the client gets.
            if let Some(status) = forwarded.upstream_status.filter(|_| !has_tried) {
                record.known.upstream_status(status);
            }
            if let (Some(status @ (401 | 403)), Some(upstream)) = (forwarded.upstream_status, record.known.called()) {
                tell_of_refusal(gate, upstream, status);
            }
            if forwarded.answer.status.is_success() {
                record.known.served_model(forwarded.open.served_model());
            }
            Ok(forwarded)
        }
        Err(error) => {
            tell_of_call(call, route, &error);
            Err(refusal_of(&error, &gate.shape.body))
        }
    }
}

/// Tells of a call that cannot be forwarded as it is, of which the client learns no more than that it failed. What upstreams do is
/// told once for many calls, and of each call only to whoever asks for as much.
pub(super) fn tell_of_call(call: &Call, route: &Route, error: &UpstreamError) {
    let (request, route) = (call.id, &route.name);
    if let UpstreamError::Unforwardable(why) = error {
        tracing::warn!(%request, %route, error = %why, "a call was not forwarded");
    } else {
        tracing::debug!(%request, %route, error = %error.with_causes(), "a call was not forwarded");
    }
}

/// An upstream that refuses the gateway's secret looks to callers as if theirs were wrong, so the operator is told.
fn tell_of_refusal(gate: &Gate, upstream: &str, status: u16) {
    let routing = gate.routing.read();
    let is_sent_secret = routing.target(upstream).is_some_and(|target| target.secret.is_some());
    let condition = routing.condition(upstream).filter(|_| is_sent_secret);
    if condition.is_some_and(|condition| condition.refuses(gate.clock.monotonic_ms())) {
        tracing::warn!(
            upstream,
            status,
            "an upstream refuses what it is sent with the gateway's own secret: the secret is wrong, or may not do this. Callers \
             see its answer"
        );
    }
}

async fn exchange(
    mut attempts: Attempts,
    (outgoing, rewritten): (Box<Outgoing>, Rewritten),
    mut open: Open,
    mut plan: Plan,
) -> Result<Forwarded, UpstreamError> {
    let error = match attempts.send(outgoing, &rewritten).await {
        Ok(mut answer) => {
            plan.answered(&answer);
            let (place, upstream) = attempts.last();
            open.answered(&answer, (place, &upstream));
            if open.decodes() {
                answer.headers.remove(http::header::CONTENT_ENCODING);
            }
            if open.alters() {
                headers::remove_digests(&mut answer.headers);
            }
            match read_whole(answer, open).await {
                Ok(forwarded) => return Ok(plan.conclude(forwarded).await),
                Err(error) => {
                    attempts.cut(&error.with_causes());
                    return plan.conclude_failure(error);
                }
            }
        }
        Err(error) => error,
    };
    let concluded = plan.conclude_failure(error);
    if concluded.is_err() && !attempts.reached() {
        open.give_back();
    }
    concluded
}

/// Reads an answer to its end before its head goes, where that is needed to say what it cost.
async fn read_whole(answer: Answer, mut open: Open) -> Result<Forwarded, UpstreamError> {
    let Answer { status, reason, headers, body } = answer;
    let (upstream_status, alters) = (Some(status.as_u16()), open.alters());
    let forwarded = |body, begun, open| {
        let mut answer = Answer { status, reason, headers, body };
        if let AnswerBody::Whole(bytes) = &answer.body
            && alters
        {
            // What was stated is the length of what came.
            answer.headers.insert(http::header::CONTENT_LENGTH, bytes.len().into());
        }
        Forwarded { answer, begun, open, upstream_status }
    };
    let mut stream = match body {
        AnswerBody::Whole(bytes) => {
            let bytes = joined(vec![pass_in_turns(&mut open, bytes).await, open.rest()]);
            whole(&mut open)?;
            return Ok(forwarded(AnswerBody::Whole(bytes), Bytes::new(), open));
        }
        AnswerBody::Stream(mut stream) if open.is_whole() => {
            stream.take_turns();
            stream
        }
        AnswerBody::Stream(mut stream) => {
            if open.by_tokens() {
                stream.take_turns();
            }
            let (begun, rest) = begin(stream, &mut open).await?;
            return Ok(match rest {
                Some(stream) => forwarded(AnswerBody::Stream(stream), begun, open),
                None => forwarded(AnswerBody::Whole(begun), Bytes::new(), open),
            });
        }
    };
    let mut begun = BytesMut::new();
    while let Some(piece) = stream.next().await {
        let piece = piece.inspect_err(|_| open.cut())?;
        begun.extend_from_slice(&pass_in_turns(&mut open, piece).await);
        // Its first bytes may show that it is a stream, whatever its label.
        if begun.len() > MAX_WHOLE_BYTES || !open.is_whole() {
            return Ok(forwarded(AnswerBody::Stream(stream), begun.freeze(), open));
        }
    }
    begun.extend_from_slice(&open.rest());
    whole(&mut open)?;
    Ok(forwarded(AnswerBody::Whole(begun.freeze()), Bytes::new(), open))
}

/// What is read of an answer before its head goes, and the rest, if there is one.
///
/// What came with the head is looked at in any case: a body that is broken from its first byte is a 502, not an answer
/// that is cut before it begins. A short answer of a stated length is collected, so that its record is one entry;
/// if it stalls, it is passed on as it comes.
async fn begin(mut stream: AnswerStream, open: &mut Open) -> Result<(Bytes, Option<AnswerStream>), UpstreamError> {
    if stream.length().is_none_or(|length| length > MAX_COLLECTED_BYTES) {
        // Bytes that came with the head may still be on their way through the connection's task.
        tokio::task::yield_now().await;
        let first = match stream.next().now_or_never() {
            Some(Some(piece)) => {
                let piece = piece.inspect_err(|_| open.cut())?;
                pass_in_turns(open, piece).await
            }
            // An empty body ends in the usual way.
            Some(None) | None => Bytes::new(),
        };
        return Ok((first, Some(stream)));
    }
    let (mut pieces, mut late) = (vec![], pin!(tokio::time::sleep(COLLECTED_WITHIN)));
    loop {
        match select(stream.next(), late.as_mut()).await {
            Either::Left((Some(Ok(piece)), _)) => pieces.push(pass_in_turns(open, piece).await),
            Either::Left((Some(Err(error)), _)) => {
                let begun = joined(pieces);
                // What came goes to the client, and is cut there too.
                return if begun.is_empty() {
                    open.cut();
                    Err(error.into())
                } else {
                    Ok((begun, Some(AnswerStream::failed(error))))
                };
            }
            // The rest of what is long once it is decoded goes as a stream.
            Either::Left((None, _)) if open.has_more() => return Ok((joined(pieces), Some(stream))),
            Either::Left((None, _)) => {
                pieces.push(open.rest());
                whole(open)?;
                return Ok((joined(pieces), None));
            }
            Either::Right(_) => return Ok((joined(pieces), Some(stream))),
        }
    }
}

/// The call is over, unless the client cannot get all of its answer.
fn whole(open: &mut Open) -> Result<(), StreamError> {
    let is_broken = open.is_broken();
    open.end();
    if is_broken { Err(StreamError::Undecodable) } else { Ok(()) }
}

/// All pieces in one; not copied where there is only one, as usual.
fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    pieces.retain(|piece| !piece.is_empty());
    match pieces.as_slice() {
        [whole] => whole.clone(),
        _ => pieces.concat().into(),
    }
}

/// What a call that has no answer is refused with.
pub(super) fn refusal_of(error: &UpstreamError, bounds: &BodyBounds) -> Refusal {
    match error {
        UpstreamError::Busy => Refusal::Unavailable(Unavailable::Capacity),
        UpstreamError::Unfit { retry_after_s } => {
            Refusal::Unavailable(Unavailable::LeftAlone { retry_after_s: *retry_after_s })
        }
        UpstreamError::RequestBody(aborted) => bounds.refusal_of(*aborted),
        error if error.is_timeout() => Refusal::UpstreamTimeout,
        _ => Refusal::UpstreamFailed,
    }
}
