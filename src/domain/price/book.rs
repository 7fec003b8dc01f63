//! What each model costs: the prices in force, and which of them a model has.
//!
//! The regulator of prices publishes the book; a metered call reads it when it asks what it may cost, and when it is
//! billed.

use std::{collections::HashMap, sync::Arc};

use super::Price;

/// A price that calls are billed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    /// The name of the model in requests.
    pub model: Arc<str>,
    /// The version of the price list that the price is from; every entry of usage has it.
    pub version: i64,
    pub price: Price,
}

/// All prices in force.
#[derive(Debug, Clone, Default)]
pub struct PriceBook(HashMap<Arc<str>, Arc<Priced>>);

impl PriceBook {
    /// A book of these prices.
    pub fn new(prices: impl IntoIterator<Item = Priced>) -> Self {
        Self(prices.into_iter().map(|priced| (Arc::clone(&priced.model), Arc::new(priced))).collect())
    }

    /// All prices, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Priced>> {
        self.0.values()
    }

    /// What a model costs; `None` where the model has no price. Names are compared byte for byte.
    pub fn find(&self, model: &str) -> Option<&Arc<Priced>> {
        self.0.get(model)
    }
}
