//! Is there money? A metered route needs a hold before anything is sent; one message to the ledger.
//!
//! A call that may go to several places is held once, for the dearest of them. Where a budget has no room for one place, the
//! others are asked for without it.

use std::sync::Arc;

use super::{
    audit::Paid,
    bill::{Bill, Open, Terms, Tokens},
    limit::{Admitted, subject},
    offers::{HeldIn, Offers},
    rewritten::Rewritten,
    visit::Visit,
};
use crate::{
    actors::budget_ledger::{NoHold, OpenHold, Quote},
    domain::{
        budget::{Budget, Scope, Shortfall},
        failover::Aim,
        ids::ApiKeyId,
        ledger::{Claim, End, Purpose, Shortage},
        limit::Subject,
        money::Money,
        network::Network,
        principal::{CredentialKind, Principal},
        refusal::{Refusal, Unavailable},
        route::{Meter, Route},
        usage::Usage,
    },
    meter::Asked,
    snapshot::budgets::BudgetBook,
};

/// Proof that the call may be sent: its limits are charged and its money is held. Dropped, it gives both back.
#[must_use = "a reservation that is dropped is given back"]
pub struct Reserved {
    pub open: Open,
    /// Where the call may go.
    pub aims: Arc<[Aim]>,
    /// The requests to be sent in place of the client's: such that cannot take more than is held.
    pub rewritten: Rewritten,
}

/// What the call is held for.
enum Price {
    Fixed(Money),
    /// The dearest of these.
    Tokens(Offers),
}

impl Price {
    fn amount(&self) -> Money {
        match self {
            Self::Fixed(price) => *price,
            Self::Tokens(offers) => offers.amount(),
        }
    }

    fn is_counted_in(&self, budget: &Budget) -> bool {
        match self {
            Self::Fixed(_) => budget.models.contains(None),
            Self::Tokens(offers) => offers.is_counted_in(budget),
        }
    }

    fn max_tokens(&self, room: Money) -> Option<u64> {
        if let Self::Tokens(offers) = self { offers.max_tokens(room) } else { None }
    }

    /// Whether something is left that these budgets may have room for.
    fn retreat(&mut self, short: &[Shortfall]) -> bool {
        if let Self::Tokens(offers) = self { offers.retreat(short) } else { false }
    }
}

/// Opens the hold of a call that has a price; any other passes. `aims` are the places where it may go.
pub async fn reserve(
    visit: &mut Visit<'_>,
    admitted: Admitted,
    route: &Route,
    (asked, aims): (Option<Asked>, Arc<[Aim]>),
) -> Result<Reserved, Refusal> {
    let Admitted { principal, charged } = admitted;
    if let Some(asked) = asked.as_ref().filter(|asked| asked.is_free()) {
        visit.record.known.model(Some(asked.model()));
        let rewritten = Rewritten::renamed(asked, &aims);
        return Ok(Reserved { open: Open::new(charged, None), aims, rewritten });
    }
    let mut price = match (route.meter, asked) {
        (Meter::Fixed(price), _) => Price::Fixed(price),
        (_, Some(asked)) => Price::Tokens(Offers::new(visit.gate, route, &asked, &aims)?),
        (_, None) => return Ok(Reserved { open: Open::new(charged, None), aims, rewritten: Rewritten::default() }),
    };
    let purpose = purpose(&principal, route, &price);
    visit.record.known.model(purpose.model.as_deref());
    let (hold, budgets) = loop {
        let budgets = budgets(&visit.gate.budgets.read(), &principal, &price);
        match hold(visit, &price, &budgets, &purpose).await? {
            Ok(hold) => break (hold, budgets),
            Err(short) if !price.retreat(&short) => return Err(Refusal::BudgetExhausted(short)),
            Err(_) => {}
        }
    };
    let note = visit.record.known.cost_note();
    let bill = |terms| Open::new(charged, Some(Bill::new(hold, terms, note)));
    match price {
        Price::Fixed(price) => Ok(Reserved { open: bill(Terms::Fixed(price)), aims, rewritten: Rewritten::default() }),
        Price::Tokens(offers) => {
            let now = visit.call.time;
            let with_account = |(subject, budget): (Subject, Arc<Budget>)| {
                let account = budget.claim(subject, now).account;
                (budget, account)
            };
            let held_in: HeldIn = budgets.into_iter().map(with_account).collect();
            let offers = offers.settled(&held_in);
            let is_less = offers.len() < aims.len();
            let aims = if is_less { offers.iter().map(|offer| offer.aim.clone()).collect() } else { aims };
            let rewritten = Rewritten::of(&offers);
            let tokens = Tokens::new(offers, visit.gate.prices.clone(), route.metering.clone());
            Ok(Reserved { open: bill(Terms::Tokens(Box::new(tokens))), aims, rewritten })
        }
    }
}

/// Asks for the hold. The inner error names the budgets without room.
async fn hold(
    visit: &mut Visit<'_>,
    price: &Price,
    budgets: &[(Subject, Arc<Budget>)],
    purpose: &Purpose,
) -> Result<Result<OpenHold, Vec<Shortfall>>, Refusal> {
    let Visit { gate, call, record, .. } = visit;
    let (now, amount) = (call.time, price.amount());
    let claims: Vec<Claim> = budgets.iter().map(|(subject, budget)| budget.claim(*subject, now)).collect();
    record.known.asks_to_hold(amount);
    let quote = Quote { amount, claims, purpose: purpose.clone() };
    let short_of = |shortages: &[Shortage]| {
        let shortfall = |short: &Shortage| {
            let (_, budget) = budgets.iter().find(|(_, budget)| budget.id == short.account.budget)?;
            let max_tokens = price.max_tokens(short.balance.remaining(budget.limit));
            Some(Shortfall { max_tokens, ..budget.shortfall(short.balance, amount, now) })
        };
        shortages.iter().filter_map(shortfall).collect::<Vec<Shortfall>>()
    };
    match gate.ledger.reserve(call.id, quote).await {
        Ok(hold) => {
            record.known.over_budget_in_shadow(&short_of(hold.shadowed()));
            Ok(Ok(hold))
        }
        Err(NoHold::Short(shortages)) => Ok(Err(short_of(&shortages))),
        Err(NoHold::Unknown) => Err(Refusal::Unavailable(Unavailable::Ledger)),
    }
}

/// Books a call to a metered route that is answered from what is kept: it costs nothing and is a request all the same. If the
/// ledger cannot, the call is served without.
pub async fn note_free(visit: &mut Visit<'_>, principal: &Principal, route: &Route, model: Option<&str>) {
    let Visit { gate, call, record, .. } = visit;
    record.known.model(model);
    record.known.cost_note().set(Paid { cost: Money::ZERO, tokens: model.map(|_| (0, 0)), model: None });
    let purpose = Purpose { model: model.map(str::to_owned), ..purpose(principal, route, &Price::Fixed(Money::ZERO)) };
    let quote = Quote { amount: Money::ZERO, claims: vec![], purpose };
    if let Ok(hold) = gate.ledger.reserve(call.id, quote).await {
        hold.settle(End::Settle { cost: Money::ZERO, usage: Usage::default(), estimated: false, served: None });
    } else {
        tracing::warn!(request = %call.id, "a call that was answered from the cache is missing in the usage");
    }
}

/// The budgets that a call is counted in, each with the call's subject there.
fn budgets(book: &BudgetBook, principal: &Principal, price: &Price) -> Vec<(Subject, Arc<Budget>)> {
    let of = budgets_of(book, principal);
    of.filter(|(_, budget)| price.is_counted_in(budget))
        .map(|(subject, budget)| (subject, Arc::clone(budget)))
        .collect()
}

/// The budgets that a caller's calls are counted in, for any model.
pub fn budgets_of<'b>(book: &'b BudgetBook, principal: &Principal) -> impl Iterator<Item = (Subject, &'b Arc<Budget>)> {
    book.of(move |scope: Scope| subject(scope.per(), principal, Network::UNKNOWN))
}

fn purpose(principal: &Principal, route: &Route, price: &Price) -> Purpose {
    let credential = &principal.credential;
    let key: Option<ApiKeyId> =
        if credential.kind == CredentialKind::ApiKey { credential.id.parse().ok() } else { None };
    let (model, price_version) = match price {
        Price::Fixed(_) => (None, None),
        Price::Tokens(offers) => (Some(offers.asked().to_owned()), offers.price_version()),
    };
    Purpose {
        user: principal.account.id,
        team: principal.account.team,
        key,
        route: route.name.to_string(),
        model,
        price_version,
    }
}
