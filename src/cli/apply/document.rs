//! The file of `tollgate apply`.

use std::path::Path;

use serde_json::{Map, Value};

use super::mistakes::{Lines, Mistake};
use crate::{cli::Failure, config::nearest};

/// A kind of thing that a file may name, in the order in which they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Team,
    User,
    Upstream,
    Model,
    Route,
    ApiKey,
    Limit,
    Budget,
}

impl Kind {
    const ALL: [Self; 8] =
        [Self::Team, Self::User, Self::Upstream, Self::Model, Self::Route, Self::ApiKey, Self::Limit, Self::Budget];

    /// The list of the file.
    pub(super) const fn section(self) -> &'static str {
        match self {
            Self::Team => "teams",
            Self::User => "users",
            Self::ApiKey => "api_keys",
            Self::Upstream => "upstreams",
            Self::Model => "models",
            Self::Route => "routes",
            Self::Limit => "limits",
            Self::Budget => "budgets",
        }
    }

    pub(super) const fn noun(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::User => "user",
            Self::ApiKey => "API key",
            Self::Upstream => "upstream",
            Self::Model => "model",
            Self::Route => "route",
            Self::Limit => "limit",
            Self::Budget => "budget",
        }
    }

    /// The field that has its name.
    pub(super) const fn name_field(self) -> &'static str {
        if matches!(self, Self::User) { "username" } else { "name" }
    }

    /// Whether its URL has the name where others have an id.
    pub(super) const fn is_found_by_name(self) -> bool {
        matches!(self, Self::Upstream | Self::Model | Self::Route)
    }
}

/// Something that the file names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// Where it stands, such as `teams[0]`.
    pub(super) place: String,
    pub(super) name: String,
    /// All that it says, its name included.
    pub(super) fields: Map<String, Value>,
}

impl Entry {
    /// Takes the text of a field that is none of the gateway's.
    pub(super) fn take_text(&mut self, field: &str) -> Result<Option<String>, Mistake> {
        match self.fields.remove(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.bad(field, "must be text in quotes")),
        }
    }

    /// What is wrong with a field of it.
    pub(super) fn bad(&self, field: &str, what: impl Into<String>) -> Mistake {
        Mistake::new(format!("{}.{field}", self.place), what)
    }
}

/// All that a file names, in the order in which it is made, and what is wrong with the file so far.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) entries: Vec<Entry>,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) lines: Lines,
}

impl Document {
    /// # Errors
    /// The file cannot be read or is no TOML.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let bad = |what: String| Failure::Configuration(format!("{}: {what}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| bad(error.to_string()))?;
        let (entries, mistakes) = listed(table);
        Ok(Self { entries, mistakes, lines: Lines::of(path, &text) })
    }
}

fn listed(mut table: toml::Table) -> (Vec<Entry>, Vec<Mistake>) {
    let (mut entries, mut mistakes) = (vec![], vec![]);
    for kind in Kind::ALL {
        let section = kind.section();
        let listed = match table.remove(section) {
            None => vec![],
            Some(toml::Value::Array(listed)) => listed,
            Some(_) => {
                mistakes.push(Mistake::new(section, format!("write it as [[{section}]]")));
                vec![]
            }
        };
        for (place, listed) in listed.into_iter().enumerate() {
            match entry(kind, format!("{section}[{place}]"), listed) {
                Ok(entry) => entries.push(entry),
                Err(mistake) => mistakes.push(mistake),
            }
        }
    }
    for other in table.keys() {
        let meant = nearest(other, Kind::ALL.into_iter().map(Kind::section));
        let meant = meant.map(|meant| format!("; did you mean \"{meant}\"?")).unwrap_or_default();
        mistakes.push(Mistake::new(other, format!("unknown key \"{other}\"{meant}")));
    }
    (entries, mistakes)
}

fn entry(kind: Kind, place: String, listed: toml::Value) -> Result<Entry, Mistake> {
    let Value::Object(fields) = json(listed) else { return Err(Mistake::new(place, "must be a table")) };
    let field = kind.name_field();
    let of_name = |what: &str| Mistake::new(format!("{place}.{field}"), what);
    match fields.get(field) {
        Some(Value::String(name)) if name.trim() != name || name.chars().any(char::is_control) => {
            Err(of_name("must not begin or end with a blank, nor have a line end or a control character"))
        }
        Some(Value::String(name)) => Ok(Entry { kind, name: name.clone(), fields, place }),
        Some(_) => Err(of_name("must be text in quotes")),
        None => Err(Mistake::new(place, format!("the key \"{field}\" is missing"))),
    }
}

/// The value in JSON; a time is the text that it is in TOML.
fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(is) => is.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(json).collect(),
        toml::Value::Table(table) => Value::Object(table.into_iter().map(|(key, value)| (key, json(value))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_need_comes_first() {
        let text = "[[limits]]\nname = \"l\"\n[[users]]\nusername = \"u\"\n[[users]]\nusername = \"v\"\n[[teams]]\nname = \"t\"";
        let (entries, mistakes) = listed(text.parse().unwrap());
        let found: Vec<_> = entries.iter().map(|entry| (entry.kind, &*entry.place, &*entry.name)).collect();
        let expected = [
            (Kind::Team, "teams[0]", "t"),
            (Kind::User, "users[0]", "u"),
            (Kind::User, "users[1]", "v"),
            (Kind::Limit, "limits[0]", "l"),
        ];
        assert_eq!((found.as_slice(), mistakes.len()), (expected.as_slice(), 0));
    }

    #[test]
    fn mistakes_are_told_with_their_places_and_all_at_once() {
        for (text, told) in [
            ("[[team]]\nname = \"a\"", &[("team", "unknown key \"team\"; did you mean \"teams\"?")][..]),
            ("[teams]\nname = \"a\"", &[("teams", "write it as [[teams]]")]),
            (
                "teams = [1]\nusers = [{ name = \"a\" }]",
                &[("teams[0]", "must be a table"), ("users[0]", "the key \"username\" is missing")],
            ),
            ("[[teams]]\nname = 1", &[("teams[0].name", "must be text in quotes")]),
            (
                "[[teams]]\nname = \"a \"",
                &[("teams[0].name", "must not begin or end with a blank, nor have a line end or a control character")],
            ),
        ] {
            let (_, mistakes) = listed(text.parse().unwrap());
            let found: Vec<_> = mistakes.iter().map(|mistake| (&*mistake.place, &*mistake.what)).collect();
            assert_eq!(found, told, "{text}");
        }
    }

    #[test]
    fn a_time_is_the_text_that_it_is() {
        let (entries, _) = listed("[[api_keys]]\nname = \"a\"\nexpires_at = 2027-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(entries[0].fields["expires_at"], "2027-01-01T00:00:00Z");
    }
}
