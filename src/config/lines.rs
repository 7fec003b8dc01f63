//! In which line of a file each key stands.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

/// The line, from 1, of each key and of each entry of a list: `limits[0].routes[1]`.
pub fn of(text: &str) -> BTreeMap<String, usize> {
    let starts: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    let mut lines = Lines { starts, found: BTreeMap::new() };
    if let Ok(document) = DeTable::parse(text) {
        lines.table("", document.get_ref());
    }
    lines.found
}

struct Lines {
    /// Where each line ends.
    starts: Vec<usize>,
    found: BTreeMap<String, usize>,
}

impl Lines {
    fn table(&mut self, section: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key =
                if section.is_empty() { name.get_ref().to_string() } else { format!("{section}.{}", name.get_ref()) };
            self.note(key.clone(), name.span().start);
            self.value(&key, value.get_ref());
        }
    }

    fn value(&mut self, key: &str, value: &DeValue<'_>) {
        match value {
            DeValue::Table(table) => self.table(key, table),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let key = format!("{key}[{index}]");
                    self.note(key.clone(), item.span().start);
                    self.value(&key, item.get_ref());
                }
            }
            _ => {}
        }
    }

    fn note(&mut self, key: String, at: usize) {
        self.found.insert(key, self.starts.partition_point(|start| *start < at).saturating_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_and_each_entry_has_its_line() {
        let lines = of(
            "data_dir = \"d\"\n[server]\nport = 1\n\n[[routes]]\nname = \"a\"\n[[routes]]\nname = \"b\"\nmethods = [\n  \"GET\",\n]\n",
        );
        let line = |key: &str| lines.get(key).copied();
        assert_eq!((line("data_dir"), line("server"), line("server.port")), (Some(1), Some(2), Some(3)));
        assert_eq!((line("routes[0]"), line("routes[0].name"), line("routes[1]")), (Some(5), Some(6), Some(7)));
        assert_eq!((line("routes[1].methods"), line("routes[1].methods[0]")), (Some(9), Some(10)));
    }
}
