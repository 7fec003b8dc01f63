//! The limits and budgets of the configuration: made once, and from then on read from the store.
//!
//! A subject may be a name there. Until there is somebody of that name the rule waits: it is made at the first start or reload
//! that finds one, and no second time for the same one, whatever administrators have done with it since.

use super::{StartError, actors::Handles};
use crate::{
    actors::administration::Administers,
    clock::Clock,
    config::{Config, ConfigError, lists::fault_in},
    domain::{
        budget,
        ids::{BudgetId, LimitId},
        limit::{self, Per},
        refusal::Fault,
    },
    store::{
        Store, StoreError,
        administered::{Administered, Created, First},
        budgets::{BudgetRow, NewBudget},
        limits::{LimitRow, NewLimit},
    },
};

/// A kind of rule that a configuration may have.
pub(super) trait Configured: Administered {
    /// One as it is written.
    type Spec: Clone + PartialEq + 'static;

    /// What one is called.
    const NOUN: &'static str;
    /// The key of the list.
    const LIST: &'static str;
    /// Whether the first start without any of them is the one that made them.
    const MADE_BY_NONE: bool;

    fn specs(config: &Config) -> &[Self::Spec];

    /// Its name, the kind of its subject, and the subject.
    fn place(spec: &Self::Spec) -> (&str, Per, Option<&str>);

    /// The same with another subject.
    fn with(spec: &Self::Spec, subject: Option<String>) -> Self::Spec;

    /// The row that it makes, or all that is wrong with it.
    fn made(spec: Self::Spec, clock: &Clock) -> Result<Self::New, Vec<Fault>>;

    /// Why two cannot be side by side.
    fn clash(one: &Self::New, other: &Self::New) -> Option<Self::Refused>;

    /// Why the store does not take one.
    fn fault(refused: Self::Refused) -> Fault;

    /// Whether there is or was one of this name and subject.
    async fn is_known(store: &Store, name: &str, subject: &str) -> Result<bool, StoreError>;
}

/// Makes the limits and the budgets that are configured, each kind if there has never been any of it. Of several replicas that
/// start at once one does. All of both are checked before the first is made.
///
/// # Errors
/// The store does not answer, or does not take what is configured.
pub(super) async fn run(config: &Config, store: &Store, clock: &Clock) -> Result<(), StartError> {
    let limits = Checked::<LimitRow>::of(config, store, clock).await?;
    let budgets = Checked::<BudgetRow>::of(config, store, clock).await?;
    limits.make(config, store).await?;
    budgets.make(config, store).await
}

/// The rules of a kind that the configuration has and the store would take.
struct Checked<N: Configured> {
    /// Where each stands in the list of the configuration.
    places: Vec<usize>,
    rules: Vec<N::New>,
}

impl<N: Configured> Checked<N> {
    async fn of(config: &Config, store: &Store, clock: &Clock) -> Result<Self, StartError> {
        let (mut places, mut rules) = (vec![], vec![]);
        for (place, spec) in N::specs(config).iter().enumerate() {
            let (_, per, subject) = N::place(spec);
            // Of whom there is not, `in_force` tells.
            let Ok(subject) = store.subject_id_of(per, subject).await? else { continue };
            let rule = N::made(N::with(spec, subject), clock).map_err(|faults| blame::<N>(config, place, &faults))?;
            if let Some(refused) = rules.iter().find_map(|other| N::clash(&rule, other)) {
                return Err(blame::<N>(config, place, &[N::fault(refused)]).into());
            }
            places.push(place);
            rules.push(rule);
        }
        let (rules, refused) = store.refuse_first::<N>(rules).await?;
        let checked = Self { places, rules };
        match refused {
            Some((index, refused)) => Err(checked.refused(config, index, refused)),
            None => Ok(checked),
        }
    }

    async fn make(mut self, config: &Config, store: &Store) -> Result<(), StartError> {
        // Without any there is nothing to make once: those of a later configuration still are.
        if self.rules.is_empty() && !N::MADE_BY_NONE {
            return Ok(());
        }
        let list = N::LIST;
        match store.create_first::<N>(std::mem::take(&mut self.rules)).await? {
            First::Made => tracing::info!("the configured {list} are made; from now on the store has them"),
            First::MadeBefore => tracing::info!("{list} are read from the store; those of the configuration are not"),
            First::Refused(index, refused) => return Err(self.refused(config, index, refused)),
        }
        Ok(())
    }

    fn refused(&self, config: &Config, index: usize, refused: N::Refused) -> StartError {
        let place = self.places.get(index).copied().unwrap_or_default();
        blame::<N>(config, place, &[N::fault(refused)]).into()
    }
}

/// Makes what is configured for somebody by name who was not there before. Where the store or an actor does not answer, that is
/// logged, and the next start or reload does it.
pub(super) async fn run_late(config: &Config, store: &Store, clock: &Clock, handles: &Handles) {
    for made in [
        make_late::<LimitRow>(config, store, clock, &handles.limits).await,
        make_late::<BudgetRow>(config, store, clock, &handles.budgets).await,
    ] {
        if let Err(why) = made {
            tracing::warn!("rules of the configuration whose subjects are names may not be made: {why}");
        }
    }
}

async fn make_late<N: Configured>(
    config: &Config,
    store: &Store,
    clock: &Clock,
    keeper: &impl Administers<N>,
) -> Result<(), String> {
    for spec in N::specs(config) {
        let (name, per, Some(written)) = N::place(spec) else { continue };
        let Ok(subject) = store.subject_id(per, written).await.map_err(words)? else { continue };
        if !per.is_name(written) || N::is_known(store, name, &subject).await.map_err(words)? {
            continue;
        }
        let kept = match N::made(N::with(spec, Some(subject.clone())), clock) {
            Err(faults) => faults,
            Ok(rule) => match keeper.create(rule, None).await.map_err(words)?.map_err(words)? {
                Created::Refused(refused) => vec![N::fault(refused)],
                Created::New(_) | Created::Replayed(_) | Created::KeyReused => vec![],
            },
        };
        // Another replica may have made it meanwhile.
        if N::is_known(store, name, &subject).await.map_err(words)? {
            continue;
        }
        for Fault { pointer, detail, .. } in kept {
            tracing::warn!("the {} \"{name}\" of the configuration is not made: {pointer}: {detail}", N::NOUN);
        }
    }
    Ok(())
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn blame<N: Configured>(config: &Config, place: usize, faults: &[Fault]) -> ConfigError {
    let fault = fault_in(N::LIST, place, faults);
    config.blame(fault.key, fault.reason)
}

impl Configured for LimitRow {
    type Spec = limit::Spec;

    const NOUN: &'static str = "limit";
    const LIST: &'static str = "limits";
    const MADE_BY_NONE: bool = true;

    fn specs(config: &Config) -> &[limit::Spec] {
        &config.limits
    }

    fn place(spec: &limit::Spec) -> (&str, Per, Option<&str>) {
        (&spec.name, spec.per, spec.subject.as_deref())
    }

    fn with(spec: &limit::Spec, subject: Option<String>) -> limit::Spec {
        limit::Spec { subject, ..spec.clone() }
    }

    fn made(spec: limit::Spec, clock: &Clock) -> Result<NewLimit, Vec<Fault>> {
        let policy = spec.policy(LimitId(clock.new_id()))?;
        Ok(NewLimit { spec, policy, created_at: clock.now() })
    }

    fn clash(one: &NewLimit, other: &NewLimit) -> Option<limit::Misfit> {
        one.policy.misfit(&other.policy)
    }

    fn fault(refused: limit::Misfit) -> Fault {
        refused.fault()
    }

    async fn is_known(store: &Store, name: &str, subject: &str) -> Result<bool, StoreError> {
        store.has_had_limit(name, subject).await
    }
}

impl Configured for BudgetRow {
    type Spec = budget::Spec;

    const NOUN: &'static str = "budget";
    const LIST: &'static str = "budgets";
    const MADE_BY_NONE: bool = false;

    fn specs(config: &Config) -> &[budget::Spec] {
        &config.budgets
    }

    fn place(spec: &budget::Spec) -> (&str, Per, Option<&str>) {
        (&spec.name, spec.scope.per(), spec.subject.as_deref())
    }

    fn with(spec: &budget::Spec, subject: Option<String>) -> budget::Spec {
        budget::Spec { subject, ..spec.clone() }
    }

    fn made(spec: budget::Spec, clock: &Clock) -> Result<NewBudget, Vec<Fault>> {
        let budget = spec.budget(BudgetId(clock.new_id()))?;
        Ok(NewBudget { spec, budget, created_at: clock.now() })
    }

    fn clash(one: &NewBudget, other: &NewBudget) -> Option<budget::Misfit> {
        one.budget.misfit(&other.budget)
    }

    fn fault(refused: budget::Misfit) -> Fault {
        refused.fault()
    }

    async fn is_known(store: &Store, name: &str, subject: &str) -> Result<bool, StoreError> {
        store.has_had_budget(name, subject).await
    }
}
