//! What is written and not in force: limits and budgets that name what is gone, those of the configuration that the store
//! has otherwise or not at all, targets without a price, and routes for people that there are not. Told at a start and at a reload; nothing is refused for it. But a reload is, if it would put
//! out of force what administrators have made.

use std::{collections::BTreeSet, sync::Arc};

use super::{actors::Published, first_rules::Configured};
use crate::{
    config::{Config, ConfigError, models::ModelEntry},
    domain::{
        budget,
        entry::Unfit,
        limit::{self, Per},
        route::Route,
    },
    snapshot::{
        Snapshot,
        routing::{Plan, Routing},
    },
    store::{Store, StoreError, budgets::BudgetRow, filter::Filter, limits::LimitRow},
};

/// The most limits, and the most budgets, that are looked at.
const MAX_ROWS: u32 = 10_000;

/// Whether all that administrators have made and that is in force would go on with another configuration.
///
/// # Errors
/// The first that would not, and why.
pub(super) fn keep(config: &Config, plan: &dyn Plan, routing: &Routing) -> Result<(), ConfigError> {
    let written = routing.written();
    let was_out = |unfit: &Unfit| written.unfit.iter().any(|before| before.key == unfit.key);
    match plan.unfit(&written.entries).into_iter().find(|unfit| !was_out(unfit)) {
        None => Ok(()),
        Some(Unfit { key, reason }) => {
            let why = format!("the {key} that was made through /admin would not be in force: {reason}");
            Err(config.blame(key.kind.list(), why))
        }
    }
}

/// Logs each warning. Where the store is not available, nothing of it is logged here: the start and `/readyz` report it.
pub(super) async fn warn(config: &Config, store: &Store, published: &Published) {
    let of_routes = of_routes(store, &published.routing).await.unwrap_or_default();
    let of_rules = warnings(config, store, &published.routing).await.unwrap_or_default();
    for warning in config.doubled_paths().into_iter().chain(of_prices(published)).chain(of_routes).chain(of_rules) {
        tracing::warn!("{warning}");
    }
}

/// Targets that get no call, and names that are those of models too.
fn of_prices(published: &Published) -> Vec<String> {
    let (routing, prices) = (published.routing.read(), published.prices.read());
    let mut warnings = vec![];
    for entry in &routing.written().models {
        let Some(model) = ModelEntry::shown(&entry.name, &entry.fields) else { continue };
        let is_priced = |name: &str| prices.find(name).is_some();
        warnings.extend(model.shadows(is_priced).map(|why| format!("the model \"{}\": name: {why}", entry.name)));
        for (place, target) in model.unpriced(is_priced) {
            let what = format!("targets[{place}].model: \"{target}\" has no price: this target gets no call");
            warnings.push(format!("the model \"{}\": {what}", entry.name));
        }
    }
    warnings
}

/// Routes that name teams or users that there are not.
async fn of_routes(store: &Store, routing: &Snapshot<Routing>) -> Result<Vec<String>, StoreError> {
    let named: Vec<(String, Per, String)> = {
        let routing = routing.read();
        let named = |route: &Arc<Route>| {
            let (teams, users) = (route.only.teams.iter(), route.only.users.iter());
            let all = teams.map(|name| (Per::Team, name)).chain(users.map(|name| (Per::User, name)));
            all.map(|(per, name)| (route.name.to_string(), per, name.clone())).collect::<Vec<_>>()
        };
        routing.table.iter().flat_map(named).collect()
    };
    let mut warnings = vec![];
    for (route, per, name) in named {
        if store.subject_id_of(per, Some(&name)).await?.is_err() {
            let per = per.as_str();
            warnings.push(told("route", &route, &format!("is for the {per} \"{name}\", and there is none")));
        }
    }
    Ok(warnings)
}

async fn warnings(config: &Config, store: &Store, routing: &Snapshot<Routing>) -> Result<Vec<String>, StoreError> {
    let limits = store.limits_page(Filter::default(), None, MAX_ROWS).await?;
    let budgets = store.budgets_page(Filter::default(), None, MAX_ROWS).await?;
    let mut warnings = vec![];
    let routes: BTreeSet<String> = routing.read().table.iter().map(|route| route.name.to_string()).collect();
    let aliases: BTreeSet<String> = routing.read().aliases().map(|alias| alias.name.to_string()).collect();
    for LimitRow { spec, .. } in &limits {
        let gone = spec.routes.iter().filter(|route| *route != "*" && !routes.contains(*route));
        warnings.extend(
            gone.map(|route| told("limit", &spec.name, &format!("names the route \"{route}\", which is gone"))),
        );
        warnings.extend(of_subject(store, ("limit", &spec.name), spec.per, spec.subject.as_deref()).await?);
    }
    for BudgetRow { spec, .. } in &budgets {
        warnings.extend(of_budget(spec, &aliases, store).await?);
    }
    let in_store: Vec<&limit::Spec> = limits.iter().map(|row| &row.spec).collect();
    warnings.extend(of_file::<LimitRow>(config, store, &in_store).await?);
    let in_store: Vec<&budget::Spec> = budgets.iter().map(|row| &row.spec).collect();
    warnings.extend(of_file::<BudgetRow>(config, store, &in_store).await?);
    Ok(warnings)
}

async fn of_budget(spec: &budget::Spec, aliases: &BTreeSet<String>, store: &Store) -> Result<Vec<String>, StoreError> {
    let mut warnings = vec![];
    warnings.extend(of_subject(store, ("budget", &spec.name), spec.scope.per(), spec.subject.as_deref()).await?);
    let Some(list) = store.price_version(None).await? else { return Ok(warnings) };
    // What ends with a star is for models that may come, too.
    let named = |model: &str| model.ends_with('*') || aliases.contains(model);
    for model in spec.models.iter().filter(|model| !named(model)) {
        if store.price(list.version, model.clone()).await?.is_none() {
            warnings.push(told("budget", &spec.name, &format!("names the model \"{model}\", which has no price")));
        }
    }
    Ok(warnings)
}

/// Whether the subject of a rule is gone, with the name that it had. With a user go the user's API keys.
async fn of_subject(
    store: &Store,
    (kind, rule): (&str, &str),
    per: Per,
    subject: Option<&str>,
) -> Result<Option<String>, StoreError> {
    let Some(subject) = subject else { return Ok(None) };
    if store.has_subject(per, Some(subject)).await? {
        return Ok(None);
    }
    let names = store.names(BTreeSet::from([subject.to_owned()])).await?;
    let name = names.of(subject).map_or_else(String::new, |name| format!("\"{name}\" "));
    Ok(Some(told(kind, rule, &format!("is for the {} {name}({subject}), which is gone", per.as_str()))))
}

/// Which rules of the file the store has otherwise, or not at all.
async fn of_file<N: Configured>(
    config: &Config,
    store: &Store,
    in_store: &[&N::Spec],
) -> Result<Vec<String>, StoreError> {
    let mut warnings = vec![];
    for spec in N::specs(config).iter().filter(|_| !config.is_built_in(N::LIST)) {
        let (name, per, written) = N::place(spec);
        let mut not_in_force = |why: &str| {
            warnings.push(told(N::NOUN, name, &format!("of the configuration is not in force: {why}")));
        };
        let wanted = match store.subject_id_of(per, written).await? {
            Ok(subject) => N::with(spec, subject),
            Err(unknown) => {
                let subject = written.unwrap_or_default();
                let later = "It is made at the first start or reload that finds one";
                not_in_force(&format!("its subject is \"{subject}\", and {unknown}. {later}"));
                continue;
            }
        };
        let place = N::place(&wanted);
        match in_store.iter().find(|other| (N::place(other).0, N::place(other).2) == (place.0, place.2)) {
            Some(other) if **other == wanted => {}
            Some(_) => not_in_force("the store has another of this name"),
            None => not_in_force("the store has none of this name"),
        }
    }
    Ok(warnings)
}

fn told(kind: &str, name: &str, what: &str) -> String {
    format!("the {kind} \"{name}\" {what}")
}
