//! The 100 (Continue) of a request that expects it (RFC 9110 §10.1.1): held back until its body is first waited for, so
//! that a call which is refused before is answered with its refusal alone.
//!
//! The HTTP library writes a 100 before it begins a call. The layer below takes it out of what is written, and writes it
//! when the call waits for its body. To find it without looking into bodies, the library is made to wait before it writes:
//! until all that it wrote before has passed, so that its next bytes are the 100 and nothing else.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    task::{Context, Poll, Waker},
};

/// As the HTTP library writes it.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Where the 100 of the request under way is.
#[derive(Debug, Default)]
pub struct Interim {
    phase: Cell<Phase>,
    /// Whether the call waits for its body.
    is_wanted: Cell<bool>,
    /// Whether the library waits before it writes the 100.
    is_announcing: Cell<bool>,
    /// How often all that the library wrote has passed.
    flushes: Cell<u64>,
    /// Of what watches over the connection.
    watcher: RefCell<Option<Waker>>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// None is expected, or it was sent, or it is not needed any more.
    #[default]
    None,
    /// The library's next bytes are the 100.
    Next,
    /// It was taken out.
    Held,
}

impl Interim {
    /// Resolves when the next bytes that the HTTP library writes are the 100 of the request that has just come.
    pub async fn announce_continue(&self) {
        let before = self.flushes.get();
        self.is_announcing.set(true);
        poll_fn(|cx: &mut Context<'_>| {
            self.watched_by(cx.waker());
            if self.flushes.get() == before { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        self.is_announcing.set(false);
        self.phase.set(Phase::Next);
        self.is_wanted.set(false);
    }

    /// Notes that all that the HTTP library wrote has passed.
    pub fn has_flushed(&self) {
        self.flushes.set(self.flushes.get().wrapping_add(1));
        if self.is_announcing.get() {
            self.wake_watcher();
        }
    }

    /// Of what the HTTP library writes, how many bytes are held back at its beginning. An answer that begins makes a 100
    /// that is held useless.
    pub fn holds_back(&self, bytes: &[u8]) -> Option<usize> {
        let phase = &self.phase;
        if phase.replace(Phase::None) == Phase::Next && bytes.starts_with(CONTINUE) {
            phase.set(Phase::Held);
            return Some(CONTINUE.len());
        }
        None
    }

    /// Whether the 100 that is held is to be written now. True once.
    pub fn takes_continue(&self) -> bool {
        let is_due = self.phase.get() == Phase::Held && self.is_wanted.get();
        if is_due {
            self.phase.set(Phase::None);
        }
        is_due
    }

    /// Notes who is to be woken when a 100 is due.
    pub fn watched_by(&self, waker: &Waker) {
        let mut watcher = self.watcher.borrow_mut();
        if !watcher.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *watcher = Some(waker.clone());
        }
    }

    /// Notes that the call waits for its body.
    pub(super) fn wants_continue(&self) {
        if self.phase.get() != Phase::None && !self.is_wanted.replace(true) {
            self.wake_watcher();
        }
    }

    fn wake_watcher(&self) {
        if let Some(watcher) = self.watcher.borrow().as_ref() {
            watcher.wake_by_ref();
        }
    }
}
