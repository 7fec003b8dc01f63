//! Bedrock `converse`: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>. The model stands
//! in the path. Its stream is made of frames.

use super::super::{
    count_tables::BEDROCK,
    format::{About, Content, Format, Member, Ttl},
    path::paths,
    written::Written,
};

/// The most tokens of an image.
const IMAGE_TOKENS: u64 = 5_000;

const CONTENT: Content = Content {
    sized: &["default", "ephemeral"],
    images: &["image"],
    sounds: &["audio"],
    references: &["document", "video", "s3Location"],
    texts: &["content", "text", "name", "toolUse", "toolResult", "reasoningContent", "reasoningText", "description"],
    same: &[],
    json: &["properties", "input", "json", "inputSchema"],
    own: &["signature"],
    tools: &[
        "toolSpec",
        "cachePoint",
        // Of a model's own fields.
        "custom",
        "function",
        "bash",
        "text_editor",
        "computer",
        "memory",
    ],
    ttls: &[("5m", Ttl::Short), ("1h", Ttl::Long)],
    image_tokens: IMAGE_TOKENS,
};

pub(in super::super) const BEDROCK_CONVERSE: Format = Format {
    about: About::Text,
    members: &[
        ("messages", Member::Prompt),
        ("system", Member::Prompt),
        ("toolConfig", Member::Prompt),
        ("inferenceConfig", Member::Settings),
        ("serviceTier", Member::Tier { standard: &["default", "reserved"], unasked: &[] }),
        ("performanceConfig", Member::Tier { standard: &["standard"], unasked: &[] }),
    ],
    content: CONTENT,
    output_bound: Some("maxTokens"),
    settings: Some("inferenceConfig"),
    written: Written {
        roots: &["output", "delta", "start"],
        texts: &["message", "content", "text", "name", "toolUse", "reasoningContent", "reasoningText"],
        same: &[],
        json: &["input"],
        data_events: &[],
        again: &[],
        items: &[],
        results: "",
    },
    usages: paths!["usage", "metadata/usage"],
    first_usages: &[],
    counts: &BEDROCK,
    calls: &[],
    is_free: false,
};
