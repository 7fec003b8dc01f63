//! Prices as rules. They are changed as a list, and each change makes a version of it.

use actix::{Context, Handler};

use super::{Regulator, Rulebook, Rules};
use crate::{
    actors::{
        catch_up::Follower,
        handle::{Ask, NoAnswer, Request},
    },
    domain::price::book::{PriceBook, Priced},
    store::{
        Store, StoreError,
        prices::{PriceChange, PriceRow, PricesChanged},
        revisions::Seen,
    },
};

/// The handle of the regulator of prices.
pub type Prices = Rulebook<PriceRules>;

/// What models cost.
pub struct PriceRules;

impl Rules for PriceRules {
    const ACTOR: &'static str = "price_regulator";
    type Row = PriceRow;
    type Book = PriceBook;

    async fn since(store: Store, seen: Seen) -> Result<Option<(Seen, Vec<PriceRow>)>, StoreError> {
        store.prices_since(seen).await
    }

    fn book(revision: i64, rows: Vec<PriceRow>, _: &PriceBook, _: u64) -> PriceBook {
        let priced =
            |row: PriceRow| Priced { model: row.spec.model.as_str().into(), version: revision, price: row.price };
        PriceBook::new(rows.into_iter().map(priced))
    }
}

struct Put(PriceChange);

impl Request for Put {
    type Answer = Result<PricesChanged, StoreError>;
}

impl Handler<Ask<Put>> for Regulator<PriceRules> {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Put>, context: &mut Context<Self>) {
        let store = self.store.clone();
        self.perform(async move { store.change_prices(request.0).await }, reply, context);
    }
}

impl Prices {
    /// Changes the list; this replica bills by it when the answer is here.
    pub async fn put(&self, change: PriceChange) -> Result<Result<PricesChanged, StoreError>, NoAnswer> {
        self.handle().ask(Put(change)).await
    }
}
