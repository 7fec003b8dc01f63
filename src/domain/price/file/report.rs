//! What was taken of a file and what was not, for people to read.

use std::{cmp::Reverse, collections::BTreeMap};

/// The models of a file by what became of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    pub taken: Vec<String>,
    /// Taken, but the file has further prices that a price here has no field for; by what they are for.
    pub in_part: BTreeMap<String, Vec<String>>,
    /// Taken, with a cost that is finer than a pico-USD and rounded to it.
    pub rounded: Vec<String>,
    /// Not taken, by reason.
    pub skipped: BTreeMap<String, Vec<String>>,
}

impl Report {
    /// Counts, and with `models` the names too.
    #[must_use]
    pub fn text(&self, models: bool) -> String {
        let mut lines = vec![format!("taken: {}", self.taken.len())];
        lines.extend(self.taken.iter().filter(|_| models).map(listed));
        if !self.rounded.is_empty() {
            let count = self.rounded.len();
            lines.push(format!("rounded to a pico-USD a token (at most a millionth more), of those taken: {count}"));
            lines.extend(self.rounded.iter().filter(|_| models).map(listed));
        }
        lines.extend(group("not billed, of those taken:", &self.in_part, models));
        let skipped: usize = self.skipped.values().map(Vec::len).sum();
        lines.extend(group(&format!("skipped: {skipped}"), &self.skipped, models));
        lines.push(String::new());
        lines.join("\n")
    }
}

/// The reasons of a group, the commonest first.
fn group(title: &str, groups: &BTreeMap<String, Vec<String>>, models: bool) -> Vec<String> {
    let mut groups: Vec<_> = groups.iter().collect();
    groups.sort_by_key(|(_, names)| Reverse(names.len()));
    let reason = |(reason, names): (&String, &Vec<String>)| {
        let count = format!("  {:>5}  {reason}", names.len());
        std::iter::once(count).chain(names.iter().filter(|_| models).map(listed)).collect::<Vec<_>>()
    };
    let title = Some(title.to_owned()).filter(|_| !groups.is_empty());
    title.into_iter().chain(groups.into_iter().flat_map(reason)).collect()
}

fn listed(name: &String) -> String {
    format!("           {name}")
}

/// Enough of a text from a file to find it by, without what could confuse a terminal.
pub(super) fn shortened(text: &str) -> String {
    const MAX_CHARS: usize = 80;
    let mut chars = text.chars();
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut short: String = chars.by_ref().take(MAX_CHARS).map(plain).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commonest_reason_comes_first_and_names_only_where_they_are_asked_for() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let skipped = [("rare".to_owned(), names(&["a"])), ("usual".to_owned(), names(&["b", "c"]))].into();
        let report = Report { taken: names(&["x"]), skipped, ..Report::default() };
        assert_eq!(report.text(false), "taken: 1\nskipped: 3\n      2  usual\n      1  rare\n");
        assert!(report.text(true).contains("taken: 1\n           x\n"));
    }

    #[test]
    fn a_name_from_a_file_is_cut_and_has_no_control_character() {
        assert_eq!(shortened("a\u{1b}[31m"), "a\u{fffd}[31m");
        assert_eq!(shortened(&"é".repeat(81)).chars().count(), 81);
        assert_eq!(shortened(&"é".repeat(80)), "é".repeat(80));
    }
}
