//! What is spent and held of the budgets, for `/metrics`: added up by the store, one statement for all budgets, at most
//! once in a while however often it is asked, and never waited for longer than a scrape can be.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::sync::Mutex;

use crate::{
    domain::{ids::BudgetId, ledger::Balance, money::Money},
    http::office::Operations,
    telemetry::BudgetGauge,
};

/// How long what was read is shown again.
const FRESH: Duration = Duration::from_secs(5);

/// The longest wait for the store.
const PATIENCE: Duration = Duration::from_secs(1);

/// The most budgets that are shown.
const MAX_BUDGETS: usize = 1_000;

/// What was last read, and when on the monotonic clock.
type LastRead = Option<(u64, Vec<BudgetGauge>)>;

/// What was last read. Clones share it.
#[derive(Clone, Default)]
pub struct BudgetSums(Arc<Mutex<LastRead>>);

impl BudgetSums {
    /// The sums of each name; none while the store does not answer.
    pub async fn read(&self, operations: &Operations) -> Vec<BudgetGauge> {
        // Who asks meanwhile waits for the same answer.
        let mut last = self.0.lock().await;
        let now_ns = operations.clock.monotonic_ns();
        let fresh_ns = u64::try_from(FRESH.as_nanos()).unwrap_or(u64::MAX);
        if let Some((read_ns, gauges)) = &*last
            && now_ns.saturating_sub(*read_ns) < fresh_ns
        {
            return gauges.clone();
        }
        match tokio::time::timeout(PATIENCE, ask(operations)).await {
            Ok(Some(gauges)) => last.insert((now_ns, gauges)).1.clone(),
            _ => vec![],
        }
    }
}

async fn ask(operations: &Operations) -> Option<Vec<BudgetGauge>> {
    let now = operations.clock.now();
    let names: BTreeMap<BudgetId, Arc<str>> = {
        let book = operations.budgets.read();
        book.all().take(MAX_BUDGETS).map(|budget| (budget.id, Arc::clone(&budget.name))).collect()
    };
    let periods = {
        let book = operations.budgets.read();
        names.keys().filter_map(|id| Some((*id, book.budget(*id)?.period.window(now).since))).collect()
    };
    let sums = operations.store.sums_of(periods).await;
    let sums = sums.inspect_err(|error| tracing::warn!(%error, "budgets are left out of the metrics")).ok()?;
    let mut by_name: BTreeMap<Arc<str>, Balance> =
        names.values().map(|name| (Arc::clone(name), Balance::default())).collect();
    for (id, sum) in sums {
        let Some(total) = names.get(&id).and_then(|name| by_name.get_mut(name)) else { continue };
        total.spent = total.spent.saturating_plus(sum.spent);
        total.held = total.held.saturating_plus(sum.held);
    }
    let gauge = |(budget, Balance { spent, held }): (Arc<str>, Balance)| BudgetGauge {
        budget,
        spent_usd: usd(spent),
        held_usd: usd(held),
    };
    Some(by_name.into_iter().map(gauge).collect())
}

/// A metric is a float, whatever is lost by it.
fn usd(amount: Money) -> f64 {
    amount.to_string().parse().unwrap_or(f64::NAN)
}
