//! Targets of names for models that get no call, because nothing is known of what their models cost; and names that are those of
//! models with a price.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    app::{configured_prices, existing_store, is_shared},
    config::{
        Config,
        models::{ModelEntry, is_priced_at_first},
    },
};

/// How long the store of a gateway that is not there yet is waited for.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A line for each of them.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let of_file: BTreeSet<String> = match configured_prices(config) {
        Ok(Some(file)) => file.change.difference(BTreeMap::new()).added.into_iter().map(|price| price.model).collect(),
        _ => BTreeSet::new(),
    };
    let is_known = |model: &str| is_priced_at_first(model) || of_file.contains(model);
    let mut found = vec![];
    for (i, model) in config.models.iter().enumerate() {
        found.extend(model.unpriced(is_known).into_iter().map(|(place, name)| (i, place, name.to_owned())));
    }
    // What is in the built-in prices is a mistake.
    let names = config.models.iter().filter(|model| !model.is_that_model()).map(|model| &model.name);
    let asked: Vec<String> = found.iter().map(|(.., name)| name).chain(names).cloned().collect();
    let set = if asked.is_empty() { None } else { set(config, asked) };
    let shadows = shadows(config, |name| of_file.contains(name) || set.as_ref().is_some_and(|set| set.contains(name)));
    let unless = if set.is_none() { ", unless an administrator has set one" } else { "" };
    let set = set.unwrap_or_default();
    let told = |(i, place, name): (usize, usize, String)| {
        let key = format!("models[{i}].targets[{place}].model");
        (!set.contains(&name)).then(|| format!("{key}: \"{name}\" has no price: this target gets no call{unless}"))
    };
    found.into_iter().filter_map(told).chain(shadows).collect()
}

fn shadows(config: &Config, is_priced: impl Fn(&str) -> bool) -> Vec<String> {
    let told = |(i, model): (usize, &ModelEntry)| Some(format!("models[{i}].name: {}", model.shadows(&is_priced)?));
    config.models.iter().enumerate().filter_map(told).collect()
}

/// Those of these models that have a price in the store of this machine; `None` where there is no such store.
fn set(config: &Config, models: Vec<String>) -> Option<BTreeSet<String>> {
    if is_shared(&config.store_url().ok()?) {
        return None;
    }
    let store = existing_store(config, TIMEOUT).ok()?;
    actix::System::new().block_on(async {
        let list = store.price_version(None).await.ok()??;
        let mut set = BTreeSet::new();
        for model in models {
            if store.price(list.version, model.clone()).await.ok()?.is_some() {
                set.insert(model);
            }
        }
        Some(set)
    })
}
