//! The true cost, at the end of the answer: when its last byte is out, or when it is dropped.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use bytes::Bytes;
use futures_util::Stream;

use super::{forward::Forwarded, limit::Charged, tokens::Tally};
use crate::{
    actors::budget_ledger::OpenHold,
    domain::money::Money,
    upstream::{AnswerBody, AnswerStream, StreamError},
};

/// Makes the answer for the client. Its hold ends with its body, and so do its places among the calls under way.
pub fn settle(forwarded: Forwarded) -> HttpResponse {
    let Forwarded { answer, hold, charged } = forwarded;
    // Both crates hold a status to three digits.
    let status = StatusCode::from_u16(answer.status.as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let tally = charged.counts_tokens().then(|| Tally::of(&answer, status));
    let open = Open { hold, charged, tally };
    let stated = answer.headers.get(http::header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    let mut response = HttpResponse::new(status).set_body(body_of(answer.body, status, stated, open));
    for (name, value) in &answer.headers {
        let name = HeaderName::try_from(name.as_str());
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            // The server writes the length itself, from the body; of a 304 it keeps the one that is stated.
            if name != header::CONTENT_LENGTH || status == StatusCode::NOT_MODIFIED {
                response.headers_mut().append(name, value);
            }
        }
    }
    response
}

fn body_of(body: AnswerBody, status: StatusCode, stated: Option<u64>, mut open: Open) -> BoxBody {
    match body {
        AnswerBody::Whole(bytes) => {
            open.read(&bytes);
            open.end();
            match stated {
                _ if status == StatusCode::NOT_MODIFIED => BoxBody::new(()),
                Some(length) if length > 0 && bytes.is_empty() => BoxBody::new(Withheld { length }),
                _ => BoxBody::new(bytes),
            }
        }
        AnswerBody::Stream(stream) => {
            BoxBody::new(Settling { length: stated.or(stream.length()), stream, open: Some(open) })
        }
    }
}

/// What a call has open until the last byte of its answer is out, or it is dropped.
struct Open {
    hold: Option<OpenHold>,
    charged: Charged,
    /// Where a limit counts the tokens of the call.
    tally: Option<Tally>,
}

impl Open {
    fn read(&mut self, piece: &[u8]) {
        if let Some(tally) = &mut self.tally {
            tally.read(piece);
        }
    }

    /// The answer came to its own end. There are no prices yet: every call costs nothing.
    fn end(mut self) {
        if let Some(tokens) = self.tally.take().and_then(Tally::total_tokens) {
            self.charged.took_tokens(tokens);
        }
        if let Some(hold) = self.hold {
            hold.settle(Money::ZERO);
        }
    }
}

/// The body that a HEAD request asks the length of and does not get (RFC 9110 §9.3.2).
struct Withheld {
    length: u64,
}

impl MessageBody for Withheld {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(None)
    }
}

/// A body on its way to the client, with what ends with it.
struct Settling {
    stream: AnswerStream,
    length: Option<u64>,
    open: Option<Open>,
}

impl MessageBody for Settling {
    type Error = StreamError;

    fn size(&self) -> BodySize {
        self.length.map_or(BodySize::Stream, BodySize::Sized)
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StreamError>>> {
        let chunk = ready!(Pin::new(&mut self.stream).poll_next(cx));
        if let (Some(Ok(piece)), Some(open)) = (&chunk, &mut self.open) {
            open.read(piece);
        }
        if let Some(open) = self.open.take_if(|_| chunk.is_none()) {
            open.end();
        }
        Poll::Ready(chunk)
    }
}
