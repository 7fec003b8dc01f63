//! Days, weeks and months as a calendar has them: what budgets and limits with a `window` are counted over.
//!
//! Weeks begin on Monday (ISO 8601). Time zones are those of the IANA database that is built in, so that they are the same
//! on every replica of one version. A day is as long as it is in its zone: 23 or 25 hours where the clocks are changed.

use std::{
    str::FromStr,
    sync::{LazyLock, OnceLock},
};

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Time, Weekday},
    tz::{self, TimeZone},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long a calendar window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "CalendarWindow")]
pub enum Every {
    Day,
    /// From Monday on (ISO 8601).
    Week,
    Month,
}

/// A time zone: UTC, or one of the IANA database by its number in the order of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Zone(u16);

/// The days, weeks or months of a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Calendar {
    pub every: Every,
    pub zone: Zone,
}

/// One day, week or month; or all time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub since: Timestamp,
    /// When the next one begins.
    pub until: Option<Timestamp>,
}

/// A month of UTC, written as RFC 3339 begins a date: `2026-11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Month(Timestamp);

/// Text that names no month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a month such as 2026-11")]
pub struct UnknownMonth;

impl FromStr for Month {
    type Err = UnknownMonth;

    fn from_str(text: &str) -> Result<Self, UnknownMonth> {
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let parts = text.split_once('-');
        let is_month = parts
            .is_some_and(|(year, month)| (year.len(), month.len()) == (4, 2) && is_digits(year) && is_digits(month));
        let first = is_month.then(|| format!("{text}-01T00:00:00Z").parse().ok()).flatten();
        first.map(Self).ok_or(UnknownMonth)
    }
}

impl Month {
    /// From its first moment to that of the next month.
    #[must_use]
    pub fn window(self) -> Window {
        Calendar::utc(Every::Month).at(self.0)
    }
}

/// Text that names no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no time zone of the IANA database{meant}")]
pub struct UnknownZone {
    given: String,
    /// A question for the name that is most alike, if one is.
    meant: String,
}

/// A time zone of the database.
struct Known {
    name: String,
    /// Read when they are first asked for: the database has a lock, which calls do not share.
    rules: OnceLock<TimeZone>,
}

/// All time zones but UTC, in the order of their names.
static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let mut names: Vec<String> = tz::db().available().map(|name| name.as_str().to_owned()).collect();
    names.retain(|name| name != Zone::UTC_NAME);
    names.sort_unstable();
    names.into_iter().map(|name| Known { name, rules: OnceLock::new() }).collect()
});

impl Zone {
    /// Universal time.
    pub const UTC: Self = Self(0);
    const UTC_NAME: &str = "UTC";

    /// The name of the IANA database.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.known().map_or(Self::UTC_NAME, |known| &known.name)
    }

    fn known(self) -> Option<&'static Known> {
        KNOWN.get(usize::from(self.0).checked_sub(1)?)
    }

    fn rules(self) -> TimeZone {
        // A name that the database gave is one that it knows.
        let rules = |known: &Known| tz::db().get(&known.name).unwrap_or(TimeZone::UTC);
        self.known().map_or(TimeZone::UTC, |known| known.rules.get_or_init(|| rules(known)).clone())
    }
}

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(text: &str) -> Result<Self, UnknownZone> {
        if text == Self::UTC_NAME {
            return Ok(Self::UTC);
        }
        let place = KNOWN.binary_search_by(|known| known.name.as_str().cmp(text)).ok();
        let number = place.and_then(|place| u16::try_from(place.saturating_add(1)).ok());
        let meant = || nearest(text).map(|name| format!("; did you mean {name:?}?")).unwrap_or_default();
        number.map(Self).ok_or_else(|| UnknownZone { given: text.to_owned(), meant: meant() })
    }
}

/// The name that was probably meant: alike but for a third of its letters, or the city of it alone.
fn nearest(given: &str) -> Option<&'static str> {
    let given = given.trim().to_lowercase().replace(' ', "_");
    let distance = |name: &&String| {
        let name = name.to_lowercase();
        let city = name.rsplit('/').next().unwrap_or_default();
        let whole = strsim::damerau_levenshtein(&given, &name);
        whole.min(strsim::damerau_levenshtein(&given, city).saturating_add(1))
    };
    let name = KNOWN.iter().map(|known| &known.name).min_by_key(distance)?;
    let most = given.chars().count() / 3;
    (distance(&name) <= most.max(1)).then_some(name)
}

impl Calendar {
    /// The calendar of UTC.
    #[must_use]
    pub const fn utc(every: Every) -> Self {
        Self { every, zone: Zone::UTC }
    }

    /// The window that `now` is in. It begins when its first day begins for the first time, whatever the clocks of the zone
    /// do then: a clock that is set back over midnight makes no second window. What is outside the calendar (before the
    /// year -9999, after 9999) has no end.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Window {
        let zone = self.zone.rules();
        let first = self.first_of(zone.to_datetime(now).date());
        // Where the clocks are changed at midnight, `now` may be in the window before or after that of its date.
        let starts = [-1, 0, 1, 2].map(|steps| self.beside(first, steps).and_then(|first| start(&zone, first)));
        let starts = starts.into_iter().flatten();
        let since = starts.clone().filter(|start| *start <= now).max();
        Window { since: since.unwrap_or(Timestamp::MIN), until: starts.filter(|start| *start > now).min() }
    }

    fn first_of(self, date: Date) -> Option<Date> {
        match self.every {
            Every::Day => Some(date),
            Every::Week => date.checked_sub(i64::from(date.weekday().since(Weekday::Monday)).days()).ok(),
            Every::Month => Some(date.first_of_month()),
        }
    }

    /// The first day of the window that comes `steps` after that of `first`.
    fn beside(self, first: Option<Date>, steps: i64) -> Option<Date> {
        let span = match self.every {
            Every::Day => steps.days(),
            Every::Week => steps.weeks(),
            Every::Month => steps.months(),
        };
        first?.checked_add(span).ok()
    }
}

/// When a date begins: where there is no midnight, at the first moment after it; where there are two, at the first of them.
fn start(zone: &TimeZone, date: Date) -> Option<Timestamp> {
    zone.to_timestamp(date.to_datetime(Time::midnight())).ok()
}

impl Window {
    /// Its length in whole seconds, rounded down; `None` where it has no end.
    #[must_use]
    pub fn seconds(&self) -> Option<u64> {
        u64::try_from(self.until?.as_second().saturating_sub(self.since.as_second())).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn window(every: Every, zone: &str, now: &str) -> [String; 2] {
        let window = Calendar { every, zone: zone.parse().unwrap() }.at(time(now));
        [window.since, window.until.unwrap()].map(|time| time.to_string())
    }

    #[test]
    fn a_window_turns_at_midnight_of_its_zone_and_a_week_on_monday() {
        for (every, zone, now, expected) in [
            (Every::Day, "UTC", "2024-02-29T23:59:59.999999Z", ["2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"]),
            (Every::Day, "Asia/Kolkata", "2026-11-30T02:00:00Z", ["2026-11-29T18:30:00Z", "2026-11-30T18:30:00Z"]),
            (Every::Week, "Europe/Berlin", "2026-11-29T22:59:59Z", ["2026-11-22T23:00:00Z", "2026-11-29T23:00:00Z"]),
            (Every::Week, "Europe/Berlin", "2026-11-29T23:00:00Z", ["2026-11-29T23:00:00Z", "2026-12-06T23:00:00Z"]),
            (
                Every::Month,
                "America/New_York",
                "2026-03-01T04:59:59Z",
                ["2026-02-01T05:00:00Z", "2026-03-01T05:00:00Z"],
            ),
            // The clocks are changed within it.
            (
                Every::Month,
                "America/New_York",
                "2026-03-01T05:00:00Z",
                ["2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z"],
            ),
        ] {
            assert_eq!(window(every, zone, now), expected, "{every:?} {zone} {now}");
        }
    }

    #[test]
    fn a_day_on_which_the_clocks_are_changed_has_23_or_25_hours() {
        for (zone, now, minutes) in [
            ("Europe/Berlin", "2026-03-29T12:00:00Z", 23 * 60),
            ("Europe/Berlin", "2026-10-25T12:00:00Z", 25 * 60),
            // At midnight itself: there is none in spring, and two in autumn.
            ("America/Havana", "2024-03-10T12:00:00Z", 23 * 60),
            ("America/Havana", "2024-11-03T12:00:00Z", 25 * 60),
            ("Australia/Lord_Howe", "2026-10-04T12:00:00Z", 23 * 60 + 30),
        ] {
            let window = Calendar { every: Every::Day, zone: zone.parse().unwrap() }.at(time(now));
            assert_eq!(window.seconds().unwrap() / 60, minutes, "{zone} {now}");
        }
        // Set back at one minute past midnight to 23:01 of the day before, which makes no second window.
        let before = window(Every::Day, "America/St_Johns", "2010-11-07T02:30:30Z");
        assert_eq!(window(Every::Day, "America/St_Johns", "2010-11-07T03:00:00Z"), before);
        // A day that never was.
        let skipped = window(Every::Day, "Pacific/Apia", "2011-12-30T09:59:59Z");
        assert_eq!(skipped, ["2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"]);
    }

    #[test]
    fn a_month_is_written_with_its_year() {
        for (text, expected) in [
            ("2026-11", ["2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"]),
            ("2024-12", ["2024-12-01T00:00:00Z", "2025-01-01T00:00:00Z"]),
        ] {
            let Window { since, until } = text.parse::<Month>().unwrap().window();
            assert_eq!([since, until.unwrap()].map(|time| time.to_string()), expected, "{text}");
        }
        for bad in ["", "2026-13", "2026-00", "2026-1", "202611", "2026-11-01", "11-2026", "2026/11", "november"] {
            assert_eq!(bad.parse::<Month>(), Err(UnknownMonth), "{bad}");
        }
    }

    #[test]
    fn a_time_zone_is_found_by_its_name_and_a_slip_is_told() {
        for name in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"] {
            assert_eq!(name.parse::<Zone>().unwrap().name(), name);
        }
        for (given, meant) in [
            ("Europe/Berln", "\"Europe/Berlin\""),
            ("europe/berlin", "\"Europe/Berlin\""),
            ("Berlin", "\"Europe/Berlin\""),
            ("New York", "\"America/New_York\""),
        ] {
            let told = given.parse::<Zone>().unwrap_err().to_string();
            assert!(told.contains(&format!("did you mean {meant}?")), "{told}");
        }
        assert_eq!(
            "nonsense".parse::<Zone>().unwrap_err().to_string(),
            "\"nonsense\" is no time zone of the IANA database"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn each_moment_is_in_one_window_and_the_next_begins_where_it_ends(
            second in 0..4_000_000_000_i64, zone in 0..600_u16,
        ) {
            let zone = Zone(zone.min(u16::try_from(KNOWN.len()).unwrap()));
            let now = Timestamp::from_second(second).unwrap();
            for every in [Every::Day, Every::Week, Every::Month] {
                let calendar = Calendar { every, zone };
                let window = calendar.at(now);
                let until = window.until.unwrap();
                prop_assert!(window.since <= now && now < until, "{} {window:?}", zone.name());
                prop_assert_eq!(calendar.at(until).since, until, "{}", zone.name());
                prop_assert_eq!(calendar.at(window.since), window, "{}", zone.name());
                prop_assert_eq!(calendar.at(until - jiff::SignedDuration::from_nanos(1)), window, "{}", zone.name());
            }
        }
    }
}
