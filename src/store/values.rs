//! How values are written in columns: ids and names as text, times as microseconds, digests as 32 bytes.
//!
//! Used by every aggregate of the store. Writing cannot fail; reading checks, because a database can be edited.

use std::{fmt::Display, str::FromStr};

use jiff::Timestamp;

use super::StoreError;
use crate::domain::allowed::Allowed;

/// Microseconds since the Unix epoch, UTC; anything finer is cut off.
pub(super) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// A count or a stamp. None comes near the end of the range; one that did would stay at it.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn read_time(column: &'static str, micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|error| corrupt(column, error))
}

pub(super) fn read_text<T: FromStr<Err: Display>>(column: &'static str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|error| corrupt(column, error))
}

pub(super) fn read_list(column: &'static str, text: Option<&str>) -> Result<Allowed, StoreError> {
    Allowed::from_stored(text).map_err(|error| corrupt(column, error))
}

pub(super) fn read_count(column: &'static str, count: i64) -> Result<u64, StoreError> {
    u64::try_from(count).map_err(|error| corrupt(column, error))
}

pub(super) fn read_status(column: &'static str, status: i32) -> Result<u16, StoreError> {
    u16::try_from(status).map_err(|error| corrupt(column, error))
}

pub(super) fn read_digest(column: &'static str, bytes: Vec<u8>) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|bytes: Vec<u8>| corrupt(column, format!("{} bytes are no SHA-256 digest", bytes.len())))
}

fn corrupt(column: &'static str, reason: impl Display) -> StoreError {
    StoreError::Corrupt(format!("{column}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::UserId;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_time_survives_being_stored(micros_of_time in Timestamp::MIN.as_microsecond()..Timestamp::MAX.as_microsecond()) {
            let time = Timestamp::from_microsecond(micros_of_time).unwrap();
            prop_assert_eq!(read_time("t", micros(time)).unwrap(), time);
        }
    }

    #[test]
    fn an_unreadable_value_names_its_column_and_is_not_repeated() {
        let error = read_text::<UserId>("users.id", "' OR 1=1").unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt(text) if text.starts_with("users.id: ") && !text.contains("OR")));
        assert!(read_time("t", i64::MAX).is_err());
        assert!(read_list("l", Some("x")).is_err());
        assert!(read_count("n", -1).is_err());
        assert!(read_status("s", 70_000).is_err());
        assert!(read_digest("d", vec![0; 31]).is_err());
    }
}
