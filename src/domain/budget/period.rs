//! The times that a budget is counted over: calendar days, weeks and months of UTC.

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Time, Weekday},
    tz::Offset,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// One day, week or month; or all time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub since: Timestamp,
    /// When the next one begins.
    pub until: Option<Timestamp>,
}

impl Period {
    /// The one that `now` is in. What is outside the calendar (before the year -9999, after 9999) has no end.
    pub fn window(self, now: Timestamp) -> Window {
        let today = Offset::UTC.to_datetime(now).date();
        let bounds = match self {
            Self::Day => Some((today, today.checked_add(1.day()))),
            Self::Week => {
                let monday = today.checked_sub(i64::from(today.weekday().since(Weekday::Monday)).days());
                monday.ok().map(|monday| (monday, monday.checked_add(1.week())))
            }
            Self::Month => Some((today.first_of_month(), today.first_of_month().checked_add(1.month()))),
            Self::Total => None,
        };
        let Some((first, next)) = bounds else {
            return Window { since: Timestamp::UNIX_EPOCH, until: None };
        };
        Window { since: midnight(first).unwrap_or(Timestamp::MIN), until: next.ok().and_then(midnight) }
    }
}

fn midnight(date: Date) -> Option<Timestamp> {
    Offset::UTC.to_timestamp(date.to_datetime(Time::midnight())).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn each_moment_is_in_one_window_and_the_next_begins_where_it_ends(second in 0..4_000_000_000_i64) {
            let now = Timestamp::from_second(second).unwrap();
            for period in [Period::Day, Period::Week, Period::Month] {
                let window = period.window(now);
                let until = window.until.unwrap();
                prop_assert!(window.since <= now && now < until);
                prop_assert_eq!(period.window(until).since, until);
                prop_assert_eq!(period.window(window.since), window);
            }
        }
    }
}
