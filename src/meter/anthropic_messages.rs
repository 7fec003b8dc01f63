//! Anthropic messages: <https://docs.anthropic.com/en/api/messages>. `input_tokens` has no cached tokens in it. A stream states
//! what was read at its start, and in each `message_delta` all that was written so far.

use serde_json::Value;

use super::{
    Content, Format, Member,
    statement::{Count, Stated},
};

pub(super) struct AnthropicMessages;

const MEMBERS: &[(&str, Member)] = &[
    ("model", Member::Model),
    ("messages", Member::Prompt),
    ("system", Member::Prompt),
    ("cache_control", Member::Prompt),
    ("tools", Member::Tools(&["custom"])),
    ("max_tokens", Member::OutputBound),
    ("stream", Member::Stream),
    ("service_tier", Member::Tier(&["standard_only"])),
    ("speed", Member::OneOf(&["standard"])),
    ("inference_geo", Member::OneOf(&["global"])),
    ("container", Member::Never("containers have no price here")),
    ("mcp_servers", Member::Never("what it takes is not bounded by the request")),
    ("context_management", Member::Never("what it takes is not bounded by the request")),
];

const CONTENT: Content = Content {
    sized: &["text", "tool_use", "tool_result", "thinking", "redacted_thinking", "ephemeral", "custom"],
    priceless: &["audio"],
    own: &["input", "citations", "input_schema"],
};

impl Format for AnthropicMessages {
    fn members(&self) -> &'static [(&'static str, Member)] {
        MEMBERS
    }

    fn content(&self) -> &'static Content {
        &CONTENT
    }

    fn output_bound(&self) -> Option<&'static str> {
        Some("max_tokens")
    }

    fn written(&self) -> &'static [&'static str] {
        &["delta", "content_block", "content"]
    }

    fn stated(&self, usage: &Value) -> Stated {
        Stated {
            input: Count::at(usage, "/input_tokens"),
            cached: Count::at(usage, "/cache_read_input_tokens"),
            cache_write: Count::at(usage, "/cache_creation_input_tokens"),
            output: Count::at(usage, "/output_tokens"),
            ..Stated::default()
        }
    }

    fn excludes_cached(&self) -> bool {
        true
    }
}
