//! Counting of tokens (`/v1/messages/count_tokens`, `:countTokens`, `/v1/responses/input_tokens`): free at every provider.

use super::{
    super::{
        count_tables::ANTHROPIC,
        format::{About, Format, Member},
        written::Written,
    },
    anthropic_messages::CONTENT,
};

pub(in super::super) const COUNT_TOKENS: Format = Format {
    about: About::Text,
    members: &[("model", Member::Model)],
    content: CONTENT,
    output_bound: None,
    settings: None,
    written: Written::NONE,
    usages: &[],
    first_usages: &[],
    counts: &ANTHROPIC,
    calls: &[],
    is_free: true,
};
