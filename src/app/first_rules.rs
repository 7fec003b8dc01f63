//! The limits and budgets of the configuration: made once, and from then on read from the store.

use super::StartError;
use crate::{
    clock::Clock,
    config::{Config, ConfigError, lists::fault_in},
    domain::{
        budget,
        ids::{BudgetId, LimitId},
        limit,
        refusal::Fault,
    },
    store::{
        Store,
        administered::First,
        budgets::{BudgetRow, NewBudget},
        limits::{LimitRow, NewLimit},
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
    match store.create_first::<LimitRow>(limits).await? {
        First::Made => tracing::info!("the configured limits are made; from now on the store has them"),
        First::MadeBefore => tracing::info!("limits are read from the store; those of the configuration are not"),
        First::Refused(i, misfit) => return Err(blame(config, "limits", i, &[misfit.fault()]).into()),
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
    match store.create_first::<BudgetRow>(budgets).await? {
        First::Made => tracing::info!("the configured budgets are made; from now on the store has them"),
        First::MadeBefore => {
            tracing::info!("budgets are read from the store; those of the configuration are not");
        }
        First::Refused(i, misfit) => return Err(blame(config, "budgets", i, &[misfit.fault()]).into()),
    }
    Ok(())
}

fn blame(config: &Config, list: &str, index: usize, faults: &[Fault]) -> ConfigError {
    let fault = fault_in(list, index, faults);
    config.blame(fault.key, fault.reason)
}
