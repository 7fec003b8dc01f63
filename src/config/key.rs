//! Keys as errors name them, `limits[0].routes[1]`, and the values that they lead to.

use toml::{Table, Value};

/// A step from a value into what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Name(String),
    Index(usize),
}

/// The steps of a key.
pub(super) fn steps(key: &str) -> Vec<Step> {
    let mut steps = vec![];
    for part in key.split('.').filter(|part| !part.is_empty()) {
        let (name, indices) = part.split_once('[').unwrap_or((part, ""));
        if !name.is_empty() {
            steps.push(Step::Name(name.to_owned()));
        }
        let indices = indices.split('[').filter_map(|index| index.trim_end_matches(']').parse().ok());
        steps.extend(indices.map(Step::Index));
    }
    steps
}

/// The key of these steps.
pub(super) fn of(steps: &[Step]) -> String {
    let mut key = String::new();
    for step in steps {
        match step {
            Step::Index(index) => key.extend(["[", &index.to_string(), "]"]),
            Step::Name(name) if key.is_empty() => key.push_str(name),
            Step::Name(name) => key.extend([".", name]),
        }
    }
    key
}

/// A key, then what it stands in, and so on outwards.
pub fn outwards(key: &str) -> impl Iterator<Item = String> {
    let steps = steps(key);
    let lengths = (1..=steps.len()).rev();
    lengths.map(move |length| of(steps.get(..length).unwrap_or_default()))
}

/// The value that the steps lead to.
pub(super) fn find<'t>(table: &'t Table, steps: &[Step]) -> Option<&'t Value> {
    let (first, rest) = steps.split_first()?;
    let Step::Name(name) = first else { return None };
    rest.iter().try_fold(table.get(name)?, |value, step| match step {
        Step::Name(name) => value.get(name.as_str()),
        Step::Index(index) => value.get(*index),
    })
}

/// Puts another value where the steps lead, or takes the one that is there away. False if they lead nowhere.
pub(super) fn put(table: &mut Table, steps: &[Step], new: Option<Value>) -> bool {
    let Some((Step::Name(last), way)) = steps.split_last() else {
        return false;
    };
    let mut place = table;
    let mut way = way.iter();
    while let Some(step) = way.next() {
        let Step::Name(name) = step else { return false };
        let mut value = place.get_mut(name);
        let mut rest = way.clone();
        while let Some(Step::Index(index)) = rest.next() {
            value = value.and_then(|value| value.get_mut(*index));
            way.next();
        }
        match value {
            Some(Value::Table(inner)) => place = inner,
            _ => return false,
        }
    }
    match new {
        Some(new) => {
            place.insert(last.clone(), new);
            true
        }
        None => place.remove(last).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        "[server]\nport = 1\n[[routes]]\nname = \"a\"\n[[routes]]\nname = \"b\"\nroles = [\"x\", \"y\"]\n"
            .parse()
            .unwrap()
    }

    #[test]
    fn a_key_leads_to_its_value() {
        let table = table();
        let text = |key: &str| find(&table, &steps(key)).map(ToString::to_string);
        assert_eq!(text("server.port").as_deref(), Some("1"));
        assert_eq!(text("routes[1].roles[0]").as_deref(), Some("\"x\""));
        assert_eq!((text("routes[2]"), text("nowhere.at")), (None, None));
        assert_eq!(of(&steps("a.b[0][1].c")), "a.b[0][1].c");
        assert_eq!(outwards("a[0].b").collect::<Vec<_>>(), ["a[0].b", "a[0]", "a"]);
    }

    #[test]
    fn a_value_is_put_and_taken_where_its_key_leads() {
        let mut table = table();
        assert!(put(&mut table, &steps("server.port"), Some(2.into())));
        assert!(put(&mut table, &steps("routes[1].name"), None));
        assert!(!put(&mut table, &steps("routes[1].name"), None));
        assert!(!put(&mut table, &steps("routes[7].name"), Some(1.into())));
        assert_eq!(find(&table, &steps("server.port")), Some(&2.into()));
        assert_eq!(find(&table, &steps("routes[1].name")), None);
    }
}
