//! The window of a limit as answers say it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::{calendar::Every, limit::Standing};

/// Members of what an answer says of a limit.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WindowBody {
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
}

impl WindowBody {
    /// A window of this many seconds that is none of a calendar.
    pub(super) const fn of_seconds(window_s: u64) -> Self {
        Self { window_s: Some(window_s), window: None, time_zone: None, resets_at: None }
    }
}

impl From<&Standing> for WindowBody {
    fn from(standing: &Standing) -> Self {
        let calendar = standing.policy.calendar();
        Self {
            window_s: standing.window_s(),
            window: calendar.map(|calendar| calendar.every),
            time_zone: calendar.map(|calendar| calendar.zone.name()),
            resets_at: standing.resets_at(),
        }
    }
}
