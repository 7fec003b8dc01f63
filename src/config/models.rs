//! Names for clients that stand for models of upstreams, as they are written.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Fault, mistakes::Mistakes, routing::BUILTIN_LLM, targets::check_aims};
use crate::domain::{
    alias::{Alias, Mismatch},
    failover::Aim,
    price::{file, spec::is_model_name},
    route::Route,
};

/// The most names.
const MAX_MODELS: usize = 1_000;

/// A `[[models]]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    #[schemars(length(min = 1, max = 32))]
    pub targets: Vec<ModelTarget>,
}

/// One of its `targets`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelTarget {
    pub upstream: String,
    /// What the model is called there.
    #[schemars(length(min = 1, max = 256))]
    pub model: String,
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub weight: u32,
    /// The lowest is asked first.
    #[serde(default)]
    #[schemars(range(max = 1_000))]
    pub priority: u32,
}

const fn one() -> u32 {
    1
}

impl ModelEntry {
    /// Where its calls may go.
    pub(super) fn aims(&self) -> Vec<Aim> {
        let aim = |target: &ModelTarget| Aim {
            upstream: target.upstream.as_str().into(),
            model: Some(target.model.as_str().into()),
            weight: target.weight,
            priority: target.priority,
        };
        self.targets.iter().map(aim).collect()
    }

    /// A name that is shown with its other fields; `None` if these are not those of one.
    #[must_use]
    pub fn shown(name: &str, fields: &Map<String, Value>) -> Option<Self> {
        let mut fields = fields.clone();
        fields.insert("name".into(), name.into());
        serde_json::from_value(Value::Object(fields)).ok()
    }

    /// The targets whose model has no price, by their places: they get no call, for none can be held for. What the built-in
    /// model serves, it says itself.
    pub fn unpriced(&self, is_priced: impl Fn(&str) -> bool) -> Vec<(usize, &str)> {
        let targets = self.targets.iter().enumerate();
        let without = targets.filter(|(_, target)| target.upstream != BUILTIN_LLM && !is_priced(&target.model));
        without.map(|(place, target)| (place, target.model.as_str())).collect()
    }

    /// Whether it says where the very model of this name is served, and stands for no other.
    #[must_use]
    pub fn is_that_model(&self) -> bool {
        !self.targets.is_empty() && self.targets.iter().all(|target| target.model == self.name)
    }

    /// Why it should have another name, where this one is also that of a model with a price: calls by it go to other models.
    pub fn shadows(&self, is_priced: impl Fn(&str) -> bool) -> Option<String> {
        let name = &self.name;
        let is_shadow = !self.is_that_model() && is_priced(name);
        is_shadow.then(|| {
            format!(
                "\"{name}\" is the name of a model with a price too, and calls by it go to other models: choose another name, or \
                 take \"{name}\" out of the prices"
            )
        })
    }

    /// The name as the rules of `domain` know it.
    pub fn to_alias(&self, routes: &[Route]) -> Result<Alias, Mismatch> {
        Alias::new(self.name.as_str().into(), self.aims(), routes)
    }
}

/// Checks each name by itself and all against each other, against the routes and the names of all upstreams.
pub(super) fn validate(models: &[ModelEntry], routes: &[Route], upstreams: &[&str]) -> Result<(), Fault> {
    if models.len() > MAX_MODELS {
        return Err(Fault::new("models", format!("must be at most {MAX_MODELS}")));
    }
    let known = Known { models, routes, upstreams };
    for i in 0..models.len() {
        let checked = mistakes(i, &known).first();
        checked.map_err(|(field, reason)| Fault::new(format!("models[{i}].{field}"), reason))?;
    }
    Ok(())
}

/// What a name is held against.
pub(super) struct Known<'k> {
    /// All names, itself among them.
    pub models: &'k [ModelEntry],
    pub routes: &'k [Route],
    pub upstreams: &'k [&'k str],
}

/// Models that have a price before anybody sets one.
static PRICED: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let table = file::read(file::BUILT_IN).map(|table| table.change.difference(BTreeMap::new()).added);
    table.unwrap_or_default().into_iter().map(|price| price.model).collect()
});

/// Whether a model has a price before anybody sets one.
#[must_use]
pub fn is_priced_at_first(model: &str) -> bool {
    PRICED.contains(model)
}

/// What is wrong with the name at this place.
pub(super) fn mistakes(index: usize, known: &Known<'_>) -> Mistakes {
    let mut mistakes = Mistakes::default();
    let Some(model) = known.models.get(index) else { return mistakes };
    let name = &model.name;
    mistakes.rule(is_plain(name), "name", NAME);
    let is_twice = known.models.iter().take(index).any(|other| other.name == *name);
    mistakes.rule(!is_twice, "name", format!("\"{name}\" is used twice: give the first one all the targets"));
    if !model.is_that_model() {
        mistakes.add(shadowing(name, known.models));
    }
    for (i, target) in model.targets.iter().enumerate() {
        mistakes.rule(is_plain(&target.model), format!("targets[{i}].model"), NAME);
    }
    mistakes.add(check_aims(&model.aims(), known.upstreams));
    if let Err(Mismatch { place, route }) = model.to_alias(known.routes) {
        let reason = format!(
            "speaks the format of the route \"{route}\", and the targets before it speak others: requests are not \
             translated, so make a name of its own for it"
        );
        mistakes.note(format!("targets[{place}].upstream"), reason);
    }
    mistakes
}

/// That a name for other models is that of a model.
fn shadowing(name: &str, models: &[ModelEntry]) -> Mistakes {
    let mut mistakes = Mistakes::default();
    let shadowed = models.iter().flat_map(|other| &other.targets).find(|target| target.model == name);
    let upstream = shadowed.map_or("", |target| &target.upstream);
    let shadows = format!(
        "\"{name}\" is the name of a model at the upstream {upstream} too, so that a call could mean either: choose \
         another name; a name leads to other models than its own alone, and not to another name"
    );
    mistakes.rule(shadowed.is_none(), "name", shadows);
    let real = format!(
        "\"{name}\" is the name of a model in the built-in prices: choose another name, or give all targets model = \"{name}\""
    );
    mistakes.rule(!is_priced_at_first(name), "name", real);
    mistakes
}

const NAME: &str = "must be 1 to 256 bytes without control characters and without *, which stands for any";

/// Whether a text can be such a name.
#[must_use]
pub fn is_plain(name: &str) -> bool {
    is_model_name(name) && !name.contains('*')
}

#[cfg(test)]
mod tests {
    use crate::config::tests::load;

    const UPSTREAMS: &str = r#"
[[upstreams]]
name = "u"
url = "http://x"
[[upstreams]]
name = "v"
url = "http://x"
[[upstreams]]
name = "w"
url = "http://x"
[[routes]]
name = "chat"
path = "/chat"
match = "exact"
methods = ["POST"]
roles = ["user"]
upstream = "u"
meter = "openai-chat"
[[routes]]
name = "messages"
path = "/messages"
match = "exact"
methods = ["POST"]
roles = ["user"]
upstream = "v"
meter = "anthropic-messages"
retry = { attempts = 3 }
"#;

    fn with(models: &[(&str, &str)]) -> Result<(), String> {
        let entry = |(name, targets): &(&str, &str)| format!("[[models]]\nname=\"{name}\"\ntargets=[{targets}]\n");
        let lines: String = models.iter().map(entry).collect();
        load(&format!("{UPSTREAMS}{lines}"), &[]).map(drop).map_err(|error| format!("{}: {}", error.key, error.reason))
    }

    #[test]
    fn names_for_models_are_read() {
        let two = r#"{upstream="u",model="a",weight=3},{upstream="w",model="b",priority=1}"#;
        assert_eq!(with(&[("fast", two), ("team/best:1", r#"{upstream="v",model="c"}"#)]), Ok(()));
        assert_eq!(with(&[("twice", r#"{upstream="u",model="a"},{upstream="u",model="b"}"#)]), Ok(()));
        // The places of a model by its own name, to which another name may lead too.
        let itself = r#"{upstream="u",model="gpt-4o"},{upstream="w",model="gpt-4o",priority=1}"#;
        assert_eq!(with(&[("gpt-4o", itself), ("fast", r#"{upstream="u",model="gpt-4o"}"#)]), Ok(()));
    }

    #[test]
    fn routes_share_a_path_where_each_serves_models_of_its_own() {
        let route = |name: &str, models: &str, meter: &str| {
            format!(
                "[[routes]]\nname=\"{name}\"\npath=\"/p\"\nmatch=\"exact\"\nmethods=[\"POST\"]\nroles=[\"user\"]\n\
                 upstream=\"u\"\nmeter=\"{meter}\"\n{models}\n"
            )
        };
        let read = |routes: &[String]| {
            load(&format!("{UPSTREAMS}{}", routes.concat()), &[]).map(drop).map_err(|error| (error.key, error.reason))
        };
        let chat = |name: &str, models: &str| route(name, models, "openai-chat");
        let gpt = chat("gpt", "models=[\"gpt-*\"]");
        assert_eq!(read(&[gpt.clone(), chat("claude", "models=[\"claude-*\"]"), chat("rest", "")]), Ok(()));
        for (routes, key, reason) in [
            (&[chat("x", ""), chat("y", "")][..], "routes[3].path", "models of its own"),
            (&[gpt.clone(), chat("y", "models=[\"a\",\"gpt-*\"]")], "routes[3].models", "serves \"gpt-*\" too"),
            (&[gpt.clone(), route("y", "", "openai-embeddings")], "routes[3].path", "one meter"),
            (&[route("y", "models=[\"a\"]", "none")], "routes[2].models", "routes to models"),
            (&[chat("y", "models=[\"a\",\"a\"]")], "routes[2].models[1]", "twice"),
            (&[chat("y", "models=[]")], "routes[2].models", "1 to"),
        ] {
            let (at, why) = read(routes).unwrap_err();
            assert!(at == key && why.contains(reason), "{routes:?}: {at}: {why}");
        }
    }

    #[test]
    fn a_mistake_names_its_key_and_what_to_do() {
        let one = r#"{upstream="u",model="a"}"#;
        for (models, key, reason) in [
            (&[("", one)][..], "models[0].name", "1 to 256"),
            (&[("gpt-*", one)], "models[0].name", "without *"),
            (&[("x", one), ("x", one)], "models[1].name", "used twice"),
            (&[("a", r#"{upstream="u",model="a"},{upstream="w",model="b"}"#)], "models[0].name", "choose another name"),
            (&[("b", one), ("c", r#"{upstream="u",model="b"}"#)], "models[0].name", "upstream u"),
            (&[("gpt-4o", one)], "models[0].name", "give all targets model = \"gpt-4o\""),
            (&[("x", "")], "models[0].targets", "at least one"),
            (&[("x", r#"{upstream="u"}"#)], "models[0].targets", "\"model\" is missing"),
            (&[("x", r#"{upstream="nope",model="a"}"#)], "models[0].targets[0].upstream", "there are u, v"),
            (&[("x", r#"{upstream="u",model=""}"#)], "models[0].targets[0].model", "1 to 256"),
            (&[("x", r#"{upstream="u",model="a",weight=0}"#)], "models[0].targets[0].weight", "leave a target out"),
            (&[("x", r#"{upstream="u",model="a"},{upstream="u",model="a"}"#)], "models[0].targets[1]", "more weight"),
            (
                &[("x", r#"{upstream="u",model="a"},{upstream="v",model="b"}"#)],
                "models[0].targets[1].upstream",
                "the route \"messages\"",
            ),
        ] {
            let error = with(models).unwrap_err();
            assert!(error.starts_with(key) && error.contains(reason), "{models:?}: {error}");
        }
    }
}
