//! OpenAI chat completions: <https://platform.openai.com/docs/api-reference/chat>. `prompt_tokens` has cached tokens in it
//! and `completion_tokens` thoughts; a stream states them only if asked to.

use serde_json::Value;

use super::{
    Content, Format, Member,
    statement::{Count, Stated},
};

pub(super) struct OpenaiChat;

const MEMBERS: &[(&str, Member)] = &[
    ("model", Member::Model),
    ("messages", Member::Prompt),
    ("tools", Member::Tools(&["function", "custom"])),
    ("max_completion_tokens", Member::OutputBound),
    ("max_tokens", Member::OutputBound),
    ("n", Member::Answers),
    // Of older and compatible services: so many are written, whatever is shown.
    ("best_of", Member::Answers),
    ("stream", Member::Stream),
    ("stream_options", Member::StreamOptions),
    ("prediction", Member::Predicted),
    ("service_tier", Member::Tier(&["default", "flex"])),
    ("modalities", Member::EachOf(&["text"])),
    ("audio", Member::Never("audio has no price here")),
    ("web_search_options", Member::Never("searches have no price here")),
];

const CONTENT: Content = Content {
    sized: &["text", "refusal", "function", "custom", "content", "thinking", "reasoning"],
    priceless: &["input_audio", "audio", "audio_url"],
    own: &["parameters", "schema", "format"],
};

impl Format for OpenaiChat {
    fn members(&self) -> &'static [(&'static str, Member)] {
        MEMBERS
    }

    fn content(&self) -> &'static Content {
        &CONTENT
    }

    fn output_bound(&self) -> Option<&'static str> {
        Some("max_completion_tokens")
    }

    fn written(&self) -> &'static [&'static str] {
        &["choices"]
    }

    fn stated(&self, usage: &Value) -> Stated {
        Stated {
            input: Count::at(usage, "/prompt_tokens"),
            cached: Count::at(usage, "/prompt_tokens_details/cached_tokens"),
            output: Count::at(usage, "/completion_tokens"),
            reasoning: Count::at(usage, "/completion_tokens_details/reasoning_tokens"),
            ..Stated::default()
        }
    }
}
