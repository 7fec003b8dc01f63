//! What an entry of the file names by name, where the gateway has ids; and where its secret is.

use serde_json::{Map, Value};

use crate::{
    cli::apply::{
        document::{Entry, Kind},
        mistakes::Mistake,
    },
    config::secret::{not_set, without_line_end},
};

/// A field with the id of something that the file names, or that is there already.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub(super) field: &'static str,
    pub(super) to: (Kind, String),
}

/// Takes out of an entry the names that stand where the gateway has ids.
pub(super) fn references(entry: &mut Entry) -> Result<Vec<Reference>, Mistake> {
    let found = match entry.kind {
        Kind::User => team(entry)?,
        Kind::ApiKey => {
            let user = entry.take_text("user")?.ok_or_else(|| entry.bad("user", "is missing: whose key it is"))?;
            Some(Reference { field: "user_id", to: (Kind::User, user) })
        }
        Kind::Limit | Kind::Budget => subject(entry)?,
        Kind::Team | Kind::Upstream | Kind::Model | Kind::Route => None,
    };
    Ok(found.into_iter().collect())
}

/// The team of a user. None at all is written as an empty name; without the field the user stays where they are.
fn team(entry: &mut Entry) -> Result<Option<Reference>, Mistake> {
    let team = entry.take_text("team")?;
    if team.as_deref() == Some("") {
        entry.fields.insert("team_id".into(), Value::Null);
    }
    let named = team.filter(|name| !name.is_empty());
    Ok(named.map(|name| Reference { field: "team_id", to: (Kind::Team, name) }))
}

/// Whose limit or budget it is, where it is not that of everyone.
fn subject(entry: &mut Entry) -> Result<Option<Reference>, Mistake> {
    let field = if entry.kind == Kind::Limit { "per" } else { "scope" };
    let per = entry.fields.get(field).and_then(Value::as_str).unwrap_or_default();
    let kind = match per {
        "team" => Kind::Team,
        "user" => Kind::User,
        "key" => Kind::ApiKey,
        // An address stands for itself.
        _ => return Ok(None),
    };
    Ok(entry.take_text("subject")?.map(|name| Reference { field: "subject", to: (kind, name) }))
}

/// The field that is sent and never shown: it cannot be compared, and is set where something is made.
pub(super) const fn write_only(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::User => Some("password"),
        Kind::Upstream => Some("secret"),
        _ => None,
    }
}

/// Puts a secret into an entry that the file says where to find. None stands in the file itself.
pub(super) fn set_secret(entry: &mut Entry) -> Result<(), Mistake> {
    let Some(field) = write_only(entry.kind) else { return Ok(()) };
    let (variable, file) = (format!("{field}_env"), format!("{field}_file"));
    if entry.fields.remove(field).is_some() {
        return Err(entry.bad(field, format!("must not stand in the file; use {variable} or {file}")));
    }
    let found = match (entry.take_text(&variable)?, entry.take_text(&file)?) {
        (None, None) => return Ok(()),
        (Some(_), Some(_)) => return Err(entry.bad(&file, format!("give {variable} or {file}, not both"))),
        (Some(name), None) => std::env::var(&name).map_err(|_| entry.bad(&variable, not_set(&name)))?,
        (None, Some(path)) => {
            std::fs::read_to_string(&path).map_err(|error| entry.bad(&file, format!("{path}: {error}")))?
        }
    };
    let secret = without_line_end(&found);
    entry.fields.insert(field.to_owned(), secret.into());
    Ok(())
}

/// What tells an entry from all others of its kind, as another may refer to it.
pub(super) fn identity(entry: &Entry, references: &[Reference]) -> String {
    let of = references.iter().find(|reference| reference.field != "team_id").map(|reference| reference.to.1.clone());
    let of = of.or_else(|| entry.fields.get("subject").and_then(Value::as_str).map(str::to_owned));
    match of {
        None => entry.name.clone(),
        Some(of) => format!("{of}/{}", entry.name),
    }
}

pub(super) fn text(fields: &Map<String, Value>, field: &str) -> Option<String> {
    fields.get(field).and_then(Value::as_str).map(str::to_owned)
}
