//! What is sent in place of the client's request, at each place where the call may go.

use std::rc::Rc;

use super::offers::Offer;
use crate::{
    domain::failover::Aim,
    meter::{Asked, Letter},
    upstream::{Outgoing, OutgoingBody, headers},
};

/// One request for each place, in their order; none where the client's own goes as it came.
#[derive(Default)]
pub struct Rewritten(Vec<Rc<Letter>>);

impl Rewritten {
    /// Those of these offers.
    pub fn of(offers: &[Offer]) -> Self {
        Self(offers.iter().map(|offer| Rc::clone(&offer.bound.letter)).collect())
    }

    /// Those of a call that is free, with the model's name at each place.
    pub fn renamed(asked: &Asked, aims: &[Aim]) -> Self {
        Self(aims.iter().map(|aim| Rc::new(asked.renamed(aim.model.as_deref()))).collect())
    }

    /// Whether the client's own request goes.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes the call the one for the place with this number. `path_and_query` is that of the client's call.
    pub fn apply(&self, place: usize, path_and_query: &str, outgoing: &mut Outgoing) {
        if let Some(letter) = self.0.get(place) {
            outgoing.body = OutgoingBody::Whole(letter.body());
            if letter.is_edited() {
                headers::remove_digests(&mut outgoing.headers);
            }
            outgoing.path_and_query = letter.path(path_and_query).into_owned();
        }
    }
}
