//! What the answer to a refused call said beside its reason, as it stays on record: which limits and budgets had no room,
//! what was left of them, and what the call needed.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Asked;
use crate::domain::{
    budget::Shortfall,
    calendar::Every,
    ids::{BudgetId, UserId},
    limit::{Standing, Unit},
    money::Money,
    redaction::redact,
    refusal::Refusal,
};

/// The most limits, budgets and fields that are kept of one refusal.
const MOST: usize = 32;

/// The longest name of a field that is kept, in bytes.
const MAX_FIELD_BYTES: usize = 128;

/// The limits or the budgets that had no room. One of the two is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Refused {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<RefusedByLimit>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<RefusedByBudget>,
}

/// A limit that refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedByLimit {
    pub name: String,
    pub limit: u64,
    /// Of a rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_s: Option<u64>,
    /// Of a calendar window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Every>,
    /// Units that were left.
    pub remaining: u64,
    /// Units that the call asked for.
    pub needed: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
}

/// A budget that refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedByBudget {
    pub id: BudgetId,
    pub name: String,
    pub limit_usd: Money,
    pub spent_usd: Money,
    pub held_usd: Money,
    /// What was left for the call.
    pub remaining_usd: Money,
    /// What the call could cost.
    pub needed_usd: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub resets_at: Option<Timestamp>,
}

impl Refused {
    /// What a refusal says of limits and budgets; nothing if it is for another reason. `asked` is what the call asked for.
    #[must_use]
    pub fn of(refusal: &Refusal, asked: &Asked) -> Option<Self> {
        match refusal {
            Refusal::QuotaExceeded(standings) => {
                let refusing = standings.iter().filter(|standing| standing.retry_after_ns.is_some());
                let limits = refusing.take(MOST).map(|standing| RefusedByLimit::of(standing, asked)).collect();
                Some(Self { limits, ..Self::default() })
            }
            Refusal::Throttled { policy, limit, window_s, retry_after_ns } => {
                let limit = RefusedByLimit {
                    name: (*policy).to_owned(),
                    limit: *limit,
                    window_s: Some(*window_s),
                    window: None,
                    remaining: 0,
                    needed: 1,
                    retry_after_s: Some(retry_after_ns.div_ceil(1_000_000_000)),
                };
                Some(Self { limits: vec![limit], ..Self::default() })
            }
            Refusal::BudgetExhausted(shortfalls) => {
                let budgets = shortfalls.iter().take(MOST).map(RefusedByBudget::of).collect();
                Some(Self { budgets, ..Self::default() })
            }
            _ => None,
        }
    }
}

impl RefusedByLimit {
    fn of(standing: &Standing, asked: &Asked) -> Self {
        let policy = &standing.policy;
        let needed = match policy.unit {
            Unit::Requests => asked.weight.unwrap_or(1),
            Unit::Tokens => asked.estimated_tokens.unwrap_or(1),
            Unit::Concurrent => 1,
        };
        Self {
            name: policy.name.to_string(),
            limit: policy.limit(),
            window_s: standing.window_s(),
            window: policy.calendar().map(|calendar| calendar.every),
            remaining: standing.remaining,
            needed,
            retry_after_s: standing.retry_after_s(),
        }
    }
}

impl RefusedByBudget {
    fn of(short: &Shortfall) -> Self {
        let Shortfall { budget, balance, needed, resets_at, .. } = short;
        Self {
            id: budget.id,
            name: budget.name.to_string(),
            limit_usd: budget.limit,
            spent_usd: balance.spent,
            held_usd: balance.held,
            remaining_usd: balance.remaining(budget.limit),
            needed_usd: *needed,
            resets_at: *resets_at,
        }
    }
}

/// Where a request was wrong, and whose it was. Fields that nobody knows are not among them: what a client wrote in place of a
/// name may be a secret. Others may be within what has names of the client's own, so they are personal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrongFields {
    /// Who called: an outcome does not say it otherwise, and erasing looks for it.
    pub user_id: Option<UserId>,
    /// As the answer pointed to them.
    pub pointers: Vec<String>,
}

impl WrongFields {
    /// The fields that a refusal points to, if it does.
    #[must_use]
    pub fn of(refusal: &Refusal, user_id: Option<UserId>) -> Option<Self> {
        let Refusal::InvalidRequest(faults) = refusal else { return None };
        let pointers = faults.iter().filter(|fault| !fault.pointer.is_empty() && !fault.is_unknown).take(MOST);
        let pointers: Vec<String> = pointers.map(|fault| kept(&fault.pointer)).collect();
        (!pointers.is_empty()).then_some(Self { user_id, pointers })
    }
}

fn kept(pointer: &str) -> String {
    let end = pointer.floor_char_boundary(MAX_FIELD_BYTES);
    redact(pointer.get(..end).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::refusal::Fault;

    #[test]
    fn the_fields_that_were_wrong_are_kept_short_and_few() {
        let faults = (0..40).map(|n| Fault::new(format!("/{n}{}", "é".repeat(200)), "is wrong")).collect();
        let kept = WrongFields::of(&Refusal::InvalidRequest(faults), None).unwrap();
        assert_eq!(kept.pointers.len(), MOST);
        assert!(kept.pointers.iter().all(|pointer| pointer.len() <= MAX_FIELD_BYTES));
        assert_eq!(WrongFields::of(&Refusal::invalid("", "no JSON"), None), None);
        assert_eq!(WrongFields::of(&Refusal::NotFound, None), None);
        let made_up = Refusal::InvalidRequest(vec![Fault::unknown("/s3cret", "is no field here")]);
        assert_eq!(WrongFields::of(&made_up, None), None);
    }

    #[test]
    fn only_limits_and_budgets_say_what_was_left() {
        let throttled = Refusal::Throttled { policy: "edge", limit: 5, window_s: 1, retry_after_ns: 1 };
        let refused = Refused::of(&throttled, &Asked::default()).unwrap();
        assert_eq!((refused.limits[0].name.as_str(), refused.limits[0].retry_after_s), ("edge", Some(1)));
        assert_eq!(Refused::of(&Refusal::NotFound, &Asked::default()), None);
    }
}
