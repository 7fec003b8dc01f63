//! How long a connection to an upstream may stand unused, where its upstream says so: `Keep-Alive: timeout=5`
//! (RFC 2068 §19.7.1.1; Node, Apache and others still say it).
//!
//! A connection that the upstream closes at the moment when the next request goes out on it may have lost that request. So it is
//! closed from this side a little earlier. One timer a connection: a call only writes down when it would be over.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use http::{HeaderMap, header::HeaderName};
use tokio::time::{Instant, Sleep, sleep_until};

use super::headers::members;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// How much earlier than the upstream this side closes: for a request that is on its way, and for clocks that are not exact.
const MARGIN: Duration = Duration::from_secs(1);

/// When a connection has been unused for as long as it may be.
#[derive(Debug)]
pub(super) struct Idle {
    opened: Instant,
    /// In milliseconds since it was opened; 0 while it is in use, or without a bound.
    ends_ms: AtomicU64,
    /// The requests that began on it.
    uses: AtomicU64,
    /// When the timer fires, likewise; 0 where none runs.
    timer_ms: AtomicU64,
    reader: AtomicWaker,
}

/// The timer of a connection, made when it is first needed.
pub(super) type Timer = Option<Pin<Box<Sleep>>>;

/// Held while an answer is read: when it is dropped, the connection is unused.
#[derive(Debug)]
pub(super) struct Rest {
    idle: Arc<Idle>,
    limit: Duration,
    use_of: u64,
}

/// For how long a connection with this answer may be used again, if the upstream says it; zero: not at all.
pub(super) fn stated(headers: &HeaderMap) -> Option<Duration> {
    let seconds = members(headers, KEEP_ALIVE).filter_map(|part| {
        let (name, value) = std::str::from_utf8(part).ok()?.split_once('=')?;
        let is_timeout = name.trim().eq_ignore_ascii_case("timeout");
        value.trim().trim_matches('"').parse::<u32>().ok().filter(|_| is_timeout)
    });
    seconds.min().map(|seconds| Duration::from_secs(seconds.into()).saturating_sub(MARGIN))
}

impl Idle {
    /// Of a connection that is opened now.
    pub fn new() -> Self {
        let (ends_ms, uses) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { opened: Instant::now(), ends_ms, uses, timer_ms: AtomicU64::new(0), reader: AtomicWaker::new() }
    }

    /// A request begins.
    pub fn used(&self) {
        self.uses.fetch_add(1, Ordering::Relaxed);
        self.ends_ms.store(0, Ordering::Relaxed);
    }

    /// Ready when the connection has been unused for too long.
    pub fn poll_over(&self, timer: &mut Timer, cx: &mut Context<'_>) -> Poll<()> {
        self.reader.register(cx.waker());
        loop {
            let ends_ms = self.ends_ms.load(Ordering::Acquire);
            if ends_ms == 0 {
                return self.without(timer);
            }
            let end = self.opened + Duration::from_millis(ends_ms);
            if Instant::now() >= end {
                return Poll::Ready(());
            }
            let sleep = timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
            if sleep.is_elapsed() || sleep.deadline() > end {
                sleep.as_mut().reset(end);
            }
            self.timer_ms.store(self.since_opened(sleep.deadline()), Ordering::Release);
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// In use, or without a bound: a timer that has fired is not waited for again.
    fn without(&self, timer: &Timer) -> Poll<()> {
        if timer.as_ref().is_none_or(|sleep| sleep.is_elapsed()) {
            self.timer_ms.store(0, Ordering::Release);
        }
        Poll::Pending
    }

    /// In milliseconds, and at least one.
    fn since_opened(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.opened).as_millis()).unwrap_or(u64::MAX).max(1)
    }
}

impl Rest {
    /// For this long after the answer to the last request that began.
    pub fn after(idle: &Arc<Idle>, limit: Duration) -> Self {
        Self { idle: Arc::clone(idle), limit, use_of: idle.uses.load(Ordering::Relaxed) }
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        let Self { idle, limit, use_of } = self;
        // The next call may have begun before the end of this answer was looked at.
        if idle.uses.load(Ordering::Relaxed) != *use_of {
            return;
        }
        let ends_ms = idle.since_opened(Instant::now() + *limit);
        idle.ends_ms.store(ends_ms, Ordering::Release);
        // A timer that fires before is set anew then.
        let timer_ms = idle.timer_ms.load(Ordering::Acquire);
        if timer_ms == 0 || timer_ms > ends_ms {
            idle.reader.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_an_upstream_states_counts_with_a_margin() {
        for (lines, expected) in [
            (vec![], None),
            (vec!["timeout=5"], Some(4)),
            (vec!["timeout=5, max=1000"], Some(4)),
            (vec!["max=1000, Timeout = 60"], Some(59)),
            (vec!["timeout=\"5\""], Some(4)),
            (vec!["timeout=60", "timeout=5"], Some(4)),
            (vec!["timeout=1"], Some(0)),
            (vec!["timeout=0"], Some(0)),
            (vec!["max=5"], None),
            (vec!["timeout"], None),
            (vec!["timeout=-1"], None),
            (vec!["timeout=soon"], None),
            (vec!["xtimeout=5"], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(KEEP_ALIVE, HeaderValue::from_static(line));
            }
            assert_eq!(stated(&headers), expected.map(Duration::from_secs), "{lines:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_over_only_when_it_was_unused_for_as_long_as_it_may_be() {
        let (idle, mut timer) = (Arc::new(Idle::new()), None);
        let second = Duration::from_secs(1);
        let mut is_over = || idle.poll_over(&mut timer, &mut Context::from_waker(std::task::Waker::noop())).is_ready();
        for _ in 0..3 {
            idle.used();
            let rest = Rest::after(&idle, 4 * second);
            tokio::time::advance(60 * second).await;
            assert!(!is_over(), "an answer may take as long as it takes");
            drop(rest);
            tokio::time::advance(3 * second).await;
            assert!(!is_over());
        }
        let late = Rest::after(&idle, second);
        idle.used();
        drop(late);
        tokio::time::advance(60 * second).await;
        assert!(!is_over(), "another call is under way");
        drop(Rest::after(&idle, 4 * second));
        assert!(!is_over());
        tokio::time::advance(4 * second).await;
        assert!(is_over());
    }
}
