//! The condition of the audit log, read by the pipeline before an entry is handed over, by readiness and by metrics.

use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicU64, Ordering},
};

/// Where entries go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Condition {
    /// Into the store.
    Storing,
    /// Into the spool, because the store is away or behind.
    Spooling,
    /// Nowhere: the store is away, and the spool is full or cannot be written.
    Refusing,
}

/// Set by the writer, read by everybody else.
#[derive(Debug, Clone, Default)]
pub(super) struct Gauge(Arc<Values>);

#[derive(Debug, Default)]
struct Values {
    condition: AtomicU8,
    /// Entries handed over and neither in the store nor in the spool.
    queued: AtomicU64,
    /// Entries in the spool.
    spooled: AtomicU64,
}

impl Gauge {
    pub(super) fn condition(&self) -> Condition {
        match self.0.condition.load(Ordering::Relaxed) {
            0 => Condition::Storing,
            1 => Condition::Spooling,
            _ => Condition::Refusing,
        }
    }

    /// Sets it, and says in the log when it has changed.
    pub(super) fn set_condition(&self, condition: Condition) {
        let code = match condition {
            Condition::Storing => 0,
            Condition::Spooling => 1,
            Condition::Refusing => 2,
        };
        if self.0.condition.swap(code, Ordering::Relaxed) == code {
            return;
        }
        match condition {
            Condition::Storing => tracing::info!("audit entries go into the store"),
            Condition::Spooling => tracing::warn!("the store is away: audit entries go into the spool"),
            Condition::Refusing => tracing::error!("audit entries can go nowhere: requests are refused"),
        }
    }

    pub(super) fn handed_over(&self) {
        self.0.queued.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn taken(&self, entries: u64) {
        // A writer that died has counted them already.
        let less = |queued: u64| Some(queued.saturating_sub(entries));
        let _ = self.0.queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// After the writer died: what was in its queue is gone with it.
    pub(super) fn begin_anew(&self) {
        self.0.queued.store(0, Ordering::Relaxed);
    }

    pub(super) fn set_spooled(&self, entries: u64) {
        self.0.spooled.store(entries, Ordering::Relaxed);
    }

    pub(super) fn queued(&self) -> u64 {
        self.0.queued.load(Ordering::Relaxed)
    }

    /// Entries accepted and not yet in the store.
    pub(super) fn backlog(&self) -> u64 {
        self.queued().saturating_add(self.0.spooled.load(Ordering::Relaxed))
    }
}
