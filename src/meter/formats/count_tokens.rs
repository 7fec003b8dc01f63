//! Counting of tokens (`/v1/messages/count_tokens`, `:countTokens`, `/v1/responses/input_tokens`): free at every provider.

use super::{
    super::{
        counts::ANTHROPIC,
        format::{Format, Member},
        written::Written,
    },
    anthropic_messages::CONTENT,
};

pub(in super::super) const COUNT_TOKENS: Format = Format {
    members: &[("model", Member::Model)],
    content: CONTENT,
    output_bound: None,
    settings: None,
    written: Written::NONE,
    usages: &[],
    first_usages: &[],
    counts: &ANTHROPIC,
    is_free: true,
};
