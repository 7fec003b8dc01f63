//! How often and how long a call waits for equal ones.
//!
//! Whoever finds nothing of use where an answer was kept a moment ago goes on alone: if each of those who were told so
//! made the next call that the others wait for, they would be served one after another.

use std::{pin::Pin, time::Duration};

use tokio::time::{Sleep, sleep};

use crate::cache::{
    collapse::{Ending, Waiting},
    key::Digest,
};

/// How often a call waits for another before it goes on its own.
const ROUNDS: u32 = 3;

/// What a call has waited for so far.
pub(super) struct Waits {
    within: Duration,
    rounds: u32,
    /// Where an answer was said to be kept.
    kept_at: Option<Digest>,
    /// From the first wait on.
    late: Option<Pin<Box<Sleep>>>,
}

impl Waits {
    /// Of a call that waits so long at most, for all others together.
    pub(super) const fn within(within: Duration) -> Self {
        Self { within, rounds: 0, kept_at: None, late: None }
    }

    /// Whether it may wait for what will be kept under this key.
    pub(super) fn may_wait(&self, key: &Digest) -> bool {
        self.rounds < ROUNDS && self.kept_at.as_ref() != Some(key)
    }

    /// Waits for the call under this key; whether to look again after it. Otherwise this call goes on its own.
    pub(super) async fn wait(&mut self, waiting: Waiting, key: Digest) -> bool {
        let within = self.within;
        let late = self.late.get_or_insert_with(|| Box::pin(sleep(within)));
        match waiting.ending(late.as_mut()).await {
            Ending::Alone | Ending::Late => return false,
            Ending::Kept => self.kept_at = Some(key),
            Ending::Gone => {}
        }
        self.rounds = self.rounds.saturating_add(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::collapse::{Collapsing, Leader, Turn};

    const KEY: Digest = [1; 32];
    const WITHIN: Duration = Duration::from_secs(1);

    fn led() -> (Leader, Waiting) {
        let collapsing = Collapsing::default();
        let Turn::Leader(leader) = collapsing.join(KEY, 0) else { panic!("somebody leads already") };
        let Turn::Wait(waiting) = collapsing.join(KEY, 0) else { panic!("nobody leads") };
        (leader, waiting)
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_waits_so_long_at_most_for_all_others_together() {
        let mut waits = Waits::within(WITHIN);
        let begun = tokio::time::Instant::now();
        let (first, waiting) = led();
        let half = async {
            sleep(WITHIN / 2).await;
            drop(first);
        };
        let (looks_again, ()) = tokio::join!(waits.wait(waiting, KEY), half);
        assert!(looks_again && waits.may_wait(&KEY), "a call that was not made is made by one of those who waited");
        let (_slow, waiting) = led();
        assert!(!waits.wait(waiting, KEY).await);
        assert_eq!(begun.elapsed().as_secs(), WITHIN.as_secs());
    }

    #[tokio::test]
    async fn whoever_finds_nothing_where_an_answer_was_kept_waits_there_no_more() {
        let mut waits = Waits::within(WITHIN);
        let (leader, waiting) = led();
        leader.end(Ending::Kept);
        assert!(waits.wait(waiting, KEY).await);
        assert!(!waits.may_wait(&KEY));
        assert!(waits.may_wait(&[2; 32]), "what is kept varies, and this call asks for another answer");
    }

    #[tokio::test]
    async fn a_call_goes_on_its_own_where_others_were_not_made_again_and_again() {
        let mut waits = Waits::within(WITHIN);
        for _ in 0..ROUNDS {
            assert!(waits.may_wait(&KEY));
            let (leader, waiting) = led();
            drop(leader);
            assert!(waits.wait(waiting, KEY).await);
        }
        assert!(!waits.may_wait(&KEY));
    }
}
