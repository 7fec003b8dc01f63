//! The formats, one file each.

mod anthropic_messages;
mod bedrock_converse;
mod count_tokens;
mod gemini_embed;
mod gemini_generate;
mod openai;
mod openai_chat;
mod openai_completions;
mod openai_embeddings;
mod openai_images;
mod openai_responses;
mod openai_speech;
mod openai_transcriptions;
mod rerank;

pub(super) use self::{
    anthropic_messages::ANTHROPIC_MESSAGES, bedrock_converse::BEDROCK_CONVERSE, count_tokens::COUNT_TOKENS,
    gemini_embed::GEMINI_EMBED, gemini_generate::GEMINI_GENERATE, openai_chat::OPENAI_CHAT,
    openai_completions::OPENAI_COMPLETIONS, openai_embeddings::OPENAI_EMBEDDINGS, openai_images::OPENAI_IMAGES,
    openai_responses::OPENAI_RESPONSES, openai_speech::OPENAI_SPEECH, openai_transcriptions::OPENAI_TRANSCRIPTIONS,
    rerank::RERANK,
};
