//! How far this machine's clock is from the store's: measured at the start and at each poll, and logged from a
//! second on.
//!
//! What replicas compare (revocations, the grace of refresh tokens, the turn of signing keys) is in the store's time, so a
//! wrong clock does no harm there. The times in tokens are this machine's: verifiers allow 5 s (`jwt`).

use crate::{
    clock::Clock,
    store::{Store, StoreError},
};

/// From here on an operator is warned, in microseconds.
const WARN_US: u64 = 1_000_000;

/// Measures, and logs when the difference comes to a second or falls below it.
pub(super) async fn measure(store: &Store, clock: &Clock) -> Result<(), StoreError> {
    let asked = clock.now();
    let Some(time) = store.time().await? else { return Ok(()) };
    let before = clock.ahead_us().unsigned_abs();
    clock.compare(asked, time, clock.now());
    let (ahead_us, was_apart) = (clock.ahead_us(), before >= WARN_US);
    match ahead_us.unsigned_abs() >= WARN_US {
        true if !was_apart => tracing::warn!(ahead_us, "this machine's clock is apart from the store's"),
        false if was_apart => tracing::info!(ahead_us, "this machine's clock goes with the store's again"),
        _ => {}
    }
    Ok(())
}
