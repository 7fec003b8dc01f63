//! What administrators add to the lists of the configuration while the gateway runs: upstreams, routes and names for models.

use std::{fmt, str::FromStr, sync::Arc};

use jiff::Timestamp;

use super::fault::Fault;

/// Which of the lists an entry is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    Upstream,
    Route,
    Model,
}

/// Text that names no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("names no list")]
pub struct UnknownKind;

impl EntryKind {
    /// What one is called.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Route => "route",
            Self::Model => "model",
        }
    }

    /// What the list of them is called in a configuration.
    #[must_use]
    pub const fn list(self) -> &'static str {
        match self {
            Self::Upstream => "upstreams",
            Self::Route => "routes",
            Self::Model => "models",
        }
    }
}

impl FromStr for EntryKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        [Self::Upstream, Self::Route, Self::Model].into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownKind)
    }
}

/// The list and the name of an entry; no two have both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntryKey {
    pub kind: EntryKind,
    pub name: Arc<str>,
}

impl fmt::Display for EntryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \"{}\"", self.kind.as_str(), self.name)
    }
}

/// An entry that administrators made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: EntryKey,
    /// Its fields as in a configuration, as a JSON object; without the secret.
    pub document: String,
    /// The secret of an upstream, sealed under the master key.
    pub sealed_secret: Option<Vec<u8>>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// An entry that does not go together with the configuration, and why. It is not in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    pub key: EntryKey,
    pub reason: String,
}

/// Why an entry cannot be made, changed or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryRefused {
    /// It does not go together with others.
    Conflict(String),
    Invalid(Vec<Fault>),
}
