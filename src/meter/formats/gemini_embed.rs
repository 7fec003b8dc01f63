//! Gemini `embedContent` and `batchEmbedContents`: <https://ai.google.dev/api/embeddings>. The model stands in the path. Only
//! what is read is billed.

use super::{
    super::{
        count_tables::GEMINI,
        format::{About, Format, Member},
        path::paths,
        written::Written,
    },
    gemini_generate::CONTENT,
};

pub(in super::super) const GEMINI_EMBED: Format = Format {
    about: About::Text,
    members: &[("content", Member::Prompt), ("requests", Member::Prompt)],
    content: CONTENT,
    output_bound: None,
    settings: None,
    written: Written::NONE,
    usages: paths!["usageMetadata", "usage_metadata"],
    first_usages: &[],
    counts: &GEMINI,
    calls: &[],
    is_free: false,
};
