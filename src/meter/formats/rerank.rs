//! Rerank, as Cohere, Jina, Voyage and vLLM have it: a query and documents in, scores out. Only what is read is billed, and
//! a price a call where the price list has one.

use super::{
    super::{
        count_tables::OPENAI,
        counts::{CALLS, Counts},
        format::{About, Format, Member},
        path::{Path, paths},
        written::Written,
    },
    openai::CONTENT,
};

const RERANK_COUNTS: Counts = Counts {
    input: paths!["input_tokens", "prompt_tokens", "input_token_count"],
    // Of Cohere and Pinecone: each is billed as a call.
    tools: &[(CALLS, Path::of("search_units")), (CALLS, Path::of("rerank_units"))],
    ..OPENAI
};

pub(in super::super) const RERANK: Format = Format {
    about: About::Text,
    members: &[
        ("model", Member::Model),
        ("query", Member::Query),
        ("documents", Member::Documents),
        ("texts", Member::Documents),
        ("passages", Member::Documents),
        ("records", Member::Documents),
        ("docs", Member::Documents),
        ("inputs", Member::Documents),
        ("sentences", Member::Documents),
    ],
    content: CONTENT,
    output_bound: None,
    settings: None,
    written: Written::NONE,
    usages: paths![".", "usage", "tokens", "meta/billed_units", "meta/tokens"],
    first_usages: &[],
    counts: &RERANK_COUNTS,
    calls: &[],
    is_free: false,
};
