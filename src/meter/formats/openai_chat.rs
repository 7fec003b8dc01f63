//! OpenAI chat completions: <https://platform.openai.com/docs/api-reference/chat>. `prompt_tokens` has cached tokens in it
//! and `completion_tokens` thoughts; a stream states them only if asked to.

use super::{
    super::{
        count_tables::OPENAI,
        format::{About, Format, Member},
        written::Written,
    },
    openai::CONTENT,
};

pub(in super::super) const OPENAI_CHAT: Format = Format {
    about: About::Text,
    members: &[
        ("model", Member::Model),
        ("models", Member::OtherModels),
        ("fallbacks", Member::OtherModels),
        ("messages", Member::Prompt),
        ("functions", Member::Prompt),
        ("tools", Member::Tools),
        ("max_completion_tokens", Member::OutputBound),
        ("max_tokens", Member::OutputBound),
        ("n", Member::Answers),
        // Of older and compatible services: that many are written, whatever is shown.
        ("best_of", Member::Answers),
        ("stream", Member::Stream),
        ("stream_options", Member::StreamOptions),
        ("prediction", Member::Predicted),
        ("service_tier", Member::Tier { standard: &["default"], unasked: &["priority"] }),
        ("modalities", Member::Modalities),
        ("audio", Member::Sound),
        ("web_search_options", Member::Tool("web_search")),
        ("search_parameters", Member::Tool("web_search")),
        ("plugins", Member::Plugins(&["response-healing", "moderation", "auto-router"])),
        ("context_management", Member::Context),
        ("compaction", Member::Context),
        ("metadata", Member::Own),
        ("response_format", Member::Own),
        ("logit_bias", Member::Own),
    ],
    content: CONTENT,
    output_bound: Some("max_completion_tokens"),
    settings: None,
    written: Written {
        roots: &["choices"],
        texts: &[
            "content",
            "text",
            "refusal",
            "tool_calls",
            "function",
            "custom",
            "function_call",
            "name",
            "arguments",
            "input",
            "audio",
            "transcript",
        ],
        same: &[
            &["delta", "message"],
            &["reasoning_content", "reasoning", "reasoning_text", "reasoning_details", "thinking"],
        ],
        json: &[],
        data_events: &[],
    },
    usages: &["usage", "choices/*/usage", "x_groq/usage"],
    first_usages: &[],
    counts: &OPENAI,
    is_free: false,
};
