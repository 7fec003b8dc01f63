//! The upstreams, routes and names for models as they are written, for administrators.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::domain::entry::{Entry, EntryKey, EntryKind, Unfit};

/// The lists as they are in force, each in the order of the file and then of their making, and the entries that are not.
#[derive(Debug, Default)]
pub struct Written {
    pub upstreams: Vec<WrittenEntry>,
    pub routes: Vec<WrittenEntry>,
    pub models: Vec<WrittenEntry>,
    /// All that administrators have made.
    pub entries: Vec<Entry>,
    /// Those of them that are not in force.
    pub unfit: Vec<Unfit>,
}

/// An entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenEntry {
    pub name: String,
    /// All other fields.
    pub fields: Map<String, Value>,
    /// `None`: it stands in the configuration.
    pub made: Option<Made>,
}

/// What is known of an entry that administrators made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Of an upstream: whether it is sent one.
    pub has_secret: Option<bool>,
    /// Why it is not in force.
    pub unfit: Option<String>,
}

impl From<&Entry> for Made {
    fn from(entry: &Entry) -> Self {
        let has_secret = (entry.key.kind == EntryKind::Upstream).then_some(entry.sealed_secret.is_some());
        Self { created_at: entry.created_at, updated_at: entry.updated_at, has_secret, unfit: None }
    }
}

impl From<&Entry> for WrittenEntry {
    fn from(entry: &Entry) -> Self {
        let mut fields: Map<String, Value> = serde_json::from_str(&entry.document).unwrap_or_default();
        fields.remove("name");
        Self { name: entry.key.name.to_string(), fields, made: Some(entry.into()) }
    }
}

impl Written {
    /// A list.
    #[must_use]
    pub fn list(&self, kind: EntryKind) -> &[WrittenEntry] {
        match kind {
            EntryKind::Upstream => &self.upstreams,
            EntryKind::Route => &self.routes,
            EntryKind::Model => &self.models,
        }
    }

    /// Whether the configuration has this entry.
    #[must_use]
    pub fn is_configured(&self, key: &EntryKey) -> bool {
        self.list(key.kind).iter().any(|entry| entry.made.is_none() && entry.name == *key.name)
    }
}
