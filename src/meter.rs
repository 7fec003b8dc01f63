//! What a call to a model may take, and what it took: the formats of AI providers.
//!
//! Called by the pipeline with the bytes of a request, before the call is limited and held, and with those of its answer
//! as they pass. Pure: bytes in, bytes and usage out. It knows no money, keeps no text longer than it must, believes no
//! number that is not a plain count, and changes no byte but those it says: the bound on the answer, the wish for usage
//! and the tier in place of `auto` are written into a request, and an answer loses the usage that the client had not asked
//! for.
//!
//! A format is a value of [`format::Format`], one file each in `formats`: tables of what the members of its requests mean, of
//! what content may be made of, of the text in its answers, and of the names and places of its counts ([`counts`]).

mod actions;
mod asides;
mod asked;
mod bound;
mod coding;
mod count;
mod count_tables;
mod counts;
mod delivered;
mod edit;
mod errors;
mod events;
mod extra_usage;
mod failure;
mod followed;
mod form;
mod format;
mod formats;
mod frames;
mod json;
mod kept;
mod letter;
mod lines;
mod members;
mod path;
mod plain;
mod prompt;
mod reading;
mod rename;
mod request;
mod shown;
mod skim;
mod skim_texts;
mod sound;
mod statement;
pub mod steering;
mod stream_options;
mod text;
mod tiers;
mod tools;
mod usage_elsewhere;
mod work;
mod written;

#[cfg(test)]
mod attacked_tests;
#[cfg(test)]
mod cases_tests;
#[cfg(test)]
mod clients_tests;
#[cfg(test)]
mod elsewhere_tests;
#[cfg(test)]
mod fuzz_tests;
#[cfg(test)]
mod held_tests;
#[cfg(test)]
mod long_tests;
#[cfg(test)]
mod requests_tests;
#[cfg(test)]
mod test_price;
#[cfg(test)]
mod work_tests;

use crate::domain::route::Meter;

pub use self::{
    actions::{HIDING_HEADER, unbilled},
    asked::{Asked, Naming},
    bound::{Bound, Ways},
    form::boundary_of,
    format::Format,
    letter::Letter,
    reading::{Reading, Taken, is_event_stream},
    statement::STANDARD_TIERS,
};

/// The longest whole answer that is kept until its end, so that its head says what it cost.
pub const MAX_WHOLE_BYTES: usize = 4 << 20;

/// The longest request that a worker reads itself: a longer one would keep it from others, and is read on another thread.
pub const MAX_READ_HERE_BYTES: usize = 256 << 10;

/// The format of one call to a route: what the end of its path asks for, where that is no answer of the model, and else the
/// route's.
#[must_use]
pub fn format_at(meter: Meter, path: &str) -> Option<&'static Format> {
    let ends = |ends: &[&str]| ends.iter().any(|end| path.ends_with(end));
    let counts = match meter {
        Meter::GeminiGenerate => ends(&[":countTokens", "%3AcountTokens", ":computeTokens", "%3AcomputeTokens"]),
        Meter::BedrockConverse => ends(&["/count-tokens"]),
        Meter::AnthropicMessages => ends(&["/count_tokens", "/count-tokens:rawPredict", "/count-tokens%3ArawPredict"]),
        Meter::OpenaiResponses => ends(&["/input_tokens"]),
        _ => false,
    };
    match meter {
        _ if counts => Some(&formats::COUNT_TOKENS),
        Meter::GeminiGenerate if ends(&["embedContent", "batchEmbedContents"]) => Some(&formats::GEMINI_EMBED),
        meter => format(meter),
    }
}

/// The format of a route's calls, where they are to a model.
#[must_use]
pub const fn format(meter: Meter) -> Option<&'static Format> {
    match meter {
        Meter::None | Meter::Fixed(_) => None,
        Meter::OpenaiChat => Some(&formats::OPENAI_CHAT),
        Meter::OpenaiCompletions => Some(&formats::OPENAI_COMPLETIONS),
        Meter::OpenaiResponses => Some(&formats::OPENAI_RESPONSES),
        Meter::OpenaiEmbeddings => Some(&formats::OPENAI_EMBEDDINGS),
        Meter::OpenaiImages => Some(&formats::OPENAI_IMAGES),
        Meter::OpenaiTranscriptions => Some(&formats::OPENAI_TRANSCRIPTIONS),
        Meter::OpenaiSpeech => Some(&formats::OPENAI_SPEECH),
        Meter::AnthropicMessages => Some(&formats::ANTHROPIC_MESSAGES),
        Meter::GeminiGenerate => Some(&formats::GEMINI_GENERATE),
        Meter::BedrockConverse => Some(&formats::BEDROCK_CONVERSE),
        Meter::Rerank => Some(&formats::RERANK),
        Meter::CountTokens => Some(&formats::COUNT_TOKENS),
    }
}
