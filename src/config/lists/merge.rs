//! What administrators have made, put to the lists of the configuration.
//!
//! The configuration goes first. An entry that does not go together with it is left out, with a reason, until one of the two is
//! changed: replicas may have different files for a while, and none of them stops serving for it.

use super::Lists;
use crate::{
    config::key::{self, Step},
    domain::{
        entry::{Entry, EntryKey, EntryKind, EntryRefused, Unfit},
        failover::Aim,
        fault::Fault,
    },
};

/// The most entries of a list that administrators may make.
const MAX_ENTRIES: usize = 1_000;

impl Lists {
    /// These lists with the entries that go together with them and with each other, and those that do not.
    #[must_use]
    pub fn with(&self, entries: &[Entry]) -> (Self, Vec<Unfit>) {
        let in_order = || {
            let kinds = [EntryKind::Upstream, EntryKind::Route, EntryKind::Model];
            kinds.into_iter().flat_map(|kind| entries.iter().filter(move |entry| entry.key.kind == kind))
        };
        let mut all = self.clone();
        if in_order().all(|entry| all.add(entry).is_ok()) && all.check().is_ok() {
            return (all, vec![]);
        }
        // One by one, to see which it is.
        let (mut lists, mut unfit) = (self.clone(), vec![]);
        for entry in in_order() {
            if let Err(reason) = lists.add_fitting(entry) {
                unfit.push(Unfit { key: entry.key.clone(), reason });
            }
        }
        (lists, unfit)
    }

    /// Why the entry with this key cannot become `after`, or be taken out where that is none. `self` is the configuration,
    /// `entries` are all that administrators have made.
    pub fn judge(&self, entries: &[Entry], key: &EntryKey, after: Option<&Entry>) -> Result<(), EntryRefused> {
        let (mut lists, _) = self.with(entries);
        let is_new = !entries.iter().any(|entry| entry.key == *key);
        if self.has(key) && after.is_some() {
            let what =
                if is_new { "is there already, in the configuration" } else { "is another in the configuration" };
            return Err(conflict(format!("The {key} {what}.")));
        }
        let count = entries.iter().filter(|entry| entry.key.kind == key.kind).count();
        if is_new && count >= MAX_ENTRIES {
            return Err(conflict(format!("There are {MAX_ENTRIES} {} already.", key.kind.list())));
        }
        let Some(after) = after else {
            // One that is left out is used by nothing.
            return if self.has(key) { Ok(()) } else { lists.judge_removal(key) };
        };
        lists.remove(key);
        lists.add(after).map_err(|reason| EntryRefused::Invalid(vec![Fault::new("", reason)]))?;
        let faults = lists.faults_of_last(key.kind);
        if !faults.is_empty() {
            return Err(EntryRefused::Invalid(faults));
        }
        lists.check().map_err(|fault| lists.blame(&fault.key, &fault.reason))
    }

    fn judge_removal(&mut self, key: &EntryKey) -> Result<(), EntryRefused> {
        if key.kind == EntryKind::Upstream && self.has(key) {
            let users: Vec<String> = self.users_of(&key.name).iter().map(|user| format!("the {user}")).collect();
            if !users.is_empty() {
                let reason = format!("The {key} is used by {}: change or delete these first.", users.join(", "));
                return Err(conflict(reason));
            }
        }
        self.remove(key);
        self.check().map_err(|fault| self.blame(&fault.key, &fault.reason))
    }

    /// The routes and the names for models that lead to an upstream.
    fn users_of(&self, upstream: &str) -> Vec<EntryKey> {
        let leads_there = |aims: &[Aim]| aims.iter().any(|aim| &*aim.upstream == upstream);
        let key = |kind, name: &str| EntryKey { kind, name: name.into() };
        let routes = self.routes.iter().filter(|route| leads_there(&route.places().aims()));
        let routes = routes.map(|route| key(EntryKind::Route, &route.name));
        let models = self.models.iter().filter(|model| leads_there(&model.aims()));
        routes.chain(models.map(|model| key(EntryKind::Model, &model.name))).collect()
    }

    /// That another entry would be wrong.
    fn blame(&self, fault: &str, reason: &str) -> EntryRefused {
        let steps = key::steps(fault);
        let named = match steps.as_slice() {
            [Step::Name(list), Step::Index(index), ..] => {
                let kinds = [EntryKind::Upstream, EntryKind::Route, EntryKind::Model];
                let kind = kinds.into_iter().find(|kind| kind.list() == list);
                kind.and_then(|kind| {
                    let name = self.names(kind).get(*index).copied()?.into();
                    Some(EntryKey { kind, name })
                })
            }
            _ => None,
        };
        conflict(match named {
            Some(other) => {
                format!("The {other} would be wrong then: {}: {reason}.", key::of(steps.get(2..).unwrap_or_default()))
            }
            None => format!("{fault}: {reason}."),
        })
    }

    fn add_fitting(&mut self, entry: &Entry) -> Result<(), String> {
        self.add(entry)?;
        let checked = match self.faults_of_last(entry.key.kind).into_iter().next() {
            Some(fault) => Err(format!("{}: {}", fault.pointer.trim_start_matches('/'), fault.detail)),
            None => self.check().map_err(|fault| format!("{}: {}", fault.key, fault.reason)),
        };
        if checked.is_err() {
            self.remove_last(entry.key.kind);
        }
        checked
    }

    fn add(&mut self, entry: &Entry) -> Result<(), String> {
        fn read<T: serde::de::DeserializeOwned>(list: &mut Vec<T>, document: &str) -> Result<(), String> {
            list.push(serde_json::from_str(document).map_err(|_| "cannot be read by this version".to_owned())?);
            Ok(())
        }
        match entry.key.kind {
            EntryKind::Upstream => read(&mut self.upstreams, &entry.document),
            EntryKind::Route => read(&mut self.routes, &entry.document),
            EntryKind::Model => read(&mut self.models, &entry.document),
        }
    }

    fn remove(&mut self, key: &EntryKey) {
        match key.kind {
            EntryKind::Upstream => self.upstreams.retain(|entry| entry.name != *key.name),
            EntryKind::Route => self.routes.retain(|entry| entry.name != *key.name),
            EntryKind::Model => self.models.retain(|entry| entry.name != *key.name),
        }
    }

    fn remove_last(&mut self, kind: EntryKind) {
        match kind {
            EntryKind::Upstream => drop(self.upstreams.pop()),
            EntryKind::Route => drop(self.routes.pop()),
            EntryKind::Model => drop(self.models.pop()),
        }
    }
}

const fn conflict(reason: String) -> EntryRefused {
    EntryRefused::Conflict(reason)
}
