//! Variables of the environment that look as if they were meant for the gateway, and are not read.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::{Config, DEFAULT_TOML, words::nearest};

/// Those that are read besides the keys of the configuration.
const KNOWN: [&str; 5] = [
    "TOLLGATE_MASTER_KEY",
    "TOLLGATE_ADMIN_PASSWORD",
    "TOLLGATE_PASSWORD",
    "TOLLGATE_NEW_MASTER_KEY",
    "TOLLGATE_TOKEN",
];

/// A warning for each variable that begins like ours and means nothing, with what was probably meant. Wrong keys behind
/// `TOLLGATE__` are mistakes of the configuration already.
#[must_use]
pub fn unknown_variables(config: &Config, environment: impl IntoIterator<Item = (String, String)>) -> Vec<String> {
    let of_upstreams = config.upstreams.iter().filter_map(|upstream| upstream.secret_env.as_deref());
    let secrets: BTreeSet<&str> = of_upstreams.chain([config.auth.login.client_secret_env.as_str()]).collect();
    // What Kubernetes sets in every pod beside a service that is called tollgate.
    let of_service =
        |name: &str, value: &str| name.contains("_SERVICE_") || name.contains("_TCP") || value.contains("://");
    let names = environment.into_iter().filter(|(name, value)| !of_service(name, value)).map(|(name, _)| name);
    let ours = |name: &String| {
        let upper = name.to_uppercase();
        let begins = ["TOLLGATE", "TOLGATE", "TOLLGTE", "TOLL_GATE"].iter().any(|prefix| upper.starts_with(prefix));
        begins && !name.starts_with("TOLLGATE__") && !KNOWN.contains(&name.as_str()) && !secrets.contains(name.as_str())
    };
    let mut unknown: Vec<String> = names.filter(ours).collect();
    unknown.sort();
    unknown.iter().map(|name| warning(name)).collect()
}

fn warning(name: &str) -> String {
    let meant = meant(name).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
    format!("the environment variable {name} means nothing to the gateway{meant}")
}

fn meant(name: &str) -> Option<String> {
    let bare = |name: &str| name.to_uppercase().replace('_', "");
    let keys = keys();
    let all = || KNOWN.iter().map(|name| (*name).to_owned()).chain(keys.iter().map(|key| variable(key)));
    let given = bare(name);
    if let Some(same) = all().find(|known| bare(known) == given) {
        return Some(same);
    }
    let bares: Vec<(String, String)> = all().map(|known| (bare(&known), known)).collect();
    let near = nearest(&given, bares.iter().map(|(bare, _)| bare.as_str()))?;
    bares.iter().find(|(bare, _)| bare == near).map(|(_, known)| known.clone())
}

fn variable(key: &str) -> String {
    format!("TOLLGATE__{}", key.replace('.', "__").to_uppercase())
}

/// Every key of the built-in configuration.
fn keys() -> Vec<String> {
    let mut keys = vec![];
    collect("", &DEFAULT_TOML.parse().unwrap_or_default(), &mut keys);
    keys
}

fn collect(section: &str, table: &Table, keys: &mut Vec<String>) {
    for (name, value) in table {
        let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
        match value {
            Value::Table(inner) => collect(&key, inner, keys),
            _ => keys.push(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(names: &[&str]) -> Vec<String> {
        let environment = names.iter().map(|name| ((*name).to_owned(), String::new()));
        unknown_variables(&Config::built_in().unwrap(), environment)
    }

    #[test]
    fn a_mistyped_variable_is_told_with_what_was_meant() {
        for (name, meant) in [
            ("TOLLGATE_SERVER_PORT", "TOLLGATE__SERVER__PORT"),
            ("TOLLGATE_SERVER__PORT", "TOLLGATE__SERVER__PORT"),
            ("TOLLGATE_MASTERKEY", "TOLLGATE_MASTER_KEY"),
            ("TOLLGATE_MASTER_KYE", "TOLLGATE_MASTER_KEY"),
            ("TOLGATE_ADMIN_PASSWORD", "TOLLGATE_ADMIN_PASSWORD"),
        ] {
            let told = warnings(&[name]);
            let ending = format!("did you mean {meant}?");
            assert!(told.len() == 1 && told[0].contains(name) && told[0].ends_with(&ending), "{told:?}");
        }
    }

    #[test]
    fn a_variable_that_is_read_or_anothers_is_not_told_of() {
        let names = ["TOLLGATE_MASTER_KEY", "TOLLGATE_TOKEN", "TOLLGATE__SERVER__PORT", "PATH", "OPENAI_API_KEY"];
        assert_eq!(warnings(&names), Vec::<String>::new());
    }
}
