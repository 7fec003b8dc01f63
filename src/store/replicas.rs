//! The replicas that share this store, and which of them still live.
//!
//! Each counts up its own row while it lives. A replica whose row stands still long enough counts as lost;
//! another one then ends its holds and sends its alerts. No clock of one replica is compared with another's.

use std::collections::{BTreeMap, BTreeSet};

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;

use super::{
    Store, StoreError,
    connection::{Connection, on_backend},
    schema::{budget_alerts, ledger_holds, replicas},
};

impl Store {
    /// Says that this replica lives.
    pub async fn beat(&self, replica: &str) -> Result<(), StoreError> {
        let replica = replica.to_owned();
        self.write("INSERT", "replicas", async move |connection: &mut Connection| {
            let row = (replicas::name.eq(replica), replicas::beats.eq(1));
            let beat = diesel::insert_into(replicas::table).values(row).on_conflict(replicas::name);
            let beat = beat.do_update().set(replicas::beats.eq(replicas::beats + 1));
            on_backend!(connection, |conn| beat.execute(conn).await)?;
            Ok(())
        })
        .await
    }

    /// Every replica that has ever said that it lives and was not taken for lost since, and how often it has said so.
    pub async fn replica_beats(&self) -> Result<Vec<(String, i64)>, StoreError> {
        self.read("replicas", async move |connection: &mut Connection| {
            Ok(on_backend!(connection, |conn| replicas::table.load(conn).await)?)
        })
        .await
    }

    /// Every replica that has holds or unsent alerts, and the count in its row; `None` if it has no row.
    pub async fn busy_replicas(&self) -> Result<BTreeMap<String, Option<i64>>, StoreError> {
        self.read("ledger_holds", async move |connection: &mut Connection| {
            let holding = ledger_holds::table.select(ledger_holds::owner).distinct();
            let holding: Vec<String> = on_backend!(connection, |conn| holding.load(conn).await)?;
            let telling = budget_alerts::table.filter(budget_alerts::told_at.is_null());
            let telling = telling.select(budget_alerts::owner).distinct();
            let telling: Vec<String> = on_backend!(connection, |conn| telling.load(conn).await)?;
            let busy: BTreeSet<String> = holding.into_iter().chain(telling).collect();
            let known = replicas::table.filter(replicas::name.eq_any(busy.clone()));
            let known: Vec<(String, i64)> = on_backend!(connection, |conn| known.load(conn).await)?;
            let never = busy.into_iter().map(|name| (name, None));
            Ok(never.chain(known.into_iter().map(|(name, beats)| (name, Some(beats)))).collect())
        })
        .await
    }

    /// Hands the unsent alerts of a lost replica to `successor`, and forgets the lost one; should it come back, it is known again
    /// with its next beat.
    pub async fn inherit(&self, lost: &str, successor: &str) -> Result<(), StoreError> {
        let (lost, successor) = (lost.to_owned(), successor.to_owned());
        self.transaction("budget_alerts", async move |connection: &mut Connection| {
            let untold = budget_alerts::table.filter(budget_alerts::owner.eq(&lost));
            let untold = untold.filter(budget_alerts::told_at.is_null());
            let inherit = diesel::update(untold).set(budget_alerts::owner.eq(successor));
            on_backend!(connection, |conn| inherit.execute(conn).await)?;
            let forget = diesel::delete(replicas::table.find(&lost));
            on_backend!(connection, |conn| forget.execute(conn).await)?;
            Ok(())
        })
        .await
    }
}
