//! A count as an answer states it: a whole number, or something that is none.

use super::json::{Node, rounded_up};

/// A count as it was stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Count {
    #[default]
    Absent,
    Plain(u64),
    /// It is there and no count: negative, a fraction, a text.
    Absurd,
}

impl Count {
    /// What stands there.
    pub(super) fn of(value: &Node<'_>) -> Self {
        if value.is_null() { Self::Absent } else { value.whole().map_or(Self::Absurd, Self::Plain) }
    }

    /// The same of a length in seconds, of which one that has begun is a whole one.
    pub(super) fn seconds(value: &Node<'_>) -> Self {
        // Some write it as a text.
        let number = value.string().unwrap_or_else(|| String::from_utf8_lossy(value.raw).into_owned());
        if value.is_null() { Self::Absent } else { rounded_up(&number).map_or(Self::Absurd, Self::Plain) }
    }

    /// The count; 0 where it is none.
    pub const fn plain(self) -> u64 {
        if let Self::Plain(count) = self { count } else { 0 }
    }

    /// Whether a sane count was stated.
    pub const fn is_plain(self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// A count that was not stated is 0.
    pub const fn or_none(self) -> Self {
        if matches!(self, Self::Absent) { Self::Plain(0) } else { self }
    }

    /// So many more; of none there are no more.
    pub const fn add(self, more: u64) -> Self {
        match self {
            Self::Plain(count) => Self::Plain(count.saturating_add(more)),
            other => other,
        }
    }

    /// The larger of two counts of one thing.
    pub fn larger(self, other: Self) -> Self {
        match (self, other) {
            (Self::Plain(one), Self::Plain(other)) => Self::Plain(one.max(other)),
            (Self::Plain(_), _) | (_, Self::Absent) => self,
            _ => other,
        }
    }

    /// Two counts together.
    pub fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Plain(one), Self::Plain(other)) => Self::Plain(one.saturating_add(other)),
            _ => self.larger(other),
        }
    }

    /// A later count in place of an earlier one. A 0 takes nothing back: counts of a stream only grow.
    pub const fn or(self, earlier: Self) -> Self {
        match (self, earlier) {
            (Self::Absent, _) | (Self::Plain(0), Self::Plain(_)) => earlier,
            _ => self,
        }
    }
}

/// Modalities as numbers, which clients of Google may ask for (`$alt=json;enum-encoding=int`).
const MODALITIES: [(&str, &[u8]); 2] = [("IMAGE", b"2"), ("AUDIO", b"4")];

/// Whether an item of a list of counts is about this modality, or lives for this time.
pub(super) fn is_about(item: &Node<'_>, about: &str) -> bool {
    let is_number = |value: &Node<'_>| MODALITIES.iter().any(|(name, number)| *name == about && *number == value.raw);
    let named = item.get("modality").or_else(|| item.get("ttl"));
    named.is_some_and(|name| name.string().is_some_and(|name| name == about) || is_number(name))
}
