//! What is wrong with the values of an entry, as far as that can be told before the gateway is asked to take it.

use serde_json::{Map, Value};

use super::{
    look::Names,
    references::{Reference, write_only},
};
use crate::{
    cli::apply::{
        document::{Entry, Kind},
        mistakes::Mistake,
    },
    clock::Clock,
    domain::refusal::Fault,
    http::rehearsal,
};

/// Stands for an id that is not known yet.
const SOME_ID: &str = "00000000-0000-7000-8000-000000000000";

/// All mistakes in the fields of an entry, which is to be made, or to be what it is not yet of `present`.
pub(super) fn mistakes(
    entry: &Entry,
    references: &[Reference],
    present: Option<&Map<String, Value>>,
    names: &Names,
) -> Vec<Mistake> {
    let mut body = entry.fields.clone();
    for Reference { field, .. } in references.iter().filter(|reference| reference.field != "user_id") {
        body.insert((*field).to_owned(), SOME_ID.into());
    }
    let faults = rehearsal::faults(entry.kind.section(), &body, present, Clock::system().now());
    let of_values = faults.into_iter().map(|fault| mistake(entry, &fault));
    of_values.chain(unknown_names(entry, names)).collect()
}

/// A fault of a body, where the file has the field.
pub(super) fn mistake(entry: &Entry, Fault { pointer, detail, .. }: &Fault) -> Mistake {
    let mut place = entry.place.clone();
    for (depth, part) in pointer.split('/').skip(1).enumerate() {
        let part = part.replace("~1", "/").replace("~0", "~");
        match part.parse::<usize>() {
            Ok(index) if depth > 0 => place = format!("{place}[{index}]"),
            _ if depth == 0 && part == "team_id" => place = format!("{place}.team"),
            _ if depth == 0 && Some(&*part) == write_only(entry.kind) => place = format!("{place}.{part}_file"),
            _ => place = format!("{place}.{part}"),
        }
    }
    Mistake::new(place, detail.clone())
}

/// Upstreams and routes that are neither at the gateway nor in the file.
fn unknown_names(entry: &Entry, names: &Names) -> Vec<Mistake> {
    let texts = |field: &str| match entry.fields.get(field) {
        Some(Value::Array(items)) => items.clone(),
        _ => vec![],
    };
    let mut mentioned: Vec<(Kind, String, Value)> = vec![];
    if matches!(entry.kind, Kind::Route | Kind::Model) {
        mentioned
            .extend(entry.fields.get("upstream").map(|name| (Kind::Upstream, ".upstream".to_owned(), name.clone())));
        let targets = texts("targets").into_iter().enumerate();
        mentioned.extend(targets.filter_map(|(index, target)| {
            Some((Kind::Upstream, format!(".targets[{index}].upstream"), target.get("upstream")?.clone()))
        }));
    }
    if matches!(entry.kind, Kind::Limit | Kind::ApiKey) {
        let routes = texts("routes").into_iter().enumerate();
        mentioned.extend(routes.map(|(index, name)| (Kind::Route, format!(".routes[{index}]"), name)));
    }
    let unknown = mentioned.into_iter().filter_map(|(kind, field, name)| {
        let name = name.as_str()?;
        let is_known =
            name == "*" || name.starts_with("builtin:") || names.get(&kind).is_some_and(|names| names.contains(name));
        let what = || format!("there is no {} \"{name}\", and the file makes none", kind.noun());
        (!is_known).then(|| Mistake::new(format!("{}{field}", entry.place), what()))
    });
    unknown.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(kind: Kind, fields: Value, present: Option<&Value>) -> Vec<String> {
        let Value::Object(fields) = fields else { panic!() };
        let place = format!("{}[0]", kind.section());
        let entry = Entry { kind, place, name: "a".into(), fields };
        let names = Names::from([(Kind::Route, ["r".to_owned()].into())]);
        let found = mistakes(&entry, &[], present.and_then(Value::as_object), &names);
        found.into_iter().map(|mistake| mistake.place).collect()
    }

    #[test]
    fn each_value_that_cannot_be_is_told_with_its_place() {
        for (kind, fields, places) in [
            (Kind::Team, json!({ "name": "a", "models": ["x", "x"] }), &["teams[0].models[1]"][..]),
            (Kind::Team, json!({ "name": "a", "nme": 1 }), &["teams[0].nme"]),
            (
                Kind::User,
                json!({ "username": "a b", "role": "boss", "password": "short" }),
                &["users[0].role", "users[0].username", "users[0].password_file"],
            ),
            (Kind::ApiKey, json!({ "name": "a", "routes": ["r", "s"], "role": "user" }), &["api_keys[0].routes[1]"]),
            (Kind::ApiKey, json!({ "name": "a", "expires_at": "2001-01-01T00:00:00Z" }), &["api_keys[0].expires_at"]),
            (
                Kind::Limit,
                json!({ "name": "a", "routes": ["r"], "per": "user", "unit": "requests", "limit": 0, "window_s": 60 }),
                &["limits[0].limit"],
            ),
            (
                Kind::Limit,
                json!({ "name": "a", "routes": ["r"], "per": "user", "unit": "requests", "limit": 1 }),
                &["limits[0].window_s"],
            ),
            (
                Kind::Budget,
                json!({ "name": "a", "scope": "user", "limit_usd": "-1", "period": "year" }),
                &["budgets[0].period", "budgets[0].limit_usd"],
            ),
            (
                Kind::Route,
                json!({ "name": "a", "path": "/a", "match": "exact", "methods": ["GET"], "roles": ["user"], "upstream": "u" }),
                &["routes[0].upstream"],
            ),
            (
                Kind::Model,
                json!({ "name": "a", "targets": [{ "upstream": "builtin:llm", "model": "m", "weight": 0 }] }),
                &["models[0].targets[0].weight"],
            ),
        ] {
            let mut found = told(kind, fields.clone(), None);
            let mut places: Vec<String> = places.iter().map(|place| (*place).to_owned()).collect();
            found.sort();
            places.sort();
            assert_eq!(found, places, "{fields}");
        }
    }

    #[test]
    fn of_what_is_there_only_the_fields_of_the_file_are_judged() {
        let present = json!({ "id": "x", "name": "a", "routes": ["gone"], "per": "user", "unit": "requests", "limit": 1,
            "window_s": 60, "burst": null, "mode": "enforce", "created_at": "now" });
        assert_eq!(told(Kind::Limit, json!({ "name": "a", "limit": 7 }), Some(&present)), [""; 0]);
        assert_eq!(told(Kind::Limit, json!({ "name": "a", "window": "day" }), Some(&present)), [""; 0]);
        assert_eq!(told(Kind::Limit, json!({ "name": "a", "mode": "off" }), Some(&present)), ["limits[0].mode"]);
    }
}
