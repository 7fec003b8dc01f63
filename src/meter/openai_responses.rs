//! OpenAI responses: <https://platform.openai.com/docs/api-reference/responses>. A stream states its usage in the event that
//! ends it.

use serde_json::Value;

use super::{
    Content, Format, Member,
    statement::{Count, Stated},
};

pub(super) struct OpenaiResponses;

const MEMBERS: &[(&str, Member)] = &[
    ("model", Member::Model),
    ("input", Member::Prompt),
    ("instructions", Member::Prompt),
    ("previous_response_id", Member::Elsewhere),
    ("conversation", Member::Elsewhere),
    ("prompt", Member::Elsewhere),
    ("tools", Member::Tools(&["function", "custom"])),
    ("max_output_tokens", Member::OutputBound),
    ("stream", Member::Stream),
    ("service_tier", Member::Tier(&["default", "flex"])),
    ("modalities", Member::EachOf(&["text"])),
    ("audio", Member::Never("audio has no price here")),
    ("background", Member::NeverTrue("the usage of an answer that is fetched later is not seen here")),
    ("context_management", Member::Never("what it takes is not bounded by the request")),
];

const CONTENT: Content = Content {
    sized: &[
        "message",
        "input_text",
        "output_text",
        "text",
        "refusal",
        "function_call",
        "function_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "reasoning",
        "summary_text",
        "reasoning_text",
    ],
    priceless: &["input_audio", "output_audio", "audio"],
    own: &["annotations", "parameters", "format"],
};

impl Format for OpenaiResponses {
    fn members(&self) -> &'static [(&'static str, Member)] {
        MEMBERS
    }

    fn content(&self) -> &'static Content {
        &CONTENT
    }

    fn output_bound(&self) -> Option<&'static str> {
        Some("max_output_tokens")
    }

    fn written(&self) -> &'static [&'static str] {
        &["delta", "output"]
    }

    fn stated(&self, usage: &Value) -> Stated {
        Stated {
            input: Count::at(usage, "/input_tokens"),
            cached: Count::at(usage, "/input_tokens_details/cached_tokens"),
            output: Count::at(usage, "/output_tokens"),
            reasoning: Count::at(usage, "/output_tokens_details/reasoning_tokens"),
            ..Stated::default()
        }
    }
}
