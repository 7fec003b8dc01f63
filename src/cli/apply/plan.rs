//! What has to be done so that a gateway is as a file says.

mod admins;
mod checks;
mod clashes;
mod difference;
mod look;
mod references;
mod roles;

use std::collections::HashSet;

use http::Method;
use serde_json::{Map, Value};

use self::{
    admins::Admins,
    clashes::Others,
    difference::{Difference, differences},
    look::{Known, Names, look_up, names, present},
    references::{Reference, identity, references, set_secret, text, write_only},
    roles::Roles,
};
use super::{
    document::{Document, Entry, Kind},
    gateway::{Gateway, list, path_of},
    mistakes::Mistake,
    secrets::Secrets,
};
use crate::cli::{Failure, print};

/// How many of those that were not compared are told by name.
const MAX_TOLD: usize = 3;

/// The steps, in the order in which they are done.
pub(super) struct Plan {
    steps: Vec<Step>,
    unchanged: usize,
    /// What the file says and nobody can be shown.
    not_compared: Vec<String>,
}

/// One thing to be made or changed.
struct Step {
    entry: Entry,
    references: Vec<Reference>,
    deed: Deed,
}

enum Deed {
    Make,
    Change {
        url: String,
        differences: Vec<Difference>,
    },
    /// Of an API key whose secret nobody has.
    RenewSecret {
        url: String,
    },
}

/// A plan while it is made, and what is wrong with the file so far.
struct Draft<'d> {
    gateway: &'d Gateway,
    names: Names,
    others: Others,
    admins: Admins,
    roles: Roles,
    plan: Plan,
    known: Known,
    seen: HashSet<(Kind, String)>,
    mistakes: Vec<Mistake>,
    /// The API keys that a run before may have made without writing their secrets.
    unwritten: &'d [String],
}

impl Draft<'_> {
    /// Takes an entry into the plan, or what is wrong with it into the mistakes.
    async fn take(&mut self, mut entry: Entry) -> Result<(), Failure> {
        let references = match references(&mut entry) {
            Ok(references) => references,
            Err(mistake) => {
                self.mistakes.push(mistake);
                return Ok(());
            }
        };
        let before = self.mistakes.len();
        self.mistakes.extend(set_secret(&mut entry).err());
        let own = (entry.kind, identity(&entry, &references));
        if !self.seen.insert(own.clone()) {
            self.mistakes.push(entry.bad(entry.kind.name_field(), "is in the file twice"));
        }
        for Reference { field, to } in &references {
            look_up(self.gateway, &mut self.known, to).await?;
            if !self.known.contains_key(to) {
                let what = format!("there is no {} \"{}\", and the file makes none before it", to.0.noun(), to.1);
                self.mistakes.push(entry.bad(field.trim_end_matches("_id"), what));
            }
        }
        let present = if self.mistakes.len() == before {
            present(self.gateway, &self.known, &entry, &references).await?
        } else {
            None
        };
        let id = present.as_ref().and_then(|present| text(present, "id"));
        let is_unwritten = entry.kind == Kind::ApiKey && self.unwritten.contains(&own.1);
        self.known.entry(own).or_insert_with(|| id.clone());
        self.roles.note(&entry, present.as_ref());
        self.mistakes.extend(checks::mistakes(&entry, &references, present.as_ref(), &self.names));
        if self.mistakes.len() == before {
            let clashes = self.others.clashes(self.gateway, &entry, present.as_ref(), &self.names).await?;
            self.mistakes.extend(clashes);
            self.mistakes.extend(self.admins.take(self.gateway, &entry, present.as_ref()).await?);
            let of_key = (&entry, references.as_slice());
            self.mistakes.extend(self.roles.judge(self.gateway, of_key, present.as_ref()).await?);
        } else {
            self.others.expect(&entry);
        }
        match deed(&entry, &references, &self.known, present.as_ref()) {
            Ok(deed) => self.plan.add(entry, references, (deed, present.as_ref()), id.filter(|_| is_unwritten)),
            Err(mistake) => self.mistakes.push(mistake),
        }
        Ok(())
    }
}

impl Plan {
    /// # Errors
    /// All that is wrong with the file: it names something that is not there, or asks for what cannot be; or the gateway refuses
    /// to show what it has.
    pub(super) async fn make(gateway: &Gateway, document: &Document, unwritten: &[String]) -> Result<Self, Failure> {
        let names = names(gateway, &document.entries).await?;
        let others = Others::look(gateway, &document.entries).await?;
        let plan = Self { steps: vec![], unchanged: 0, not_compared: vec![] };
        let (known, seen, mistakes) = (Known::new(), HashSet::new(), document.mistakes.clone());
        let (admins, roles) = (Admins::default(), Roles::default());
        let mut draft = Draft { gateway, names, others, admins, roles, plan, known, seen, mistakes, unwritten };
        for entry in &document.entries {
            draft.take(entry.clone()).await?;
        }
        document.lines.judge(&draft.mistakes)?;
        Ok(draft.plan)
    }

    /// Takes in what has to be done for an entry; `unwritten` is the id of a key whose secret nobody has.
    fn add(
        &mut self,
        entry: Entry,
        references: Vec<Reference>,
        (deed, present): (Option<Deed>, Option<&Map<String, Value>>),
        unwritten: Option<String>,
    ) {
        if let (Some(field), Some(present)) = (write_only(entry.kind), present)
            && entry.fields.contains_key(field)
            && present.get("has_secret").and_then(Value::as_bool) != Some(false)
        {
            self.not_compared.push(format!("the {field} of the {} {}", entry.kind.noun(), entry.name));
        }
        let renewal = unwritten.map(|id| Deed::RenewSecret { url: format!("/admin/api-keys/{id}/rotate") });
        if deed.is_none() && renewal.is_none() {
            self.unchanged = self.unchanged.saturating_add(1);
        }
        for deed in deed.into_iter().chain(renewal) {
            self.steps.push(Step { entry: entry.clone(), references: references.clone(), deed });
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether there will be secrets to write.
    pub(super) fn makes_keys(&self) -> bool {
        self.steps
            .iter()
            .any(|step| step.entry.kind == Kind::ApiKey && matches!(step.deed, Deed::Make | Deed::RenewSecret { .. }))
    }

    pub(super) fn counted(&self) -> String {
        format!("{} unchanged", self.unchanged)
    }

    /// A line for each step, and what was not compared.
    pub(super) fn text(&self) -> String {
        self.steps.iter().map(Step::text).chain([self.not_compared()]).collect()
    }

    /// What the file says and may be otherwise all the same; nothing if there is none.
    pub(super) fn not_compared(&self) -> String {
        if self.not_compared.is_empty() {
            return String::new();
        }
        let told: Vec<&str> = self.not_compared.iter().take(MAX_TOLD).map(String::as_str).collect();
        let further = match self.not_compared.len().saturating_sub(MAX_TOLD) {
            0 => String::new(),
            further => format!(" and {further} more"),
        };
        format!("not compared, because a gateway shows none: {}{further}; set by PATCH\n", told.join(", "))
    }

    /// Does it, with a line for each step that is done, and says how many there were.
    ///
    /// # Errors
    /// A step was refused; the ones before it are done, and stay so.
    pub(super) async fn carry_out(&self, gateway: &Gateway, mut secrets: Secrets) -> Result<usize, Failure> {
        let mut known = Known::new();
        for (done, step) in self.steps.iter().enumerate() {
            step.carry_out(gateway, &mut known, &mut secrets).await.map_err(|failure| {
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
            Deed::RenewSecret { .. } => format!("~ {what}: a new secret, because the first one was never written\n"),
        }
    }

    async fn carry_out(&self, gateway: &Gateway, known: &mut Known, secrets: &mut Secrets) -> Result<(), Failure> {
        let mut ids = Map::new();
        for Reference { field, to } in &self.references {
            look_up(gateway, known, to).await?;
            let id = known.get(to).cloned().flatten();
            let gone = || Failure::Failed(format!("{field}: the {} \"{}\" is gone", to.0.noun(), to.1));
            let id = id.ok_or_else(gone)?;
            ids.insert((*field).to_owned(), id.into());
        }
        let name = identity(&self.entry, &self.references);
        match &self.deed {
            Deed::Make => {
                if self.entry.kind == Kind::ApiKey {
                    secrets.expect(&name)?;
                }
                let owner = ids.remove("user_id");
                let mut body = self.entry.fields.clone();
                body.extend(ids);
                let url = match owner.as_ref().and_then(Value::as_str) {
                    Some(owner) => format!("/admin/users/{owner}/api-keys"),
                    None => list(self.entry.kind).to_owned(),
                };
                let made = gateway.make(&url, &body.into()).await?;
                if let Some(secret) = made.get("key").and_then(Value::as_str) {
                    secrets.keep(&name, secret);
                }
                let id = made.get("id").and_then(Value::as_str).map(str::to_owned);
                known.insert((self.entry.kind, name), id);
            }
            Deed::RenewSecret { url } => {
                let renewed = gateway.make(url, &Map::new().into()).await?;
                if let Some(secret) = renewed.get("key").and_then(Value::as_str) {
                    secrets.keep(&name, secret);
                }
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

/// What has to be done for an entry; `None` if nothing.
fn deed(
    entry: &Entry,
    references: &[Reference],
    known: &Known,
    present: Option<&Map<String, Value>>,
) -> Result<Option<Deed>, Mistake> {
    let Some(present) = present else { return Ok(Some(Deed::Make)) };
    let mut wanted = entry.fields.clone();
    wanted.retain(|field, _| field != entry.kind.name_field() && Some(field.as_str()) != write_only(entry.kind));
    for Reference { field, to } in references.iter().filter(|reference| reference.field == "team_id") {
        // What is not there yet is another one than the present, whatever that is.
        let id = known.get(to).cloned().flatten();
        wanted.insert((*field).to_owned(), id.unwrap_or_else(|| format!("the new {}", to.0.noun())).into());
    }
    let mut differences = differences(&wanted, present);
    for difference in differences.iter_mut().filter(|difference| difference.field == "team_id") {
        let team = references.iter().find(|reference| reference.field == "team_id");
        difference.name("team", text(present, "team_name").as_deref(), team.map(|team| team.to.1.as_str()));
    }
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
    let place = if entry.kind.is_found_by_name() { Some(entry.name.clone()) } else { text(present, "id") };
    let url = format!("{}/{}", list(entry.kind), path_of(entry.kind, &place.unwrap_or_default()));
    Ok(Some(Deed::Change { url, differences }))
}
