//! Traffic: how many requests came, what became of them, how long they took and what they cost, by time.
//!
//! It is added up from the audit log, entry by entry and each once ([`count`]), in spans of four lengths ([`spans`]). So a
//! sum of it is what the log would add up to, and a year is as few rows as a day.

pub mod count;
mod dimension;
mod durations;
pub mod spans;

use super::money::Money;

pub use dimension::{Dimension, Group, UnknownDimension};
pub use durations::Durations;

/// What was counted of some requests. As a difference it may be below zero.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    pub requests: i64,
    pub cost: Money,
    pub durations: Durations,
}

impl Tally {
    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.cost = self.cost.saturating_plus(other.cost);
        self.durations.add(&other.durations, 1);
    }

    /// Takes away what was counted before.
    pub fn take_away(&mut self, other: &Self) {
        self.requests = self.requests.saturating_sub(other.requests);
        self.cost = self.cost.saturating_minus(other.cost);
        self.durations.add(&other.durations, -1);
    }

    /// Whether nothing is left of it.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.requests == 0 && self.cost == Money::ZERO && self.durations.is_empty()
    }
}
