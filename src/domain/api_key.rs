//! What an API key is called, and how many of them a user may have.

use std::{fmt, str::FromStr};

/// The most keys of a user that are neither revoked nor expired.
pub const MAX_LIVE_KEYS: u32 = 100;
/// The most keys of a user that are kept, with those that are revoked or expired and not deleted yet.
pub const MAX_KEPT_KEYS: u32 = 1_000;

/// The longest name of an API key, in characters.
pub const MAX_KEY_NAME_CHARS: usize = 64;

/// What its owner calls an API key: 1 to 64 printable characters, not all of them blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName(String);

impl KeyName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = InvalidKeyName;

    fn from_str(text: &str) -> Result<Self, InvalidKeyName> {
        let fits = !text.trim().is_empty() && text.chars().count() <= MAX_KEY_NAME_CHARS;
        (fits && !text.contains(char::is_control)).then(|| Self(text.to_owned())).ok_or(InvalidKeyName)
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name that is blank, too long, or has characters that cannot be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_KEY_NAME_CHARS} printable characters")]
pub struct InvalidKeyName;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_cannot_be_seen_is_refused() {
        for bad in ["", " ", "a\nb", "\0", "\u{85}", &"x".repeat(65)] {
            assert_eq!(bad.parse::<KeyName>(), Err(InvalidKeyName), "{bad:?}");
        }
        for good in ["x", "Zoë's laptop", &"ä".repeat(64)] {
            assert_eq!(good.parse::<KeyName>().unwrap().as_str(), good);
        }
    }
}
