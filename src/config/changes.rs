//! What a configuration that was read again has otherwise than the one before it, for whoever had it read.

use std::collections::BTreeMap;

use super::Config;

impl Config {
    /// What a reload takes from `next` that this configuration has otherwise, a line each.
    #[must_use]
    pub fn changes(&self, next: &Self) -> Vec<String> {
        let mut lines = vec![];
        lines.extend(entries("upstream", &self.upstreams, &next.upstreams, |entry| &entry.name));
        lines.extend(entries("route", &self.routes, &next.routes, |entry| &entry.name));
        lines.extend(entries("model", &self.models, &next.models, |entry| &entry.name));
        if !next.prices.file.as_os_str().is_empty() {
            lines.push(format!("prices of {}: read again", next.prices.file.display()));
        } else if !self.prices.file.as_os_str().is_empty() {
            lines.push("prices.file: gone; the prices that are in force stay".into());
        }
        if !next.server.tls_pairs().is_empty() {
            lines.push("the files of TLS: read again".into());
        }
        if (&self.limits, &self.budgets) != (&next.limits, &next.budgets) {
            lines.push(
                "limits and budgets: not taken, those of the file are made once at the first start; change them at /admin/limits and /admin/budgets, or by `tollgate apply`"
                    .into(),
            );
        }
        lines
    }
}

/// Which entries of a list are new, changed or gone.
fn entries<T: PartialEq>(kind: &str, before: &[T], after: &[T], name: impl Fn(&T) -> &String) -> Vec<String> {
    let by_name = |entries: &[T]| entries.iter().map(&name).cloned().collect::<Vec<_>>();
    let (names_before, names_after) = (by_name(before), by_name(after));
    let known: BTreeMap<&String, &T> = names_before.iter().zip(before).collect();
    let mut lines = vec![];
    for (name, entry) in names_after.iter().zip(after) {
        match known.get(name) {
            None => lines.push(format!("{kind} {name}: new")),
            Some(was) if *was != entry => lines.push(format!("{kind} {name}: changed")),
            Some(_) => {}
        }
    }
    lines.extend(
        names_before.iter().filter(|name| !names_after.contains(name)).map(|name| format!("{kind} {name}: gone")),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(file: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tollgate.toml");
        std::fs::write(&path, file).unwrap();
        Config::load(Some(&path), []).unwrap()
    }

    fn route(name: &str, weight: u32) -> String {
        format!(
            "[[routes]]\nname = \"{name}\"\npath = \"/{name}\"\nmatch = \"exact\"\nmethods = [\"GET\"]\nroles = [\"admin\"]\n\
             upstream = \"builtin:echo\"\nweight = {weight}\n"
        )
    }

    #[test]
    fn what_a_reload_takes_is_named() {
        let upstream = "[[upstreams]]\nname = \"far\"\nurl = \"http://far.example\"\n";
        let before = config(&(route("a", 1) + &route("b", 1)));
        let after = config(&(route("b", 2) + &route("c", 1) + upstream));
        assert_eq!(before.changes(&after), ["upstream far: new", "route b: changed", "route c: new", "route a: gone"]);
        assert_eq!(before.changes(&before), Vec::<String>::new());
        let limited = config(
            &(route("a", 1)
                + &route("b", 1)
                + "[[limits]]\nname = \"l\"\nroutes = [\"a\"]\nper = \"user\"\nunit = \"requests\"\nlimit = 1\nwindow_s = 1\n"),
        );
        let told = before.changes(&limited);
        assert!(told.len() == 1 && told[0].contains("not taken") && told[0].contains("/admin/limits"), "{told:?}");
    }
}
