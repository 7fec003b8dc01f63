//! What a call to a model may take, and what it took: the formats of AI providers.
//!
//! Called by the pipeline with the bytes of a request, before the call is limited and held, and with those of its answer
//! as they pass. Pure: bytes in, bytes and usage out. It knows no money, keeps no text longer than it must, believes no
//! number that is not a plain count, and changes no byte but those it says: the bound on the answer, the wish for usage
//! and the tier in place of `auto` are written into a request, and an answer loses the one chunk that the client had not asked for.
//!
//! One file a format, all behind [`Format`]: each is a table of what the members of its requests mean, and the places
//! where its answers state usage.

mod anthropic_messages;
mod asked;
mod bound;
mod edit;
mod events;
mod members;
mod openai_chat;
mod openai_embeddings;
mod openai_responses;
mod prompt;
mod reading;
mod skim;
mod statement;
mod text;

use crate::domain::route::Meter;

pub use self::{
    asked::Asked,
    bound::Bound,
    events::MAX_BYTES as MAX_WHOLE_BYTES,
    reading::{Reading, Taken, is_event_stream},
};

/// The most tokens that are believed of anything: no model reads or writes more at once.
const MAX_TOKENS: u64 = 100_000_000;

/// One format of requests and answers.
pub trait Format: Sync {
    /// The members of a request that say what it may take or cost. Any other is passed on unread.
    fn members(&self) -> &'static [(&'static str, Member)];

    /// What the content of a prompt may be made of.
    fn content(&self) -> &'static Content;

    /// Where the model's maximum is written if a request sets no bound; `None` where the model gives numbers and no text.
    fn output_bound(&self) -> Option<&'static str>;

    /// The members of an answer, or of an event of one, whose text the model wrote.
    fn written(&self) -> &'static [&'static str];

    /// The counts of a `usage` object.
    fn stated(&self, usage: &serde_json::Value) -> statement::Stated;

    /// Whether the stated input leaves out what came from a cache or went into one.
    fn excludes_cached(&self) -> bool {
        false
    }
}

/// The format of a route's calls, where they are to a model.
#[must_use]
pub const fn format(meter: Meter) -> Option<&'static dyn Format> {
    match meter {
        Meter::None | Meter::Fixed(_) => None,
        Meter::OpenaiChat => Some(&openai_chat::OpenaiChat),
        Meter::OpenaiResponses => Some(&openai_responses::OpenaiResponses),
        Meter::OpenaiEmbeddings => Some(&openai_embeddings::OpenaiEmbeddings),
        Meter::AnthropicMessages => Some(&anthropic_messages::AnthropicMessages),
    }
}

/// What a member of a request is to its meter. Null is as good as absent for each but the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    Model,
    /// Content that the model reads.
    Prompt,
    /// What the model may call; each must be of one of these types, which take nothing that the request does not show.
    Tools(&'static [&'static str]),
    /// The longest answer, in tokens.
    OutputBound,
    /// How many answers.
    Answers,
    Stream,
    StreamOptions,
    /// A text that may be billed as output too.
    Predicted,
    /// It names a prompt that is kept elsewhere, so that its length is not known here.
    Elsewhere,
    /// Only these words; others change what a token costs.
    OneOf(&'static [&'static str]),
    /// Only these words; `auto` is sent as the first of them. It leaves the choice to the provider, who may take one that
    /// costs more.
    Tier(&'static [&'static str]),
    /// A list of words that may have only these.
    EachOf(&'static [&'static str]),
    /// May not be there, because of what it costs.
    Never(&'static str),
    /// The same, unless it is false.
    NeverTrue(&'static str),
}

/// What content may be made of, at any depth.
#[derive(Debug, Clone, Copy)]
pub struct Content {
    /// Types of parts whose every token has a byte in the request. Any other may be longer than it looks.
    pub sized: &'static [&'static str],
    /// Types that no price speaks of.
    pub priceless: &'static [&'static str],
    /// Members that hold data of the client's own, which are not looked into.
    pub own: &'static [&'static str],
}
