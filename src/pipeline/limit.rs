//! Within every limit? The user's keeper checks every policy that applies to the call, then charges all of them or none.

use std::sync::Arc;

use uuid::Uuid;

use super::{authorize::Authorized, destination::route_at, visit::Visit};
use crate::{
    actors::quota_keeper::{GivenBack, Outcome, Ticket},
    clock::Clock,
    domain::{
        barrier::Barrier,
        ids::ApiKeyId,
        limit::{
            Per, Standing, Subject, Unit,
            shard::{Charge, Charges},
        },
        network::Network,
        principal::{CredentialKind, Principal},
        refusal::{Refusal, Unavailable},
        route::{Meter, Route},
    },
    snapshot::policies::{Group, PolicyBook},
};

/// Proof that the limits that count calls had room, and were charged.
#[must_use = "a charge that is dropped is given back"]
pub struct Entered {
    principal: Arc<Principal>,
    calls: Option<Ticket>,
}

/// Proof that every limit had room, and was charged.
#[must_use = "a charge that is dropped is given back"]
pub struct Admitted {
    pub principal: Arc<Principal>,
    pub charged: Charged,
}

/// What was charged; nothing where no policy applies to the call. Dropped before the call was sent, it is given back;
/// dropped after, the places of calls under way are free again.
#[derive(Default)]
pub struct Charged {
    calls: Option<Ticket>,
    tokens: Option<Ticket>,
    /// For the record, also where no policy was charged.
    given_back: GivenBack,
}

impl Charged {
    /// The call is about to be sent: from here on only [`Charged::give_back`] returns what rates took.
    pub fn sent(&mut self) {
        self.calls.iter_mut().chain(&mut self.tokens).for_each(Ticket::sent);
    }

    /// Corrects the estimate: the call took `tokens`.
    pub fn took_tokens(&mut self, tokens: u64) {
        if let Some(ticket) = &mut self.tokens {
            ticket.took_tokens(tokens);
        }
    }

    /// Nothing reached the upstream after all.
    pub fn give_back(self) {
        self.given_back.say();
        self.calls.into_iter().chain(self.tokens).for_each(Ticket::give_back);
    }
}

impl Entered {
    /// Who calls.
    pub const fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// The call is answered without being sent: what counts calls counts it, and nothing else does.
    pub fn served(self) -> Charged {
        let mut charged = Charged { calls: self.calls, ..Charged::default() };
        charged.sent();
        charged
    }
}

/// What is asked of the limits in one step.
#[derive(Clone, Copy)]
enum Step {
    /// Requests and calls under way. They are asked before the body is read: what a caller may not have takes no memory.
    Calls,
    /// Tokens: the number that the body of the request states.
    Tokens(u64),
}

/// Asks the user's keeper about the policies that count calls.
pub async fn limit(visit: &mut Visit<'_>, authorized: Authorized, route: &Route) -> Result<Entered, Refusal> {
    let principal = authorized.principal().map(Arc::clone).ok_or(Refusal::Forbidden(Barrier::Roles))?;
    let asked = ask(visit, &principal, route, Step::Calls).await;
    visit.record.known.limits.calls_asked = true;
    match asked {
        Ok(calls) => Ok(Entered { principal, calls }),
        Err(Refusal::QuotaExceeded(mut standings)) => {
            // One that has no token left refuses as well, however many the body asks for.
            standings.extend(token_standings(visit, &principal, route).await);
            Err(Refusal::QuotaExceeded(standings))
        }
        Err(refusal) => Err(refusal),
    }
}

/// Asks the user's keeper about the policies that count tokens, where the call takes any. If they refuse, what the policies
/// that count calls were charged is given back.
pub async fn limit_tokens(
    visit: &mut Visit<'_>,
    entered: Entered,
    route: &Route,
    estimated_tokens: Option<u64>,
) -> Result<Admitted, Refusal> {
    let Entered { principal, calls } = entered;
    visit.record.known.limits.tokens_asked = true;
    let Some(estimated_tokens) = estimated_tokens else {
        if route.meter != Meter::None {
            let now = Clock::time_of(visit.gate.clock.monotonic_ns());
            visit.record.known.limited_tokens(now, None);
        }
        return Ok(Admitted { principal, charged: charged(visit, calls, None) });
    };
    match ask(visit, &principal, route, Step::Tokens(estimated_tokens)).await {
        Ok(tokens) => Ok(Admitted { principal, charged: charged(visit, calls, tokens) }),
        Err(Refusal::QuotaExceeded(_)) => {
            drop(calls);
            Err(Refusal::QuotaExceeded(visit.record.known.limits.now()))
        }
        Err(refusal) => Err(refusal),
    }
}

fn charged(visit: &mut Visit<'_>, calls: Option<Ticket>, tokens: Option<Ticket>) -> Charged {
    let given_back = GivenBack::default();
    visit.record.known.limits.add(vec![], Some(given_back.clone()));
    Charged { calls, tokens, given_back }
}

/// Charges the policies of a step, all or none.
async fn ask(
    visit: &mut Visit<'_>,
    principal: &Principal,
    route: &Route,
    step: Step,
) -> Result<Option<Ticket>, Refusal> {
    let Visit { gate, call, record, .. } = visit;
    let charges = charges(&gate.policies.read(), principal, call.network(), route, &[step]);
    if charges.is_empty() {
        decided(visit, route, step, visit.gate.clock.monotonic_ns());
        return Ok(None);
    }
    let Ok(Ok(verdict)) = gate.quotas.take(principal.account.id, charges).await else {
        // Nor is the keeper asked again for the headers of the answer.
        record.known.limits.tokens_asked = true;
        return Err(Refusal::Unavailable(Unavailable::Capacity));
    };
    decided(visit, route, step, verdict.decided_ns);
    let Visit { gate, record, .. } = visit;
    verdict.shadowed.iter().for_each(|policy| gate.metrics.shadow_refusal(policy));
    record.known.shadowed(&verdict.shadowed);
    let limits = &mut record.known.limits;
    match verdict.outcome {
        Outcome::Admitted(ticket) => {
            limits.add(verdict.standings, Some(ticket.given_back()));
            Ok(Some(ticket))
        }
        Outcome::Refused => {
            limits.add(verdict.standings.clone(), None);
            Err(Refusal::QuotaExceeded(verdict.standings))
        }
        Outcome::Unknown(policies) => {
            limits.add(verdict.standings, None);
            Err(Refusal::LimitsUnknown(policies))
        }
    }
}

/// Puts on record when the limits of a step decided, and on what: for a replay of other limits.
fn decided(visit: &mut Visit<'_>, route: &Route, step: Step, decided_ns: u64) {
    let at = Clock::time_of(decided_ns);
    match step {
        Step::Calls => visit.record.known.limited(at, route.weight),
        Step::Tokens(tokens) => visit.record.known.limited_tokens(at, Some(tokens)),
    }
}

/// Adds how the limits of a route stand that were not asked, for the answer to a call that is refused, or is served from what
/// is kept; charges nothing. Limits apply to callers, so an answer to a caller who is not known carries none.
pub async fn tell_others(visit: &mut Visit<'_>) {
    let Visit { gate, call, record, .. } = visit;
    let limits = &record.known.limits;
    if limits.calls_asked && limits.tokens_asked {
        return;
    }
    let Some(principal) = record.known.principal().map(Arc::clone) else { return };
    let known = record.known.route().map(Arc::clone);
    let Some(route) = known.or_else(|| route_at(gate.find, &gate.routing.read(), call)) else { return };
    if limits.calls_asked {
        token_standings(visit, &principal, &route).await;
    } else {
        standings(visit, &principal, &route, &[Step::Calls, Step::Tokens(1)]).await;
    }
}

/// How the policies that count tokens stand, for one that takes a single one.
async fn token_standings(visit: &mut Visit<'_>, principal: &Principal, route: &Route) -> Vec<Standing> {
    visit.record.known.limits.tokens_asked = true;
    standings(visit, principal, route, &[Step::Tokens(1)]).await
}

async fn standings(visit: &mut Visit<'_>, principal: &Principal, route: &Route, steps: &[Step]) -> Vec<Standing> {
    let Visit { gate, call, record, .. } = visit;
    let charges = charges(&gate.policies.read(), principal, call.network(), route, steps);
    let standings = gate.quotas.glance(principal.account.id, charges).await.unwrap_or_default();
    record.known.limits.add(standings.clone(), None);
    standings
}

/// What a call takes in these steps from the policies that apply to it. It takes no more than there can be, so that there is
/// a time at which it is admitted: to a full bucket. Tokens are corrected later; a weight is too large where a reload made
/// it so.
fn charges(book: &PolicyBook, principal: &Principal, network: Network, route: &Route, steps: &[Step]) -> Charges {
    let units = |group: &Group, most: u64| {
        steps.iter().find_map(|step| match (group.unit, step) {
            (Unit::Requests, Step::Calls) => Some(route.weight.min(most)),
            (Unit::Concurrent, Step::Calls) => Some(1),
            (Unit::Tokens, Step::Tokens(tokens)) if route.meter.counts_tokens() => Some((*tokens).min(most)),
            _ => None,
        })
    };
    let charge = |group: &Group| {
        let subject = subject(group.per, principal, network)?;
        let policy = group.policy_for(subject, &route.name)?.clone();
        let units = units(group, policy.most_at_once())?;
        Some(Charge { series: group.series, policy, subject, units })
    };
    let groups = book.on(&route.name);
    let mut charges = Vec::with_capacity(groups.len());
    charges.extend(groups.iter().filter_map(|group| charge(group)));
    charges.into()
}

/// One unit of every policy that applies to a caller, on any route.
pub fn allowances(book: &PolicyBook, principal: &Principal, network: Network) -> Charges {
    let charge = |group: &Group| {
        let subject = subject(group.per, principal, network)?;
        let policy = group.policy_of(subject)?.clone();
        Some(Charge { series: group.series, policy, subject, units: 1 })
    };
    book.groups().iter().filter_map(|group| charge(group)).collect()
}

/// Who the call counts as, where it counts at all.
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
