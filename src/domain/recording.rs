//! How carefully the calls of a route are put on record, and how much of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When an entry counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// When it is on disk: an answer waits for it.
    #[default]
    Committed,
    /// When it is handed over: it is on disk within a second.
    Buffered,
}

/// What is kept of the bodies of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Bodies {
    #[default]
    None,
    /// Their SHA-256.
    Hash,
    /// Their SHA-256, and the beginning of their text without credentials.
    Full,
}

/// How calls are put on record where their route does not say.
#[derive(Debug, Clone, Copy)]
pub struct Recording {
    pub durability: Durability,
    pub bodies: Bodies,
    /// No more of a body's text is kept.
    pub max_body_bytes: usize,
}
