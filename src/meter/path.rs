//! Where a value stands in an answer: names from the outside in.
//!
//! The tables of the formats are made of paths. Each is cut at its first name when the gateway is compiled, because nearly
//! all of them lead nowhere in a given answer: what is not there costs the comparison of one name.

use super::json::Node;

/// The most items of a list that are looked into: no call has as many answers or counts.
pub(super) const MAX_ITEMS: usize = 256;

/// Names, `a/b/c`, in which `*` is each item of a list and `.` the value itself. What follows an `@` is what items of the
/// list are about of which alone counts are read: `details/@AUDIO`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    first: &'static str,
    rest: Option<&'static str>,
    about: Option<&'static str>,
}

/// A list of paths, `paths!["usage", "message/usage"]`.
macro_rules! paths {
    ($($text:literal),* $(,)?) => { &[$($crate::meter::path::Path::of($text)),*] };
}
pub(super) use paths;

impl Path {
    /// The path of this text.
    pub const fn of(text: &'static str) -> Self {
        let (text, about) = cut(text, b'@');
        let (first, rest) = cut(text, b'/');
        let rest = if let Some(rest) = rest
            && !rest.is_empty()
        {
            Some(rest)
        } else {
            None
        };
        Self { first, rest, about }
    }

    /// What the items are about of which alone counts are read.
    pub(super) const fn about(&self) -> Option<&'static str> {
        self.about
    }

    /// Whether it is this one name.
    pub(super) fn is(&self, name: &str) -> bool {
        self.first == name && self.rest.is_none()
    }

    /// The last of its names.
    pub(super) fn last(&self) -> &'static str {
        self.rest.and_then(|rest| rest.rsplit('/').next()).unwrap_or(self.first)
    }

    /// The first value at the path.
    pub(super) fn value<'n, 'j>(&self, node: &'n Node<'j>) -> Option<&'n Node<'j>> {
        let (mut value, mut rest) = (node.get(self.first)?, self.rest);
        while let Some(path) = rest {
            let (name, behind) = cut(path, b'/');
            (value, rest) = (value.get(name)?, behind);
        }
        Some(value)
    }

    /// All values at the path.
    pub(super) fn values<'n, 'j>(&self, node: &'n Node<'j>) -> Vec<&'n Node<'j>> {
        let mut values = vec![];
        add(node, self.first, self.rest, &mut values);
        values
    }
}

fn add<'n, 'j>(node: &'n Node<'j>, name: &str, rest: Option<&'static str>, values: &mut Vec<&'n Node<'j>>) {
    let mut step = |value: &'n Node<'j>| match rest.map(|rest| cut(rest, b'/')) {
        Some((name, rest)) => add(value, name, rest, values),
        None => values.push(value),
    };
    match name {
        "." => step(node),
        "*" => node.items().iter().take(MAX_ITEMS).for_each(step),
        name => node.get(name).into_iter().for_each(step),
    }
}

/// What stands before the first of these bytes, and what stands behind it.
const fn cut(text: &'static str, mark: u8) -> (&'static str, Option<&'static str>) {
    let mut rest = text.as_bytes();
    let mut end = 0_usize;
    while let Some((byte, behind)) = rest.split_first() {
        if *byte == mark
            && let Some((before, marked)) = text.split_at_checked(end)
            && let Some((_, behind)) = marked.split_at_checked(1)
        {
            return (before, Some(behind));
        }
        rest = behind;
        end = end.saturating_add(1);
    }
    (text, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::json;

    fn found(path: Path, text: &str) -> Vec<String> {
        let node = json::read(text.as_bytes()).unwrap();
        let values = path.values(&node);
        if !values.is_empty() && path.first != "." && !text.contains('[') {
            assert_eq!(path.value(&node), values.first().copied(), "{path:?}");
        }
        values.iter().map(|value| String::from_utf8_lossy(value.raw).into_owned()).collect()
    }

    #[test]
    fn a_path_leads_to_what_it_names() {
        for (path, text, values) in [
            (Path::of("a"), r#"{"a":1}"#, vec!["1"]),
            (Path::of("a"), r#"{"b":1}"#, vec![]),
            (Path::of("a"), r#"{"a":1,"\u0061":2}"#, vec!["2"]),
            (Path::of("a/b/c"), r#"{"a":{"b":{"c":3}}}"#, vec!["3"]),
            (Path::of("a/b/c"), r#"{"a":{"b":3}}"#, vec![]),
            (Path::of("."), "7", vec!["7"]),
            (Path::of("a/*/b"), r#"{"a":[{"b":1},{},{"b":2}]}"#, vec!["1", "2"]),
            (Path::of("a/*"), r#"{"a":["x",{}]}"#, vec!["\"x\"", "{}"]),
        ] {
            assert_eq!(found(path, text), values, "{path:?} in {text}");
        }
    }

    #[test]
    fn what_items_are_about_is_no_part_of_the_path() {
        let path = Path::of("details/@AUDIO");
        assert_eq!((path.about(), path.rest), (Some("AUDIO"), None));
        assert_eq!(found(path, r#"{"details":[{"modality":"AUDIO"}]}"#), [r#"[{"modality":"AUDIO"}]"#]);
        assert!(Path::of("duration").is("duration") && !Path::of("duration/a").is("duration"));
    }
}
