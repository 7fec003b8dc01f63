//! What has to be done so that a gateway is as a file says.

mod difference;

use std::collections::{HashMap, HashSet};

use http::Method;
use serde_json::{Map, Value};

use self::difference::{Difference, differences};
use super::{
    document::{Document, Entry, Kind},
    gateway::{Gateway, list, path_of},
    keys::Keys,
};
use crate::cli::{Failure, print};

/// The steps, in the order in which they are done.
pub(super) struct Plan {
    steps: Vec<Step>,
    unchanged: usize,
}

/// One thing to be made or changed.
struct Step {
    entry: Entry,
    references: Vec<Reference>,
    deed: Deed,
}

enum Deed {
    Make,
    Change { url: String, differences: Vec<Difference> },
}

/// A field with the id of something that the file names, or that is there already.
#[derive(Debug, Clone)]
struct Reference {
    field: &'static str,
    to: (Kind, String),
}

/// What is there, or will be when its turn has come: then it has no id yet.
type Known = HashMap<(Kind, String), Option<String>>;

impl Plan {
    /// # Errors
    /// The file names something that is not there, or asks for what cannot be; or the gateway refuses to show what it has.
    pub(super) async fn make(gateway: &Gateway, document: &Document) -> Result<Self, Failure> {
        let (mut plan, mut known, mut seen) = (Self { steps: vec![], unchanged: 0 }, Known::new(), HashSet::new());
        for entry in &document.entries {
            let mut entry = entry.clone();
            let references = references(&mut entry)?;
            for Reference { field, to } in &references {
                look_up(gateway, &mut known, to).await?;
                if !known.contains_key(to) {
                    let what = format!("there is no {} \"{}\", and the file makes none before it", to.0.noun(), to.1);
                    return Err(entry.bad(field.trim_end_matches("_id"), &what));
                }
            }
            set_secret(&mut entry)?;
            let present = present(gateway, &known, &entry, &references).await?;
            let own = (entry.kind, identity(&entry, &references));
            if !seen.insert(own.clone()) {
                return Err(entry.bad(entry.kind.name_field(), "is in the file twice"));
            }
            known.insert(own, present.as_ref().and_then(|present| text(present, "id")));
            match deed(&entry, &references, &known, present.as_ref())? {
                Some(deed) => plan.steps.push(Step { entry, references, deed }),
                None => plan.unchanged = plan.unchanged.saturating_add(1),
            }
        }
        Ok(plan)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether there will be secrets to write.
    pub(super) fn makes_keys(&self) -> bool {
        self.steps.iter().any(|step| step.entry.kind == Kind::ApiKey && matches!(step.deed, Deed::Make))
    }

    pub(super) fn counted(&self) -> String {
        format!("{} unchanged", self.unchanged)
    }

    /// A line for each step.
    pub(super) fn text(&self) -> String {
        self.steps.iter().map(Step::text).collect()
    }

    /// Does it, with a line for each step that is done, and says how many there were.
    ///
    /// # Errors
    /// A step was refused; the ones before it are done, and stay so.
    pub(super) async fn carry_out(&self, gateway: &Gateway, mut keys: Keys) -> Result<usize, Failure> {
        let mut known = Known::new();
        for (done, step) in self.steps.iter().enumerate() {
            step.carry_out(gateway, &mut known, &mut keys).await.map_err(|failure| {
                let total = self.steps.len();
                let what = format!("{}: {failure}\n{done} of {total} steps were done before", step.entry.place);
                Failure::Failed(format!("{what}; mend the file and run it again to go on"))
            })?;
            print(&step.text());
        }
        Ok(self.steps.len())
    }
}

impl Step {
    fn text(&self) -> String {
        let what = format!("{} {}", self.entry.kind.noun(), identity(&self.entry, &self.references));
        match &self.deed {
            Deed::Make => format!("+ {what}\n"),
            Deed::Change { differences, .. } => {
                let differences: Vec<String> = differences.iter().map(Difference::text).collect();
                format!("~ {what}: {}\n", differences.join(", "))
            }
        }
    }

    async fn carry_out(&self, gateway: &Gateway, known: &mut Known, keys: &mut Keys) -> Result<(), Failure> {
        let mut ids = Map::new();
        for Reference { field, to } in &self.references {
            look_up(gateway, known, to).await?;
            let id = known.get(to).cloned().flatten();
            let id = id.ok_or_else(|| self.entry.bad(field, &format!("{} \"{}\" is gone", to.0.noun(), to.1)))?;
            ids.insert((*field).to_owned(), id.into());
        }
        match &self.deed {
            Deed::Make => {
                let owner = ids.remove("user_id");
                let mut body = self.entry.fields.clone();
                body.extend(ids);
                let url = match owner.as_ref().and_then(Value::as_str) {
                    Some(owner) => format!("/admin/users/{owner}/api-keys"),
                    None => list(self.entry.kind).to_owned(),
                };
                let made = gateway.ask(Method::POST, &url, Some(&body.into())).await?;
                if let Some(secret) = made.get("key").and_then(Value::as_str) {
                    keys.write(&identity(&self.entry, &self.references), secret)?;
                }
                let id = made.get("id").and_then(Value::as_str).map(str::to_owned);
                known.insert((self.entry.kind, identity(&self.entry, &self.references)), id);
            }
            Deed::Change { url, differences } => {
                let fields = differences.iter().map(|Difference { field, wanted, .. }| {
                    let id = ids.get(field).cloned();
                    (field.clone(), id.unwrap_or_else(|| wanted.clone()))
                });
                gateway.ask(Method::PATCH, url, Some(&Value::Object(fields.collect()))).await?;
            }
        }
        Ok(())
    }
}

/// Takes out of an entry the names that stand where the gateway has ids.
fn references(entry: &mut Entry) -> Result<Vec<Reference>, Failure> {
    let found = match entry.kind {
        Kind::User => entry.take_text("team")?.map(|name| Reference { field: "team_id", to: (Kind::Team, name) }),
        Kind::ApiKey => {
            let user = entry.take_text("user")?.ok_or_else(|| entry.bad("user", "is missing: whose key it is"))?;
            Some(Reference { field: "user_id", to: (Kind::User, user) })
        }
        Kind::Limit | Kind::Budget => subject(entry)?,
        Kind::Team | Kind::Upstream | Kind::Model | Kind::Route => None,
    };
    Ok(found.into_iter().collect())
}

/// Whose limit or budget it is, where it is not that of everyone.
fn subject(entry: &mut Entry) -> Result<Option<Reference>, Failure> {
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
const fn write_only(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::User => Some("password"),
        Kind::Upstream => Some("secret"),
        _ => None,
    }
}

/// Puts a secret into an entry that the file says where to find.
fn set_secret(entry: &mut Entry) -> Result<(), Failure> {
    let Some(field) = write_only(entry.kind) else { return Ok(()) };
    let (variable, file) = (format!("{field}_env"), format!("{field}_file"));
    let found = match (entry.take_text(&variable)?, entry.take_text(&file)?) {
        (None, None) => return Ok(()),
        (Some(_), Some(_)) => return Err(entry.bad(&file, &format!("give {variable} or {file}, not both"))),
        (Some(name), None) => {
            std::env::var(&name).map_err(|_| entry.bad(&variable, &format!("the variable {name} is not set")))?
        }
        (None, Some(path)) => {
            std::fs::read_to_string(&path).map_err(|error| entry.bad(&file, &format!("{path}: {error}")))?
        }
    };
    let secret = crate::config::secret::without_line_end(&found);
    entry.fields.insert(field.to_owned(), secret.into());
    Ok(())
}

/// Finds out whether something is there, unless that is known.
async fn look_up(gateway: &Gateway, known: &mut Known, to: &(Kind, String)) -> Result<(), Failure> {
    if known.contains_key(to) {
        return Ok(());
    }
    let (kind, name) = to;
    let found = match kind {
        Kind::ApiKey => {
            let Some((user, key)) = name.split_once('/') else { return Ok(()) };
            let users = gateway.named(list(Kind::User), user).await?;
            match users.first().and_then(|user| text(user, "id")) {
                Some(id) => keys_of(gateway, &id, key).await?,
                None => vec![],
            }
        }
        _ => gateway.named(list(*kind), name).await?,
    };
    if let Some(id) = found.first().and_then(|found| text(found, "id")) {
        known.insert(to.clone(), Some(id));
    }
    Ok(())
}

/// A user's API keys of a name that are in force.
async fn keys_of(gateway: &Gateway, user: &str, name: &str) -> Result<Vec<Map<String, Value>>, Failure> {
    let keys = gateway.named(&format!("/admin/users/{user}/api-keys"), name).await?;
    Ok(keys.into_iter().filter(|key| key.get("revoked_at").is_none_or(Value::is_null)).collect())
}

/// What is there of an entry now.
async fn present(
    gateway: &Gateway,
    known: &Known,
    entry: &Entry,
    references: &[Reference],
) -> Result<Option<Map<String, Value>>, Failure> {
    let id = |field: &str| {
        let reference = references.iter().find(|reference| reference.field == field);
        reference.map(|Reference { to, .. }| known.get(to).cloned().flatten())
    };
    let found = match entry.kind {
        Kind::ApiKey => match id("user_id").flatten() {
            Some(user) => keys_of(gateway, &user, &entry.name).await?,
            None => vec![],
        },
        _ => gateway.named(list(entry.kind), &entry.name).await?,
    };
    if !matches!(entry.kind, Kind::Limit | Kind::Budget) {
        return Ok(found.into_iter().next());
    }
    let subject = match id("subject") {
        // Whose it is does not exist yet.
        Some(None) => return Ok(None),
        Some(id) => id,
        None => entry.fields.get("subject").and_then(Value::as_str).map(str::to_owned),
    };
    Ok(found.into_iter().find(|found| text(found, "subject") == subject))
}

/// What has to be done for an entry; `None` if nothing.
fn deed(
    entry: &Entry,
    references: &[Reference],
    known: &Known,
    present: Option<&Map<String, Value>>,
) -> Result<Option<Deed>, Failure> {
    let Some(present) = present else { return Ok(Some(Deed::Make)) };
    let mut wanted = entry.fields.clone();
    wanted.retain(|field, _| field != entry.kind.name_field() && Some(field.as_str()) != write_only(entry.kind));
    for Reference { field, to } in references.iter().filter(|reference| reference.field == "team_id") {
        // What is not there yet is another one than the present, whatever that is.
        let id = known.get(to).cloned().flatten();
        wanted.insert((*field).to_owned(), id.unwrap_or_else(|| format!("the new {}", to.0.noun())).into());
    }
    let mut differences = differences(&wanted, present);
    if let (Some(secret), Some(false)) =
        (entry.fields.get("secret"), present.get("has_secret").and_then(Value::as_bool))
    {
        differences.push(Difference::secret(secret.clone()));
    }
    let Some(Difference { field, .. }) = differences.first() else { return Ok(None) };
    if text(present, "source").as_deref() == Some("file") {
        return Err(
            entry.bad(field, "differs, and the gateway's configuration file is what decides it: change it there")
        );
    }
    if entry.kind == Kind::ApiKey {
        return Err(
            entry.bad(field, "differs, and an API key cannot be changed: revoke it, or give the new one another name")
        );
    }
    let place = if entry.kind.is_found_by_name() { Some(entry.name.clone()) } else { text(present, "id") };
    let url = format!("{}/{}", list(entry.kind), path_of(entry.kind, &place.unwrap_or_default()));
    Ok(Some(Deed::Change { url, differences }))
}

/// What tells an entry from all others of its kind, as another may refer to it.
fn identity(entry: &Entry, references: &[Reference]) -> String {
    let of = references.iter().find(|reference| reference.field != "team_id").map(|reference| reference.to.1.clone());
    let of = of.or_else(|| entry.fields.get("subject").and_then(Value::as_str).map(str::to_owned));
    match of {
        None => entry.name.clone(),
        Some(of) => format!("{of}/{}", entry.name),
    }
}

fn text(fields: &Map<String, Value>, field: &str) -> Option<String> {
    fields.get(field).and_then(Value::as_str).map(str::to_owned)
}
