//! Lists of what may be called, by name: models of a user, a team or an API key, and routes of an API key.

use std::{collections::HashSet, sync::Arc};

use super::fault::Fault;

/// The word for every name; at the end of a name, for every name that begins so.
const ANY: char = '*';
/// The most names of a list.
pub const MAX_NAMES: usize = 1_000;
/// The longest name, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// All names, or those that a list has; `gpt-*` stands for each that begins with `gpt-`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allowed(Option<Arc<[String]>>);

/// Text that is no stored list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a list of names")]
pub struct NotAList;

impl Allowed {
    /// The list as it is written, or all that is wrong with it; `field` is where it stands.
    pub fn read(field: &str, names: &[String]) -> Result<Self, Vec<Fault>> {
        if names.is_empty() || names.len() > MAX_NAMES {
            return Err(vec![Fault::new(field, format!("must be [\"*\"] or have 1 to {MAX_NAMES} names"))]);
        }
        let (mut seen, mut faults) = (HashSet::new(), vec![]);
        for (index, name) in names.iter().enumerate() {
            let again = (!seen.insert(name)).then_some("is named twice");
            let not_alone = (is_any(name) && names.len() > 1).then_some("\"*\" stands alone");
            let why = fault_of(name).or(again).or(not_alone);
            faults.extend(why.map(|why| Fault::new(format!("{field}/{index}"), why)));
        }
        if faults.is_empty() { Ok(Self::of(names)) } else { Err(faults) }
    }

    /// The list as the store has it: `None` for all, else a JSON array.
    pub fn from_stored(text: Option<&str>) -> Result<Self, NotAList> {
        let Some(text) = text else { return Ok(Self::default()) };
        serde_json::from_str::<Vec<String>>(text).map(|names| Self::of(&names)).map_err(|_| NotAList)
    }

    /// As [`Self::from_stored`] reads it.
    pub fn to_stored(&self) -> Option<String> {
        self.0.as_ref().map(|names| serde_json::json!(**names).to_string())
    }

    /// As it is written.
    pub fn names(&self) -> Vec<String> {
        self.0.as_ref().map_or_else(every_name, |names| names.to_vec())
    }

    /// Whether the list has this name.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.iter().any(|listed| stands_for(listed, name)))
    }

    /// How closely the list names this: the longer what it says of it, the closer; nothing where it is not on the list.
    #[must_use]
    pub fn closeness(&self, name: &str) -> Option<usize> {
        let Some(names) = &self.0 else { return Some(0) };
        let of = |listed: &String| listed.strip_suffix(ANY).map_or(usize::MAX, str::len);
        names.iter().filter(|listed| stands_for(listed, name)).map(of).max()
    }

    /// Whether it has every name.
    pub const fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// A name, or the beginning of names, that both lists have.
    #[must_use]
    pub fn in_common(&self, other: &Self) -> Option<String> {
        let (own, others) = (self.names(), other.names());
        own.into_iter().find(|name| others.contains(name))
    }

    fn of(names: &[String]) -> Self {
        match names {
            [only] if is_any(only) => Self(None),
            names => Self(Some(names.into())),
        }
    }
}

/// The list that has every name.
#[must_use]
pub fn every_name() -> Vec<String> {
    vec![ANY.to_string()]
}

fn is_any(name: &str) -> bool {
    name.strip_suffix(ANY) == Some("")
}

/// Whether an entry of a list stands for this name: it is the name, or ends with a star and begins it.
#[must_use]
pub fn stands_for(listed: &str, name: &str) -> bool {
    listed.strip_suffix(ANY).map_or_else(|| listed == name, |front| name.starts_with(front))
}

fn fault_of(name: &str) -> Option<&'static str> {
    let front = name.strip_suffix(ANY).unwrap_or(name);
    match name {
        "" => Some("is empty"),
        _ if name.len() > MAX_NAME_BYTES => Some("is longer than 256 bytes"),
        _ if front.contains(ANY) => Some("\"*\" stands only at the end of a name"),
        _ if name.chars().any(char::is_control) => Some("has a control character"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_list_has_its_names_and_those_that_begin_as_it_says() {
        for (names, model, allowed) in [
            (&["*"][..], "anything", true),
            (&["a"], "a", true),
            (&["a"], "A", false),
            (&["a"], "ab", false),
            (&["gpt-*"], "gpt-4o", true),
            (&["gpt-*"], "gpt-", true),
            (&["gpt-*"], "gpt", false),
            (&["gpt-*", "demo"], "demo", true),
            (&["gpt-*", "demo"], "claude", false),
        ] {
            assert_eq!(Allowed::read("/models", &list(names)).unwrap().allows(model), allowed, "{names:?} {model}");
        }
    }

    #[test]
    fn a_list_survives_being_stored_and_shown() {
        for names in [&["*"][..], &["a"], &["gpt-*", "a \"b\", c"]] {
            let read = Allowed::read("/models", &list(names)).unwrap();
            assert_eq!(Allowed::from_stored(read.to_stored().as_deref()), Ok(read.clone()));
            assert_eq!(read.names(), names);
        }
        assert_eq!(Allowed::default().to_stored(), None);
        assert_eq!(Allowed::from_stored(Some("{}")), Err(NotAList));
    }

    #[test]
    fn every_fault_is_named_by_its_place() {
        let pointers = |names: &[String]| -> Vec<String> {
            Allowed::read("/m", names).unwrap_err().into_iter().map(|fault| fault.pointer).collect()
        };
        assert_eq!(pointers(&[]), ["/m"]);
        assert_eq!(pointers(&vec!["a".to_owned(); MAX_NAMES + 1]), ["/m"]);
        let bad = list(&["a", "*", "a", "", "b*c", "**", "\n"]);
        assert_eq!(pointers(&bad), ["/m/1", "/m/2", "/m/3", "/m/4", "/m/5", "/m/6"]);
    }
}
