//! All that is wrong with one entry of a list.

use crate::domain::fault::Fault;

/// The key of each mistake in the entry, and why it is one; in the order in which they were looked for.
#[derive(Debug, Default)]
pub(super) struct Mistakes(Vec<(String, String)>);

impl Mistakes {
    /// Notes a mistake, unless the rule holds.
    pub(super) fn rule(&mut self, holds: bool, field: impl Into<String>, reason: impl Into<String>) {
        if !holds {
            self.0.push((field.into(), reason.into()));
        }
    }

    /// Notes a mistake.
    pub(super) fn note(&mut self, field: impl Into<String>, reason: impl Into<String>) {
        self.rule(false, field, reason);
    }

    pub(super) fn add(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// The first mistake.
    pub(super) fn first(self) -> Result<(), (String, String)> {
        self.0.into_iter().next().map_or(Ok(()), Err)
    }

    /// The mistakes by their places in a JSON document; of several at one place the first.
    pub(super) fn faults(self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = vec![];
        for (field, reason) in self.0 {
            let pointer = pointer(&field);
            if !faults.iter().any(|fault| fault.pointer == pointer) {
                faults.push(Fault::new(pointer, reason));
            }
        }
        faults
    }
}

/// `targets[1].upstream` as a JSON pointer (RFC 6901), `/targets/1/upstream`.
fn pointer(field: &str) -> String {
    let mut pointer = String::from("/");
    pointer.extend(field.chars().filter(|sign| *sign != ']').map(|sign| match sign {
        '.' | '[' => '/',
        other => other,
    }));
    pointer
}

/// `/models/1` as a key in the file, `models[1]`.
pub(super) fn field(pointer: &str) -> String {
    let mut field = String::new();
    for step in pointer.split('/').skip(1) {
        match step.parse::<usize>() {
            Ok(item) => field.extend(["[", &item.to_string(), "]"]),
            Err(_) if field.is_empty() => field.push_str(step),
            Err(_) => field.extend([".", step]),
        }
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_in_both_ways() {
        for (key, place) in
            [("url", "/url"), ("cache.ttl_s", "/cache/ttl_s"), ("targets[1].upstream", "/targets/1/upstream")]
        {
            assert_eq!((pointer(key).as_str(), field(place).as_str()), (place, key));
        }
    }

    #[test]
    fn of_the_mistakes_at_one_place_the_first_is_told() {
        let mut mistakes = Mistakes::default();
        for (field, reason) in [("url", "one"), ("name", "two"), ("url", "three")] {
            mistakes.note(field, reason);
        }
        assert_eq!(mistakes.faults(), [Fault::new("/url", "one"), Fault::new("/name", "two")]);
    }
}
