//! Holds that nobody will end: of a process that was killed, of a replica that is lost, or left by a commit that came
//! after all.
//!
//! The decision to forward a metered call is on record before anything is sent. So a hold whose call has no decision was
//! never dispatched, and is released; of any other nobody knows what was delivered, and it is captured.
//!
//! A replica resolves its own at its start. While it runs it says at intervals that it lives, and looks for what is left:
//! holds of its own that no call has, and those of replicas that have been silent for too long. A replica that was only
//! slow does no harm: a hold ends once, and what its call cost beyond what was booked is booked when it says so.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use super::{Blueprint, Ledger, LedgerState};
use crate::{
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

/// Ends every hold of a replica that is not at work on any.
pub(super) async fn resolve(blueprint: &Blueprint, state: &LedgerState, replica: &str) -> Result<(), StoreError> {
    let open = blueprint.store.open_holds(replica).await?;
    resolve_these(blueprint, state, replica, &open).await
}

async fn resolve_these(
    blueprint: &Blueprint,
    state: &LedgerState,
    replica: &str,
    open: &[RequestId],
) -> Result<(), StoreError> {
    for requests in open.chunks(AT_A_TIME) {
        let decided = blueprint.store.decided(requests.to_vec()).await?;
        let order = |request| {
            let end = if decided.contains(&request) { End::Capture } else { End::Release };
            Order::End { request, end }
        };
        blueprint.book(state, &blueprint.owner, requests.iter().copied().map(order).collect()).await?;
        let (captured, released) = (decided.len(), requests.len().saturating_sub(decided.len()));
        tracing::warn!(replica, captured, released, "holds that nobody was going to end are resolved");
    }
    Ok(())
}

/// Sweeps until the arbiter stops.
pub(super) fn sweep_at_intervals(blueprint: Blueprint, state: Rc<LedgerState>, ledger: Ledger) {
    let pause = blueprint.silence / LOOKS;
    actix::spawn(async move {
        let mut silence = Silence::default();
        loop {
            match sweep(&blueprint, &state, &mut silence).await {
                Ok(true) => drop(ledger.flushed().await),
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "holds that are left will be looked for later"),
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
        resolve(blueprint, state, &lost).await?;
        store.inherit(&lost, owner).await?;
    }
    store.forget_orphans(clock.now() - COMES_BACK).await?;
    if left(blueprint, state).await?.is_empty() {
        return Ok(false);
    }
    // Looked for again when nothing is being written: what is left then, no call has.
    let _turn = state.wait().await;
    let left = left(blueprint, state).await?;
    resolve_these(blueprint, state, owner, &left).await?;
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
