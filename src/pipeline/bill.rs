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
    offers::{Offer, fees},
};
use crate::{
    actors::budget_ledger::OpenHold,
    domain::{
        ledger::{End, Served},
        money::Money,
        price::{
            Price,
            book::{PriceBook, Priced},
        },
        route::Metering,
        usage::{Extras, Usage},
    },
    meter::{Bound, Naming, Reading, STANDARD_TIERS, Taken},
    snapshot::Snapshot,
    upstream::Answer,
};

/// What a call has open.
#[must_use = "what is open ends when dropped"]
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
    /// What it costs at each place where it may go.
    offers: Vec<Offer>,
    /// The place that has answered.
    place: usize,
    /// To look whether another model that served has a price.
    prices: Snapshot<PriceBook>,
    /// The prices of tools that the provider runs.
    metering: Metering,
    state: State,
    /// The answer was no success, whatever its status says.
    has_failed: bool,
}

/// How far the call has come.
enum State {
    Asked,
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

    /// The upstream has begun to answer: the one with this name, at this place of those where the call may go.
    pub fn answered(&mut self, answer: &Answer, (place, upstream): (usize, &str)) {
        if let Some(bill) = &mut self.bill {
            bill.answered(answer, (place, upstream));
        }
    }

    /// The model that serves a call, as its upstream knows it.
    pub fn served_model(&self) -> Option<&str> {
        match &self.bill.as_ref()?.terms {
            Terms::Tokens(tokens) => tokens.offer().map(Offer::model),
            Terms::Fixed(_) => None,
        }
    }

    /// Whether the answer was read to its end and was no success: an error, or nothing, under the status of a success.
    pub fn has_failed(&self) -> bool {
        self.bill.as_ref().is_some_and(|bill| match &bill.terms {
            Terms::Tokens(tokens) => tokens.has_failed,
            Terms::Fixed(_) => false,
        })
    }

    /// Whether the answer says only at its end what the call took.
    pub fn is_whole(&self) -> bool {
        self.bill.as_ref().and_then(Bill::reading).is_some_and(Reading::is_whole)
    }

    /// Whether the client may get other bytes than came.
    pub fn alters(&self) -> bool {
        self.bill.as_ref().and_then(Bill::reading).is_some_and(Reading::alters)
    }

    /// Whether the client gets without its coding what came coded.
    pub fn decodes(&self) -> bool {
        self.bill.as_ref().and_then(Bill::reading).is_some_and(Reading::decodes)
    }

    /// Whether there is more to look into of what has come: a further turn takes it.
    pub fn has_more(&self) -> bool {
        self.bill.as_ref().and_then(Bill::reading).is_some_and(Reading::has_more)
    }

    /// Whether the client cannot get the rest.
    pub fn is_broken(&self) -> bool {
        self.bill.as_ref().and_then(Bill::reading).is_some_and(Reading::is_broken)
    }

    /// Whether the model has stopped, and what the call took is still to come.
    pub fn awaits_usage(&self) -> bool {
        self.bill.as_ref().and_then(Bill::reading).is_some_and(Reading::awaits_usage)
    }

    /// Whether nothing but the usage says what the call took, which is still to come.
    pub fn needs_usage(&self) -> bool {
        self.bill.as_ref().and_then(Bill::reading).is_some_and(Reading::needs_usage)
    }

    /// The client has left; what the call took is waited for, and the record of the request waits for that.
    pub fn client_left(&mut self) {
        if let Some(bill) = &mut self.bill {
            bill.note.wait();
            if let Some(reading) = bill.reading_mut() {
                reading.leave();
            }
        }
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

    /// The upstream has cut the answer off: nothing more of it will come.
    pub fn cut(&mut self) {
        if let Some(reading) = self.bill.as_mut().and_then(Bill::reading_mut) {
            reading.cut();
        }
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
        if let Some(bill) = &self.bill {
            bill.note.close();
        }
    }
}

impl Bill {
    /// The bill of a call with this hold.
    pub fn new(hold: OpenHold, terms: Terms, note: CostNote) -> Self {
        note.open();
        Self { held: hold.amount(), hold: Some(hold), terms, note }
    }

    /// An answer that is no success costs nothing. What a fixed price comes to is known from here on.
    fn answered(&mut self, answer: &Answer, (place, upstream): (usize, &str)) {
        let is_success = answer.status.is_success();
        self.note.answered(answer.status.as_u16());
        match &mut self.terms {
            Terms::Fixed(price) if is_success => {
                let upstream = upstream.to_owned();
                let served = Served { upstream, model: None, price_version: None, accounts: None };
                let cost = *price;
                self.note.set(Paid { cost, tokens: None, model: None });
                self.settle(cost, (Usage::default(), false), Some(served));
            }
            Terms::Tokens(tokens) if is_success => tokens.read(answer, place),
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
                    tokens.has_failed = true;
                    self.release();
                    return Some(0);
                }
                let priced = tokens.served(taken.model.as_deref(), &taken.usage);
                let priced = priced.as_deref();
                let cost = priced.and_then(|priced| tokens.cost(&priced.price, &taken)).unwrap_or(self.held);
                let estimated = taken.estimated || !priced.is_some_and(|priced| knows_tier(&priced.price, &taken));
                let other = |(model, usage): &(String, Usage)| tokens.served(Some(model), usage);
                let others: Vec<Arc<Priced>> = taken.of_others.iter().filter_map(other).collect();
                let served = tokens.offer().zip(priced).map(|(offer, priced)| offer.served(priced, &others));
                let model = priced.map(|priced| Arc::clone(&priced.model));
                let usage = taken.usage;
                self.note.set(Paid { cost, tokens: Some((usage.input_tokens, usage.output_tokens)), model });
                self.settle(cost, (usage, estimated), served);
                Some(taken.usage.input_tokens.saturating_add(taken.usage.output_tokens))
            }
            // No answer came, or one that is an error: the hold ends as it is dropped.
            State::Asked => self.note.get().map(|_| 0),
            State::Over => None,
        }
    }

    fn settle(&mut self, cost: Money, (usage, estimated): (Usage, bool), served: Option<Served>) {
        if let Some(hold) = self.hold.take() {
            hold.settle(End::Settle { cost, usage, estimated, served: served.map(Box::new) });
        }
    }

    fn release(&mut self) {
        self.note.set(Paid { cost: Money::ZERO, tokens: None, model: None });
        self.hold = None;
    }

    fn reading(&self) -> Option<&Reading> {
        match &self.terms {
            Terms::Tokens(tokens) => match &tokens.state {
                State::Answering(reading) => Some(reading),
                State::Asked | State::Over => None,
            },
            Terms::Fixed(_) => None,
        }
    }

    fn reading_mut(&mut self) -> Option<&mut Reading> {
        match &mut self.terms {
            Terms::Tokens(tokens) => match &mut tokens.state {
                State::Answering(reading) => Some(reading),
                State::Asked | State::Over => None,
            },
            Terms::Fixed(_) => None,
        }
    }
}

impl Tokens {
    /// A call that may cost so much at the places where it may go.
    pub const fn new(offers: Vec<Offer>, prices: Snapshot<PriceBook>, metering: Metering) -> Self {
        Self { offers, place: 0, prices, metering, state: State::Asked, has_failed: false }
    }

    /// The offer of the place that serves.
    fn offer(&self) -> Option<&Offer> {
        self.offers.get(self.place)
    }

    fn read(&mut self, answer: &Answer, place: usize) {
        self.place = place;
        let Some(offer) = self.offers.get(place).filter(|_| matches!(self.state, State::Asked)) else { return };
        let bound = Bound::clone(&offer.bound);
        let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
        let (kind, coding) = (header("content-type"), header("content-encoding"));
        let reading = Reading::new(bound, kind, coding).with_headers(header);
        self.state = State::Answering(Box::new(reading));
    }

    /// By the price of the model that served, and of the tools that the provider ran. Nothing where it is more than can be
    /// counted.
    fn cost(&self, price: &Price, taken: &Taken) -> Option<Money> {
        let at = |tier| price.cost(&taken.usage, &taken.extras, tier).ok();
        let tokens = match (&taken.tier, &taken.asked_tier) {
            (Some(tier), _) => at(Some(tier))?,
            // Not said which of the two it was.
            (None, Some(asked)) => at(Some(asked))?.max(at(None)?),
            (None, None) => at(None)?,
        };
        let other = |sum: Money, (model, usage): &(String, Usage)| {
            let cost = self.served(Some(model), usage)?.price.cost(usage, &Extras::default(), None).ok()?;
            sum.plus(cost)
        };
        let tokens = taken.of_others.iter().try_fold(tokens, other)?;
        let tools = taken.tools.iter().map(|(tool, calls)| (tool.as_str(), *calls));
        tokens.plus(fees(&self.metering, tools).ok()?)
    }

    /// The model by whose price this usage is billed. It is the one that the answer names if it was held for, under that name
    /// or without its date. Any other name may be a mere word: it is believed where its model costs no more than the one that
    /// was held for, unless the path says what is deployed.
    fn served(&self, named: Option<&str>, usage: &Usage) -> Option<Arc<Priced>> {
        let offer = self.offer()?;
        let own = offer.priced.first()?;
        let held = |is: &dyn Fn(&str) -> bool| offer.priced.iter().find(|priced| is(&priced.model)).cloned();
        let cost = |priced: &Priced| priced.price.cost(usage, &Extras::default(), None).ok();
        let listed = |name: &str| {
            let listed = self.prices.read().find(name).cloned();
            let is_no_dearer = |listed: &Priced| cost(listed).zip(cost(own)).is_some_and(|(listed, own)| listed <= own);
            // One that only reads has not written it.
            let can_write = |listed: &Priced| !offer.bound.writes_text() || listed.price.max_output_tokens > 0;
            let may_be = |listed: &Priced| can_write(listed) && is_no_dearer(listed);
            listed.filter(|listed| offer.bound.naming == Naming::Answer && may_be(listed))
        };
        let exact = named.and_then(|name| held(&|model| model == name));
        let family = || named.and_then(|name| held(&|model| is_version(name, model)));
        exact.or_else(|| named.and_then(listed)).or_else(family).or_else(|| Some(Arc::clone(own)))
    }
}

/// Whether the tier that served has a price, or costs no more than the standard one.
fn knows_tier(price: &Price, taken: &Taken) -> bool {
    let Some(tier) = taken.tier.as_deref() else { return true };
    STANDARD_TIERS.contains(&tier) || price.service_tier(tier).is_some()
}

/// `gpt-4o-2024-08-06` and `claude-opus-4-5-20251101` of the names without the date.
fn is_version(name: &str, model: &str) -> bool {
    let Some(date) = name.strip_prefix(model) else { return false };
    let digits = date.bytes().filter(u8::is_ascii_digit).count();
    date.is_empty() || (digits == 8 && date.bytes().all(|byte| byte.is_ascii_digit() || b"-@".contains(&byte)))
}
