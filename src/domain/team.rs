//! What a team, a group of users, is called.

use std::{fmt, str::FromStr};

/// The longest name of a team, in characters.
const MAX_CHARS: usize = 64;

/// The name of a team: 1 to 64 printable characters, not all of them blank. Names are compared by their exact bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamName(String);

impl TeamName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TeamName {
    type Err = InvalidTeamName;

    fn from_str(text: &str) -> Result<Self, InvalidTeamName> {
        let fits = !text.trim().is_empty() && text.chars().count() <= MAX_CHARS;
        (fits && !text.contains(char::is_control)).then(|| Self(text.to_owned())).ok_or(InvalidTeamName)
    }
}

impl fmt::Display for TeamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name that is blank, too long, or has characters that cannot be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_CHARS} printable characters")]
pub struct InvalidTeamName;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_cannot_be_seen_is_refused() {
        for bad in ["", " ", "a\nb", "\0", "\u{85}", &"x".repeat(65)] {
            assert_eq!(bad.parse::<TeamName>(), Err(InvalidTeamName), "{bad:?}");
        }
        for good in ["x", "Zoë's team", &"ä".repeat(64)] {
            assert_eq!(good.parse::<TeamName>().unwrap().as_str(), good);
        }
    }
}
