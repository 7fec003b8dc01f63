//! What the calls of a route are charged by, as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{money::Money, route::Meter};

/// What calls are charged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "must be none, openai-chat, openai-completions, openai-responses, openai-embeddings, openai-images, \
                 openai-transcriptions, openai-speech, anthropic-messages, gemini-generate, bedrock-converse, rerank, count-tokens, or \
                 { fixed_usd = \"0.002\" } with an amount in quotes"
)]
pub enum MeterEntry {
    /// `none`, or the format of an AI provider.
    Named(Meter),
    Fixed(FixedPrice),
}

impl Default for MeterEntry {
    fn default() -> Self {
        Self::Named(Meter::None)
    }
}

/// A price for each call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixedPrice {
    pub fixed_usd: Money,
}

impl MeterEntry {
    /// The meter that the entry names.
    pub const fn to_meter(self) -> Meter {
        match self {
            Self::Named(meter) => meter,
            Self::Fixed(FixedPrice { fixed_usd }) => Meter::Fixed(fixed_usd),
        }
    }
}
