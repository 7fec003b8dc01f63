//! What a part behind a handler says when it fails, as a refusal.

use crate::{
    actors::handle::NoAnswer,
    credentials::passwords::HashingError,
    domain::refusal::{Refusal, Unavailable},
    store::StoreError,
};

/// An actor that is full, dead or late is a gateway at its capacity.
pub(super) fn no_answer(error: NoAnswer) -> Refusal {
    tracing::warn!(%error, "an actor gave no answer");
    Refusal::Unavailable(Unavailable::Capacity)
}

/// A store that is away is, too; anything else it says is a fault of ours.
pub(super) fn unavailable(error: StoreError) -> Refusal {
    tracing::error!(%error, "the store failed");
    match error {
        StoreError::Unavailable(_) => Refusal::Unavailable(Unavailable::Capacity),
        _ => Refusal::Internal,
    }
}

pub(super) fn busy(error: HashingError) -> Refusal {
    match error {
        HashingError::Busy => Refusal::Unavailable(Unavailable::Capacity),
        HashingError::Failed => Refusal::Internal,
    }
}
