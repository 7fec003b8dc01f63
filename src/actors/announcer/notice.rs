//! What goes wrong in this process and is no budget: told in the log and to the webhook, and kept nowhere, because whoever
//! starts anew finds it anew.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::domain::ids::AlertId;

/// Something that has begun, or is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    pub id: AlertId,
    pub at: Timestamp,
    /// What it is, such as `upstream.down`.
    pub kind: &'static str,
    pub is_over: bool,
    /// A sentence for people.
    pub text: String,
    /// What the sentence says, for programs.
    pub details: Value,
}

impl Notice {
    /// Says it in the log.
    pub(super) fn log(&self) {
        let Self { id, kind, text, .. } = self;
        if self.is_over {
            tracing::info!(alert = %id, kind, "{text}");
        } else {
            tracing::warn!(alert = %id, kind, "{text}");
        }
    }

    /// The body of the call about it.
    pub(super) fn body(&self, replica: &str) -> Value {
        json!({
            "type": self.kind,
            "timestamp": self.at,
            "text": self.text,
            "data": {
                "id": self.id,
                "state": if self.is_over { "over" } else { "begun" },
                "replica": replica,
                "details": self.details,
            }
        })
    }
}
