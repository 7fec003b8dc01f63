//! OpenAI embeddings: <https://platform.openai.com/docs/api-reference/embeddings>. Only what is read is billed. Texts given as
//! numbers of tokens have more bytes than tokens as well. The model's longest input bounds each text and not the call.

use super::{
    super::{
        count_tables::OPENAI,
        counts::Counts,
        format::{About, Format, Member},
        path::paths,
        written::Written,
    },
    openai::CONTENT,
};

/// Cohere bills images beside the text.
const EMBEDDING_COUNTS: Counts = Counts { input_besides: paths!["image_tokens"], ..OPENAI };

pub(in super::super) const OPENAI_EMBEDDINGS: Format = Format {
    about: About::Text,
    members: &[
        ("model", Member::Model),
        ("models", Member::OtherModels),
        ("fallbacks", Member::OtherModels),
        ("input", Member::Prompt),
        // Of compatible services: TEI, Cohere, Voyage, Amazon, Jina, Nomic.
        ("inputs", Member::Words),
        ("inputText", Member::Words),
        ("texts", Member::Words),
        ("text", Member::Words),
        ("content", Member::Words),
        ("sentences", Member::Words),
        ("documents", Member::Words),
        ("queries", Member::Words),
        ("prompt", Member::Words),
        ("messages", Member::Words),
        ("image", Member::Images),
        ("images", Member::Images),
        ("inputImage", Member::Images),
        ("urls", Member::Images),
        ("metadata", Member::Own),
    ],
    content: CONTENT,
    output_bound: None,
    settings: None,
    written: Written::NONE,
    usages: paths!["usage", "meta/billed_units", "meta/tokens"],
    first_usages: &[],
    counts: &EMBEDDING_COUNTS,
    calls: &[],
    is_free: false,
};
