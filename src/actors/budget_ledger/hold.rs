//! The hold of a call, and its end on the way into the books.

use std::sync::Arc;

use futures_util::{Stream, stream};
use tokio::sync::{Mutex, mpsc};

use super::Ledger;
use crate::{
    actors::handle::{NoAnswer, Permit},
    domain::{
        ids::RequestId,
        ledger::{Claim, End, Purpose, Shortage},
        money::Money,
    },
};

/// What a call may cost, who pays it, and what for.
pub struct Quote {
    pub amount: Money,
    pub claims: Vec<Claim>,
    pub purpose: Purpose,
}

/// Why a call has no hold.
#[derive(Debug)]
pub enum NoHold {
    /// There is not enough money in these accounts.
    Short(Vec<Shortage>),
    /// It is not known whether there is.
    Unknown,
}

impl From<NoAnswer> for NoHold {
    fn from(_: NoAnswer) -> Self {
        Self::Unknown
    }
}

/// A hold, and the place in the ledger's queue that its end will take. Dropped unsettled, it is released: whatever
/// became of the call, its hold ends with it.
#[must_use = "a hold that is dropped is released"]
pub struct OpenHold {
    ledger: Ledger,
    request: RequestId,
    amount: Money,
    shadowed: Vec<Shortage>,
    permit: Option<Permit>,
}

impl OpenHold {
    pub(super) const fn new(ledger: Ledger, request: RequestId, amount: Money, permit: Permit) -> Self {
        Self { ledger, request, amount, shadowed: vec![], permit: Some(permit) }
    }

    pub(super) fn shadowed_by(mut self, shadowed: Vec<Shortage>) -> Self {
        self.shadowed = shadowed;
        self
    }

    /// Nothing was held after all, and nothing has to end.
    pub(super) fn never_was(mut self) {
        self.permit = None;
    }

    /// What is set aside.
    pub const fn amount(&self) -> Money {
        self.amount
    }

    /// The accounts in shadow that had no room for it.
    pub fn shadowed(&self) -> &[Shortage] {
        &self.shadowed
    }

    /// Ends the hold at the true cost.
    pub fn settle(mut self, end: End) {
        self.end(end);
    }

    fn end(&mut self, end: End) {
        if let Some(permit) = self.permit.take() {
            self.ledger.end(self.request, end, permit);
        }
    }
}

impl Drop for OpenHold {
    fn drop(&mut self) {
        self.end(End::Release);
    }
}

/// The end of a hold on its way. Dropped before it is booked, because the actor that had it died, it goes on to the next.
#[must_use = "an end that is dropped is booked again"]
pub(super) struct Ending {
    pub request: RequestId,
    pub end: End,
    /// `None` once it is booked.
    next: Option<mpsc::UnboundedSender<(RequestId, End)>>,
}

impl Ending {
    /// An end on its way. Dropped before [`Self::done`], it goes to the next actor by `next`.
    pub const fn new(request: RequestId, end: End, next: mpsc::UnboundedSender<(RequestId, End)>) -> Self {
        Self { request, end, next: Some(next) }
    }

    /// It is booked; names its call.
    pub fn done(mut self) -> RequestId {
        self.next = None;
        self.request
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(next) = self.next.take() {
            // Nobody is left to take it when the gateway has stopped; the next start resolves the hold.
            let _ = next.send((self.request, self.end.clone()));
        }
    }
}

/// The ends that an actor dropped, for the next one.
#[derive(Clone)]
pub(super) struct LostEnds {
    next: mpsc::UnboundedSender<(RequestId, End)>,
    /// One actor at a time looks into it.
    received: Arc<Mutex<mpsc::UnboundedReceiver<(RequestId, End)>>>,
}

impl LostEnds {
    /// Both ends of the channel of lost ends.
    pub fn new(
        next: mpsc::UnboundedSender<(RequestId, End)>,
        received: mpsc::UnboundedReceiver<(RequestId, End)>,
    ) -> Self {
        Self { next, received: Arc::new(Mutex::new(received)) }
    }

    /// Those there are, and those to come.
    pub fn stream(&self) -> impl Stream<Item = Ending> + use<> {
        stream::unfold(self.clone(), async |lost| {
            let (request, end) = lost.received.lock().await.recv().await?;
            Some((Ending::new(request, end, lost.next.clone()), lost))
        })
    }
}
