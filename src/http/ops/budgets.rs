//! What is spent and held of the budgets, for `/metrics`: added up by the store, one statement for all budgets, at most
//! once in a while however often it is asked, and never waited for longer than a scrape can be.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::sync::Mutex;

use crate::{
    domain::{
        budget::{Budget, Scope},
        ids::{BudgetId, TeamId},
        ledger::Balance,
        money::Money,
    },
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

/// A budget's name, and that of the team that is its only subject.
type Label = (Arc<str>, Option<Arc<str>>);

/// What is spent and held under a label, and the limit where one budget with one sum is all that has it.
#[derive(Default)]
struct Sum {
    balance: Balance,
    limit: Option<Money>,
    budgets: usize,
}

impl Sum {
    fn count(&mut self, budget: &Budget) {
        self.budgets = self.budgets.saturating_add(1);
        let is_one = self.budgets == 1 && (budget.scope == Scope::Global || budget.subject.is_some());
        self.limit = is_one.then_some(budget.limit);
    }

    fn add(&mut self, Balance { spent, held }: Balance) {
        self.balance.spent = self.balance.spent.saturating_plus(spent);
        self.balance.held = self.balance.held.saturating_plus(held);
    }
}

async fn ask(operations: &Operations) -> Option<Vec<BudgetGauge>> {
    let now = operations.clock.now();
    let budgets: Vec<Arc<Budget>> = operations.budgets.read().all().take(MAX_BUDGETS).cloned().collect();
    let periods = budgets.iter().map(|budget| (budget.id, budget.period.window(now).since)).collect();
    let (teams, sums) = futures_util::join!(labels(operations, &budgets), operations.store.sums_of(periods));
    let sums = sums.inspect_err(|error| tracing::warn!(%error, "budgets are left out of the metrics")).ok()?;
    let labels: BTreeMap<BudgetId, Label> = teams?;
    let mut by_label: BTreeMap<Label, Sum> = BTreeMap::new();
    for budget in &budgets {
        let Some(label) = labels.get(&budget.id) else { continue };
        by_label.entry(label.clone()).or_default().count(budget);
    }
    for (id, sum) in sums {
        let Some(total) = labels.get(&id).and_then(|label| by_label.get_mut(label)) else { continue };
        total.add(sum);
    }
    let gauge = |((budget, team), Sum { balance, limit, .. }): (Label, Sum)| BudgetGauge {
        budget,
        team,
        limit_usd: limit.map(usd),
        spent_usd: usd(balance.spent),
        held_usd: usd(balance.held),
    };
    Some(by_label.into_iter().map(gauge).collect())
}

async fn labels(operations: &Operations, budgets: &[Arc<Budget>]) -> Option<BTreeMap<BudgetId, Label>> {
    let team_of = |budget: &Budget| {
        let subject = budget.subject.filter(|_| budget.scope == Scope::Team);
        subject.map(|team| TeamId(team.into()).to_string())
    };
    let names = operations.store.names(budgets.iter().filter_map(|budget| team_of(budget)).collect()).await;
    let names = names.inspect_err(|error| tracing::warn!(%error, "budgets are left out of the metrics")).ok()?;
    let label = |budget: &Arc<Budget>| {
        let team = team_of(budget).map(|id| names.of(&id).unwrap_or(&id).into());
        (budget.id, (Arc::clone(&budget.name), team))
    };
    Some(budgets.iter().map(label).collect())
}

/// A metric is a float, whatever is lost by it.
fn usd(amount: Money) -> f64 {
    amount.to_string().parse().unwrap_or(f64::NAN)
}
