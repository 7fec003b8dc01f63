//! What a refusal says of the limits that were asked.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    answer::{retry_after::retry_after_s, window::WindowBody},
    domain::{limit::Standing, refusal::Refusal},
};

/// What is left of a limit, as a refusal says it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PolicyStanding")]
pub(super) struct PolicyBody {
    name: String,
    limit: u64,
    #[serde(flatten)]
    window: WindowBody,
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
            window: WindowBody::of_seconds(*window_s),
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
            window: standing.into(),
            remaining: standing.remaining,
            retry_after_s: standing.retry_after_s(),
        }
    }
}
