//! How carefully the calls of a route are put on record.

use serde::Deserialize;

/// When an entry counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// When it is on disk: an answer waits for it.
    #[default]
    Committed,
    /// When it is handed over: it is on disk within a second.
    Buffered,
}
