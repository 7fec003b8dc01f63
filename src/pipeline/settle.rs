//! The true cost, at the end of the answer: when its last byte is out, or when it is dropped.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    http::{
        Method, StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    rt::System,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::{bill::Open, forwarded::Forwarded, turns::pass_in_turns};
use crate::{
    domain::money::Money,
    meter::is_event_stream,
    upstream::{AnswerBody, AnswerStream, StreamError},
};

/// What was set aside for the call, and what it cost, in USD.
pub(super) const HOLD: &str = "x-tollgate-hold-usd";
pub(super) const COST: &str = "x-tollgate-cost-usd";

/// Makes the answer for the client. What the call has open ends with the body of it.
pub fn settle(forwarded: Forwarded, method: &Method) -> HttpResponse {
    let Forwarded { answer, begun, open, .. } = forwarded;
    // Both crates hold a status to three digits.
    let status = StatusCode::from_u16(answer.status.as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let stated = answer.headers.get(http::header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    let amounts = open.amounts();
    let body = match status {
        // RFC 9110 §15.3.5 and §15.4.5: these have no content.
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => BoxBody::new(()),
        _ if *method == Method::HEAD => BoxBody::new(Withheld { length: stated }),
        _ => body_of(answer.body, begun, stated, open),
    };
    let mut response = HttpResponse::new(status).set_body(body);
    response.head_mut().reason = Some(answer.reason.text(answer.status));
    if let Some((held, cost)) = amounts {
        add_amounts(held, cost, &answer.headers, response.headers_mut());
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

fn body_of(body: AnswerBody, begun: Bytes, stated: Option<u64>, open: Open) -> BoxBody {
    match body {
        AnswerBody::Whole(bytes) => BoxBody::new(bytes),
        AnswerBody::Stream(stream) => {
            let length = stated.or(stream.length()).filter(|_| !open.alters());
            BoxBody::new(Settling { begun, stream: Some(stream), length, open, gives_way: false, failure: None })
        }
    }
}

/// Adds what is held for the call, and its cost where the head is sent after the end of the call: not of a stream.
fn add_amounts(held: Money, cost: Option<Money>, answer: &http::HeaderMap, headers: &mut HeaderMap) {
    let content_type = answer.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_stream = content_type.is_some_and(is_event_stream);
    for (name, amount) in [(HOLD, Some(held)), (COST, cost.filter(|_| !is_stream))] {
        if let Some(Ok(value)) = amount.map(|amount| HeaderValue::from_str(&amount.to_string())) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// The body that a HEAD request asks about and does not get (RFC 9110 §9.3.2): as long as that of a GET, where the
/// upstream says how long that is.
struct Withheld {
    length: Option<u64>,
}

impl MessageBody for Withheld {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.length.map_or(BodySize::Stream, BodySize::Sized)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(None)
    }
}

/// A body on its way to the client, with what ends with it.
struct Settling {
    /// What has come of it before.
    begun: Bytes,
    /// Until its end.
    stream: Option<AnswerStream>,
    length: Option<u64>,
    open: Open,
    /// Whether others were served since the last turn at one piece.
    gives_way: bool,
    /// Why the rest does not come. Said at the next turn, when what came before is on its way: the server drops what it
    /// has not written when a body fails.
    failure: Option<StreamError>,
}

/// How long the usage is waited for that follows a finished answer, if the client has left.
const USAGE_PATIENCE: Duration = Duration::from_secs(2);

/// How long the rest of an answer is waited for whose cost only its usage says, if the client has left.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);

impl Drop for Settling {
    /// A client that leaves before the usage pays for what it got, and that is about to be stated. What nobody but the
    /// upstream can count (a prompt that is kept elsewhere, an image) is read to its end.
    fn drop(&mut self) {
        let patience = if self.open.needs_usage() {
            ANSWER_PATIENCE
        } else if self.open.awaits_usage() {
            USAGE_PATIENCE
        } else {
            return;
        };
        if System::try_current().is_some()
            && let Some(stream) = self.stream.take()
        {
            self.open.client_left();
            actix_web::rt::spawn(await_usage(stream, std::mem::take(&mut self.open), patience));
        }
    }
}

async fn await_usage(mut stream: AnswerStream, mut open: Open, patience: Duration) {
    let usage = async {
        while open.awaits_usage() || open.needs_usage() {
            match stream.next().await {
                Some(Ok(piece)) => drop(pass_in_turns(&mut open, piece).await),
                Some(Err(_)) => open.cut(),
                None => drop(open.rest()),
            }
        }
    };
    // Whether it came or not, the call is billed as `open` is dropped.
    drop(tokio::time::timeout(patience, usage).await);
}

impl MessageBody for Settling {
    type Error = StreamError;

    fn size(&self) -> BodySize {
        self.length.map_or(BodySize::Stream, BodySize::Sized)
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StreamError>>> {
        if let Some(error) = self.failure.take() {
            return Poll::Ready(Some(Err(error)));
        }
        if !self.begun.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.begun))));
        }
        loop {
            let (passed, is_last) = ready!(self.poll_part(cx));
            if self.failure.is_none() && self.open.is_broken() {
                self.fail(StreamError::Undecodable);
            }
            if self.failure.is_some() {
                cx.waker().wake_by_ref();
                return if passed.is_empty() { Poll::Pending } else { Poll::Ready(Some(Ok(passed))) };
            }
            // A piece of nothing would be read as the end.
            if is_last || !passed.is_empty() {
                return Poll::Ready((!passed.is_empty()).then_some(Ok(passed)));
            }
        }
    }
}

impl Settling {
    /// What the client gets of the next piece, or of a further turn at the last one; and whether nothing follows.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<(Bytes, bool)> {
        if self.open.has_more() {
            self.gives_way = !self.gives_way;
            if self.gives_way {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready((self.open.pass(Bytes::new()), false));
        }
        let Some(stream) = &mut self.stream else { return Poll::Ready((Bytes::new(), true)) };
        Poll::Ready(match ready!(Pin::new(stream).poll_next(cx)) {
            Some(Ok(piece)) => (self.open.pass(piece), false),
            Some(Err(error)) => {
                self.fail(error);
                (Bytes::new(), true)
            }
            None => {
                let rest = self.open.rest();
                if !self.open.is_broken() {
                    self.open.end();
                }
                (rest, true)
            }
        })
    }

    fn fail(&mut self, error: StreamError) {
        self.open.cut();
        self.open.end();
        self.stream = None;
        self.failure = Some(error);
    }
}
