//! The plan of the routing: what a configuration says, and what administrators have added to it.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{FileLists, routing, target};
use crate::{
    actors::token_issuer::purpose_of,
    app::tls,
    config::{lists::Lists, routing::UpstreamEntry},
    crypto::MasterKey,
    domain::{
        entry::{Entry, EntryKey, EntryKind, EntryRefused, Unfit},
        refusal::Fault,
    },
    snapshot::routing::{Made, Plan, Routing, Written, WrittenEntry},
    store::reseal::Sealed,
    upstream::{Secret, Target, target::TargetError},
};

/// A configuration that was read, and the key that opens the secrets of what was added to it.
pub(in crate::app) struct Planned {
    file: FileLists,
    master: Arc<MasterKey>,
}

impl Planned {
    /// A plan of what was read.
    pub(in crate::app) fn plan(file: FileLists, master: Arc<MasterKey>) -> Arc<dyn Plan> {
        Arc::new(Self { file, master })
    }

    /// The lists, their upstreams, and what is left out of them.
    fn merged(&self, entries: &[Entry]) -> (Lists, Vec<Target>, Vec<Unfit>) {
        let (mut targets, mut unfit) = (self.file.targets.clone(), vec![]);
        let mut usable = entries.to_vec();
        usable.retain(|entry| match self.target(entry) {
            Ok(target) => {
                targets.extend(target);
                true
            }
            Err(fault) => {
                unfit.push(Unfit { key: entry.key.clone(), reason: told(&fault) });
                false
            }
        });
        let (lists, others) = self.file.lists.with(&usable);
        // Of a name that the configuration has too, the first is the configuration's.
        let named = |target: &Target| !others.iter().any(|other| is_upstream(&other.key, &target.name));
        let file = self.file.targets.len();
        let targets = targets.into_iter().enumerate().filter(|(i, target)| *i < file || named(target));
        let targets = targets.map(|(_, target)| target).collect();
        unfit.extend(others);
        (lists, targets, unfit)
    }

    /// The upstream of an entry; `None` where the entry is of another kind, or its document cannot be read.
    fn target(&self, entry: &Entry) -> Result<Option<Target>, Fault> {
        if entry.key.kind != EntryKind::Upstream {
            return Ok(None);
        }
        let Ok(upstream) = serde_json::from_str::<UpstreamEntry>(&entry.document) else { return Ok(None) };
        let fault = |(field, reason): (&str, String)| Fault::new(format!("/{field}"), reason);
        let unnamed = |error: TargetError| fault(("secret_header", error.to_string()));
        Secret::new(&upstream.secret_header, "").map_err(unnamed)?;
        let opened = entry.sealed_secret.as_ref().map(|sealed| self.master.open(&purpose(&entry.key.name), sealed));
        let opened = opened.transpose().map_err(|error| fault(("secret", error.to_string())))?;
        let secret = opened.as_ref().map(|bytes| std::str::from_utf8(bytes)).transpose();
        let secret = secret.map_err(|_| fault(("secret", "is no text".into())))?;
        let of_secret = |(field, reason)| fault((if field == "secret_header" { "secret" } else { field }, reason));
        let target = target(&upstream, secret).map_err(of_secret)?;
        Ok(Some(Target { own_tls: tls::to_named(&upstream).map_err(fault)?, ..target }))
    }
}

impl Plan for Planned {
    fn routing(self: Arc<Self>, entries: &[Entry], before: &Routing) -> Routing {
        let (lists, targets, unfit) = self.merged(entries);
        let written = written(&lists, entries, unfit);
        routing(&lists, targets, before).with_written(written).with_plan(self)
    }

    fn unfit(&self, entries: &[Entry]) -> Vec<Unfit> {
        self.merged(entries).2
    }

    fn refusal(&self, entries: &[Entry], key: &EntryKey, after: Option<&Entry>) -> Option<EntryRefused> {
        if let Err(refused) = self.file.lists.judge(entries, key, after) {
            return Some(refused);
        }
        let fault = self.target(after?).err()?;
        Some(EntryRefused::Invalid(vec![fault]))
    }
}

fn is_upstream(key: &EntryKey, name: &str) -> bool {
    key.kind == EntryKind::Upstream && *key.name == *name
}

fn told(fault: &Fault) -> String {
    format!("{}: {}", fault.pointer.trim_start_matches('/'), fault.detail)
}

/// What the secret of an upstream is sealed for.
pub(in crate::app) fn purpose(name: &str) -> String {
    purpose_of(&Sealed::Upstream { name: name.to_owned() })
}

/// The lists as administrators see them, with what is not in force behind it.
fn written(lists: &Lists, entries: &[Entry], unfit: Vec<Unfit>) -> Written {
    let why = |key: &EntryKey| unfit.iter().find(|unfit| unfit.key == *key).map(|unfit| unfit.reason.clone());
    let list = |kind: EntryKind, fields: Vec<Map<String, Value>>| {
        let of_kind = || entries.iter().filter(move |entry| entry.key.kind == kind);
        let in_force = fields.into_iter().filter_map(|mut fields| {
            let Some(Value::String(name)) = fields.remove("name") else { return None };
            let entry = of_kind().find(|entry| *entry.key.name == *name && why(&entry.key).is_none());
            Some(WrittenEntry { name, fields, made: entry.map(Made::from) })
        });
        let left_out = of_kind().filter_map(|entry| {
            let made = Made { unfit: Some(why(&entry.key)?), ..Made::from(entry) };
            Some(WrittenEntry { made: Some(made), ..WrittenEntry::from(entry) })
        });
        in_force.chain(left_out).collect()
    };
    Written {
        upstreams: list(EntryKind::Upstream, fields_of(&lists.upstreams)),
        routes: list(EntryKind::Route, fields_of(&lists.routes)),
        models: list(EntryKind::Model, fields_of(&lists.models)),
        entries: entries.to_vec(),
        unfit,
    }
}

fn fields_of(list: &[impl Serialize]) -> Vec<Map<String, Value>> {
    let fields = |entry| match serde_json::to_value(entry) {
        Ok(Value::Object(fields)) => Some(fields.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        _ => None,
    };
    list.iter().filter_map(fields).collect()
}
