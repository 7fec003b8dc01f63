//! Within every limit? One message to the caller's shard checks all policies of the route, then charges all or none.

use std::{collections::HashMap, sync::Arc};

use super::{audit::Record, authorize::Authorized};
use crate::{
    actors::quota_keeper::{Policies as RoutePolicies, Quotas, Refund, Take},
    domain::{
        ids::UserId,
        limit::Policy,
        principal::Principal,
        refusal::{Refusal, Unavailable},
        route::Route,
    },
};

/// All policies. Which of them speak of a route is found once a route and kept.
#[derive(Clone, Default)]
pub struct Policies {
    all: Arc<[Arc<Policy>]>,
    by_route: Arc<HashMap<String, RoutePolicies>>,
}

impl Policies {
    /// The policies for the routes that are configured now; a route that comes later is looked up in all of them.
    #[must_use]
    pub fn new<'r>(policies: Vec<Policy>, routes: impl IntoIterator<Item = &'r str>) -> Self {
        let all: Arc<[Arc<Policy>]> = policies.into_iter().map(Arc::new).collect();
        let by_route = routes.into_iter().map(|route| (route.to_owned(), select(&all, route))).collect();
        Self { all, by_route: Arc::new(by_route) }
    }

    /// The policies that speak of a route.
    #[must_use]
    pub fn of(&self, route: &str) -> RoutePolicies {
        self.by_route.get(route).map_or_else(|| select(&self.all, route), Arc::clone)
    }

    /// All policies.
    #[must_use]
    pub fn all(&self) -> RoutePolicies {
        Arc::clone(&self.all)
    }
}

fn select(all: &[Arc<Policy>], route: &str) -> RoutePolicies {
    all.iter().filter(|policy| policy.routes.contains(route)).map(Arc::clone).collect()
}

/// Proof that every limit had room, and was charged.
pub struct Admitted {
    pub principal: Principal,
    pub charge: Charge,
}

/// What was charged. Dropped before the call was sent, it is given back.
pub struct Charge {
    quotas: Quotas,
    refund: Option<Refund>,
}

impl Charge {
    /// The call is about to be sent: from here on only [`Charge::give_back`] returns anything.
    pub fn keep(mut self) -> KeptCharge {
        KeptCharge { quotas: self.quotas.clone(), refund: self.refund.take() }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some(refund) = self.refund.take() {
            self.quotas.refund(refund);
        }
    }
}

/// A charge for a call that may have been sent.
pub struct KeptCharge {
    quotas: Quotas,
    refund: Option<Refund>,
}

impl KeptCharge {
    /// Nothing reached the upstream after all.
    pub fn give_back(self) {
        if let Some(refund) = self.refund {
            self.quotas.refund(refund);
        }
    }
}

/// Asks the caller's shard.
pub async fn limit(
    quotas: &Quotas,
    policies: &Policies,
    authorized: Authorized,
    route: &Route,
    record: &mut Record,
) -> Result<Admitted, Refusal> {
    let principal = authorized.principal().cloned().ok_or(Refusal::Forbidden)?;
    let policies = policies.of(&route.name);
    let refund = if policies.is_empty() {
        None
    } else {
        Some(take(quotas, principal.account.id, policies, route.weight, record).await?)
    };
    Ok(Admitted { principal, charge: Charge { quotas: quotas.clone(), refund } })
}

async fn take(
    quotas: &Quotas,
    user: UserId,
    policies: RoutePolicies,
    weight: u64,
    record: &mut Record,
) -> Result<Refund, Refusal> {
    let take = Take { user, policies: Arc::clone(&policies), weight };
    let Ok(Ok(verdict)) = quotas.take(take).await else {
        return Err(Refusal::Unavailable(Unavailable::Capacity));
    };
    record.set_standings(verdict.standings.clone());
    if !verdict.is_admitted() {
        return Err(Refusal::QuotaExceeded(verdict.standings));
    }
    Ok(Refund { user, policies, weight, charged_ns: verdict.decided_ns })
}
