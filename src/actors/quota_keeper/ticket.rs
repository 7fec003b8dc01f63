//! What an admitted call holds: proof of its charges, and the means to give them back.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::QuotaKeeper;
use crate::{
    actors::handle::{Handle, Permit, Request},
    domain::limit::{
        Unit,
        shard::{Charges, Ending},
    },
};

/// The end of an admitted call.
pub(super) struct End {
    pub receipt: Receipt,
    reached: bool,
    tokens: Option<u64>,
}

impl End {
    pub(super) const fn ending(&self) -> Ending {
        Ending { charged_ns: self.receipt.charged_ns, reached: self.reached, tokens: self.tokens }
    }
}

impl Request for End {
    type Answer = ();
}

/// What was charged, for which user and when.
#[derive(Clone)]
pub(super) struct Receipt {
    pub charges: Charges,
    /// Which keeper charged: the successor of one that died knows nothing of its charges.
    pub incarnation: u64,
    /// On the monotonic clock.
    pub charged_ns: u64,
}

/// Whether a call was given back what it had taken.
#[derive(Clone, Default)]
pub struct GivenBack(Arc<AtomicBool>);

impl GivenBack {
    /// Says that it was.
    pub fn say(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// True once the ticket is gone and the charges were given back.
    pub fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The charges of one call. Dropped before the call was sent, it gives all of them back; dropped after, the slots of
/// calls under way. It makes no difference whether the answer of the keeper was read: a ticket in a letter that nobody
/// opens is dropped as well.
#[must_use = "dropped, it gives the charges back or ends the call"]
pub struct Ticket {
    shard: Handle<QuotaKeeper>,
    /// Keeps room in the keeper's queue for the end of the call.
    permit: Option<Permit>,
    receipt: Option<Receipt>,
    reached: bool,
    tokens: Option<u64>,
    given_back: GivenBack,
}

impl Ticket {
    pub(super) fn new(shard: Handle<QuotaKeeper>, permit: Permit, receipt: Receipt) -> Self {
        let given_back = GivenBack::default();
        Self { shard, permit: Some(permit), receipt: Some(receipt), reached: false, tokens: None, given_back }
    }

    /// Whether the call was given back what it had taken; to be read when the ticket is gone.
    pub fn given_back(&self) -> GivenBack {
        self.given_back.clone()
    }

    /// The call is about to be sent: from here on only [`Ticket::give_back`] returns what rates took.
    pub const fn sent(&mut self) {
        self.reached = true;
    }

    /// The call took `tokens`, whatever was estimated.
    pub const fn took_tokens(&mut self, tokens: u64) {
        self.tokens = Some(tokens);
    }

    fn counts(&self, unit: Unit) -> bool {
        let charges = self.receipt.as_ref().map(|receipt| receipt.charges.iter());
        charges.into_iter().flatten().any(|charge| charge.policy.unit == unit)
    }

    /// Nothing reached the upstream after all.
    pub fn give_back(mut self) {
        self.reached = false;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let corrects = self.tokens.is_some() && self.counts(Unit::Tokens);
        if self.reached && !corrects && !self.counts(Unit::Concurrent) {
            return;
        }
        self.given_back.0.store(!self.reached, Ordering::Relaxed);
        let (Some(receipt), Some(permit)) = (self.receipt.take(), self.permit.take()) else {
            return;
        };
        // A keeper that is gone has left nothing to give back to.
        if let Err(error) = self.shard.hand_over(End { receipt, reached: self.reached, tokens: self.tokens }, permit) {
            tracing::warn!(%error, "a charge was not given back");
        }
    }
}
