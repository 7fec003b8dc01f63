//! What is looked at when the metrics are asked for: actors, pools of connections, upstreams, budgets.

use std::{collections::BTreeMap, sync::Arc};

use prometheus::{
    GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::add;

/// How an actor is doing.
pub struct ActorGauge {
    pub actor: &'static str,
    pub in_flight: usize,
    pub restarts: u64,
}

/// How many asks went to where replicas share limits.
pub struct ExchangeCount {
    pub home: &'static str,
    pub result: &'static str,
    pub count: u64,
}

/// The connections to a store.
pub struct PoolGauge {
    pub store: &'static str,
    pub idle: usize,
    pub in_use: usize,
    /// Operations that wait for a connection.
    pub waiting: usize,
}

/// What is spent and held of all budgets of one name in their present periods: by all their subjects, or by the team that is
/// their only one.
#[derive(Debug, Clone)]
pub struct BudgetGauge {
    pub budget: Arc<str>,
    pub team: Option<Arc<str>>,
    /// The limit, where one budget with one sum is all that has the name: for all callers, or for one subject.
    pub limit_usd: Option<f64>,
    pub spent_usd: f64,
    pub held_usd: f64,
}

/// All of it.
pub struct Seen<'a> {
    pub actors: Vec<ActorGauge>,
    pub exchanges: Vec<ExchangeCount>,
    pub pools: Vec<PoolGauge>,
    pub budgets: Vec<BudgetGauge>,
    /// The state of each upstream.
    pub upstreams: Vec<(Arc<str>, i64)>,
    /// Alerts that were put on record, by budget.
    pub alerts: &'a BTreeMap<Arc<str>, u64>,
}

const UPSTREAM_STATE: (&str, &str) = (
    "tollgate_upstream_state",
    "How fit an upstream is: 0 fit, 1 resting as its Retry-After says, 2 tried by one call, 3 breaker open, 4 health check failed.",
);
const EXCHANGES: (&str, &str) = (
    "tollgate_limit_exchanges_total",
    "Asks for units of limits that are kept in Redis or in the store, by what came of them.",
);
const POOL: (&str, &str) =
    ("tollgate_store_pool", "Connections to a store that are `idle` or `in_use`, and operations `waiting` for one.");
const SPENT: (&str, &str) = (
    "tollgate_budget_spent_usd",
    "Spent of the budgets of a name in their present periods; `team`: their only subject.",
);
const HELD: (&str, &str) = ("tollgate_budget_held_usd", "Set aside for calls that are under way.");
const LIMIT: (&str, &str) = (
    "tollgate_budget_limit_usd",
    "The limit of a budget for all callers, or for one subject; none where several budgets or subjects have the name.",
);

/// A part of [`Metrics`](super::Metrics).
#[derive(Clone)]
pub(super) struct Gauges {
    actor_in_flight: IntGaugeVec,
    actor_restarts: IntCounterVec,
    exchanges: IntCounterVec,
    store_pool: IntGaugeVec,
    upstream_state: IntGaugeVec,
    budget_spent: PerBudget,
    budget_held: PerBudget,
    budget_limit: PerBudget,
    budget_alerts: IntCounterVec,
}

impl Gauges {
    /// Metrics that are part of this registry.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauges =
            |name: &str, help: &str, labels: &[&str]| add(registry, IntGaugeVec::new(Opts::new(name, help), labels));
        let counters =
            |name: &str, help: &str, labels: &[&str]| add(registry, IntCounterVec::new(Opts::new(name, help), labels));
        Ok(Self {
            actor_in_flight: gauges("tollgate_actor_in_flight", "Messages accepted and not answered.", &["actor"])?,
            actor_restarts: counters("tollgate_actor_restarts_total", "Restarts of an actor that died.", &["actor"])?,
            exchanges: counters(EXCHANGES.0, EXCHANGES.1, &["home", "result"])?,
            store_pool: gauges(POOL.0, POOL.1, &["store", "state"])?,
            upstream_state: gauges(UPSTREAM_STATE.0, UPSTREAM_STATE.1, &["upstream"])?,
            budget_spent: add(registry, PerBudget::new(SPENT))?,
            budget_held: add(registry, PerBudget::new(HELD))?,
            budget_limit: add(registry, PerBudget::new(LIMIT))?,
            budget_alerts: counters(
                "tollgate_budget_alerts_total",
                "Alerts that this replica put on record.",
                &["budget"],
            )?,
        })
    }

    /// Takes over what was seen.
    pub fn show(&self, seen: Seen<'_>) {
        self.show_actors(seen.actors);
        for ExchangeCount { home, result, count } in seen.exchanges {
            raise(&self.exchanges, &[home, result], count);
        }
        for PoolGauge { store, idle, in_use, waiting } in seen.pools {
            for (state, number) in [("idle", idle), ("in_use", in_use), ("waiting", waiting)] {
                self.store_pool.with_label_values(&[store, state]).set(whole(number));
            }
        }
        self.upstream_state.reset();
        for (upstream, state) in seen.upstreams {
            self.upstream_state.with_label_values(&[&*upstream]).set(state);
        }
        self.show_budgets(seen.budgets);
        for (budget, count) in seen.alerts {
            raise(&self.budget_alerts, &[budget], *count);
        }
    }

    /// Actors of one kind are added up.
    fn show_actors(&self, actors: Vec<ActorGauge>) {
        self.actor_in_flight.reset();
        let mut restarts = BTreeMap::<&str, u64>::new();
        for actor in actors {
            self.actor_in_flight.with_label_values(&[actor.actor]).add(whole(actor.in_flight));
            let sum = restarts.entry(actor.actor).or_default();
            *sum = sum.saturating_add(actor.restarts);
        }
        for (actor, sum) in restarts {
            raise(&self.actor_restarts, &[actor], sum);
        }
    }

    /// A budget whose sums the store did not give is left out.
    fn show_budgets(&self, budgets: Vec<BudgetGauge>) {
        self.budget_spent.reset();
        self.budget_held.reset();
        self.budget_limit.reset();
        for budget in budgets {
            self.budget_spent.set(&budget, budget.spent_usd);
            self.budget_held.set(&budget, budget.held_usd);
            if let Some(limit_usd) = budget.limit_usd {
                self.budget_limit.set(&budget, limit_usd);
            }
        }
    }
}

/// Brings a counter up to what was counted elsewhere.
fn raise(counters: &IntCounterVec, labels: &[&str], count: u64) {
    let counter = counters.with_label_values(labels);
    counter.inc_by(count.saturating_sub(counter.get()));
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A gauge with the label `budget`, and with `team` where there is one.
#[derive(Clone)]
struct PerBudget {
    of_all: GaugeVec,
    of_team: GaugeVec,
}

impl PerBudget {
    fn new((name, help): (&str, &str)) -> Result<Self, prometheus::Error> {
        let of_all = GaugeVec::new(Opts::new(name, help), &["budget"])?;
        Ok(Self { of_all, of_team: GaugeVec::new(Opts::new(name, help), &["budget", "team"])? })
    }

    fn reset(&self) {
        self.of_all.reset();
        self.of_team.reset();
    }

    fn set(&self, of: &BudgetGauge, usd: f64) {
        match &of.team {
            Some(team) => self.of_team.with_label_values(&[&*of.budget, team]).set(usd),
            None => self.of_all.with_label_values(&[&*of.budget]).set(usd),
        }
    }
}

impl Collector for PerBudget {
    /// The registry asks all metrics of a description to have the same labels; of one of the two it knows nothing.
    fn desc(&self) -> Vec<&Desc> {
        self.of_all.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (mut families, of_team) = (self.of_all.collect(), self.of_team.collect());
        if let Some(family) = families.first_mut() {
            for mut more in of_team {
                family.mut_metric().extend(more.take_metric());
            }
        }
        families
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Encoder, TextEncoder};

    use super::*;

    static NO_ALERTS: BTreeMap<Arc<str>, u64> = BTreeMap::new();

    fn seen() -> Seen<'static> {
        Seen {
            actors: vec![],
            exchanges: vec![],
            pools: vec![],
            budgets: vec![],
            upstreams: vec![],
            alerts: &NO_ALERTS,
        }
    }

    fn text(registry: &Registry) -> String {
        let mut text = vec![];
        TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn exchanges_are_counted_from_the_beginning_and_not_twice() {
        let registry = Registry::new();
        let gauges = Gauges::new(&registry).unwrap();
        for count in [2, 2, 5] {
            gauges.show(Seen { exchanges: vec![ExchangeCount { home: "redis", result: "answered", count }], ..seen() });
            let counted = format!("tollgate_limit_exchanges_total{{home=\"redis\",result=\"answered\"}} {count}");
            assert!(text(&registry).contains(&counted), "{}", text(&registry));
        }
    }

    #[test]
    fn actors_of_one_kind_are_added_up_and_not_twice() {
        let registry = Registry::new();
        let gauges = Gauges::new(&registry).unwrap();
        let gauge = |n| ActorGauge { actor: "quota_keeper", in_flight: n, restarts: 1 };
        for _ in 0..2 {
            gauges.show(Seen { actors: vec![gauge(2), gauge(3)], ..seen() });
            let text = text(&registry);
            assert!(text.contains("tollgate_actor_in_flight{actor=\"quota_keeper\"} 5"), "{text}");
            assert!(text.contains("tollgate_actor_restarts_total{actor=\"quota_keeper\"} 2"), "{text}");
            assert!(text.contains("# TYPE tollgate_actor_restarts_total counter"), "{text}");
        }
    }

    #[test]
    fn a_budget_says_the_team_that_is_its_only_subject() {
        let registry = Registry::new();
        let gauges = Gauges::new(&registry).unwrap();
        let budget = |team: Option<&str>, spent_usd| BudgetGauge {
            budget: "month".into(),
            team: team.map(Into::into),
            limit_usd: team.map(|_| 10.0),
            spent_usd,
            held_usd: 0.0,
        };
        gauges.show(Seen { budgets: vec![budget(None, 1.5), budget(Some("Research"), 2.5)], ..seen() });
        let shown = text(&registry);
        for line in [
            "tollgate_budget_spent_usd{budget=\"month\"} 1.5",
            "tollgate_budget_spent_usd{budget=\"month\",team=\"Research\"} 2.5",
            "tollgate_budget_held_usd{budget=\"month\",team=\"Research\"} 0",
            "tollgate_budget_limit_usd{budget=\"month\",team=\"Research\"} 10",
        ] {
            assert!(shown.contains(line), "{line} in {shown}");
        }
        assert_eq!(shown.matches("# TYPE tollgate_budget_spent_usd gauge").count(), 1, "{shown}");
        assert!(!shown.contains("tollgate_budget_limit_usd{budget=\"month\"}"), "{shown}");
        gauges.show(seen());
        assert!(!text(&registry).contains("tollgate_budget_spent_usd{"), "{}", text(&registry));
    }

    #[test]
    fn connections_are_shown_by_what_they_do() {
        let registry = Registry::new();
        let pool = PoolGauge { store: "sqlite", idle: 3, in_use: 2, waiting: 1 };
        Gauges::new(&registry).unwrap().show(Seen { pools: vec![pool], ..seen() });
        let text = text(&registry);
        for (state, number) in [("idle", 3), ("in_use", 2), ("waiting", 1)] {
            let line = format!("tollgate_store_pool{{state=\"{state}\",store=\"sqlite\"}} {number}");
            assert!(text.contains(&line), "{line} in {text}");
        }
    }
}
