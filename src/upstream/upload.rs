//! What the two ends of a streamed request body and the call it belongs to know of each other.
//!
//! The sending end says how the body ended, the receiving end how far it got, the call when it is over. Atomics only: it
//! is shared between a client's task and its upstream's connection.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

/// Why a request body stopped before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyAborted {
    #[error("the client went away before its body ended")]
    Disconnected,
    #[error("the client's body did not arrive in time")]
    TimedOut,
    #[error("the client's body is larger than allowed")]
    TooLarge,
    #[error("the client's body is not well-formed")]
    Malformed,
    #[error("the client's body is not as long as it said")]
    LengthMismatch,
}

#[derive(Debug)]
pub(super) struct Upload {
    begun: Instant,
    /// When the body last moved, in milliseconds since `begun`.
    moved_ms: AtomicU64,
    waits_for_client: AtomicBool,
    is_taken: AtomicBool,
    end: OnceLock<Result<(), BodyAborted>>,
    /// Has no permits and never will: it is closed when the call is over.
    call: Semaphore,
}

/// Held by a call: when it is over (answered to the end, failed or given up), its upload is over too. Otherwise an
/// upstream that answered early and reads no further would keep a client uploading for ever.
#[must_use = "the upload is over when this is dropped"]
#[derive(Debug)]
pub(super) struct UploadEnd(pub Arc<Upload>);

impl Upload {
    /// An upload that has begun and moved nothing.
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            moved_ms: AtomicU64::new(0),
            waits_for_client: AtomicBool::new(false),
            is_taken: AtomicBool::new(false),
            end: OnceLock::new(),
            call: Semaphore::new(0),
        }
    }

    /// The sending end: how the body ended. Only the first word counts.
    pub fn end_with(&self, end: Result<(), BodyAborted>) {
        let _only_first = self.end.set(end);
    }

    /// How the body ended, by its sender's word; a sender that went without one was cut off.
    pub fn end(&self) -> Result<(), BodyAborted> {
        self.end.get().copied().unwrap_or(Err(BodyAborted::Disconnected))
    }

    /// The receiving end: the upstream took a chunk, or learned that there is no other.
    pub fn moved(&self) {
        let since = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved_ms.store(since, Ordering::Relaxed);
    }

    /// The receiving end: the upstream took the last chunk.
    pub fn taken(&self) {
        self.is_taken.store(true, Ordering::Relaxed);
    }

    /// Whether the upstream took the whole body.
    pub fn is_taken(&self) -> bool {
        self.is_taken.load(Ordering::Relaxed)
    }

    /// The receiving end: whether the upstream would take more than the client has sent.
    pub fn waits_for_client(&self, waits: bool) {
        self.waits_for_client.store(waits, Ordering::Relaxed);
    }

    /// When the upstream last took something, to the millisecond.
    pub fn moved_at(&self) -> Instant {
        self.begun + Duration::from_millis(self.moved_ms.load(Ordering::Relaxed))
    }

    /// Whether the body waits for the client's next piece. The caller of `Client::send` bounds a slow client, and aborts
    /// the body.
    pub fn is_waiting_for_client(&self) -> bool {
        self.waits_for_client.load(Ordering::Relaxed)
    }

    /// Whether nobody waits for the upload any more.
    pub fn is_call_over(&self) -> bool {
        self.call.is_closed()
    }

    /// Waits for the call to be over.
    pub async fn call_over(&self) {
        let _always_closed = self.call.acquire().await;
    }
}

impl UploadEnd {
    /// The upload that this end belongs to.
    pub fn upload(&self) -> &Upload {
        &self.0
    }
}

impl Drop for UploadEnd {
    fn drop(&mut self) {
        self.0.call.close();
    }
}
