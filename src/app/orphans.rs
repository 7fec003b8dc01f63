//! What a killed process left open: resolved before anything is served.
//!
//! First the audit entries that wait in the spool are put into the store, because what follows is read off the log. The
//! decision to forward a metered call is on record before anything is sent. So a hold whose call has no decision was
//! never dispatched, and is released; of any other nobody knows what was delivered, and it is captured.

use std::collections::HashSet;

use super::StartError;
use crate::{
    actors::audit_writer::Blueprint,
    clock::Clock,
    domain::{
        audit::{Draft, Findings, Head, Outcome, Stage},
        ids::{EntryId, RequestId},
        ledger::{End, Order},
    },
    store::Store,
};

/// How many entries of the log are looked through at a time.
const PAGE: u32 = 10_000;

/// How many holds are resolved at a time.
const AT_A_TIME: usize = 500;

/// Puts what an earlier process has spooled into the store.
pub(super) async fn replay(audit: &Blueprint) -> Result<(), StartError> {
    let entries = audit.replay().await?;
    if entries > 0 {
        tracing::warn!(entries, "audit entries that were spooled when the gateway stopped are in the store");
    }
    Ok(())
}

/// Ends every open hold of this replica.
pub(super) async fn resolve(store: &Store, clock: &Clock, replica: &str) -> Result<(), StartError> {
    let open = store.open_holds(replica).await?;
    for requests in open.chunks(AT_A_TIME) {
        let decided = store.decided(requests.to_vec()).await?;
        let order = |request| {
            let end = if decided.contains(&request) { End::Capture } else { End::Release };
            Order::End { request, end }
        };
        let orders = requests.iter().copied().map(order).collect();
        store.book(replica, orders, clock.now()).await?;
        let (captured, released) = (decided.len(), requests.len().saturating_sub(decided.len()));
        tracing::warn!(captured, released, "holds that were open when the gateway stopped are resolved");
    }
    Ok(())
}

/// Gives every decision of this replica that has no outcome the outcome `unknown`; looks at what is behind `after` in
/// its chain. The place up to which nothing is open any more.
pub(super) async fn close(store: &Store, audit: &Blueprint, clock: &Clock, after: u64) -> Result<u64, StartError> {
    let head = store.audit_head(&audit.chain).await?.unwrap_or(Head::GENESIS);
    // A place that is not there is of another store.
    let after = if after > head.seq { 0 } else { after };
    let open = open_decisions(store, &audit.chain, after).await?;
    if open.is_empty() {
        return Ok(head.seq);
    }
    let outcome = |request_id| Draft {
        id: EntryId(clock.new_id()),
        request_id,
        time: clock.now(),
        stage: Stage::Outcome,
        subject: None,
        findings: Findings { outcome: Some(Outcome::Unknown), ..Findings::default() },
    };
    let outcomes: Vec<Draft> = open.into_iter().map(outcome).collect();
    audit.append(&outcomes).await?;
    tracing::warn!(requests = outcomes.len(), "requests that a stop cut short are on record with an unknown outcome");
    Ok(head.seq)
}

/// The requests whose decision is on record behind a place, and whose outcome is not.
async fn open_decisions(store: &Store, chain: &str, mut after: u64) -> Result<HashSet<RequestId>, StartError> {
    let mut open = HashSet::new();
    loop {
        let entries = store.audit_stages(chain, after, PAGE).await?;
        let Some((last, _, _)) = entries.last() else {
            return Ok(open);
        };
        after = *last;
        for (_, request, stage) in entries {
            match stage {
                Stage::Decision => open.insert(request),
                Stage::Outcome => open.remove(&request),
                Stage::Whole => false,
            };
        }
    }
}
