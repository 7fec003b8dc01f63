//! What only the others say of an entry: two routes of one path, a name that is taken for another's, limits of one name that count
//! different things. The gateway would refuse it when its turn came.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{checks::mistake, look::Names, references::text};
use crate::{
    cli::{
        Failure,
        apply::{
            document::{Entry, Kind},
            gateway::{Gateway, list},
            mistakes::Mistake,
        },
    },
    config::lists::Lists,
    domain::{
        budget,
        display_name::DisplayName,
        entry::{self, EntryKey, EntryKind, EntryRefused},
        limit,
    },
};

/// What a gateway shows of an entry of its lists besides what a configuration has.
const SHOWN_ONLY: [&str; 7] = ["source", "created_at", "updated_at", "has_secret", "not_in_force", "unpriced", "state"];

/// Where an upstream is that is wrong in the file.
const STAND_IN_URL: &str = "http://mended.invalid";

/// Those with which an entry of the file may clash: what is at the gateway, and what the file has before it.
#[derive(Default)]
pub(super) struct Others {
    /// Upstreams, routes and models.
    listed: Vec<entry::Entry>,
    /// The last limit and the last budget of each name that the file has.
    rules: HashMap<(Kind, String), Map<String, Value>>,
}

impl Others {
    /// Those at the gateway, of the lists that matter for the file.
    pub(super) async fn look(gateway: &Gateway, entries: &[Entry]) -> Result<Self, Failure> {
        let mut others = Self::default();
        if entries.iter().any(|entry| listed(entry.kind).is_some()) {
            for kind in [Kind::Upstream, Kind::Route, Kind::Model] {
                for item in gateway.all(list(kind)).await? {
                    let is_in_force = item.get("not_in_force").is_none_or(Value::is_null);
                    let name = text(&item, kind.name_field()).filter(|_| is_in_force);
                    let made = listed(kind).zip(name).map(|(kind, name)| entry_of(kind, &name, item));
                    others.listed.extend(made);
                }
            }
        }
        Ok(others)
    }

    /// All clashes of an entry that is sound by itself.
    pub(super) async fn clashes(
        &mut self,
        gateway: &Gateway,
        entry: &Entry,
        present: Option<&Map<String, Value>>,
        names: &Names,
    ) -> Result<Vec<Mistake>, Failure> {
        Ok(match entry.kind {
            Kind::Team | Kind::User if present.is_none() => alike(entry, names).into_iter().collect(),
            Kind::Team | Kind::User | Kind::ApiKey => vec![],
            Kind::Limit | Kind::Budget => self.of_rule(gateway, entry, present).await?,
            Kind::Upstream | Kind::Route | Kind::Model => self.of_listed(entry, present),
        })
    }

    /// Takes note of an upstream that has a mistake of its own: that others name it is no further one.
    pub(super) fn expect(&mut self, entry: &Entry) {
        if entry.kind != Kind::Upstream {
            return;
        }
        let fields = [("name", entry.name.as_str()), ("url", STAND_IN_URL)];
        let fields = fields.map(|(field, value)| (field.to_owned(), value.into()));
        let sound = entry_of(EntryKind::Upstream, &entry.name, Map::from_iter(fields));
        let is_named = Lists::default().judge(&self.listed, &sound.key, Some(&sound)).is_ok();
        if is_named && self.listed.iter().all(|other| other.key != sound.key) {
            self.listed.push(sound);
        }
    }

    fn of_listed(&mut self, entry: &Entry, present: Option<&Map<String, Value>>) -> Vec<Mistake> {
        let Some(kind) = listed(entry.kind) else { return vec![] };
        // What the configuration says is not changed from here; that it differs is told elsewhere.
        if present.and_then(|present| text(present, "source")).as_deref() == Some("file") {
            return vec![];
        }
        let after = entry_of(kind, &entry.name, whole(entry, present));
        let refused = Lists::default().judge(&self.listed, &after.key, Some(&after)).err();
        self.listed.retain(|other| other.key != after.key);
        if refused.is_none() {
            self.listed.push(after);
        }
        match refused {
            None => vec![],
            Some(EntryRefused::Conflict(what)) => vec![Mistake::new(&*entry.place, what)],
            Some(EntryRefused::Invalid(faults)) => faults.iter().map(|fault| mistake(entry, fault)).collect(),
        }
    }

    /// Of one name all limits have the same kind of subject and count the same, and all budgets have the same scope.
    async fn of_rule(
        &mut self,
        gateway: &Gateway,
        entry: &Entry,
        present: Option<&Map<String, Value>>,
    ) -> Result<Vec<Mistake>, Failure> {
        let own = present.and_then(|present| text(present, "id"));
        let place = (entry.kind, entry.name.clone());
        let other = match self.rules.get(&place) {
            Some(other) => Some(other.clone()),
            None => {
                gateway.named(list(entry.kind), &entry.name).await?.into_iter().find(|rule| text(rule, "id") != own)
            }
        };
        let wanted = whole(entry, present);
        let is_other = |field: &str, other: &Map<String, Value>| wanted.get(field) != other.get(field);
        let shared = match entry.kind {
            Kind::Limit => vec![("per", limit::Misfit::OtherPer.fault()), ("unit", limit::Misfit::OtherUnit.fault())],
            _ => vec![("scope", budget::Misfit::OtherScope.fault())],
        };
        let mut found = vec![];
        for (field, fault) in shared {
            if other.as_ref().is_some_and(|other| is_other(field, other)) {
                found.push(entry.bad(field, fault.detail));
            }
        }
        for field in ["scope", "period"] {
            if entry.kind == Kind::Budget && present.is_some_and(|present| is_other(field, present)) {
                found.push(entry.bad(field, budget::Misfit::Fixed(field).fault().detail));
            }
        }
        self.rules.insert(place, wanted);
        Ok(found)
    }
}

const fn listed(kind: Kind) -> Option<EntryKind> {
    match kind {
        Kind::Upstream => Some(EntryKind::Upstream),
        Kind::Route => Some(EntryKind::Route),
        Kind::Model => Some(EntryKind::Model),
        Kind::Team | Kind::User | Kind::ApiKey | Kind::Limit | Kind::Budget => None,
    }
}

/// All fields of what is to be: those of the file in the place of those that are there.
fn whole(entry: &Entry, present: Option<&Map<String, Value>>) -> Map<String, Value> {
    let mut fields = present.cloned().unwrap_or_default();
    for (field, other) in [("upstream", "targets"), ("targets", "upstream")] {
        if entry.fields.contains_key(field) {
            fields.remove(other);
        }
    }
    fields.extend(entry.fields.clone());
    fields
}

/// An entry as the rules of the lists know it, without its secret.
fn entry_of(kind: EntryKind, name: &str, mut fields: Map<String, Value>) -> entry::Entry {
    fields.retain(|field, value| !value.is_null() && field != "secret" && !SHOWN_ONLY.contains(&field.as_str()));
    entry::Entry {
        key: EntryKey { kind, name: name.into() },
        document: Value::Object(fields).to_string(),
        sealed_secret: None,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

/// Another name of the same kind that readers would take for this one.
fn alike(entry: &Entry, names: &Names) -> Option<Mistake> {
    let own = DisplayName::new(&entry.name).ok()?;
    let is_like = |other: &&String| match entry.kind {
        Kind::Team => DisplayName::new(other).is_ok_and(|other| own.is_like(&other)),
        _ => other.eq_ignore_ascii_case(&entry.name),
    };
    let other = names.get(&entry.kind)?.iter().filter(|other| **other != entry.name).find(is_like)?;
    let noun = entry.kind.noun();
    let what = format!("would be taken for the {noun} \"{other}\", which is at the gateway or in the file");
    Some(entry.bad(entry.kind.name_field(), what))
}
