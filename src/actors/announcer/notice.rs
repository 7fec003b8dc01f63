//! What goes wrong in this process and is no budget: told in the log and to the webhook, and kept nowhere, because whoever
//! starts anew finds it anew.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::webhook::escaped;
use crate::domain::ids::AlertId;

/// Something that has begun, or is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    pub id: AlertId,
    pub at: Timestamp,
    /// What it is, such as `upstream.down`.
    pub kind: &'static str,
    pub is_over: bool,
    /// A sentence for people, which chats are told with `&`, `<` and `>` escaped.
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
            "text": escaped(&self.text),
            "data": {
                "id": self.id,
                "state": if self.is_over { "over" } else { "begun" },
                "replica": replica,
                "details": self.details,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_name_in_the_sentence_of_a_call_is_escaped() {
        let notice = Notice {
            id: AlertId(Uuid::nil()),
            at: Timestamp::UNIX_EPOCH,
            kind: "upstream.down",
            is_over: false,
            text: "The upstream \"<!channel> & b\" is down".into(),
            details: json!({ "upstream": "<!channel> & b" }),
        };
        let body = notice.body("r1");
        assert_eq!(body["text"], "The upstream \"&lt;!channel&gt; &amp; b\" is down");
        assert_eq!(body["data"]["details"]["upstream"], "<!channel> & b");
    }
}
