//! Is there money? A metered route needs a hold before anything is sent; one message to the ledger.

use std::sync::Arc;

use super::{
    Gate,
    audit::Record,
    call::Call,
    limit::{Admitted, Charged, subject},
};
use crate::{
    actors::budget_ledger::{NoHold, OpenHold, Quote},
    domain::{
        budget::{Budget, Scope, Shortfall},
        ids::ApiKeyId,
        ledger::{Purpose, Shortage},
        limit::Subject,
        money::Money,
        network::Network,
        principal::{CredentialKind, Principal},
        refusal::{Refusal, Unavailable},
        route::{Meter, Route},
    },
    snapshot::budgets::BudgetBook,
};

/// Proof that the call may be sent: its limits are charged and its money is held.
pub struct Reserved {
    pub charged: Charged,
    pub bill: Option<Bill>,
}

/// What a call is held for, and what it will cost.
pub struct Bill {
    pub hold: OpenHold,
    pub price: Money,
}

/// Opens the hold of a call that has a price; any other passes.
pub async fn reserve(
    gate: &Gate,
    call: &Call,
    admitted: Admitted,
    route: &Route,
    record: &mut Record,
) -> Result<Reserved, Refusal> {
    let Admitted { principal, charged } = admitted;
    let Meter::Fixed(price) = route.meter else {
        return Ok(Reserved { charged, bill: None });
    };
    let now = gate.clock.now();
    let budgets = budgets(&gate.budgets.read(), &principal, None);
    let claims = budgets.iter().map(|(subject, budget)| budget.claim(*subject, now)).collect();
    let quote = Quote { amount: price, claims, purpose: purpose(&principal, route) };
    let short_of = |shortages: &[Shortage]| {
        let shortfall = |short: &Shortage| {
            let (_, budget) = budgets.iter().find(|(_, budget)| budget.id == short.account.budget)?;
            Some(budget.shortfall(short.balance, price, now))
        };
        shortages.iter().filter_map(shortfall).collect::<Vec<Shortfall>>()
    };
    match gate.ledger.reserve(call.id, quote).await {
        Ok(hold) => {
            record.over_budget_in_shadow(&short_of(hold.shadowed()));
            Ok(Reserved { charged, bill: Some(Bill { hold, price }) })
        }
        Err(NoHold::Short(shortages)) => Err(Refusal::BudgetExhausted(short_of(&shortages))),
        Err(NoHold::Unknown) => Err(Refusal::Unavailable(Unavailable::Ledger)),
    }
}

/// The budgets that a call is counted in, and as whom.
fn budgets(book: &BudgetBook, principal: &Principal, model: Option<&str>) -> Vec<(Subject, Arc<Budget>)> {
    let of = budgets_of(book, principal);
    of.filter(|(_, budget)| budget.models.contains(model))
        .map(|(subject, budget)| (subject, Arc::clone(budget)))
        .collect()
}

/// The budgets that speak of a caller, on whatever model.
pub fn budgets_of<'b>(book: &'b BudgetBook, principal: &Principal) -> impl Iterator<Item = (Subject, &'b Arc<Budget>)> {
    book.of(move |scope: Scope| subject(scope.per(), principal, Network::UNKNOWN))
}

fn purpose(principal: &Principal, route: &Route) -> Purpose {
    let credential = &principal.credential;
    let key: Option<ApiKeyId> =
        if credential.kind == CredentialKind::ApiKey { credential.id.parse().ok() } else { None };
    Purpose {
        user: principal.account.id,
        team: principal.account.team,
        key,
        route: route.name.to_string(),
        model: None,
        price_version: None,
    }
}
