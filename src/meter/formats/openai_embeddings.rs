//! OpenAI embeddings: <https://platform.openai.com/docs/api-reference/embeddings>. Only what is read is billed. Texts given as
//! numbers of tokens have more bytes than tokens as well. The model's longest input bounds each text and not the call.

use super::{
    super::{
        count_tables::OPENAI,
        format::{About, Format, Member},
        written::Written,
    },
    openai::CONTENT,
};

pub(in super::super) const OPENAI_EMBEDDINGS: Format = Format {
    about: About::Text,
    members: &[
        ("model", Member::Model),
        ("models", Member::OtherModels),
        ("fallbacks", Member::OtherModels),
        ("input", Member::Prompt),
        ("metadata", Member::Own),
    ],
    content: CONTENT,
    output_bound: None,
    settings: None,
    written: Written::NONE,
    usages: &["usage", "meta/billed_units", "meta/tokens"],
    first_usages: &[],
    counts: &OPENAI,
    calls: &[],
    is_free: false,
};
