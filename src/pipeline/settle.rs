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
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};
use bytes::Bytes;
use futures_util::Stream;

use super::{audit::Record, forward::Forwarded, limit::Charged, reserve::Bill, tokens::Tally};
use crate::{
    domain::{ledger::End, money::Money, usage::Usage},
    upstream::{AnswerBody, AnswerStream, StreamError},
};

/// What was set aside for the call, and what it cost, in USD.
const HOLD: &str = "x-tollgate-hold-usd";
const COST: &str = "x-tollgate-cost-usd";

/// Makes the answer for the client. The places of the call among those under way end with its body; its hold ends here,
/// because what a fixed price comes to is known.
pub fn settle(forwarded: Forwarded, record: &mut Record) -> HttpResponse {
    let Forwarded { answer, bill, charged } = forwarded;
    // Both crates hold a status to three digits.
    let status = StatusCode::from_u16(answer.status.as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let tally = charged.counts_tokens().then(|| Tally::of(&answer, status));
    let open = Open { charged, tally };
    let billed = bill.map(|bill| Billed::of(bill, status));
    let stated = answer.headers.get(http::header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    let mut response = HttpResponse::new(status).set_body(body_of(answer.body, status, stated, open));
    if let Some(billed) = billed {
        record.cost(billed.cost);
        billed.tell(&answer.headers, response.headers_mut());
    }
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

    /// The answer came to its own end.
    fn end(mut self) {
        if let Some(tokens) = self.tally.take().and_then(Tally::total_tokens) {
            self.charged.took_tokens(tokens);
        }
    }
}

/// What was held for a call, and what it came to.
struct Billed {
    held: Money,
    cost: Money,
}

impl Billed {
    /// An answer that is an error costs nothing.
    fn of(bill: Bill, status: StatusCode) -> Self {
        let held = bill.hold.amount();
        if status.is_client_error() || status.is_server_error() {
            return Self { held, cost: Money::ZERO };
        }
        bill.hold.settle(End::Settle { cost: bill.price, usage: Usage::default(), estimated: false });
        Self { held, cost: bill.price }
    }

    /// A stream's head does not tell its cost.
    fn tell(&self, answer: &http::HeaderMap, headers: &mut HeaderMap) {
        let content_type = answer.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_stream = content_type.is_some_and(|kind| kind.trim_start().starts_with("text/event-stream"));
        let told = [(HOLD, Some(self.held)), (COST, (!is_stream).then_some(self.cost))];
        for (name, amount) in told {
            if let Some(Ok(value)) = amount.map(|amount| HeaderValue::from_str(&amount.to_string())) {
                headers.insert(HeaderName::from_static(name), value);
            }
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
