//! What the calls on one client connection and the layer below them know of each other.
//!
//! One [`Connection`] a socket, on one thread. The connection layer (`app::server::connections`) notes what is read and
//! written, and asks when the connection is [`due`](Connection::due); `http::entry` notes the begin and the end of a call
//! and lets the call read its body through [`Ongoing::receive`]. Nothing here touches a socket or a timer but that of a body.
//!
//! Why: the HTTP library bounds the first head of a connection and nothing else. A connection can stop in a later head, in
//! a body that nobody reads, in an answer that nobody takes; each of these has its bound here, all in one function.

mod incoming;
mod pace;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    dev::Payload,
    http::{
        ConnectionType,
        header::{self, HeaderMap},
    },
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;

use self::incoming::Incoming;
use crate::domain::principal::Principal;

/// How often the caller of an answer under way is checked for revocation.
const CHECK_CALLER: Duration = Duration::from_millis(500);

/// The most that is read of a body that the call did not want, to keep the connection for the next request. A longer one
/// closes it.
const REST_BYTES: usize = 64 * 1024;

/// While the gateway stops: how long a client may stand still in its body or in taking an answer.
const STOPPING: Duration = Duration::from_secs(5);

/// The bounds of every connection.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// From the first byte of a head to its end; of the first head, from the beginning of the connection.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// After the answer to a request whose body was not read: how long and how much of it is still taken.
    pub unread_body: Duration,
    pub unread_body_bytes: u64,
    /// The longest time in which no byte of an answer could be written.
    pub write: Duration,
    /// The longest pause between two pieces of a body.
    pub body_pause: Duration,
    /// The lowest rate of a body, counted over the time that the gateway waited for it. 0: none.
    pub body_bytes_per_s: u64,
}

/// Why a connection is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// A head did not come whole in time.
    Head,
    /// Nothing came after the last answer, or since the connection was opened.
    Idle,
    /// The body of an answered request went on for too long.
    UnreadBody,
    /// The client does not take its answer.
    UnreadAnswer,
    /// The caller was disabled or revoked while an answer was under way.
    Revoked,
    /// The gateway stops, and the client stands still within its body.
    Stopping,
}

/// What is due on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    End(Overdue),
    /// To see whether the caller may still be answered.
    Check,
}

impl Overdue {
    pub const ALL: [Self; 6] =
        [Self::Head, Self::Idle, Self::UnreadBody, Self::UnreadAnswer, Self::Revoked, Self::Stopping];

    /// The name in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Head => "slow-head",
            Self::Idle => "idle",
            Self::UnreadBody => "unread-body",
            Self::UnreadAnswer => "unread-answer",
            Self::Revoked => "caller-revoked",
            Self::Stopping => "stopping",
        }
    }
}

/// The body of the latest request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    None,
    /// Its end has not been seen.
    Open,
    Ended,
    /// It is not well-formed.
    Broken,
}

/// How the body of a request is delimited (RFC 9112 §6), as the HTTP library has parsed its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    None,
    Length(u64),
    Chunked,
    Unknown,
}

impl Expected {
    fn of(headers: &HeaderMap, payload: &Payload) -> Self {
        if matches!(payload, Payload::None) {
            return Self::None;
        }
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        match length {
            _ if headers.contains_key(header::TRANSFER_ENCODING) => Self::Chunked,
            // The library takes what follows for the other protocol.
            Some(length) if !asks_for_websocket(headers) => Self::Length(length),
            _ => Self::Unknown,
        }
    }
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    headers.get_all(header::UPGRADE).any(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

/// One client connection. Clones are the same one.
#[derive(Clone)]
pub struct Connection(Rc<State>);

struct State {
    bounds: Bounds,
    calls: Cell<usize>,
    /// When the connection was opened, or its last call ended.
    changed: Cell<Instant>,
    has_answered: Cell<bool>,
    /// When the first byte of the head came that is awaited.
    head_begun: Cell<Option<Instant>>,
    content: Cell<Content>,
    /// The body of the latest call, until the layer below has taken it up.
    expected: Cell<Option<Expected>>,
    /// Whether the target of the latest head has a fragment, which the HTTP library cuts off.
    has_fragment: Cell<bool>,
    /// Bytes read of an open body after its answer.
    unread_bytes: Cell<u64>,
    /// Since when the call has waited for its body.
    body_awaited: Cell<Option<Instant>>,
    /// Since when no byte could be written.
    stalled: Cell<Option<Instant>>,
    is_answering: Cell<bool>,
    caller: RefCell<Option<Arc<Principal>>>,
    checked: Cell<Instant>,
    stopping: Cell<Option<Instant>>,
    /// A body that its call did not read to the end. It is kept: if it were dropped, the HTTP library would read on.
    rest: RefCell<Option<Payload>>,
}

impl Connection {
    /// A connection that was opened just now.
    #[must_use]
    pub fn opened(bounds: Bounds) -> Self {
        let now = Instant::now();
        Self(Rc::new(State {
            bounds,
            calls: Cell::new(0),
            changed: Cell::new(now),
            has_answered: Cell::new(false),
            head_begun: Cell::new(None),
            content: Cell::new(Content::None),
            expected: Cell::new(None),
            has_fragment: Cell::new(false),
            unread_bytes: Cell::new(0),
            body_awaited: Cell::new(None),
            stalled: Cell::new(None),
            is_answering: Cell::new(false),
            caller: RefCell::new(None),
            checked: Cell::new(now),
            stopping: Cell::new(None),
            rest: RefCell::new(None),
        }))
    }

    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.0.bounds
    }

    /// Begins a call. Until the [`Ongoing`] is dropped, what is read belongs to its body or to later requests.
    #[must_use]
    pub fn begin(&self) -> Ongoing {
        let state = &self.0;
        state.calls.set(state.calls.get().saturating_add(1));
        state.head_begun.set(None);
        state.content.set(Content::None);
        state.rest.replace(None);
        Ongoing(self.clone())
    }

    /// Names who is answered, so that the answer ends when they may no longer have it.
    pub fn answers(&self, caller: &Arc<Principal>) {
        self.0.caller.replace(Some(Arc::clone(caller)));
        self.0.checked.set(Instant::now());
    }

    #[must_use]
    pub fn caller(&self) -> Option<Arc<Principal>> {
        self.0.caller.borrow().clone()
    }

    /// Whether more may be read. After the answer to a request with an unread body that ends at a bound.
    #[must_use]
    pub fn may_read(&self) -> bool {
        !self.awaits_unread_body() || self.0.unread_bytes.get() <= self.0.bounds.unread_body_bytes
    }

    /// Whether a call is under way.
    #[must_use]
    pub fn is_in_call(&self) -> bool {
        self.0.calls.get() > 0
    }

    /// The body that the call expects which has just begun.
    #[must_use]
    pub fn take_expected(&self) -> Option<Expected> {
        self.0.expected.take()
    }

    /// Notes that bytes of a head were read.
    pub fn reads_head(&self, has_fragment: bool) {
        let begun = &self.0.head_begun;
        begun.set(begun.get().or_else(|| Some(Instant::now())));
        self.0.has_fragment.set(has_fragment);
    }

    /// Whether the target of the call under way had a fragment when it came.
    #[must_use]
    pub fn has_fragment(&self) -> bool {
        self.0.has_fragment.get()
    }

    /// Notes that bytes of a body were read.
    pub fn reads_body(&self, bytes: usize) {
        if self.awaits_unread_body() {
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            self.0.unread_bytes.set(self.0.unread_bytes.get().saturating_add(bytes));
        }
    }

    /// Notes that the body is not well-formed; its reader gets an error when the HTTP library finds that it ends.
    pub fn breaks_body(&self) {
        self.0.content.set(Content::Broken);
    }

    /// Notes that bytes were written.
    pub fn has_written(&self) {
        self.0.stalled.set(None);
        self.0.is_answering.set(true);
    }

    /// Notes that no byte can be written now.
    pub fn cannot_write(&self) {
        if self.0.stalled.get().is_none() {
            self.0.stalled.set(Some(Instant::now()));
        }
    }

    /// Notes that the gateway stops.
    pub fn stops(&self) {
        self.0.stopping.set(Some(Instant::now()));
    }

    /// Notes that the caller was found to be one that may be answered.
    pub fn has_checked(&self) {
        self.0.checked.set(Instant::now());
    }

    /// Whether the body of the latest request is what a parser error is about, rather than the head of another.
    #[must_use]
    pub fn has_open_body(&self) -> bool {
        matches!(self.0.content.get(), Content::Open | Content::Broken)
    }

    /// What is due next, and when.
    #[must_use]
    pub fn due(&self) -> Option<(Instant, Due)> {
        let state = &self.0;
        let end = |at: Instant, after: Duration, why| Some((at + after, Due::End(why)));
        let bounds = state.bounds;
        if let Some(since) = state.stalled.get() {
            let usual = since + bounds.write;
            let at = state.stopping.get().map_or(usual, |stopping| usual.min(since.max(stopping) + STOPPING));
            return Some((at, Due::End(Overdue::UnreadAnswer)));
        }
        if state.calls.get() > 0 {
            return self.due_in_call();
        }
        let changed = state.changed.get();
        if self.awaits_unread_body() {
            return end(changed, bounds.unread_body, Overdue::UnreadBody);
        }
        let due = match state.head_begun.get() {
            Some(begun) if state.has_answered.get() => (begun + bounds.head, Overdue::Head),
            Some(_) => (changed + bounds.head, Overdue::Head),
            None if state.has_answered.get() => (changed + bounds.idle, Overdue::Idle),
            None => (changed + bounds.head, Overdue::Idle),
        };
        let at = state.stopping.get().map_or(due.0, |stopping| due.0.min(stopping + bounds.unread_body));
        Some((at, Due::End(due.1)))
    }

    fn due_in_call(&self) -> Option<(Instant, Due)> {
        let state = &self.0;
        if let (Some(stopping), Some(since)) = (state.stopping.get(), state.body_awaited.get()) {
            return Some((since.max(stopping) + STOPPING, Due::End(Overdue::Stopping)));
        }
        let is_checked = state.is_answering.get() && state.caller.borrow().is_some();
        is_checked.then(|| (state.checked.get() + CHECK_CALLER, Due::Check))
    }

    fn awaits_unread_body(&self) -> bool {
        self.0.calls.get() == 0 && self.has_open_body()
    }

    fn end(&self) {
        let state = &self.0;
        state.calls.set(state.calls.get().saturating_sub(1));
        let now = Instant::now();
        state.changed.set(now);
        state.has_answered.set(true);
        state.unread_bytes.set(0);
        state.is_answering.set(false);
        state.body_awaited.set(None);
        state.caller.replace(None);
        state.head_begun.set(None);
    }
}

/// A call under way on a connection; it ends when this is dropped.
pub struct Ongoing(Connection);

impl Ongoing {
    /// The body of the request, bounded in its pauses and its rate.
    #[must_use]
    pub fn receive(&self, headers: &HeaderMap, payload: Payload) -> Payload {
        let expected = Expected::of(headers, &payload);
        self.0.0.expected.set(Some(expected));
        if expected == Expected::None {
            return payload;
        }
        self.0.0.content.set(Content::Open);
        Payload::Stream { payload: Box::pin(Incoming::new(payload, self.0.clone())) }
    }

    /// Lets the answer go. It says `Connection: close` (RFC 9112 §9.6) where no other request is taken after it: the
    /// gateway stops, or the rest of the request's body has not come yet.
    pub async fn answer(self, mut response: HttpResponse, is_draining: bool) -> HttpResponse {
        self.read_rest().await;
        if is_draining || self.0.0.rest.borrow().is_some() {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        response.map_body(|_, body| BoxBody::new(Answer { body, _ongoing: self }))
    }

    /// Reads what is here of a body that the call left unread.
    async fn read_rest(&self) {
        let Some(mut payload) = self.0.0.rest.take() else { return };
        let (mut left, mut has_waited) = (REST_BYTES, false);
        loop {
            match payload.next().now_or_never() {
                Some(Some(Ok(piece))) if piece.len() <= left => left = left.saturating_sub(piece.len()),
                Some(None) => return self.0.0.content.set(Content::Ended),
                Some(Some(Err(_))) => return self.0.0.content.set(Content::Broken),
                // What came with the head is decoded only once the call has waited.
                None if !has_waited => {
                    has_waited = true;
                    tokio::task::yield_now().await;
                }
                _ => break,
            }
        }
        self.0.0.rest.replace(Some(payload));
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// An answer's body, and the call that ends with it.
struct Answer {
    body: BoxBody,
    _ongoing: Ongoing,
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Bytes, Self::Error>>> {
        std::pin::Pin::new(&mut self.body).poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        head: Duration::from_secs(1),
        idle: Duration::from_secs(10),
        unread_body: Duration::from_secs(2),
        unread_body_bytes: 100,
        write: Duration::from_secs(30),
        body_pause: Duration::from_secs(20),
        body_bytes_per_s: 0,
    };

    fn due_s(connection: &Connection) -> Option<(u64, Due)> {
        let now = Instant::now();
        connection.due().map(|(at, due)| (at.saturating_duration_since(now).as_secs(), due))
    }

    fn payload() -> Payload {
        Payload::Stream { payload: Box::pin(futures_util::stream::pending()) }
    }

    fn answer(connection: &Connection) {
        connection.reads_head(false);
        drop(connection.begin());
    }

    fn refuse_unread(connection: &Connection) {
        connection.reads_head(false);
        let ongoing = connection.begin();
        let mut headers = HeaderMap::new();
        headers.insert(header::TRANSFER_ENCODING, header::HeaderValue::from_static("chunked"));
        drop(ongoing.receive(&headers, payload()));
    }

    #[tokio::test(start_paused = true)]
    async fn every_state_of_a_connection_has_its_bound() {
        type Steps = fn(&Connection) -> Option<Ongoing>;
        let table: [(&str, Steps, Option<(u64, Due)>); 11] = [
            ("opened", |_| None, Some((1, Due::End(Overdue::Idle)))),
            (
                "in the first head",
                |c| {
                    c.reads_head(false);
                    None
                },
                Some((1, Due::End(Overdue::Head))),
            ),
            ("in a call", |c| Some(c.begin()), None),
            (
                "answered",
                |c| {
                    answer(c);
                    None
                },
                Some((10, Due::End(Overdue::Idle))),
            ),
            (
                "in a later head",
                |c| {
                    answer(c);
                    c.reads_head(false);
                    None
                },
                Some((1, Due::End(Overdue::Head))),
            ),
            (
                "answered with its body unread",
                |c| {
                    refuse_unread(c);
                    None
                },
                Some((2, Due::End(Overdue::UnreadBody))),
            ),
            (
                "in an answer that is not taken",
                |c| {
                    let ongoing = c.begin();
                    c.cannot_write();
                    Some(ongoing)
                },
                Some((30, Due::End(Overdue::UnreadAnswer))),
            ),
            (
                "between two requests, with an answer that is not taken",
                |c| {
                    drop(c.begin());
                    c.cannot_write();
                    None
                },
                Some((30, Due::End(Overdue::UnreadAnswer))),
            ),
            (
                "in an answer that is not taken, while the gateway stops",
                |c| {
                    let ongoing = c.begin();
                    c.cannot_write();
                    c.stops();
                    Some(ongoing)
                },
                Some((5, Due::End(Overdue::UnreadAnswer))),
            ),
            (
                "idle while the gateway stops",
                |c| {
                    drop(c.begin());
                    c.stops();
                    None
                },
                Some((2, Due::End(Overdue::Idle))),
            ),
            (
                "in a body while the gateway stops",
                |c| {
                    let ongoing = c.begin();
                    c.0.body_awaited.set(Some(Instant::now()));
                    c.stops();
                    Some(ongoing)
                },
                Some((5, Due::End(Overdue::Stopping))),
            ),
        ];
        for (state, steps, due) in table {
            let connection = Connection::opened(BOUNDS);
            let _ongoing = steps(&connection);
            assert_eq!(due_s(&connection), due, "{state}");
        }
        let connection = Connection::opened(BOUNDS);
        answer(&connection);
        let _next = connection.begin();
        assert_eq!(due_s(&connection), None, "a second call");
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_trickle_move_no_bound() {
        let connection = Connection::opened(BOUNDS);
        answer(&connection);
        connection.reads_head(false);
        tokio::time::advance(Duration::from_millis(900)).await;
        connection.reads_head(false);
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!(due_s(&connection), Some((0, Due::End(Overdue::Head))));
    }

    #[tokio::test(start_paused = true)]
    async fn of_an_unread_body_so_many_bytes_are_read_and_no_more() {
        let connection = Connection::opened(BOUNDS);
        refuse_unread(&connection);
        connection.reads_body(100);
        assert!(connection.may_read());
        connection.reads_body(1);
        assert!(!connection.may_read());
    }
}
