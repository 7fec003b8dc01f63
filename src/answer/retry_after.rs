//! `Retry-After` (RFC 9110 §10.2.3): when a refused request may come back.

use crate::domain::{
    limit::Standing,
    refusal::{Refusal, Unavailable},
};

/// Whole seconds, rounded up, of the slowest policy that refused, or until an upstream is tried again; 1 where the gateway
/// itself is short of something.
#[must_use]
pub fn retry_after_s(refusal: &Refusal) -> Option<u64> {
    match refusal {
        Refusal::Throttled { retry_after_ns, .. } => Some(retry_after_ns.div_ceil(1_000_000_000)),
        Refusal::QuotaExceeded(standings) => standings.iter().filter_map(Standing::retry_after_s).max(),
        // Only where time alone helps: a budget that never resets needs an administrator.
        Refusal::BudgetExhausted(shortfalls) => {
            let resets: Option<Vec<u64>> = shortfalls.iter().map(|short| short.resets_in_s).collect();
            resets?.into_iter().max()
        }
        // What may have been done is not to be repeated unseen.
        Refusal::Unavailable(Unavailable::Outcome) => None,
        Refusal::Unavailable(Unavailable::LeftAlone { retry_after_s }) => Some(*retry_after_s),
        Refusal::LimitsUnknown(_) | Refusal::Unavailable(_) => Some(1),
        _ => None,
    }
}
