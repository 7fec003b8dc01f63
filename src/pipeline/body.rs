//! The content of a client's request: how long it may be, how it is streamed to the upstream as fast as the slower of
//! the two, and how it is read first where it must be known before anything is decided.
//!
//! That a body is too large (413) or too slow (408) is decided here, also for the gateway's own endpoints.

use std::{io, time::Duration};

use actix_web::{
    dev::Payload,
    error::PayloadError,
    http::header::{self, HeaderMap},
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::{audit::Intake, buffered::Buffered};
use crate::{
    domain::refusal::Refusal,
    upstream::{BodyAborted, BodySender, OutgoingBody},
};

/// A request's content, as far as it is here.
pub enum ClientBody {
    Empty,
    Whole(Bytes),
    Stream {
        payload: Payload,
        /// As the client declared it.
        length: Option<u64>,
    },
}

/// How a client's body is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyBounds {
    pub max_bytes: u64,
    /// The longest pause between two pieces of a body that is streamed; all the time that a body has which is read first.
    pub max_pause: Duration,
}

impl BodyBounds {
    /// Refuses the length that a head declares where two readers could read it in two ways, and where it is too large.
    pub fn check_declared(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(value) = headers.get(header::CONTENT_LENGTH) else {
            return Ok(());
        };
        let text = value.to_str().unwrap_or_default();
        // RFC 9110 §8.6 has digits and nothing else, leading zeros among them; the number is what is sent on.
        let is_plain = text.bytes().all(|b| b.is_ascii_digit());
        let length = if is_plain { text.parse::<u64>().ok() } else { None };
        match length {
            None => Err(Refusal::invalid("header:content-length", "is not a plain decimal number")),
            Some(length) if length > self.max_bytes => Err(self.refusal_of(BodyAborted::TooLarge)),
            Some(_) => Ok(()),
        }
    }

    /// What a body that stopped before its end is refused with.
    pub(super) fn refusal_of(&self, aborted: BodyAborted) -> Refusal {
        match aborted {
            BodyAborted::TooLarge => Refusal::BodyTooLarge { limit_bytes: self.max_bytes },
            BodyAborted::TimedOut => Refusal::RequestTimeout,
            BodyAborted::Disconnected => Refusal::Disconnected,
            BodyAborted::Malformed | BodyAborted::LengthMismatch => {
                Refusal::invalid("", "the body ended early or is not well-formed")
            }
        }
    }
}

impl ClientBody {
    /// The body that the head announces (RFC 9112 §6.3).
    pub fn of(headers: &HeaderMap, payload: Payload) -> Self {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
        let chunked = headers.contains_key(header::TRANSFER_ENCODING);
        if matches!(payload, Payload::None) || (!chunked && length.is_none_or(|length: u64| length == 0)) {
            return Self::Empty;
        }
        Self::Stream { payload, length: length.filter(|_| !chunked) }
    }

    /// Whether it is known to be no longer than this.
    pub fn is_within(&self, max_bytes: usize) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) => bytes.len() <= max_bytes,
            Self::Stream { length, .. } => length.is_some_and(|n| usize::try_from(n).is_ok_and(|n| n <= max_bytes)),
        }
    }

    /// Reads all of it, within the time that a pause may take. Its bytes count as `buffered`.
    pub async fn read(
        &mut self,
        bounds: &BodyBounds,
        intake: &Intake,
        buffered: &mut Buffered,
    ) -> Result<Bytes, Refusal> {
        let payload = match self {
            Self::Empty => return Ok(Bytes::new()),
            Self::Whole(bytes) => return Ok(bytes.clone()),
            Self::Stream { payload, .. } => payload,
        };
        let read = tokio::time::timeout(bounds.max_pause, collect(payload, bounds, intake, buffered)).await;
        let bytes = read.unwrap_or_else(|_| Err(bounds.refusal_of(BodyAborted::TimedOut)))?;
        *self = Self::Whole(bytes.clone());
        Ok(bytes)
    }

    /// The body that will be sent, and for a streamed one a task on this thread that feeds it.
    pub fn outgoing(self, bounds: BodyBounds, intake: Intake) -> OutgoingBody {
        match self {
            Self::Empty => OutgoingBody::Empty,
            Self::Whole(bytes) => OutgoingBody::Whole(bytes),
            Self::Stream { payload, length } => {
                let (sender, body) = OutgoingBody::channel(length);
                actix_web::rt::spawn(feed(payload, sender, bounds, intake));
                body
            }
        }
    }
}

async fn collect(
    payload: &mut Payload,
    bounds: &BodyBounds,
    intake: &Intake,
    buffered: &mut Buffered,
) -> Result<Bytes, Refusal> {
    let mut collected = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| bounds.refusal_of(reason_of(&error)))?;
        if intake.add(&chunk) > bounds.max_bytes {
            return Err(bounds.refusal_of(BodyAborted::TooLarge));
        }
        buffered.take(u64::try_from(chunk.len()).unwrap_or(u64::MAX))?;
        collected.extend_from_slice(&chunk);
    }
    Ok(collected.freeze())
}

/// Carries the body over, one piece at a time: the client is read only when the upstream has taken what came before.
async fn feed(mut payload: Payload, sender: BodySender, bounds: BodyBounds, intake: Intake) {
    loop {
        let chunk = match tokio::time::timeout(bounds.max_pause, payload.next()).await {
            Err(_) => return sender.abort(BodyAborted::TimedOut),
            Ok(None) => return sender.finish(),
            Ok(Some(Err(error))) => return sender.abort(reason_of(&error)),
            Ok(Some(Ok(chunk))) => chunk,
        };
        if intake.add(&chunk) > bounds.max_bytes {
            return sender.abort(BodyAborted::TooLarge);
        }
        if sender.send(chunk).await.is_err() {
            return;
        }
    }
}

fn reason_of(error: &PayloadError) -> BodyAborted {
    match error {
        PayloadError::Io(error) if error.kind() == io::ErrorKind::TimedOut => BodyAborted::TimedOut,
        PayloadError::Incomplete(_) | PayloadError::Io(_) => BodyAborted::Disconnected,
        PayloadError::Overflow => BodyAborted::TooLarge,
        _ => BodyAborted::Malformed,
    }
}
