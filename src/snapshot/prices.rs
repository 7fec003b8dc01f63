//! The prices in force, by model. Published by the owner of prices; read when a metered call asks what it may cost.

use std::{collections::HashMap, sync::Arc};

use crate::domain::price::Price;

/// A price that calls are billed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    /// As requests name it.
    pub model: Arc<str>,
    /// Of the list that the price is from; every entry of usage says it.
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

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Priced>> {
        self.0.values()
    }

    /// What a model costs; nothing where it has no price. Names are compared as they are written.
    pub fn find(&self, model: &str) -> Option<&Arc<Priced>> {
        self.0.get(model)
    }
}
