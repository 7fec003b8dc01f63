//! OpenAI chat completions: <https://platform.openai.com/docs/api-reference/chat>. `prompt_tokens` has cached tokens in it
//! and `completion_tokens` thoughts; a stream states them only if asked to.

use super::{
    super::{
        count_tables::OPENAI,
        format::{About, Calls, Format, Member},
        path::{Path, paths},
        written::Written,
    },
    openai::{CONTENT, TIER},
};

pub(in super::super) const OPENAI_CHAT: Format = Format {
    about: About::Text,
    members: &[
        ("model", Member::Model),
        // Of watsonx.
        ("model_id", Member::Model),
        ("models", Member::OtherModels),
        ("fallbacks", Member::OtherModels),
        ("messages", Member::Prompt),
        // Of compatible services.
        ("input", Member::Prompt),
        ("prompt", Member::Prompt),
        ("system", Member::Prompt),
        ("message", Member::Words),
        ("chat_history", Member::Words),
        ("preamble", Member::Words),
        ("contents", Member::Words),
        ("inputs", Member::Words),
        ("text", Member::Words),
        ("query", Member::Words),
        ("question", Member::Words),
        ("documents", Member::Prompt),
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
        ("thinking", Member::Thinking),
        ("service_tier", TIER),
        ("modalities", Member::Modalities),
        ("audio", Member::Sound),
        ("web_search_options", Member::Tool("web_search")),
        ("search_parameters", Member::Tool("web_search")),
        ("deferred", Member::NeverTrue("the usage of an answer that is fetched later is not seen here")),
        ("data_sources", Member::Elsewhere),
        ("previous_response_id", Member::Elsewhere),
        // Of gateways: OpenRouter's settings under a name, with a prompt among them; prompts of Helicone and LiteLLM.
        ("preset", Member::Elsewhere),
        ("prompt_id", Member::Elsewhere),
        ("plugins", Member::Plugins(&["response-healing", "moderation", "auto-router", "context-compression"])),
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
            // Of an item of `reasoning_details`.
            "summary",
        ],
        same: &[
            // Some services say it under both names.
            &["delta", "text", "content"],
            &["reasoning_content", "reasoning", "reasoning_text", "reasoning_details", "thinking"],
        ],
        json: &[],
        data_events: &[],
        again: paths!["choices/*/message"],
        items: &[],
        results: "",
    },
    usages: paths![
        // Of Cohere's first version: what was read and written, and what of that it bills.
        "meta/tokens",
        "meta/billed_units",
        "response/meta/tokens",
        "response/meta/billed_units",
        "message/usage",
        "response/usage",
        "delta/usage",
        "result/usage",
        "x_groq/usage",
        "usage",
    ],
    first_usages: &[],
    counts: &OPENAI,
    calls: &[
        ("web_search", Path::of("choices/*/message/annotations"), Calls::OnceOf("url_citation")),
        ("web_search", Path::of("choices/*/delta/annotations"), Calls::OnceOf("url_citation")),
        // Results beside the answer, of GLM and Perplexity: a search was made.
        ("web_search", Path::of("web_search"), Calls::OnceOf("web_search")),
        ("web_search", Path::of("search_results"), Calls::OnceOf("web_search")),
        // Of Groq, which lists what its systems have run.
        ("web_search", Path::of("choices/*/message/executed_tools"), Calls::EachOf("search")),
        ("web_search", Path::of("choices/*/delta/executed_tools"), Calls::EachOf("search")),
    ],
    is_free: false,
};
