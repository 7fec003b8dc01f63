//! Gemini `generateContent` and `streamGenerateContent`: <https://ai.google.dev/api/generate-content>. The model stands in
//! the path. Thoughts stand beside the answer; each event of a stream states all up to then.

use super::super::{
    count_tables::GEMINI,
    format::{About, Calls, Content, Format, Member, Ttl},
    path::{Path, paths},
    written::Written,
};

/// The most tokens of an image, at its highest resolution.
const IMAGE_TOKENS: u64 = 5_000;

/// A standard call may not be served at a dearer tier, and one at a dearer tier may be served as a standard one.
const TIER: Member = Member::Tier { standard: &["standard", "unspecified", "default"], unasked: &[] };

pub(super) const CONTENT: Content = Content {
    sized: &[],
    images: &["inlineData", "inline_data"],
    sounds: &[],
    references: &["fileData", "file_data"],
    texts: &["parts", "text", "name", "content"],
    same: &[],
    json: &["properties", "args", "response", "parameters", "parametersJsonSchema"],
    own: &["thoughtSignature", "thought_signature"],
    tools: &["functionDeclarations", "function_declarations", "computerUse", "computer_use"],
    ttls: &[("5m", Ttl::Short)],
    image_tokens: IMAGE_TOKENS,
};

pub(in super::super) const GEMINI_GENERATE: Format = Format {
    about: About::Text,
    members: &[
        ("contents", Member::Prompt),
        ("systemInstruction", Member::Prompt),
        ("system_instruction", Member::Prompt),
        ("tools", Member::Tools),
        ("generationConfig", Member::Settings),
        ("generation_config", Member::Settings),
        ("serviceTier", TIER),
        ("service_tier", TIER),
        ("cachedContent", Member::Elsewhere),
        ("cached_content", Member::Elsewhere),
    ],
    content: CONTENT,
    output_bound: Some("maxOutputTokens"),
    settings: Some("generationConfig"),
    written: Written {
        // Code Assist has its answers within another object.
        roots: &["candidates", "response"],
        texts: &[
            "candidates",
            "content",
            "parts",
            "text",
            "functionCall",
            "function_call",
            "name",
            "executableCode",
            "executable_code",
            "code",
        ],
        same: &[],
        json: &["args"],
        data_events: &[],
        again: &[],
        items: &[],
        results: "",
    },
    usages: paths!["usageMetadata", "usage_metadata", "response/usageMetadata", "response/usage_metadata"],
    first_usages: &[],
    counts: &GEMINI,
    calls: &[
        // A query that is empty, or asked twice, is billed as none and as one
        // (<https://ai.google.dev/gemini-api/docs/google-search>).
        ("google_search", Path::of("candidates/*/groundingMetadata/webSearchQueries"), Calls::EachText),
        ("google_search", Path::of("candidates/*/groundingMetadata/imageSearchQueries"), Calls::EachText),
        ("google_search", Path::of("candidates/*/grounding_metadata/web_search_queries"), Calls::EachText),
        ("google_search", Path::of("candidates/*/grounding_metadata/image_search_queries"), Calls::EachText),
        ("url_context", Path::of("candidates/*/urlContextMetadata/urlMetadata"), Calls::Each),
        ("url_context", Path::of("candidates/*/url_context_metadata/url_metadata"), Calls::Each),
        // Of Vertex: a prompt that is grounded in the caller's own data, however often that was asked.
        ("retrieval", Path::of("candidates/*/groundingMetadata/retrievalQueries"), Calls::OnceOf("retrieval")),
        // A prompt that maps have grounded is billed, whatever it found in them.
        ("google_maps", Path::of("candidates/*/groundingMetadata/groundingChunks/*/maps"), Calls::OnceOf("maps")),
        ("google_maps", Path::of("candidates/*/grounding_metadata/grounding_chunks/*/maps"), Calls::OnceOf("maps")),
        ("google_search", Path::of("response/candidates/*/groundingMetadata/webSearchQueries"), Calls::EachText),
        ("google_search", Path::of("response/candidates/*/groundingMetadata/imageSearchQueries"), Calls::EachText),
        ("url_context", Path::of("response/candidates/*/urlContextMetadata/urlMetadata"), Calls::Each),
        ("code_execution", Path::of("candidates/*/content/parts/*/executableCode"), Calls::Each),
        ("code_execution", Path::of("candidates/*/content/parts/*/executable_code"), Calls::Each),
    ],
    is_free: false,
};
