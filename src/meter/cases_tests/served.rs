//! What an answer states of how it was served: tokens that tools have brought.

use super::{Case, answer, whole};
use crate::domain::route::Meter;

/// Tokens that tools of the provider have brought are read, and the calls of these are counted.
pub(super) fn by_tools() -> Vec<Case> {
    use Meter::OpenaiChat;
    let usage = |tokens: &str| {
        format!(
            r#"{{"object":"conversation.response","outputs":[{{"type":"message.output","content":[{{"type":"text","text":"a"}}]}}],"usage":{tokens}}}"#
        )
    };
    vec![
        answer(
            usage(
                r#"{"prompt_tokens":188,"completion_tokens":55,"total_tokens":7355,"connector_tokens":7112,"connectors":{"web_search":2}}"#,
            ),
            whole(
                "what Mistral's connectors have brought is no output",
                OpenaiChat,
                "",
                [7_300, 0, 0, 55],
                7_300_000_000 + 550_000_000,
            ),
        ),
        answer(
            usage(
                r#"{"prompt_tokens":188,"completion_tokens":55,"total_tokens":243,"connector_tokens":null,"connectors":null}"#,
            ),
            whole("no connectors", OpenaiChat, "", [188, 0, 0, 55], 188_000_000 + 550_000_000),
        ),
    ]
}
