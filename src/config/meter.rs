//! What the calls of a route are charged by, as it is written.

use serde::Deserialize;

use crate::domain::{money::Money, route::Meter};

/// `meter` of a route, where it is the format of an AI provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MeterName {
    #[default]
    None,
    OpenaiChat,
    OpenaiCompletions,
    OpenaiResponses,
    OpenaiEmbeddings,
    OpenaiImages,
    OpenaiTranscriptions,
    OpenaiSpeech,
    AnthropicMessages,
    GeminiGenerate,
    BedrockConverse,
    Rerank,
    CountTokens,
}

/// What calls are charged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "must be none, openai-chat, openai-completions, openai-responses, openai-embeddings, openai-images, \
                 openai-transcriptions, openai-speech, anthropic-messages, gemini-generate, bedrock-converse, rerank, count-tokens, or \
                 { fixed_usd = \"0.002\" } with an amount in quotes"
)]
pub enum MeterEntry {
    Named(MeterName),
    Fixed(FixedPrice),
}

impl Default for MeterEntry {
    fn default() -> Self {
        Self::Named(MeterName::None)
    }
}

/// A price for each call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedPrice {
    pub fixed_usd: Money,
}

impl MeterEntry {
    /// As the domain knows it.
    pub(super) const fn to_meter(self) -> Meter {
        match self {
            Self::Named(MeterName::None) => Meter::None,
            Self::Named(MeterName::OpenaiChat) => Meter::OpenaiChat,
            Self::Named(MeterName::OpenaiResponses) => Meter::OpenaiResponses,
            Self::Named(MeterName::OpenaiEmbeddings) => Meter::OpenaiEmbeddings,
            Self::Named(MeterName::AnthropicMessages) => Meter::AnthropicMessages,
            Self::Named(MeterName::OpenaiCompletions) => Meter::OpenaiCompletions,
            Self::Named(MeterName::OpenaiImages) => Meter::OpenaiImages,
            Self::Named(MeterName::OpenaiTranscriptions) => Meter::OpenaiTranscriptions,
            Self::Named(MeterName::OpenaiSpeech) => Meter::OpenaiSpeech,
            Self::Named(MeterName::GeminiGenerate) => Meter::GeminiGenerate,
            Self::Named(MeterName::BedrockConverse) => Meter::BedrockConverse,
            Self::Named(MeterName::Rerank) => Meter::Rerank,
            Self::Named(MeterName::CountTokens) => Meter::CountTokens,
            Self::Fixed(FixedPrice { fixed_usd }) => Meter::Fixed(fixed_usd),
        }
    }
}
