//! The limits and budgets of the configuration: made once, and from then on read from the store.

use super::StartError;
use crate::{
    clock::Clock,
    config::{Config, ConfigError, routing::fault_in},
    domain::{
        budget,
        ids::{BudgetId, LimitId},
        limit,
        refusal::Fault,
    },
    store::{
        Store,
        budgets::{FirstBudgets, NewBudget},
        limits::{FirstLimits, NewLimit},
    },
};

/// Makes what is configured of a kind if there has never been any of it. Of several replicas that start at once one does.
pub(super) async fn run(config: &Config, store: &Store, clock: &Clock) -> Result<(), StartError> {
    make_limits(config, store, clock).await?;
    make_budgets(config, store, clock).await
}

async fn make_limits(config: &Config, store: &Store, clock: &Clock) -> Result<(), StartError> {
    let new = |(i, spec): (usize, &limit::Spec)| {
        let policy = spec.policy(LimitId(clock.new_id())).map_err(|faults| blame(config, "limits", i, &faults))?;
        Ok(NewLimit { spec: spec.clone(), policy, created_at: clock.now() })
    };
    let limits = config.limits.iter().enumerate().map(new).collect::<Result<_, StartError>>()?;
    match store.create_first_limits(limits).await? {
        FirstLimits::Made => tracing::info!("the configured limits are made; from now on the store has them"),
        FirstLimits::MadeBefore => tracing::info!("limits are read from the store; those of the configuration are not"),
        FirstLimits::NoSuchSubject(i) => {
            return Err(blame(config, "limits", i, &[limit::Misfit::NoSuchSubject.fault()]).into());
        }
    }
    Ok(())
}

async fn make_budgets(config: &Config, store: &Store, clock: &Clock) -> Result<(), StartError> {
    let new = |(i, spec): (usize, &budget::Spec)| {
        let budget = spec.budget(BudgetId(clock.new_id())).map_err(|faults| blame(config, "budgets", i, &faults))?;
        Ok(NewBudget { spec: spec.clone(), budget, created_at: clock.now() })
    };
    let budgets: Vec<NewBudget> = config.budgets.iter().enumerate().map(new).collect::<Result<_, StartError>>()?;
    // Without any there is nothing to make once: those of a later configuration still are.
    if budgets.is_empty() {
        return Ok(());
    }
    match store.create_first_budgets(budgets).await? {
        FirstBudgets::Made => tracing::info!("the configured budgets are made; from now on the store has them"),
        FirstBudgets::MadeBefore => {
            tracing::info!("budgets are read from the store; those of the configuration are not");
        }
        FirstBudgets::NoSuchSubject(i) => {
            return Err(blame(config, "budgets", i, &[budget::Misfit::NoSuchSubject.fault()]).into());
        }
    }
    Ok(())
}

fn blame(config: &Config, list: &str, index: usize, faults: &[Fault]) -> ConfigError {
    let fault = fault_in(list, index, faults);
    config.blame(fault.key, fault.reason)
}
