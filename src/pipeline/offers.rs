//! What a call to a model may cost at each place where it may go, and how it will be billed there.
//!
//! A place is left out, instead of the call refused, where it cannot serve: its model has no price, or cannot be asked for this.
//! Only if none is left the call is refused, for the reason of the first.

use std::{rc::Rc, sync::Arc};

use super::gate::Gate;
use crate::{
    domain::{
        budget::{Budget, Shortfall},
        failover::Aim,
        ledger::{BudgetAccount, Served, retreat},
        money::Money,
        price::{Price, TooDear, book::Priced},
        refusal::Refusal,
        route::{Dialect, Metering, Route},
    },
    meter::{Asked, Bound, Ways},
};

/// What a call may cost at one place.
#[derive(Clone)]
pub struct Offer {
    pub aim: Aim,
    /// The model that serves there, then those that the request lets serve in its place.
    pub priced: Vec<Arc<Priced>>,
    pub bound: Rc<Bound>,
    /// The most that it can cost.
    pub amount: Money,
    fits: Rc<[Fit]>,
    /// The model that was asked for.
    asked: Rc<str>,
    held_in: HeldIn,
}

/// The budgets that the money of a call is held in, each with its account there.
pub type HeldIn = Rc<[(Arc<Budget>, BudgetAccount)]>;

/// What of the amount of an offer follows from the output bound, for one of the models that may serve.
#[derive(Debug, Clone, Copy)]
struct Fit {
    /// For everything else.
    base: Money,
    /// For a token of each answer, in pico-USD.
    each_pusd: u64,
}

/// What a call may cost at all of its places; never empty.
pub struct Offers {
    /// The model that was asked for.
    asked: Rc<str>,
    offers: Vec<Offer>,
}

impl Offers {
    /// For the places `aims` of a call on this route.
    pub fn new(gate: &Gate, route: &Route, asked: &Asked, aims: &[Aim]) -> Result<Self, Refusal> {
        let (mut offers, mut first) = (Vec::<Offer>::with_capacity(aims.len()), None);
        let name: Rc<str> = asked.model().into();
        let mut dialects: Vec<Dialect> = vec![];
        for aim in aims {
            let dialect = gate.routing.read().dialect(&aim.upstream);
            // Most places differ in nothing but their address.
            let same =
                offers.iter().zip(&dialects).find(|(offer, known)| offer.aim.model == aim.model && **known == dialect);
            let offer = match same {
                Some((offer, _)) => Ok(Offer { aim: aim.clone(), ..offer.clone() }),
                None => offer(gate, &route.metering, (asked, &name), (aim, dialect)),
            };
            match offer {
                Ok(offer) => {
                    offers.push(offer);
                    dialects.push(dialect);
                }
                Err(refusal) => first = first.or(Some(refusal)),
            }
        }
        match first {
            Some(refusal) if offers.is_empty() => Err(refusal),
            _ => Ok(Self { asked: name, offers }),
        }
    }

    /// The model that was asked for.
    pub fn asked(&self) -> &str {
        &self.asked
    }

    /// The most that the call can cost, wherever it is served.
    pub fn amount(&self) -> Money {
        self.offers.iter().map(|offer| offer.amount).max().unwrap_or(Money::ZERO)
    }

    /// The price list of the first.
    pub fn price_version(&self) -> Option<i64> {
        Some(self.offers.first()?.priced.first()?.version)
    }

    /// Whether the budget counts the call, at any of its places.
    pub fn is_counted_in(&self, budget: &Budget) -> bool {
        self.offers.iter().any(|offer| offer.may_count_in(budget))
    }

    /// The largest output bound by which the call would cost no more than this, wherever it is served.
    pub fn max_tokens(&self, room: Money) -> Option<u64> {
        let fits = self.offers.iter().flat_map(|offer| offer.fits.iter());
        fits.map(|fit| fit.max_tokens(room)).min().flatten()
    }

    /// Gives up places that these budgets have no room for; whether any is left.
    pub fn retreat(&mut self, short: &[Shortfall]) -> bool {
        let room = |offer: &Offer, short: &Shortfall| {
            offer.may_count_in(&short.budget).then(|| short.balance.remaining(short.budget.limit))
        };
        retreat(&mut self.offers, short, |offer| offer.amount, room);
        !self.offers.is_empty()
    }

    /// The offers, as money is held for them in these budgets.
    pub fn settled(self, held_in: &HeldIn) -> Vec<Offer> {
        self.offers.into_iter().map(|offer| Offer { held_in: Rc::clone(held_in), ..offer }).collect()
    }
}

impl Offer {
    /// The model that serves there, as the upstream knows it.
    pub fn model(&self) -> &str {
        self.priced.first().map_or("", |priced| &priced.model)
    }

    /// What the books say of a call that was served there, billed by this price, and in which the `others` took part. It is counted
    /// where any of these models is: by the name that was asked for, by the one that it has there, or by its own.
    pub fn served(&self, billed: &Priced, others: &[Arc<Priced>]) -> Served {
        let counts = |budget: &Budget| {
            self.is_counted_by_name(budget)
                || budget.models.contains(Some(&billed.model))
                || others.iter().any(|other| budget.models.contains(Some(&other.model)))
        };
        let counted = self.held_in.iter().filter(|(budget, _)| counts(budget));
        let accounts: Vec<BudgetAccount> = counted.map(|(_, account)| *account).collect();
        Served {
            upstream: self.aim.upstream.to_string(),
            model: Some(billed.model.to_string()),
            price_version: Some(billed.version),
            accounts: (accounts.len() < self.held_in.len()).then_some(accounts),
        }
    }

    /// Whether the budget counts it by the name that was asked for, or by the one that its model has there.
    fn is_counted_by_name(&self, budget: &Budget) -> bool {
        [&*self.asked, self.model()].into_iter().any(|name| budget.models.contains(Some(name)))
    }

    /// Whether the budget counts it, whichever of the models serves that the request lets serve.
    fn may_count_in(&self, budget: &Budget) -> bool {
        self.is_counted_by_name(budget) || self.priced.iter().any(|priced| budget.models.contains(Some(&priced.model)))
    }
}

fn offer(
    gate: &Gate,
    metering: &Metering,
    (asked, name): (&Asked, &Rc<str>),
    (aim, dialect): (&Aim, Dialect),
) -> Result<Offer, Refusal> {
    let priced = {
        let book = gate.prices.read();
        let find = |model: &str| book.find(model).cloned().ok_or_else(|| Refusal::UnpricedModel(model.to_owned()));
        let own = aim.model.as_deref().unwrap_or_else(|| asked.model());
        std::iter::once(own).chain(asked.other_models()).map(find).collect::<Result<Vec<Arc<Priced>>, Refusal>>()?
    };
    let candidates: Vec<&Price> = priced.iter().map(|priced| &priced.price).collect();
    let ways = Ways { model: aim.model.as_deref(), dialect, default_max_tokens: metering.default_max_tokens };
    let bound = asked.bound(&candidates, ways).map_err(|fault| Refusal::InvalidRequest(vec![fault]))?;
    let too_dear = |error: TooDear| Refusal::invalid("/model", error.to_string());
    let fees = fees(metering, bound.tools.iter().map(|(tool, calls)| (tool.as_str(), *calls))).map_err(too_dear)?;
    let (amount, fits) = dearest(&candidates, &bound, fees).map_err(too_dear)?;
    let (bound, asked, held_in) = (Rc::new(bound), Rc::clone(name), HeldIn::default());
    Ok(Offer { aim: aim.clone(), priced, bound, amount, fits, asked, held_in })
}

/// The hold of the dearest of the models that may serve the call, and what bounds on the answers make of that of each.
fn dearest(prices: &[&Price], bound: &Bound, fees: Money) -> Result<(Money, Rc<[Fit]>), TooDear> {
    let (most, besides) = (bound.most(), bound.most_besides());
    let (mut dearest, mut fits) = (Money::ZERO, vec![]);
    for price in prices {
        dearest = dearest.max(price.bound(&most)?.plus(fees).ok_or(TooDear)?);
        let base = price.bound(&besides)?.plus(fees).ok_or(TooDear)?;
        fits.push(Fit { base, each_pusd: price.dearest_output(&besides).saturating_mul(bound.answers) });
    }
    Ok((dearest, fits.into()))
}

impl Fit {
    fn max_tokens(self, room: Money) -> Option<u64> {
        let left = u64::try_from(room.pusd().saturating_sub(self.base.pusd())).ok()?;
        left.checked_div(self.each_pusd).filter(|tokens| *tokens > 0)
    }
}

/// What calls of tools cost that the provider ran.
pub fn fees<'t>(metering: &Metering, calls: impl IntoIterator<Item = (&'t str, u64)>) -> Result<Money, TooDear> {
    calls.into_iter().try_fold(Money::ZERO, |sum, (tool, calls)| {
        let each = metering.tool(tool).and_then(|price| u64::try_from(price.pusd()).ok()).unwrap_or(0);
        Money::times(calls, each).and_then(|fee| sum.plus(fee)).ok_or(TooDear)
    })
}
