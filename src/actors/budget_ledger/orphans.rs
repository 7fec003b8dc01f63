//! Holds without a call that will end them: of a process that was killed, of a replica that is lost, or left by a commit
//! that came after its caller had given up.
//!
//! The decision to forward a metered call is on record before anything is sent to the upstream. So a replica ends holds of
//! its own by its own log, which is whole once its spool is in the store: without a decision the call was never forwarded,
//! and its hold is released; with one it is captured. The log of another replica may not be whole, because a decision can
//! lie in a spool that only that replica has: every hold of a lost replica is captured.
//!
//! A lost replica that starts again puts its spool into the store and then amends what others booked for its calls, by
//! the same rule: what was captured of a call that was never forwarded is refunded. One that was only slow amends call by
//! call, as each of them ends. A hold ends once, and what was booked for it is amended once.
//!
//! A replica resolves its own holds at its start. While it runs it counts up its row in `replicas` at intervals, and looks
//! for what is left: holds of its own that no call has, and those of replicas whose row stood still for too long.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use super::{Blueprint, Ledger, LedgerState};
use crate::{
    actors::outage::Outage,
    domain::{
        ids::RequestId,
        ledger::{End, Order},
    },
    store::StoreError,
};

/// How many holds are resolved at a time.
const AT_A_TIME: usize = 500;

/// How often a replica looks, and says that it lives, in the time that one may be silent. Looks are counted and not the
/// time: a machine that stood still has not looked.
const LOOKS: u32 = 20;

/// How long a call that was taken for lost may take to come back: longer than any upstream may be silent.
const COMES_BACK: Duration = Duration::from_hours(48);

/// Ends the holds that this replica left when it was stopped, and amends what others booked for its calls meanwhile. To be
/// called when its spool is in the store and before it serves.
pub(super) async fn resolve_own(blueprint: &Blueprint, state: &LedgerState) -> Result<(), StoreError> {
    let Blueprint { store, owner, .. } = blueprint;
    end_by_record(blueprint, state, &store.open_holds(owner).await?).await?;
    end_by_record(blueprint, state, &store.orphans_of(owner).await?).await
}

/// Ends calls of this replica by what its log says.
async fn end_by_record(blueprint: &Blueprint, state: &LedgerState, calls: &[RequestId]) -> Result<(), StoreError> {
    for requests in calls.chunks(AT_A_TIME) {
        let decided = blueprint.store.decided(requests.to_vec()).await?;
        let end = |request| if decided.contains(&request) { End::Capture } else { End::Release };
        let orders = requests.iter().map(|request| Order::End { request: *request, end: end(*request) });
        blueprint.book(state, &blueprint.owner, orders.collect()).await?;
        let (captured, released) = (decided.len(), requests.len().saturating_sub(decided.len()));
        tracing::warn!(captured, released, "holds of this replica that no call was going to end are resolved");
    }
    Ok(())
}

/// Captures every hold of another replica.
async fn capture(blueprint: &Blueprint, state: &LedgerState, lost: &str) -> Result<(), StoreError> {
    let open = blueprint.store.open_holds(lost).await?;
    for requests in open.chunks(AT_A_TIME) {
        let orders = requests.iter().map(|request| Order::End { request: *request, end: End::Capture });
        blueprint.book(state, &blueprint.owner, orders.collect()).await?;
        tracing::warn!(replica = lost, captured = requests.len(), "holds of a lost replica are captured");
    }
    Ok(())
}

/// Sweeps until the arbiter stops.
pub(super) fn sweep_at_intervals(blueprint: Blueprint, state: Rc<LedgerState>, ledger: Ledger) {
    let pause = blueprint.silence / LOOKS;
    actix::spawn(async move {
        let (mut silence, mut outage) = (Silence::default(), Outage::none("the search for holds that are left"));
        loop {
            match sweep(&blueprint, &state, &mut silence).await {
                Ok(true) => {
                    outage.over();
                    let _ = ledger.flushed().await;
                }
                Ok(false) => outage.over(),
                Err(error) => outage.failed(&error),
            }
            tokio::time::sleep(pause).await;
        }
    });
}

/// One round; true if the ledger had to wait for it.
async fn sweep(blueprint: &Blueprint, state: &LedgerState, silence: &mut Silence) -> Result<bool, StoreError> {
    let Blueprint { store, clock, owner, .. } = blueprint;
    store.beat(owner).await?;
    let mut busy = store.busy_replicas().await?;
    busy.remove(&**owner);
    for lost in silence.look(busy) {
        tracing::warn!(replica = lost, "a replica has been silent for too long and is taken for lost");
        capture(blueprint, state, &lost).await?;
        store.inherit(&lost, owner).await?;
    }
    store.forget_orphans(clock.now() - COMES_BACK).await?;
    if left(blueprint, state).await?.is_empty() {
        return Ok(false);
    }
    // Looked for again when nothing is being written: what is left then, no call has.
    let _turn = state.wait().await;
    let left = left(blueprint, state).await?;
    end_by_record(blueprint, state, &left).await?;
    Ok(true)
}

/// The holds of this replica that no call of it has.
async fn left(blueprint: &Blueprint, state: &LedgerState) -> Result<Vec<RequestId>, StoreError> {
    let mut open = blueprint.store.open_holds(&blueprint.owner).await?;
    open.retain(|request| !state.is_open(*request));
    Ok(open)
}

/// How often each of the other replicas was seen to stand still.
#[derive(Default)]
struct Silence(BTreeMap<String, (Option<i64>, u32)>);

impl Silence {
    /// Takes in what the replicas last said, and names those that have been silent for too long. Who is not among them
    /// has nothing that could be lost.
    fn look(&mut self, said: BTreeMap<String, Option<i64>>) -> Vec<String> {
        let before = std::mem::take(&mut self.0);
        let looks = |name: &str, beats: Option<i64>| match before.get(name) {
            Some((last, looks)) if *last == beats => looks.saturating_add(1),
            _ => 0,
        };
        let now = said.into_iter().map(|(name, beats)| {
            let looks = looks(&name, beats);
            (name, (beats, looks))
        });
        self.0 = now.collect();
        self.0.iter().filter(|(_, (_, looks))| *looks >= LOOKS).map(|(name, _)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(beats: Option<i64>) -> BTreeMap<String, Option<i64>> {
        BTreeMap::from([("other".to_owned(), beats)])
    }

    #[test]
    fn a_replica_is_lost_when_it_stood_still_for_all_looks_in_a_row() {
        let mut silence = Silence::default();
        for _ in 0..LOOKS {
            assert!(silence.look(said(Some(7))).is_empty());
        }
        assert_eq!(silence.look(said(Some(7))), ["other"]);
        assert!(silence.look(said(Some(8))).is_empty());
        for _ in 1..LOOKS {
            assert!(silence.look(said(Some(8))).is_empty());
        }
        assert_eq!(silence.look(said(Some(8))), ["other"]);
    }

    #[test]
    fn one_that_never_said_that_it_lives_is_waited_for_as_long() {
        let mut silence = Silence::default();
        for _ in 0..LOOKS {
            assert!(silence.look(said(None)).is_empty());
        }
        assert_eq!(silence.look(said(None)), ["other"]);
    }

    #[test]
    fn one_with_nothing_to_lose_is_forgotten() {
        let mut silence = Silence::default();
        for _ in 0..LOOKS {
            silence.look(said(Some(7)));
        }
        assert!(silence.look(BTreeMap::new()).is_empty());
        assert!(silence.look(said(Some(7))).is_empty());
    }
}
