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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::config::tests::load;

    const FILE: &str = r#"
[[upstreams]]
name = "u"
url = "http://x"
[[routes]]
name = "r"
path = "/r"
match = "exact"
methods = ["GET"]
roles = ["user"]
upstream = "u"
"#;

    fn file() -> Lists {
        Lists::of(&load(FILE, &[]).unwrap())
    }

    fn entry(kind: EntryKind, document: &Value) -> Entry {
        let name = document["name"].as_str().unwrap().into();
        let [created_at, updated_at] = [Timestamp::UNIX_EPOCH; 2];
        let key = EntryKey { kind, name };
        Entry { key, document: document.to_string(), sealed_secret: None, created_at, updated_at }
    }

    fn upstream(name: &str) -> Entry {
        entry(EntryKind::Upstream, &json!({ "name": name, "url": "http://y" }))
    }

    fn route(name: &str, upstream: &str) -> Entry {
        let document = json!({ "name": name, "path": format!("/{name}"), "match": "exact", "methods": ["GET"], "roles": ["user"],
            "upstream": upstream });
        entry(EntryKind::Route, &document)
    }

    fn told(judged: Result<(), EntryRefused>) -> String {
        match judged.unwrap_err() {
            EntryRefused::Conflict(why) => why,
            EntryRefused::Invalid(faults) => format!("{} {}", faults[0].pointer, faults[0].detail),
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_the_rest_is_in_force() {
        let entries = [route("a", "v"), upstream("v"), route("r", "v"), route("b", "gone"), upstream("u")];
        let (lists, unfit) = file().with(&entries);
        let names: Vec<_> = lists.routes.iter().map(|route| route.name.as_str()).collect();
        assert_eq!((names, lists.upstreams.len()), (vec!["r", "a"], 2));
        let left_out: Vec<_> = unfit.iter().map(|unfit| &*unfit.key.name).collect();
        assert_eq!(left_out, ["u", "r", "b"]);
        assert!(unfit[2].reason.contains("\"gone\" is not the name of an upstream"), "{unfit:?}");
        assert_eq!(file().with(&[upstream("v")]).1, []);
    }

    #[test]
    fn a_change_is_judged_with_all_that_is_in_force() {
        let entries = [upstream("v"), route("a", "v"), upstream("u")];
        let judge = |after: &Entry| file().judge(&entries, &after.key, Some(after));
        let gone = |kind, name: &str| file().judge(&entries, &EntryKey { kind, name: name.into() }, None);
        assert_eq!(judge(&route("b", "u")), Ok(()));
        assert_eq!(judge(&route("a", "u")), Ok(()));
        assert!(told(judge(&route("b", "w"))).starts_with("/upstream"));
        assert!(told(judge(&route("r", "v"))).contains("in the configuration"));
        assert!(told(judge(&upstream("u"))).contains("in the configuration"));
        assert!(told(gone(EntryKind::Upstream, "v")).contains("the route \"a\""));
        // It is not in force, and that of the configuration stays.
        assert_eq!(gone(EntryKind::Upstream, "u"), Ok(()));
        assert_eq!(gone(EntryKind::Route, "a"), Ok(()));
    }

    #[test]
    fn a_list_has_a_bound() {
        let many: Vec<Entry> = (0..MAX_ENTRIES).map(|n| upstream(&format!("u-{n}"))).collect();
        let one_more = upstream("one-more");
        assert!(told(file().judge(&many, &one_more.key, Some(&one_more))).contains("1000 upstreams already"));
        let known = upstream("u-7");
        assert_eq!(file().judge(&many, &known.key, Some(&known)), Ok(()));
    }
}
