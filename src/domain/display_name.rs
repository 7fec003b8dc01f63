//! Names that people give to teams and API keys, for people to read: the PRECIS profile for nicknames (RFC 8266).
//!
//! A name is kept as it was given. Which characters may stand in it, and when two names are the same to the eye, is the
//! profile's: no control characters, none that are invisible or change the direction of text, and case and the width of
//! spaces make no difference.

use std::{fmt, str::FromStr};

use precis_profiles::{Nickname, precis_core::profile::PrecisFastInvocation};
use schemars::{
    JsonSchema,
    r#gen::SchemaGenerator,
    schema::{Schema, StringValidation},
};

use super::{
    name::{ANY_CHARACTERS, matching, text},
    path,
};

/// The longest name, in characters.
pub const MAX_CHARS: usize = 64;

/// Symbols by their class, which the profile allows, and nothing to the eye: the braille pattern of no dots, the null notehead,
/// and those that fill the place of a sign in old scripts.
const BLANK: [char; 5] = ['\u{2800}', '\u{1d159}', '\u{16fe4}', '\u{13441}', '\u{13442}'];

/// A name of 1 to 64 characters, not all of them blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    /// How a schema names this form of text.
    pub const FORMAT: &str = "display-name";

    /// A new name, without the blanks around it.
    pub fn new(text: &str) -> Result<Self, InvalidDisplayName> {
        let name: Self = text.trim().parse()?;
        Nickname::enforce(&*name.0).map_err(|_| InvalidDisplayName::Characters)?;
        if name.0.contains(BLANK) {
            return Err(InvalidDisplayName::Characters);
        }
        if path::can_name(&name.0) { Ok(name) } else { Err(InvalidDisplayName::DotSegment) }
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether readers would take both names for one.
    pub fn is_like(&self, other: &Self) -> bool {
        // A name from before the profile may not be comparable; it is then only like itself.
        Nickname::compare(&*self.0, &*other.0).unwrap_or(self == other)
    }
}

impl JsonSchema for DisplayName {
    fn schema_name() -> String {
        "DisplayName".into()
    }

    /// The profile's tables fit into no pattern.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let description = "1 to 64 printable characters, none of them invisible or changing the direction of text; no `.` or `..` \
                           by itself or between slashes.";
        let rules = StringValidation { min_length: Some(1), max_length: Some(64), ..matching(ANY_CHARACTERS) };
        text(Self::FORMAT, description, rules)
    }
}

impl FromStr for DisplayName {
    type Err = InvalidDisplayName;

    /// Reads a name that is stored: it may be from before names had to be as [`DisplayName::new`] has them.
    fn from_str(text: &str) -> Result<Self, InvalidDisplayName> {
        let fits = !text.trim().is_empty() && text.chars().count() <= MAX_CHARS;
        (fits && !text.contains(char::is_control)).then(|| Self(text.to_owned())).ok_or(InvalidDisplayName::Characters)
    }
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a name is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDisplayName {
    /// It is blank, too long, or has characters that cannot be seen.
    #[error("must be 1 to {MAX_CHARS} printable characters, none of them invisible or changing the direction of text")]
    Characters,
    /// Its address, `/by-name/..`, would be read as another's (RFC 3986 §5.2.4).
    #[error("must not be \".\" or \"..\", nor have one between slashes: no URL can have such a name")]
    DotSegment,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(text: &str) -> DisplayName {
        DisplayName::new(text).unwrap()
    }

    #[test]
    fn a_name_that_cannot_be_seen_is_refused() {
        for bad in
            ["", " ", "\u{3000}", "a\nb", "\0", "\u{85}", "\u{2800}", "a\u{2800}", "a\u{1d159}b", &"x".repeat(65)]
        {
            assert_eq!(DisplayName::new(bad), Err(InvalidDisplayName::Characters), "{bad:?}");
        }
        for bad in [".", "..", "a/../b"] {
            assert_eq!(DisplayName::new(bad), Err(InvalidDisplayName::DotSegment), "{bad}");
            assert!(bad.parse::<DisplayName>().is_ok(), "one that is stored stays: {bad}");
        }
        for good in [
            "x",
            "50%",
            "a\\b",
            "a//b",
            "/x/",
            "...",
            "Zoë's laptop",
            "R&D (Wien)",
            "研究開発",
            "צוות",
            "team 🚀",
            &"ä".repeat(64),
        ] {
            assert_eq!(new(good).as_str(), good);
        }
        for padded in [" x ", "\u{3000}x", "x\u{a0}\t", &format!("{}x{}", " ".repeat(60), " ".repeat(60))] {
            assert_eq!(new(padded).as_str(), "x", "{padded:?}");
        }
    }

    #[test]
    fn invisible_characters_and_those_that_turn_the_text_are_refused() {
        let invisible = ['\u{ad}', '\u{200b}', '\u{200d}', '\u{2060}', '\u{feff}', '\u{3164}', '\u{e0041}', '\u{fe0f}'];
        let turning = ['\u{200e}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{61c}'];
        let breaking = ['\u{2028}', '\u{2029}', '\u{fff9}', '\u{e000}', '\u{fdd0}'];
        for bad in invisible.into_iter().chain(turning).chain(breaking) {
            assert_eq!(DisplayName::new(&format!("a{bad}b")), Err(InvalidDisplayName::Characters), "{bad:?}");
        }
    }

    #[test]
    fn names_that_look_the_same_are_the_same() {
        for (one, other) in [("Team", "team"), ("Zoe\u{308}", "Zoë"), ("a  b", "a\u{a0}b"), (" a", "a"), ("Ａ", "a")]
        {
            assert!(new(one).is_like(&new(other)), "{one:?} {other:?}");
        }
        for (one, other) in [("team", "teams"), ("a b", "ab"), ("e", "é")] {
            assert!(!new(one).is_like(&new(other)), "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_stored_name_from_before_the_profile_is_still_read() {
        assert!("a\u{200b}b".parse::<DisplayName>().is_ok());
    }
}
