//! What a refusal says of the limits that were asked.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    answer::retry_after::retry_after_s,
    domain::{calendar::Every, limit::Standing, refusal::Refusal},
};

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PolicyStanding")]
pub(super) struct PolicyBody {
    name: String,
    limit: u64,
    /// Of a calendar window: as long as this one is, which need not be 86,400 a day. Null for calls under way.
    window_s: Option<u64>,
    /// Which calendar window it counts; only where it has one, as the two below.
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<Every>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<&'static str>,
    /// When the next window begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    resets_at: Option<Timestamp>,
    remaining: u64,
    /// Seconds until this call would be admitted; null where it would be now.
    retry_after_s: Option<u64>,
}

/// Every policy that was asked, with `quota-exceeded`.
pub(super) fn policies(refusal: &Refusal) -> Vec<PolicyBody> {
    match refusal {
        Refusal::QuotaExceeded(standings) => standings.iter().map(PolicyBody::from).collect(),
        Refusal::Throttled { policy, limit, window_s, .. } => vec![PolicyBody {
            name: (*policy).into(),
            limit: *limit,
            window_s: Some(*window_s),
            window: None,
            time_zone: None,
            resets_at: None,
            remaining: 0,
            retry_after_s: retry_after_s(refusal),
        }],
        _ => vec![],
    }
}

impl From<&Standing> for PolicyBody {
    fn from(standing: &Standing) -> Self {
        Self {
            name: standing.policy.name.to_string(),
            limit: standing.policy.limit(),
            window_s: standing.window_s(),
            window: standing.policy.calendar().map(|calendar| calendar.every),
            time_zone: standing.policy.calendar().map(|calendar| calendar.zone.name()),
            resets_at: standing.resets_at(),
            remaining: standing.remaining,
            retry_after_s: standing.retry_after_s(),
        }
    }
}
