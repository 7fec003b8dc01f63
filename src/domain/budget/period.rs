//! The times that a budget is counted over: calendar days, weeks and months of UTC.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::calendar::{Calendar, Every, Window};

/// How long a budget lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    Day,
    /// From Monday on (ISO 8601).
    Week,
    Month,
    /// For ever.
    Total,
}

impl Period {
    /// The one that `now` is in.
    pub fn window(self, now: Timestamp) -> Window {
        let every = match self {
            Self::Day => Every::Day,
            Self::Week => Every::Week,
            Self::Month => Every::Month,
            Self::Total => return Window { since: Timestamp::UNIX_EPOCH, until: None },
        };
        Calendar::utc(every).at(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_turn_at_midnight_of_utc_and_weeks_on_monday() {
        let now = "2024-02-29T23:59:59.999999Z".parse().unwrap();
        for (period, since, until) in [
            (Period::Day, "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
            (Period::Week, "2024-02-26T00:00:00Z", "2024-03-04T00:00:00Z"),
            (Period::Month, "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
        ] {
            let window = Window { since: since.parse().unwrap(), until: Some(until.parse().unwrap()) };
            assert_eq!(period.window(now), window, "{period:?}");
        }
        assert_eq!(Period::Total.window(now).until, None);
    }
}
