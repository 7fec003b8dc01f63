//! What is done to the log itself, and what is changed by a command or a file and no request. Each such act is an entry of a
//! chain of its own, the chain of custody, which its author appends to and signs, and which is never cut. So what was deleted
//! under custody differs from what was stolen.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::ids::UserId;

/// The name of the chain of custody. No replica is called so: theirs are ids.
pub const CUSTODY: &str = "custody";

/// Who acts from outside the gateway, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Author {
    /// The user of the operating system.
    pub os_user: String,
    /// What `--reason` said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a chain has lost by a store that was set back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    pub chain: String,
    /// The number of the last checkpoint before the gap.
    pub after: u64,
    /// The number of the last lost checkpoint, and the last record that it vouched for.
    pub through: u64,
    pub through_seq: u64,
    /// When that was accepted: later checkpoints are not lost by it.
    #[schemars(with = "String")]
    pub at: jiff::Timestamp,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chain, after, through, through_seq, .. } = self;
        let first = after.saturating_add(1);
        write!(f, "chain {chain}: checkpoints {first} to {through} are lost, with records up to {through_seq}")
    }
}

/// An act, as its entry says it. Without an author it is the gateway's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// The store was set back, and that is accepted.
    Restore {
        gap: Gap,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Author>,
    },
    /// Something is changed by this command, straight in the store, or by the configuration that a gateway read again. What, is
    /// the `change` of the entry.
    Command {
        command: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Author>,
    },
}

impl Act {
    /// What was done, as the reason of its entry.
    pub fn name(&self) -> &str {
        match self {
            Self::Erase { .. } => "audit erase",
            Self::Drop { .. } => "audit drop",
            Self::Restore { .. } => "audit accept-restore",
            Self::Command { command, .. } => command,
        }
    }
}

/// Who is the author of an act, as a record has it; also of an act that only a newer program knows.
#[must_use]
pub fn author(act: &Value) -> Option<&Value> {
    act.as_object()?.values().find_map(|act| act.get("by"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_author_of_an_act_is_found_in_its_record() {
        let by = Author { os_user: "ops".into(), reason: Some("a new year".into()) };
        let act = |by| Act::Command { command: "prices import".into(), by };
        let written = serde_json::to_value(act(Some(by.clone()))).unwrap();
        assert_eq!(author(&written), Some(&serde_json::to_value(by).unwrap()));
        assert_eq!(author(&serde_json::to_value(act(None)).unwrap()), None);
    }
}
