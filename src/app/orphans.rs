//! What a killed process left open: resolved before anything is served.
//!
//! First the audit entries that wait in the spool are put into the store, because what follows is read off the log. The
//! decision to forward a metered call is on record before anything is sent. So a hold whose call has no decision was
//! never dispatched, and is released; of any other nobody knows what was delivered, and it is captured.

use super::StartError;
use crate::{
    actors::audit_writer::Blueprint,
    clock::Clock,
    domain::ledger::{End, Order},
    store::Store,
};

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
