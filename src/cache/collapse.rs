//! Calls that others wait for: equal calls at once become one.
//!
//! The first of equal calls is made; the others wait until it has ended, and look again. They go on their own where the
//! answer turned out to be for one client alone, and for a while nobody waits there any more: a slow answer that is never
//! kept would take each of them twice as long. A call whose client goes away ends in any case, so nobody waits for a call
//! that is not made: one of those who waited makes the next.
//!
//! Nobody waits without a bound: whoever has waited long enough goes on alone, and no later call waits for the slow one.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::{Either, select};
use quick_cache::sync::Cache;
use tokio::sync::watch;

use super::key::Digest;

/// The most calls that are waited for; of one that is pushed out nobody new waits.
const MAX_UNDER_WAY: usize = 16_384;
/// The most that wait for one call.
const MAX_WAITING: usize = 1_024;

/// The longest that a call waits for others, all together.
pub const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// How a call came out for those who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its answer is kept, and fresh.
    Kept,
    /// Its answer is of no use to others.
    Alone,
    /// It was not made.
    Gone,
    /// It has not ended within the time that a call may wait.
    Late,
}

/// For how long nobody waits where an answer was not kept.
const ALONE_MS: i64 = 5_000;

/// The calls that are under way. Clones share them.
#[derive(Clone)]
pub struct Collapsing {
    under_way: Arc<Cache<Digest, Arc<UnderWay>>>,
    /// Until when nobody waits for such a call.
    alone: Arc<Cache<Digest, i64>>,
}

#[derive(Debug)]
struct UnderWay {
    ending: watch::Sender<Option<Ending>>,
    waiting: AtomicUsize,
}

/// What a call is to do.
pub enum Turn {
    Leader(Leader),
    Wait(Waiting),
    /// Too many wait already.
    Alone,
}

/// The place of the call that is made. Dropped, it says that it was not.
#[must_use = "a call that is dropped was not made"]
pub struct Leader {
    collapsing: Collapsing,
    key: Digest,
    call: Arc<UnderWay>,
    ending: Ending,
}

/// A call that waits for another one's answer.
#[must_use = "a call that waits leaves when dropped"]
pub struct Waiting {
    collapsing: Collapsing,
    key: Digest,
    call: Arc<UnderWay>,
    ending: watch::Receiver<Option<Ending>>,
}

impl Default for Collapsing {
    fn default() -> Self {
        Self { under_way: Arc::new(Cache::new(MAX_UNDER_WAY)), alone: Arc::new(Cache::new(MAX_UNDER_WAY)) }
    }
}

impl Collapsing {
    /// Leads the call under this key, or waits for whoever does.
    pub fn join(&self, key: Digest, now_ms: i64) -> Turn {
        if self.alone.peek(&key).is_some_and(|until_ms| now_ms < until_ms) {
            return Turn::Alone;
        }
        let mut leads = false;
        let begin = || {
            leads = true;
            let (ending, _) = watch::channel(None);
            Ok::<_, std::convert::Infallible>(Arc::new(UnderWay { ending, waiting: AtomicUsize::new(0) }))
        };
        let Ok(call) = self.under_way.get_or_insert_with(&key, begin);
        if leads {
            return Turn::Leader(Leader { collapsing: self.clone(), key, call, ending: Ending::Gone });
        }
        if call.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            call.waiting.fetch_sub(1, Ordering::Relaxed);
            return Turn::Alone;
        }
        let ending = call.ending.subscribe();
        Turn::Wait(Waiting { collapsing: self.clone(), key, call, ending })
    }

    /// From here on nobody new waits for this call.
    fn close(&self, key: &Digest, call: &Arc<UnderWay>) {
        self.under_way.remove_if(key, |joined| Arc::ptr_eq(joined, call));
    }

    /// The answer under this key is for one client alone: nobody is to wait for the next, for a while.
    pub fn keep_apart(&self, key: Digest, now_ms: i64) {
        self.alone.insert(key, now_ms.saturating_add(ALONE_MS));
    }
}

impl Leader {
    /// The call is over.
    pub fn end(mut self, ending: Ending) {
        self.ending = ending;
    }
}

impl Drop for Leader {
    /// No call joins any more when those who wait get the answer.
    fn drop(&mut self) {
        self.collapsing.close(&self.key, &self.call);
        self.call.ending.send_replace(Some(self.ending));
    }
}

impl Waiting {
    /// Waits for the end of the call, until `late`. Then the next equal call is made, and others wait for that one.
    pub async fn ending(mut self, late: impl Future<Output = ()> + Unpin) -> Ending {
        let ended = match select(pin!(self.ending.wait_for(Option::is_some)), late).await {
            Either::Left((Ok(ending), _)) => Some(ending.unwrap_or(Ending::Gone)),
            Either::Left((Err(_), _)) => Some(Ending::Gone),
            Either::Right(((), _)) => None,
        };
        ended.unwrap_or_else(|| {
            self.collapsing.close(&self.key, &self.call);
            Ending::Late
        })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.call.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt;

    use super::*;

    const KEY: Digest = [1; 32];

    fn lead(collapsing: &Collapsing) -> Leader {
        let Turn::Leader(lead) = collapsing.join(KEY, 0) else { panic!("somebody leads already") };
        lead
    }

    fn wait(collapsing: &Collapsing) -> Waiting {
        let Turn::Wait(waiting) = collapsing.join(KEY, 0) else { panic!("nobody leads, or too many wait") };
        waiting
    }

    #[test]
    fn equal_calls_wait_for_the_first_and_are_told_how_it_came_out() {
        for ending in [Ending::Kept, Ending::Alone, Ending::Gone] {
            let collapsing = Collapsing::default();
            let first = lead(&collapsing);
            let (early, gone) = (wait(&collapsing), wait(&collapsing));
            drop(gone);
            let mut told = Box::pin(early.ending(pending()));
            assert!((&mut told).now_or_never().is_none());
            assert!(matches!(collapsing.join([2; 32], 0), Turn::Leader(_)), "another call is not waited for");
            if ending == Ending::Gone {
                drop(first);
            } else {
                first.end(ending);
            }
            assert_eq!(told.now_or_never(), Some(ending));
            drop(lead(&collapsing));
        }
    }

    #[test]
    fn who_boarded_is_told_also_after_the_landing() {
        let collapsing = Collapsing::default();
        let first = lead(&collapsing);
        let late = wait(&collapsing);
        first.end(Ending::Kept);
        assert_eq!(late.ending(pending()).now_or_never(), Some(Ending::Kept));
    }

    #[test]
    fn whoever_has_waited_long_enough_goes_on_and_the_next_call_is_made() {
        let collapsing = Collapsing::default();
        let slow = lead(&collapsing);
        let (first, second) = (wait(&collapsing), wait(&collapsing));
        assert_eq!(first.ending(ready(())).now_or_never(), Some(Ending::Late));
        let next = lead(&collapsing);
        let waits_for_next = wait(&collapsing);
        // The slow call has no say in the next one.
        slow.end(Ending::Kept);
        assert_eq!(second.ending(ready(())).now_or_never(), Some(Ending::Kept), "it has ended in time for this one");
        let mut told = Box::pin(waits_for_next.ending(pending()));
        assert!((&mut told).now_or_never().is_none());
        next.end(Ending::Kept);
        assert_eq!(told.now_or_never(), Some(Ending::Kept));
    }

    #[test]
    fn nobody_waits_for_a_while_where_an_answer_was_not_kept() {
        let collapsing = Collapsing::default();
        let first = lead(&collapsing);
        collapsing.keep_apart(KEY, 0);
        first.end(Ending::Alone);
        assert!(matches!(collapsing.join(KEY, ALONE_MS - 1), Turn::Alone));
        assert!(matches!(collapsing.join(KEY, ALONE_MS), Turn::Leader(_)));
    }

    #[test]
    fn only_so_many_wait_for_one_call() {
        let collapsing = Collapsing::default();
        let _first = lead(&collapsing);
        let mut all: Vec<Waiting> = (0..MAX_WAITING).map(|_| wait(&collapsing)).collect();
        assert!(matches!(collapsing.join(KEY, 0), Turn::Alone));
        all.pop();
        drop(wait(&collapsing));
    }
}
