//! Is there money? A metered route needs a hold before anything is sent; one message to the ledger.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    audit::Paid,
    bill::{Bill, Open, State, Terms, Tokens, fees},
    gate::Gate,
    limit::{Admitted, subject},
    visit::Visit,
};
use crate::{
    actors::budget_ledger::{NoHold, Quote},
    domain::{
        budget::{Budget, Scope, Shortfall},
        ids::ApiKeyId,
        ledger::{End, Purpose, Shortage},
        limit::Subject,
        money::Money,
        network::Network,
        price::{Most, Price, TooDear},
        principal::{CredentialKind, Principal},
        refusal::{Refusal, Unavailable},
        route::{Meter, Route},
        usage::Usage,
    },
    meter::{Asked, Bound, Ways},
    snapshot::{budgets::BudgetBook, prices::Priced},
};

/// Proof that the call may be sent: its limits are charged and its money is held. Dropped, it gives both back.
#[must_use = "a reservation that is dropped is given back"]
pub struct Reserved {
    pub open: Open,
    /// The request to be sent in place of the client's: one that cannot take more than is held.
    pub bounded: Option<Bytes>,
}

/// What a call may cost, and how it will be billed.
struct Offer {
    amount: Money,
    terms: Terms,
    bounded: Option<Bytes>,
    fit: Option<Fit>,
}

/// What of the amount of an offer follows from the output bound.
#[derive(Debug, Clone, Copy)]
struct Fit {
    /// For everything else.
    base: Money,
    /// For a token of each answer, in pico-USD.
    each_pusd: u64,
}

/// Opens the hold of a call that has a price; any other passes.
pub async fn reserve(
    visit: &mut Visit<'_>,
    admitted: Admitted,
    route: &Route,
    asked: Option<Asked>,
) -> Result<Reserved, Refusal> {
    let Visit { gate, call, record, .. } = visit;
    let Admitted { principal, charged } = admitted;
    let Some(Offer { amount, terms, bounded, fit }) = offer(gate, route, asked)? else {
        return Ok(Reserved { open: Open::new(charged, None), bounded: None });
    };
    let now = gate.clock.now();
    let purpose = purpose(&principal, route, &terms);
    record.known.model(purpose.model.as_deref());
    let budgets = budgets(&gate.budgets.read(), &principal, purpose.model.as_deref());
    let claims = budgets.iter().map(|(subject, budget)| budget.claim(*subject, now)).collect();
    let quote = Quote { amount, claims, purpose };
    let short_of = |shortages: &[Shortage]| {
        let shortfall = |short: &Shortage| {
            let (_, budget) = budgets.iter().find(|(_, budget)| budget.id == short.account.budget)?;
            let max_tokens = fit.and_then(|fit| fit.max_tokens(short.balance.remaining(budget.limit)));
            Some(Shortfall { max_tokens, ..budget.shortfall(short.balance, amount, now) })
        };
        shortages.iter().filter_map(shortfall).collect::<Vec<Shortfall>>()
    };
    match gate.ledger.reserve(call.id, quote).await {
        Ok(hold) => {
            record.known.over_budget_in_shadow(&short_of(hold.shadowed()));
            let bill = Bill::new(hold, terms, record.known.cost_note());
            Ok(Reserved { open: Open::new(charged, Some(bill)), bounded })
        }
        Err(NoHold::Short(shortages)) => Err(Refusal::BudgetExhausted(short_of(&shortages))),
        Err(NoHold::Unknown) => Err(Refusal::Unavailable(Unavailable::Ledger)),
    }
}

/// Books a call to a metered route that is answered from what is kept: it costs nothing and is a request all the same. If the
/// ledger cannot, the call is served without.
pub async fn note_free(visit: &mut Visit<'_>, principal: &Principal, route: &Route, model: Option<&str>) {
    let Visit { gate, call, record, .. } = visit;
    record.known.model(model);
    record.known.cost_note().set(Paid { cost: Money::ZERO, tokens: model.map(|_| (0, 0)) });
    let purpose = Purpose { model: model.map(str::to_owned), ..purpose(principal, route, &Terms::Fixed(Money::ZERO)) };
    let quote = Quote { amount: Money::ZERO, claims: vec![], purpose };
    if let Ok(hold) = gate.ledger.reserve(call.id, quote).await {
        hold.settle(End::Settle { cost: Money::ZERO, usage: Usage::default(), estimated: false });
    } else {
        tracing::warn!(request = %call.id, "a call that was answered from the cache is missing in the usage");
    }
}

/// Nothing where the call costs nothing.
fn offer(gate: &Gate, route: &Route, asked: Option<Asked>) -> Result<Option<Offer>, Refusal> {
    if let Meter::Fixed(price) = route.meter {
        return Ok(Some(Offer { amount: price, terms: Terms::Fixed(price), bounded: None, fit: None }));
    }
    let Some(asked) = asked else {
        return Ok(None);
    };
    let priced = {
        let book = gate.prices.read();
        let find = |model: &str| book.find(model).cloned().ok_or_else(|| Refusal::UnpricedModel(model.to_owned()));
        asked.models().map(find).collect::<Result<Vec<Arc<Priced>>, Refusal>>()?
    };
    let candidates: Vec<&Price> = priced.iter().map(|priced| &priced.price).collect();
    // The same for all upstreams of the route.
    let dialect = route.upstreams().next().map(|name| gate.routing.read().dialect(name)).unwrap_or_default();
    let ways = Ways { dialect, default_max_tokens: route.metering.default_max_tokens };
    let mut bound = asked.bound(&candidates, ways).map_err(|fault| Refusal::InvalidRequest(vec![fault]))?;
    let too_dear = |error: TooDear| Refusal::invalid("/model", error.to_string());
    let fees =
        fees(&route.metering, bound.tools.iter().map(|(tool, calls)| (tool.as_str(), *calls))).map_err(too_dear)?;
    let (amount, fit) = dearest(&candidates, &bound, fees).map_err(too_dear)?;
    let bounded = Some(std::mem::take(&mut bound.body));
    let tokens =
        Tokens { priced, prices: gate.prices.clone(), metering: route.metering.clone(), state: State::Asked(bound) };
    Ok(Some(Offer { amount, terms: Terms::Tokens(Box::new(tokens)), bounded, fit: Some(fit) }))
}

/// The hold of the dearest of the models that may serve the call.
fn dearest(prices: &[&Price], bound: &Bound, fees: Money) -> Result<(Money, Fit), TooDear> {
    let most = bound.most();
    let mut dearest = (Money::ZERO, Fit { base: Money::ZERO, each_pusd: 0 });
    for price in prices {
        let amount = price.bound(&most)?.plus(fees).ok_or(TooDear)?;
        if amount >= dearest.0 {
            let base = price.bound(&Most { output_tokens: 0, ..most })?.plus(fees).ok_or(TooDear)?;
            dearest = (amount, Fit { base, each_pusd: price.dearest_output(&most).saturating_mul(bound.answers) });
        }
    }
    Ok(dearest)
}

impl Fit {
    /// The largest output bound by which the call would cost no more than this.
    fn max_tokens(self, room: Money) -> Option<u64> {
        let left = u64::try_from(room.pusd().saturating_sub(self.base.pusd())).ok()?;
        left.checked_div(self.each_pusd).filter(|tokens| *tokens > 0)
    }
}

/// The budgets that a call is counted in, each with the call's subject there.
fn budgets(book: &BudgetBook, principal: &Principal, model: Option<&str>) -> Vec<(Subject, Arc<Budget>)> {
    let of = budgets_of(book, principal);
    of.filter(|(_, budget)| budget.models.contains(model))
        .map(|(subject, budget)| (subject, Arc::clone(budget)))
        .collect()
}

/// The budgets that a caller's calls are counted in, for any model.
pub fn budgets_of<'b>(book: &'b BudgetBook, principal: &Principal) -> impl Iterator<Item = (Subject, &'b Arc<Budget>)> {
    book.of(move |scope: Scope| subject(scope.per(), principal, Network::UNKNOWN))
}

fn purpose(principal: &Principal, route: &Route, terms: &Terms) -> Purpose {
    let credential = &principal.credential;
    let key: Option<ApiKeyId> =
        if credential.kind == CredentialKind::ApiKey { credential.id.parse().ok() } else { None };
    let priced = match terms {
        Terms::Fixed(_) => None,
        Terms::Tokens(tokens) => tokens.priced.first(),
    };
    Purpose {
        user: principal.account.id,
        team: principal.account.team,
        key,
        route: route.name.to_string(),
        model: priced.map(|priced| priced.model.to_string()),
        price_version: priced.map(|priced| priced.version),
    }
}
