//! The state of one connection, and when what is due on it.

mod tunnel;

use std::{
    cell::{Cell, Ref, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix_web::dev::Payload;
use tokio::time::Instant;

pub use self::tunnel::Parting;
use self::tunnel::Tunnel;
use super::{expected::Expected, interim::Interim, line::Line, opening::Opening, pace::Pace, transport::Transport};
use crate::domain::principal::Principal;

/// How often the caller of an answer under way is checked for revocation.
const CHECK_CALLER: Duration = Duration::from_millis(500);
/// While the gateway stops: how long a client may stand still in its body or in taking an answer.
const STOPPING: Duration = Duration::from_secs(5);

/// How long the end of a head that is too long may be in coming: with it the refusal knows who called.
const LONG_HEAD: Duration = Duration::from_millis(100);

/// Of a head that has not ended, besides its request line and its fields: the end of that line, and half of the last line's.
const NO_FIELD_BYTES: u64 = 3;

/// The bounds of every connection.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// From the first byte of a head to its end; of the first head, from the beginning of the connection.
    pub head: Duration,
    /// The most that comes of a request line, and of the lines behind it, before the head has ended.
    pub head_bytes: u64,
    /// Between two requests.
    pub idle: Duration,
    /// After the answer to a request whose body was not read: how long and how much of it is still taken.
    pub unread_body: Duration,
    pub unread_body_bytes: u64,
    /// The most that follows the last chunk of a body.
    pub trailer_bytes: u64,
    /// The longest time in which no byte of an answer could be written.
    pub write: Duration,
    /// The lowest rate at which a client takes an answer, counted over the time that it kept the gateway waiting. 0: none.
    pub write_bytes_per_s: u64,
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
    /// A head is longer than it may be, and has not ended.
    LongHead,
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
    /// To tell a tunnel that the gateway stops.
    Part,
}

impl Overdue {
    /// The name in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Head => "slow-head",
            Self::LongHead => "long-head",
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
pub(super) enum Content {
    None,
    /// Its end has not been seen.
    Open,
    Ended,
    /// It is not well-formed.
    Broken,
}
/// One client connection. Clones are the same one.
#[derive(Clone)]
pub struct Connection(pub(super) Rc<State>);

pub(super) struct State {
    pub(super) bounds: Bounds,
    transport: Transport,
    pub(super) calls: Cell<usize>,
    /// When the connection was opened, or its last call ended.
    pub(super) changed: Cell<Instant>,
    pub(super) has_answered: Cell<bool>,
    /// When the first byte of the head came that is awaited.
    pub(super) head_begun: Cell<Option<Instant>>,
    /// How much of it has come.
    head_bytes: Cell<u64>,
    pub(super) content: Cell<Content>,
    /// The body of the latest call, until the layer below has taken it up.
    pub(super) expected: Cell<Option<Expected>>,
    /// What is noted of the latest head.
    pub(super) line: Cell<Line>,
    pub(super) opening: RefCell<Opening>,
    /// The lines of the latest head that the HTTP library did not get.
    further_lines: RefCell<Vec<u8>>,
    /// Bytes read of an open body after its answer.
    pub(super) unread_bytes: Cell<u64>,
    /// Since when the call has waited for its body.
    pub(super) body_awaited: Cell<Option<Instant>>,
    /// Since when no byte could be written.
    pub(super) stalled: Cell<Option<Instant>>,
    /// How fast the answers on this connection are taken.
    pub(super) taking: Cell<Pace>,
    pub(super) is_answering: Cell<bool>,
    pub(super) caller: RefCell<Option<Arc<Principal>>>,
    /// The name of the route that the call is on.
    route: RefCell<Option<Arc<str>>>,
    pub(super) checked: Cell<Instant>,
    pub(super) stopping: Cell<Option<Instant>>,
    /// A body that its call did not read to the end. It is kept: if it were dropped, the HTTP library would read on.
    pub(super) rest: RefCell<Option<Payload>>,
    pub(super) interim: Interim,
    tunnel: Tunnel,
}

impl Connection {
    /// A connection that was opened just now.
    #[must_use]
    pub fn opened(bounds: Bounds, transport: Transport) -> Self {
        let now = Instant::now();
        Self(Rc::new(State {
            bounds,
            transport,
            calls: Cell::new(0),
            changed: Cell::new(now),
            has_answered: Cell::new(false),
            head_begun: Cell::new(None),
            head_bytes: Cell::new(0),
            content: Cell::new(Content::None),
            expected: Cell::new(None),
            line: Cell::default(),
            opening: RefCell::default(),
            further_lines: RefCell::default(),
            unread_bytes: Cell::new(0),
            body_awaited: Cell::new(None),
            stalled: Cell::new(None),
            taking: Cell::default(),
            is_answering: Cell::new(false),
            caller: RefCell::new(None),
            route: RefCell::new(None),
            checked: Cell::new(now),
            stopping: Cell::new(None),
            rest: RefCell::new(None),
            interim: Interim::default(),
            tunnel: Tunnel::default(),
        }))
    }

    /// The bounds of the connection.
    pub fn bounds(&self) -> Bounds {
        self.0.bounds
    }

    /// How its bytes come here.
    pub fn transport(&self) -> &Transport {
        &self.0.transport
    }

    /// Where the 100 (Continue) of the request under way is.
    pub fn interim(&self) -> &Interim {
        &self.0.interim
    }

    /// Names who is answered, so that the answer ends when they may no longer have it.
    pub fn answers(&self, caller: &Arc<Principal>) {
        self.0.caller.replace(Some(Arc::clone(caller)));
        self.0.checked.set(Instant::now());
    }

    /// Notes that an upstream is called, which may take as long as it likes: the caller is looked after from now on.
    pub fn calls_upstream(&self) {
        self.0.is_answering.set(true);
    }

    /// Names the route of the call, so that the answer ends when that is no longer there for its caller.
    pub fn is_on(&self, route: &Arc<str>) {
        self.0.route.replace(Some(Arc::clone(route)));
    }

    /// The route of the call under way, if it is on one.
    pub fn route(&self) -> Option<Arc<str>> {
        self.0.route.borrow().clone()
    }

    /// Who is answered, if it is a known caller.
    pub fn caller(&self) -> Option<Arc<Principal>> {
        self.0.caller.borrow().clone()
    }

    /// Whether more may be read. After the answer to a request with an unread body that ends at a bound.
    pub fn may_read(&self) -> bool {
        !self.awaits_unread_body() || self.0.unread_bytes.get() <= self.0.bounds.unread_body_bytes
    }

    /// Whether a call is under way.
    pub fn is_in_call(&self) -> bool {
        self.0.calls.get() > 0
    }

    /// The body that the call expects which has just begun.
    pub fn take_expected(&self) -> Option<Expected> {
        self.0.expected.take()
    }

    /// Notes that bytes of a head were read.
    pub fn reads_head(&self, line: Line, bytes: &[u8], origin: &[u8]) {
        let (begun, read) = (&self.0.head_begun, &self.0.head_bytes);
        read.set(read.get().saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX)));
        self.0.opening.borrow_mut().take(bytes, origin, begun.get().is_none());
        begun.set(begun.get().or_else(|| Some(Instant::now())));
        self.0.line.set(line);
    }

    /// Keeps lines of a head for the request that it begins.
    pub fn keeps_lines(&self, lines: Vec<u8>) {
        if !lines.is_empty() {
            self.0.further_lines.replace(lines);
        }
    }

    /// The lines of its head that are to be added to the request which has just begun.
    pub fn take_lines(&self) -> Vec<u8> {
        self.0.further_lines.take()
    }

    /// What was noted of the head of the call under way, or of the one that is being read.
    pub fn line(&self) -> Line {
        self.0.line.get()
    }

    /// What is known of the head that is being read.
    pub fn opening(&self) -> Ref<'_, Opening> {
        self.0.opening.borrow()
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

    /// Notes the number of bytes that were written.
    pub fn has_written(&self, bytes: usize) {
        let mut taking = self.0.taking.get();
        taking.came(Instant::now(), bytes);
        self.0.taking.set(taking);
        self.0.stalled.set(None);
        self.0.is_answering.set(true);
    }

    /// Notes that no byte can be written now.
    pub fn cannot_write(&self) {
        if self.0.stalled.get().is_none() {
            let (now, bounds, mut taking) = (Instant::now(), self.0.bounds, self.0.taking.get());
            taking.waits(now, bounds.write, bounds.write_bytes_per_s);
            self.0.taking.set(taking);
            self.0.stalled.set(Some(now));
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
    pub fn has_open_body(&self) -> bool {
        matches!(self.0.content.get(), Content::Open | Content::Broken)
    }

    /// What is due next, and when.
    pub fn due(&self) -> Option<(Instant, Due)> {
        let state = &self.0;
        let end = |at: Instant, after: Duration, why| Some((at + after, Due::End(why)));
        let bounds = state.bounds;
        if let Some(since) = state.stalled.get() {
            let usual = state.taking.get().waits(since, bounds.write, bounds.write_bytes_per_s);
            let at = state.stopping.get().map_or(usual, |stopping| usual.min(since.max(stopping) + STOPPING));
            let end = (at, Due::End(Overdue::UnreadAnswer));
            let other = if self.is_tunnel() { self.due_in_tunnel() } else { self.due_check() };
            return Some(other.filter(|other| other.0 < at).unwrap_or(end));
        }
        if state.calls.get() > 0 {
            return self.due_in_call();
        }
        let changed = state.changed.get();
        if self.awaits_unread_body() {
            return end(changed, bounds.unread_body, Overdue::UnreadBody);
        }
        if let Some(begun) = state.head_begun.get().filter(|_| self.is_head_too_long()) {
            return end(begun, LONG_HEAD, Overdue::LongHead);
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

    /// A head that has ended is the pipeline's to refuse.
    fn is_head_too_long(&self) -> bool {
        let (line, limit) = (self.line(), self.0.bounds.head_bytes);
        let behind = self.0.head_bytes.get().saturating_sub(line.bytes);
        line.hosts.is_none() && (line.bytes > limit || behind > limit.saturating_add(NO_FIELD_BYTES))
    }

    fn due_in_call(&self) -> Option<(Instant, Due)> {
        let state = &self.0;
        if self.is_tunnel() {
            return self.due_in_tunnel();
        }
        if let (Some(stopping), Some(since)) = (state.stopping.get(), state.body_awaited.get()) {
            return Some((since.max(stopping) + STOPPING, Due::End(Overdue::Stopping)));
        }
        self.due_check()
    }

    /// A caller is checked as long as an answer is under way, also one that is not taken.
    pub(super) fn due_check(&self) -> Option<(Instant, Due)> {
        let state = &self.0;
        let is_checked = state.is_answering.get() && state.caller.borrow().is_some();
        is_checked.then(|| (state.checked.get() + CHECK_CALLER, Due::Check))
    }

    fn awaits_unread_body(&self) -> bool {
        self.0.calls.get() == 0 && self.has_open_body()
    }

    /// Notes that a call has ended.
    pub(super) fn end(&self) {
        let state = &self.0;
        state.calls.set(state.calls.get().saturating_sub(1));
        let now = Instant::now();
        state.changed.set(now);
        state.has_answered.set(true);
        state.unread_bytes.set(0);
        state.is_answering.set(false);
        state.body_awaited.set(None);
        state.caller.replace(None);
        state.route.replace(None);
        state.head_begun.set(None);
        state.head_bytes.set(0);
        if state.stalled.get().is_none() {
            state.taking.take();
        }
        self.ends_tunnel();
    }
}
