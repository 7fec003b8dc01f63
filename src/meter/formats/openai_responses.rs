//! OpenAI responses: <https://platform.openai.com/docs/api-reference/responses>. A stream states its usage in the event that
//! ends it, where all that was written is said again.

use super::{
    super::{
        count_tables::OPENAI,
        format::{About, Calls, Format, Member},
        path::{Path, paths},
        written::Written,
    },
    openai::{CONTENT, TIER},
};

pub(in super::super) const OPENAI_RESPONSES: Format = Format {
    about: About::Text,
    members: &[
        ("model", Member::Model),
        ("models", Member::OtherModels),
        ("fallbacks", Member::OtherModels),
        ("input", Member::Prompt),
        ("instructions", Member::Prompt),
        ("previous_response_id", Member::Elsewhere),
        ("previous_interaction_id", Member::Elsewhere),
        ("conversation", Member::Elsewhere),
        ("prompt", Member::Elsewhere),
        ("preset", Member::Elsewhere),
        ("prompt_id", Member::Elsewhere),
        ("tools", Member::Tools),
        ("max_output_tokens", Member::OutputBound),
        ("stream", Member::Stream),
        ("service_tier", TIER),
        ("modalities", Member::Modalities),
        ("audio", Member::Sound),
        ("background", Member::NeverTrue("the usage of an answer that is fetched later is not seen here")),
        ("context_management", Member::Context),
        ("plugins", Member::Plugins(&["response-healing", "moderation", "auto-router", "context-compression"])),
        ("metadata", Member::Own),
        ("text", Member::Own),
    ],
    content: CONTENT,
    output_bound: Some("max_output_tokens"),
    settings: None,
    written: Written {
        roots: &["delta", "output"],
        texts: &["content", "text", "refusal", "summary", "name", "arguments", "input", "transcript", "code"],
        same: &[],
        json: &["action", "operation"],
        data_events: &["response.audio.delta", "response.output_audio.delta"],
        again: paths!["response/output"],
        items: paths!["item"],
        results: "",
    },
    usages: paths!["usage", "response/usage", "interaction/usage"],
    first_usages: &[],
    counts: &OPENAI,
    // Services that leave the images out of what they say again leave out the calls, and state the tokens of the images.
    calls: &[
        ("image_generation", Path::of("tool_usage/image_gen/output_tokens"), Calls::OnceIfUsed),
        ("image_generation", Path::of("response/tool_usage/image_gen/output_tokens"), Calls::OnceIfUsed),
    ],
    is_free: false,
};
