//! What is done to the log itself. Each such act is an entry of a chain of its own, the chain of custody, which its
//! author appends to and signs, and which is never cut. So what was deleted under custody differs from what was stolen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::ids::UserId;

/// The name of the chain of custody. No replica is called so: theirs are ids.
pub const CUSTODY: &str = "custody";

/// Who acts from outside the gateway, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Author {
    /// The user of the operating system.
    pub os_user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// An act, as its entry says it. Without an author it is the gateway's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// The personal parts of a user are erased in the entries of each chain up to the one named.
    Erase {
        user_id: UserId,
        through: BTreeMap<String, u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Author>,
    },
    /// The entries of a chain up to this one are dropped; a checkpoint vouches for it.
    Drop {
        chain: String,
        through: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Author>,
    },
}

impl Act {
    /// What was done, as the route of its entry.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Erase { .. } => "audit erase",
            Self::Drop { .. } => "audit drop",
        }
    }
}
