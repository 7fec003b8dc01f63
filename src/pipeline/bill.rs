//! What a call is billed: its hold, what becomes of it as the answer passes, and what it came to.
//!
//! [`Open`] is what a call has open from before it is sent until the last byte of its answer. However it ends (the answer
//! is whole, cut or silent, the client goes away, the gateway stops, something panics) it is dropped at the latest, and
//! then what has passed by then is billed.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    audit::{CostNote, Paid},
    limit::Charged,
};
use crate::{
    actors::budget_ledger::OpenHold,
    domain::{ledger::End, money::Money, usage::Usage},
    meter::{Bound, Reading, Taken},
    snapshot::{
        Snapshot,
        prices::{PriceBook, Priced},
    },
    upstream::Answer,
};

/// What a call has open.
#[derive(Default)]
pub struct Open {
    charged: Charged,
    bill: Option<Bill>,
}

/// What a call is held for, and how its cost is found.
pub struct Bill {
    held: Money,
    hold: Option<OpenHold>,
    terms: Terms,
    note: CostNote,
}

/// How the cost of a call is found.
pub enum Terms {
    /// So much for each.
    Fixed(Money),
    /// By its tokens.
    Tokens(Box<Tokens>),
}

/// A call to a model.
pub struct Tokens {
    pub priced: Arc<Priced>,
    /// To look whether another model that answers has a price.
    pub prices: Snapshot<PriceBook>,
    pub state: State,
}

/// How far the call has come.
pub enum State {
    Asked(Bound),
    Answering(Reading),
    Over,
}

impl Open {
    pub const fn new(charged: Charged, bill: Option<Bill>) -> Self {
        Self { charged, bill }
    }

    /// The call is about to be sent.
    pub fn sent(&mut self) {
        self.charged.sent();
    }

    /// Nothing reached the upstream after all.
    pub fn give_back(mut self) {
        std::mem::take(&mut self.charged).give_back();
    }

    /// Whether the call costs something. Then it goes on though its client goes away, until it is known what it took.
    pub const fn is_billed(&self) -> bool {
        self.bill.is_some()
    }

    /// Whether the call is billed by its tokens.
    pub fn by_tokens(&self) -> bool {
        self.bill.as_ref().is_some_and(|bill| matches!(bill.terms, Terms::Tokens(_)))
    }

    /// The upstream has begun to answer.
    pub fn answered(&mut self, answer: &Answer) {
        if let Some(bill) = &mut self.bill {
            bill.answered(answer);
        }
    }

    /// Whether the answer says only at its end what the call took.
    pub fn is_whole(&self) -> bool {
        self.bill.as_ref().and_then(Bill::reading).is_some_and(Reading::is_whole)
    }

    /// Whether the client may get fewer bytes than came.
    pub fn strips(&self) -> bool {
        self.bill.as_ref().and_then(Bill::reading).is_some_and(Reading::strips)
    }

    /// What of a piece of the answer the client gets now.
    pub fn pass(&mut self, piece: Bytes) -> Bytes {
        match self.bill.as_mut().and_then(Bill::reading_mut) {
            Some(reading) => reading.pass(piece),
            None => piece,
        }
    }

    /// What the client gets at the end of the answer.
    pub fn rest(&mut self) -> Bytes {
        self.bill.as_mut().and_then(Bill::reading_mut).map(Reading::rest).unwrap_or_default()
    }

    /// The call is over: it is billed, its limits are corrected, and its place among those under way is free.
    pub fn end(&mut self) {
        let taken = self.bill.as_mut().and_then(Bill::end);
        if let Some(tokens) = taken {
            self.charged.took_tokens(tokens);
        }
        drop(std::mem::take(&mut self.charged));
    }

    /// What is set aside for the call, and what it came to, once that is known.
    pub fn amounts(&self) -> Option<(Money, Option<Money>)> {
        self.bill.as_ref().map(|bill| (bill.held, bill.note.get().map(|paid| paid.cost)))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.end();
    }
}

impl Bill {
    pub const fn new(hold: OpenHold, terms: Terms, note: CostNote) -> Self {
        Self { held: hold.amount(), hold: Some(hold), terms, note }
    }

    /// An answer that is no success costs nothing. What a fixed price comes to is known from here on.
    fn answered(&mut self, answer: &Answer) {
        let is_success = answer.status.is_success();
        match &mut self.terms {
            Terms::Fixed(price) if is_success => {
                let cost = *price;
                self.settle(cost, None, false);
            }
            Terms::Tokens(tokens) if is_success => tokens.read(answer),
            Terms::Fixed(_) | Terms::Tokens(_) => self.release(),
        }
    }

    /// Bills what has passed; returns the number of its tokens, where the call is billed by them.
    fn end(&mut self) -> Option<u64> {
        let Terms::Tokens(tokens) = &mut self.terms else { return None };
        match std::mem::replace(&mut tokens.state, State::Over) {
            State::Answering(reading) => {
                let taken = reading.taken();
                let cost = tokens.cost(&taken).unwrap_or(self.held);
                self.settle(cost, Some(taken.usage), taken.estimated);
                Some(taken.usage.input_tokens.saturating_add(taken.usage.output_tokens))
            }
            // No answer came, or one that is an error: the hold ends as it is dropped.
            State::Asked(_) => self.note.get().map(|_| 0),
            State::Over => None,
        }
    }

    fn settle(&mut self, cost: Money, usage: Option<Usage>, estimated: bool) {
        self.note.set(Paid { cost, tokens: usage.map(|usage| (usage.input_tokens, usage.output_tokens)) });
        if let Some(hold) = self.hold.take() {
            hold.settle(End::Settle { cost, usage: usage.unwrap_or_default(), estimated });
        }
    }

    fn release(&mut self) {
        self.note.set(Paid { cost: Money::ZERO, tokens: None });
        self.hold = None;
    }

    fn reading(&self) -> Option<&Reading> {
        match &self.terms {
            Terms::Tokens(tokens) => match &tokens.state {
                State::Answering(reading) => Some(reading),
                State::Asked(_) | State::Over => None,
            },
            Terms::Fixed(_) => None,
        }
    }

    fn reading_mut(&mut self) -> Option<&mut Reading> {
        match &mut self.terms {
            Terms::Tokens(tokens) => match &mut tokens.state {
                State::Answering(reading) => Some(reading),
                State::Asked(_) | State::Over => None,
            },
            Terms::Fixed(_) => None,
        }
    }
}

impl Tokens {
    fn read(&mut self, answer: &Answer) {
        let header = |name| answer.headers.get(name).and_then(|value| value.to_str().ok());
        let (kind, coding) = (header(http::header::CONTENT_TYPE), header(http::header::CONTENT_ENCODING));
        self.state = match std::mem::replace(&mut self.state, State::Over) {
            State::Asked(bound) => State::Answering(Reading::new(bound, kind, coding)),
            other => other,
        };
    }

    /// By the price of the model that was asked, or of another one that says it has answered, where that is dearer. The
    /// price of the model that was asked is the one of the hold, though it has changed since. Nothing where it is more
    /// than can be counted.
    fn cost(&self, taken: &Taken) -> Option<Money> {
        let asked = self.priced.price.cost(&taken.usage).ok()?;
        let prices = self.prices.read();
        let other = taken.model.as_deref().filter(|model| **model != *self.priced.model);
        let other = other.and_then(|model| prices.find(model));
        let answered = other.and_then(|priced| priced.price.cost(&taken.usage).ok());
        Some(answered.map_or(asked, |answered| answered.max(asked)))
    }
}
