//! What is wrong with the file of `tollgate apply`: all of it at once, each with its line.

use std::{collections::BTreeMap, path::Path};

use crate::{
    cli::Failure,
    config::{key, lines},
};

/// Something that is wrong with the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    /// The key, such as `limits[0].per`; empty for the file as a whole.
    pub(super) place: String,
    pub(super) what: String,
}

impl Mistake {
    pub(super) fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

/// In which lines the keys of a file stand.
#[derive(Debug)]
pub(super) struct Lines {
    file: String,
    lines: BTreeMap<String, usize>,
}

impl Lines {
    pub(super) fn of(file: &Path, text: &str) -> Self {
        Self { file: file.display().to_string(), lines: lines::of(text) }
    }

    /// Nothing if nothing is wrong.
    ///
    /// # Errors
    /// All mistakes, in the order of their lines.
    pub(super) fn judge(&self, mistakes: &[Mistake]) -> Result<(), Failure> {
        let mut told: Vec<(usize, String)> = mistakes.iter().map(|mistake| self.told(mistake)).collect();
        told.sort();
        told.dedup();
        let told: Vec<String> = told.into_iter().map(|(_, told)| told).collect();
        if told.is_empty() { Ok(()) } else { Err(Failure::Configuration(told.join("\n"))) }
    }

    fn told(&self, Mistake { place, what }: &Mistake) -> (usize, String) {
        // Of a key that is missing, the line of what it is missing in.
        let line = key::outwards(place).find_map(|key| self.lines.get(&key));
        let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
        match line {
            Some(line) => (*line, format!("{}:{line}: {place}{what}", self.file)),
            None => (0, format!("{}: {place}{what}", self.file)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_in_the_order_of_their_lines_each_once() {
        let lines = Lines::of(Path::new("a.toml"), "[[teams]]\nname = \"a\"\n[[limits]]\nname = \"b\"\nper = \"x\"\n");
        let mistakes = [
            Mistake::new("limits[0].per", "is none"),
            Mistake::new("limits[0].limit", "is missing"),
            Mistake::new("teams[0].name", "is taken"),
            Mistake::new("teams[0].name", "is taken"),
            Mistake::new("", "is bad"),
        ];
        let Err(Failure::Configuration(told)) = lines.judge(&mistakes) else { panic!() };
        let expected = [
            "a.toml: is bad",
            "a.toml:2: teams[0].name: is taken",
            "a.toml:3: limits[0].limit: is missing",
            "a.toml:5: limits[0].per: is none",
        ];
        assert_eq!(told.lines().collect::<Vec<_>>(), expected);
        assert!(lines.judge(&[]).is_ok());
    }
}
