//! Budgets: the hold that a metered call must have before it is forwarded.

use super::{ids::RequestId, money::Money};

/// Money set aside for one call until it is settled or released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    pub request: RequestId,
    pub amount: Money,
}
