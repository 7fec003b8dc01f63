//! The limits of the configuration: made once, and from then on read from the store.

use super::{StartError, blame};
use crate::{
    clock::Clock,
    config::Config,
    domain::{
        ids::LimitId,
        limit::{Misfit, Spec},
    },
    store::{
        Store,
        limits::{FirstLimits, NewLimit},
    },
};

/// Makes the configured limits if there have never been any. Of several replicas that start at once one does.
pub(super) async fn run(config: &Config, store: &Store, clock: &Clock) -> Result<(), StartError> {
    let new = |(i, spec): (usize, &Spec)| {
        let policy = spec.policy(LimitId(clock.new_id())).map_err(|faults| blame(config, i, &faults))?;
        Ok(NewLimit { spec: spec.clone(), policy, created_at: clock.now() })
    };
    let limits = config.limits.iter().enumerate().map(new).collect::<Result<_, StartError>>()?;
    match store.create_first_limits(limits).await? {
        FirstLimits::Made => tracing::info!("the configured limits are made; from now on the store has them"),
        FirstLimits::MadeBefore => tracing::info!("limits are read from the store; those of the configuration are not"),
        FirstLimits::NoSuchSubject(i) => return Err(blame(config, i, &[Misfit::NoSuchSubject.fault()]).into()),
    }
    Ok(())
}
