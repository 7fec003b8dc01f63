//! OpenAI completions, the legacy format: <https://platform.openai.com/docs/api-reference/completions>.

use super::{
    super::{
        count_tables::OPENAI,
        format::{About, Format, Member},
        path::paths,
    },
    openai::{CONTENT, TIER},
    openai_chat::OPENAI_CHAT,
};

/// The documented length of an answer without a bound.
const USUAL_TOKENS: u64 = 16;

pub(in super::super) const OPENAI_COMPLETIONS: Format = Format {
    about: About::Text,
    members: &[
        ("model", Member::Model),
        ("models", Member::OtherModels),
        ("fallbacks", Member::OtherModels),
        ("prompt", Member::Prompts),
        ("suffix", Member::Prompt),
        ("max_tokens", Member::OutputBoundOr(USUAL_TOKENS)),
        ("n", Member::Answers),
        ("best_of", Member::Answers),
        ("stream", Member::Stream),
        ("stream_options", Member::StreamOptions),
        ("service_tier", TIER),
        ("metadata", Member::Own),
    ],
    content: CONTENT,
    output_bound: Some("max_tokens"),
    settings: None,
    // Some services answer to it as to a chat.
    written: OPENAI_CHAT.written,
    usages: paths!["usage"],
    first_usages: &[],
    counts: &OPENAI,
    calls: &[],
    is_free: false,
};
