//! Within every limit? The keepers check every policy that speaks of the call, then charge all of them or none.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    Gate,
    audit::Record,
    authorize::{Authorized, route_at},
    call::Call,
};
use crate::{
    actors::quota_keeper::{Outcome, Ticket},
    domain::{
        ids::ApiKeyId,
        limit::{
            Per, Subject, Unit,
            shard::{Charge, Charges},
        },
        network::Network,
        principal::{CredentialKind, Principal},
        refusal::{Refusal, Unavailable},
        route::Route,
    },
    snapshot::policies::{Group, PolicyBook},
};

/// Proof that every limit had room, and was charged.
pub struct Admitted {
    pub principal: Arc<Principal>,
    pub charged: Charged,
}

/// What was charged; nothing where no policy speaks of the call. Dropped before the call was sent, it is given back;
/// dropped after, the places of calls under way are free again.
#[derive(Default)]
pub struct Charged(Option<Ticket>);

impl Charged {
    /// The call is about to be sent: from here on only [`Charged::give_back`] returns what rates took.
    pub fn sent(&mut self) {
        if let Some(ticket) = &mut self.0 {
            ticket.sent();
        }
    }

    /// The call took so many tokens, whatever was estimated.
    pub fn took_tokens(&mut self, tokens: u64) {
        if let Some(ticket) = &mut self.0 {
            ticket.took_tokens(tokens);
        }
    }

    /// Nothing reached the upstream after all.
    pub fn give_back(self) {
        if let Some(ticket) = self.0 {
            ticket.give_back();
        }
    }
}

/// Asks the user's keeper.
pub async fn limit(
    gate: &Gate,
    call: &Call,
    authorized: Authorized,
    route: &Route,
    estimated_tokens: Option<u64>,
    record: &mut Record,
) -> Result<Admitted, Refusal> {
    let principal = authorized.principal().map(Arc::clone).ok_or(Refusal::Forbidden)?;
    let charges = charges(&gate.policies.read(), &principal, call.network(), route, estimated_tokens);
    if charges.is_empty() {
        return Ok(Admitted { principal, charged: Charged::default() });
    }
    // Whatever comes of it, they are not asked again for the headers of the answer.
    record.set_standings(vec![], None);
    let Ok(Ok(verdict)) = gate.quotas.take(principal.account.id, charges).await else {
        return Err(Refusal::Unavailable(Unavailable::Capacity));
    };
    record.shadowed(&verdict.shadowed);
    match verdict.outcome {
        Outcome::Admitted(ticket) => {
            record.set_standings(verdict.standings, Some(ticket.given_back()));
            Ok(Admitted { principal, charged: Charged(Some(ticket)) })
        }
        Outcome::Refused => {
            record.set_standings(verdict.standings.clone(), None);
            Err(Refusal::QuotaExceeded(verdict.standings))
        }
        Outcome::Unknown(policies) => {
            record.set_standings(verdict.standings, None);
            Err(Refusal::LimitsUnknown(policies))
        }
    }
}

/// Keeps how the limits of a route stand, for the answer to a call that was refused before they were asked; charges
/// nothing. Limits speak of callers, so who did not say who they are is told nothing.
pub async fn tell_refused(gate: &Gate, call: &Call, record: &mut Record) {
    let Some(principal) = record.unlimited() else { return };
    let Some(route) = route_at(gate.find, &gate.routing.read(), call) else { return };
    let a_token = route.meter.counts_tokens().then_some(1);
    let charges = charges(&gate.policies.read(), &principal, call.network(), &route, a_token);
    if let Ok(standings) = gate.quotas.glance(principal.account.id, charges).await {
        record.set_standings(standings, None);
    }
}

/// What a call takes from the policies that speak of it. It takes no more than there can be, so that there is a time at
/// which it is admitted: to a full bucket. Tokens are corrected later; a weight is too large where a reload made it so.
fn charges(
    book: &PolicyBook,
    principal: &Principal,
    network: Network,
    route: &Route,
    estimated_tokens: Option<u64>,
) -> Charges {
    let charge = |group: &Group| {
        let subject = subject(group.per, principal, network)?;
        let policy = group.policy_for(subject, &route.name)?.clone();
        let units = match group.unit {
            Unit::Requests => route.weight.min(policy.most_at_once()),
            Unit::Tokens => estimated_tokens?.min(policy.most_at_once()),
            Unit::Concurrent => 1,
        };
        Some(Charge { series: group.series, policy, subject, units })
    };
    let groups = book.on(&route.name);
    let mut charges = Vec::with_capacity(groups.len());
    charges.extend(groups.iter().filter_map(|group| charge(group)));
    charges.into()
}

/// One unit of every policy that speaks of a caller, on whatever route.
#[must_use]
pub fn allowances(book: &PolicyBook, principal: &Principal, network: Network) -> Charges {
    let charge = |group: &Group| {
        let subject = subject(group.per, principal, network)?;
        let policy = group.policy_of(subject)?.clone();
        Some(Charge { series: group.series, policy, subject, units: 1 })
    };
    book.groups().iter().filter_map(|group| charge(group)).collect()
}

/// Who the call counts as, where it counts at all.
#[must_use]
pub fn subject(per: Per, principal: &Principal, network: Network) -> Option<Subject> {
    match per {
        Per::Global => Some(Subject::EVERYBODY),
        Per::Team => principal.account.team.map(|team| team.0.into()),
        Per::User => Some(principal.account.id.0.into()),
        Per::Key if principal.credential.kind == CredentialKind::ApiKey => {
            principal.credential.id.parse().ok().map(|ApiKeyId(id): ApiKeyId| Uuid::into(id))
        }
        Per::Key => None,
        Per::Address => Some(network.into()),
    }
}
