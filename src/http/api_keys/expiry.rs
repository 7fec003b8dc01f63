//! When an API key expires, as it is written.

use jiff::{Timestamp, civil::date, fmt::temporal::Pieces};
use serde::{Deserialize, Deserializer, Serialize, de::Error};

/// When a key expires. `9999-12-31T23:59:59Z` is how "never" is written where a time must stand; that and all times of
/// the last two days of that year are the last that can be shown in every time zone.
#[derive(Clone, Copy, Serialize)]
#[serde(transparent)]
pub(super) struct Expiry(pub(super) Timestamp);

impl<'de> Deserialize<'de> for Expiry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let last = |error| if is_in_the_last_days(&text) { Ok(LAST) } else { Err(D::Error::custom(error)) };
        text.parse().or_else(last).map(|time: Timestamp| Self(time.min(LAST)))
    }
}

/// 9999-12-30T22:00:00Z, which is before the year 10000 at every offset.
const LAST: Timestamp = Timestamp::constant(253_402_207_200, 0);

fn is_in_the_last_days(text: &str) -> bool {
    let pieces = Pieces::parse(text).ok().filter(|pieces| pieces.offset().is_some());
    pieces.is_some_and(|pieces| pieces.date() >= date(9999, 12, 30))
}

#[cfg(test)]
mod tests {
    use super::{super::in_micros, *};
    use serde_json::json;

    #[test]
    fn the_end_of_time_is_an_expiry_and_nonsense_is_none() {
        let read = |text: &str| serde_json::from_value::<Expiry>(json!(text)).ok().map(|Expiry(time)| time);
        for last in
            ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999Z", "9999-12-31T00:00:00+00:00", "9999-12-30T23:00:00Z"]
        {
            assert_eq!(read(last).and_then(|time| in_micros(time).ok()), Some(LAST), "{last}");
        }
        assert_eq!(read("2030-01-01T00:00:00Z"), "2030-01-01T00:00:00Z".parse().ok());
        for bad in ["", "9999-12-31", "9999-12-31T23:59:59", "9999-13-31T23:59:59Z", "10000-01-01T00:00:00Z", "never"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
