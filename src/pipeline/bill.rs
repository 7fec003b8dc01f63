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
    domain::{ledger::End, money::Money, price::TooDear, route::Metering, usage::Usage},
    meter::{Bound, Reading, STANDARD_TIERS, Taken},
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
    /// The model that was asked for, then those that the request lets serve in its place.
    pub priced: Vec<Arc<Priced>>,
    /// To look whether another model that served has a price.
    pub prices: Snapshot<PriceBook>,
    /// The prices of tools that the provider runs.
    pub metering: Metering,
    pub state: State,
}

/// How far the call has come.
pub enum State {
    Asked(Bound),
    Answering(Box<Reading>),
    Over,
}

impl Open {
    /// What is open of a call: what its limits took and, if it is metered, its bill.
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
    pub fn strips_extra_usage(&self) -> bool {
        self.bill.as_ref().and_then(Bill::reading).is_some_and(Reading::strips_extra_usage)
    }

    /// Whether the model has stopped, and what the call took is still to come.
    pub fn awaits_usage(&self) -> bool {
        self.bill.as_ref().and_then(Bill::reading).is_some_and(Reading::awaits_usage)
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
    /// The bill of a call with this hold.
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
                if taken.failed {
                    self.release();
                    return Some(0);
                }
                let cost = tokens.cost(&taken).unwrap_or(self.held);
                let estimated = taken.estimated || !tokens.knows_tier(&taken);
                self.settle(cost, Some(taken.usage), estimated);
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
            State::Asked(bound) => State::Answering(Box::new(Reading::new(bound, kind, coding))),
            other => other,
        };
    }

    /// By the price of the model that served, and of the tools that the provider ran. Nothing where it is more than can be
    /// counted.
    fn cost(&self, taken: &Taken) -> Option<Money> {
        let served = self.served(taken.model.as_deref())?;
        let at = |tier| served.price.cost(&taken.usage, &taken.extras, tier).ok();
        let tokens = match (&taken.tier, &taken.asked_tier) {
            (Some(tier), _) => at(Some(tier))?,
            // Not said which of the two it was.
            (None, Some(asked)) => at(Some(asked))?.max(at(None)?),
            (None, None) => at(None)?,
        };
        let tools = taken.tools.iter().map(|(tool, calls)| (tool.as_str(), *calls));
        tokens.plus(fees(&self.metering, tools).ok()?)
    }

    /// Whether the tier that served has a price, or costs no more than the standard one.
    fn knows_tier(&self, taken: &Taken) -> bool {
        let Some(tier) = taken.tier.as_deref() else { return true };
        let served = self.served(taken.model.as_deref());
        STANDARD_TIERS.contains(&tier) || served.is_some_and(|served| served.price.service_tier(tier).is_some())
    }

    /// The model that the answer names, at the price of the hold if it was held for, though that has changed since. A dated
    /// name is the model of the name without the date. One without a price costs what the model costs that was asked for.
    fn served(&self, named: Option<&str>) -> Option<Arc<Priced>> {
        let held = |name: &str| self.priced.iter().find(|priced| is_version(name, &priced.model)).cloned();
        let other = |name: &str| self.prices.read().find(name).cloned();
        let served = named.and_then(|name| held(name).or_else(|| other(name)));
        served.or_else(|| self.priced.first().cloned())
    }
}

/// `gpt-4o-2024-08-06` and `claude-opus-4-5-20251101` of the names without the date.
fn is_version(name: &str, model: &str) -> bool {
    let Some(date) = name.strip_prefix(model) else { return false };
    let digits = date.bytes().filter(u8::is_ascii_digit).count();
    date.is_empty() || (digits == 8 && date.bytes().all(|byte| byte.is_ascii_digit() || b"-@".contains(&byte)))
}

/// What calls of tools cost that the provider ran.
pub fn fees<'t>(metering: &Metering, calls: impl IntoIterator<Item = (&'t str, u64)>) -> Result<Money, TooDear> {
    calls.into_iter().try_fold(Money::ZERO, |sum, (tool, calls)| {
        let each = metering.tool(tool).and_then(|price| u64::try_from(price.pusd()).ok()).unwrap_or(0);
        Money::times(calls, each).and_then(|fee| sum.plus(fee)).ok_or(TooDear)
    })
}
