//! What a call to a model took, and what many took together.

use super::{
    dimensions::{self, Worded},
    money::Money,
};

/// Tokens of one call. Kinds that are part of another are counted in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// The whole prompt, whatever came from a cache or went into one.
    pub input_tokens: u64,
    /// Of the prompt, read from a cache.
    pub cached_tokens: u64,
    /// Of the prompt, written to a cache.
    pub cache_write_tokens: u64,
    /// The whole answer, thoughts included.
    pub output_tokens: u64,
    /// Of the answer, thoughts.
    pub reasoning_tokens: u64,
}

/// Parts of the tokens of one call that a price may have rates of their own for. They are billed and not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extras {
    /// Of the cache writes, into entries that live for an hour.
    pub long_cache_write_tokens: u64,
    /// Of the prompt outside the cache, sound.
    pub audio_input_tokens: u64,
    /// Of the answer outside its thoughts, sound.
    pub audio_output_tokens: u64,
    /// Of the prompt outside the cache, images.
    pub image_input_tokens: u64,
    /// Of the answer outside its thoughts, images.
    pub image_output_tokens: u64,
    /// How many calls the provider bills it as, where it says so.
    pub calls: u64,
}

/// What many calls took and cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Calls that were paid; those that failed are not counted.
    pub requests: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cached_tokens: u64,
    pub cost: Money,
}

/// What usage can be grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    User,
    Team,
    Key,
    Model,
    /// As the upstream that served knows it.
    ServedModel,
    Route,
    Upstream,
    /// An hour of UTC.
    Hour,
    /// A day of UTC.
    Day,
}

/// Text that names no dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be some of user, team, key, model, served_model, route, upstream, hour, day, each once, with commas between them"
)]
pub struct UnknownDimension;

impl Worded for Dimension {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("user", Self::User),
        ("team", Self::Team),
        ("key", Self::Key),
        ("model", Self::Model),
        ("served_model", Self::ServedModel),
        ("route", Self::Route),
        ("upstream", Self::Upstream),
        ("hour", Self::Hour),
        ("day", Self::Day),
    ];
}

impl Dimension {
    /// Reads a list with commas. An empty text names none.
    pub fn list(text: &str) -> Result<Vec<Self>, UnknownDimension> {
        dimensions::list(text).ok_or(UnknownDimension)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_dimensions_names_each_once() {
        assert_eq!(Dimension::list("day,user"), Ok(vec![Dimension::Day, Dimension::User]));
        assert_eq!(Dimension::list(""), Ok(vec![]));
        for bad in [",", "user,", "user,user", "User", "all", " user"] {
            assert_eq!(Dimension::list(bad), Err(UnknownDimension), "{bad}");
        }
    }
}
