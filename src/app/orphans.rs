//! What a killed process left open in the audit log: resolved before anything is served.
//!
//! First the entries that wait in the spool are put into the store, because what follows is read off the log, and so is what
//! the `BudgetLedger` does at its start with the holds that were left open.

use std::collections::HashSet;

use super::{StartError, foundation::Foundation};
use crate::{
    actors::audit_writer::Blueprint,
    data_dir::DataDir,
    domain::{
        audit::{Draft, Findings, Head, Outcome, Stage},
        ids::{EntryId, RequestId},
    },
    store::Store,
};

/// How many entries of the log are looked through at a time.
const PAGE: u32 = 10_000;

/// Puts what an earlier process has spooled into the store.
pub(super) async fn replay(audit: &Blueprint) -> Result<(), StartError> {
    let entries = audit.replay().await?;
    if entries > 0 {
        tracing::warn!(entries, "audit entries that were spooled when the gateway stopped are in the store");
    }
    Ok(())
}

/// Gives every decision of this replica that has no outcome the outcome `unknown`. Looks at the part of its chain that
/// `data_dir` does not note as closed, and notes how far it has looked.
pub(super) async fn close(base: &Foundation) -> Result<(), StartError> {
    let Foundation { store, audit, clock, data_dir, chain, .. } = base;
    let head = store.audit_head(chain).await?.unwrap_or(Head::GENESIS);
    let noted = data_dir.audit_closed_through();
    // A place that is not there is of another store.
    let after = if noted > head.seq { 0 } else { noted };
    let outcome = |request_id| Draft {
        id: EntryId(clock.new_id()),
        request_id,
        time: clock.now(),
        stage: Stage::Outcome,
        subject: None,
        findings: Findings { outcome: Some(Outcome::Unknown), ..Findings::default() },
    };
    let outcomes: Vec<Draft> = open_decisions(store, chain, after).await?.into_iter().map(outcome).collect();
    if !outcomes.is_empty() {
        audit.append(&outcomes).await?;
        tracing::warn!(requests = outcomes.len(), "requests cut short by a stop are on record with an unknown outcome");
    }
    keep_closed_through(data_dir, head.seq);
    Ok(())
}

/// Keeps where [`close`] has come to, so that the next start need not look further back. That is all that is lost where it
/// cannot be written, on a full disk for instance, and a start goes on without.
fn keep_closed_through(data_dir: &DataDir, closed: u64) {
    if let Err(error) = data_dir.set_audit_closed_through(closed) {
        tracing::warn!(%error, "the next start looks through more of the audit log than it need to");
    }
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
