//! The words of a policy, as they are stored and as the outside writes them.

use std::str::FromStr;

use super::{
    policy::{Mode, OnError, Unit},
    subject::Per,
};
use crate::domain::calendar::Every;

/// Text that is none of the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown {0}")]
pub struct UnknownWord(&'static str);

macro_rules! words {
    ($name:ident, $what:literal: $($variant:ident = $word:literal),+) => {
        impl $name {
            /// The word in configuration, API and store.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord($what)),
                }
            }
        }

        #[cfg(test)]
        impl $name {
            const ALL: &[Self] = &[$(Self::$variant),+];
        }
    };
}

words!(Per, "kind of subject": Global = "global", Team = "team", User = "user", Key = "key", Address = "address");
words!(Unit, "unit": Requests = "requests", Tokens = "tokens", Concurrent = "concurrent");
words!(Every, "calendar window": Day = "day", Week = "week", Month = "month");
words!(Mode, "mode": Enforce = "enforce", Shadow = "shadow");
words!(OnError, "on_error": AllowLocalShare = "allow_local_share", Deny = "deny");

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::Serialize;

    use super::*;

    fn check<T: FromStr<Err = UnknownWord> + Serialize + Debug + PartialEq>(all: &[T], word: impl Fn(&T) -> &str) {
        for value in all {
            assert_eq!(serde_json::to_value(value).unwrap(), word(value));
            assert_eq!(word(value).parse().as_ref(), Ok(value));
        }
        assert!("nonsense".parse::<T>().is_err());
    }

    #[test]
    fn a_word_is_stored_as_the_outside_writes_it() {
        check(Per::ALL, |per| per.as_str());
        check(Unit::ALL, |unit| unit.as_str());
        check(Every::ALL, |every| every.as_str());
        check(Mode::ALL, |mode| mode.as_str());
        check(OnError::ALL, |on_error| on_error.as_str());
    }
}
