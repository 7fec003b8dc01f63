//! Calls that others wait for: equal calls at once become one.
//!
//! The first of equal calls leads and boards a flight; the others wait until it has landed, and look again. They go on their
//! own where the answer turned out to be for one client alone, and for a while nobody waits there any more: a slow answer
//! that is never kept would take each of them twice as long. A leader that goes away lands in any case, so nobody waits
//! for a call that is not made: one of those who waited leads the next.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use quick_cache::sync::Cache;
use tokio::sync::watch;

use super::key::Digest;

/// The most calls that are waited for; of one that is pushed out nobody new waits.
const MAX_FLIGHTS: usize = 16_384;
/// The most that wait for one call.
const MAX_WAITING: usize = 1_024;

/// How a call came out for those who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landing {
    /// Its answer is kept, and fresh.
    Kept,
    /// Its answer is of no use to others.
    Alone,
    /// It was not made.
    Gone,
}

/// For how long nobody waits where an answer was not kept.
const ALONE_MS: i64 = 5_000;

/// The calls that are under way. Clones share them.
#[derive(Clone)]
pub struct Flights {
    under_way: Arc<Cache<Digest, Arc<Flight>>>,
    /// Until when nobody waits for such a call.
    alone: Arc<Cache<Digest, i64>>,
}

#[derive(Debug)]
struct Flight {
    landing: watch::Sender<Option<Landing>>,
    waiting: AtomicUsize,
}

/// What a call is to do.
pub enum Boarding {
    Lead(Lead),
    Wait(Waiting),
    /// Too many wait already.
    Alone,
}

/// The place of the call that is made. Dropped, it says that it was not.
#[must_use = "a flight that is dropped has landed nowhere"]
pub struct Lead {
    flights: Flights,
    key: Digest,
    flight: Arc<Flight>,
    landing: Landing,
}

/// A call that waits for another one's answer.
#[must_use = "a call that waits leaves when dropped"]
pub struct Waiting {
    flight: Arc<Flight>,
    landing: watch::Receiver<Option<Landing>>,
}

impl Default for Flights {
    fn default() -> Self {
        Self { under_way: Arc::new(Cache::new(MAX_FLIGHTS)), alone: Arc::new(Cache::new(MAX_FLIGHTS)) }
    }
}

impl Flights {
    /// Leads the call under this key, or waits for whoever does.
    pub fn board(&self, key: Digest, now_ms: i64) -> Boarding {
        if self.alone.peek(&key).is_some_and(|until_ms| now_ms < until_ms) {
            return Boarding::Alone;
        }
        let mut leads = false;
        let begin = || {
            leads = true;
            let (landing, _) = watch::channel(None);
            Ok::<_, std::convert::Infallible>(Arc::new(Flight { landing, waiting: AtomicUsize::new(0) }))
        };
        let Ok(flight) = self.under_way.get_or_insert_with(&key, begin);
        if leads {
            return Boarding::Lead(Lead { flights: self.clone(), key, flight, landing: Landing::Gone });
        }
        if flight.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            flight.waiting.fetch_sub(1, Ordering::Relaxed);
            return Boarding::Alone;
        }
        let landing = flight.landing.subscribe();
        Boarding::Wait(Waiting { flight, landing })
    }

    /// The answer under this key is for one client alone: nobody is to wait for the next, for a while.
    pub fn part(&self, key: Digest, now_ms: i64) {
        self.alone.insert(key, now_ms.saturating_add(ALONE_MS));
    }
}

impl Lead {
    /// The call is over.
    pub fn land(mut self, landing: Landing) {
        self.landing = landing;
    }
}

impl Drop for Lead {
    /// No call joins any more when those who wait get the answer.
    fn drop(&mut self) {
        self.flights.under_way.remove_if(&self.key, |flight| Arc::ptr_eq(flight, &self.flight));
        self.flight.landing.send_replace(Some(self.landing));
    }
}

impl Waiting {
    /// Waits for the end of the call.
    pub async fn landing(mut self) -> Landing {
        match self.landing.wait_for(Option::is_some).await {
            Ok(landing) => landing.unwrap_or(Landing::Gone),
            Err(_) => Landing::Gone,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.flight.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const KEY: Digest = [1; 32];

    fn lead(flights: &Flights) -> Lead {
        let Boarding::Lead(lead) = flights.board(KEY, 0) else { panic!("somebody leads already") };
        lead
    }

    fn wait(flights: &Flights) -> Waiting {
        let Boarding::Wait(waiting) = flights.board(KEY, 0) else { panic!("nobody leads, or too many wait") };
        waiting
    }

    #[test]
    fn equal_calls_wait_for_the_first_and_are_told_how_it_came_out() {
        for landing in [Landing::Kept, Landing::Alone, Landing::Gone] {
            let flights = Flights::default();
            let first = lead(&flights);
            let (early, gone) = (wait(&flights), wait(&flights));
            drop(gone);
            let mut told = Box::pin(early.landing());
            assert!((&mut told).now_or_never().is_none());
            assert!(matches!(flights.board([2; 32], 0), Boarding::Lead(_)), "another call is not waited for");
            if landing == Landing::Gone {
                drop(first);
            } else {
                first.land(landing);
            }
            assert_eq!(told.now_or_never(), Some(landing));
            drop(lead(&flights));
        }
    }

    #[test]
    fn who_boarded_is_told_also_after_the_landing() {
        let flights = Flights::default();
        let first = lead(&flights);
        let late = wait(&flights);
        first.land(Landing::Kept);
        assert_eq!(late.landing().now_or_never(), Some(Landing::Kept));
    }

    #[test]
    fn nobody_waits_for_a_while_where_an_answer_was_not_kept() {
        let flights = Flights::default();
        let first = lead(&flights);
        flights.part(KEY, 0);
        first.land(Landing::Alone);
        assert!(matches!(flights.board(KEY, ALONE_MS - 1), Boarding::Alone));
        assert!(matches!(flights.board(KEY, ALONE_MS), Boarding::Lead(_)));
    }

    #[test]
    fn only_so_many_wait_for_one_call() {
        let flights = Flights::default();
        let _first = lead(&flights);
        let mut all: Vec<Waiting> = (0..MAX_WAITING).map(|_| wait(&flights)).collect();
        assert!(matches!(flights.board(KEY, 0), Boarding::Alone));
        all.pop();
        drop(wait(&flights));
    }
}
