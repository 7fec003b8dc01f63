//! What the limits and the budgets were asked for a call, and when: with it they can be asked again later, as they were or as
//! they might have been (`domain::replay`).

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::money::Money;

/// What a call asked of the limits and the budgets. A call that never came to them asked nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    /// When the limits that count calls decided, to the nanosecond. It goes by the clock that limits go by, which is never set: it
    /// can differ from `time` by as much as the clock of the machine was set since the gateway started.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub limited_at: Option<Timestamp>,
    /// What the route weighed, where that is not 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u64>,
    /// When the limits that count tokens decided, or were passed by, before money was held. On metered routes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub reserved_at: Option<Timestamp>,
    /// The tokens that limits were charged in advance, before the answer said how many it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_tokens: Option<u64>,
    /// What the budgets were asked to hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_usd: Option<Money>,
    /// Whether the limits were given back what the call had taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunded: Option<bool>,
}
