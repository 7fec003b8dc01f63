//! Counts the connections that the gateway ended or did not take, and says so in the log, at most once a minute a reason.

use std::{cell::RefCell, collections::BTreeMap, io, net::SocketAddr, rc::Rc, time::Duration};

use tokio::time::Instant;

use crate::{pipeline::connection::Overdue, telemetry::Metrics};

const LOG_EVERY: Duration = Duration::from_mins(1);

/// One worker's count.
pub(super) struct Tally {
    metrics: Rc<Metrics>,
    /// By reason: when the log was last written, and how many there were since.
    logged: RefCell<BTreeMap<&'static str, (Option<Instant>, u64)>>,
}

impl Tally {
    /// A tally that counts into `metrics`.
    pub fn new(metrics: Rc<Metrics>) -> Self {
        Self { metrics, logged: RefCell::default() }
    }

    /// A connection was opened or closed.
    pub fn open(&self, change: i64) {
        self.metrics.connections(change);
    }

    /// A connection was ended. That one was idle is no news.
    pub fn overdue(&self, overdue: Overdue, peer: SocketAddr) {
        self.metrics.connection_ended(overdue.as_str());
        if overdue != Overdue::Idle {
            self.log(overdue.as_str(), peer, None);
        }
    }

    /// A connection was not taken.
    pub fn refused(&self, reason: &'static str, peer: SocketAddr) {
        self.metrics.connection_ended(reason);
        self.log(reason, peer, None);
    }

    /// A connection failed before its first request.
    pub fn failed(&self, reason: &'static str, peer: SocketAddr, error: &io::Error) {
        self.metrics.connection_ended(reason);
        self.log(reason, peer, Some(error));
    }

    fn log(&self, reason: &'static str, peer: SocketAddr, error: Option<&io::Error>) {
        let now = Instant::now();
        let mut logged = self.logged.borrow_mut();
        let (at, since) = logged.entry(reason).or_default();
        *since = since.saturating_add(1);
        if at.is_none_or(|at| now.saturating_duration_since(at) >= LOG_EVERY) {
            let error = error.map(tracing::field::display);
            tracing::warn!(reason, %peer, error, connections = *since, "connections were ended or not taken");
            (*at, *since) = (Some(now), 0);
        }
    }
}
