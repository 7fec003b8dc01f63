//! What a request asks for, as far as it says what the call may take. It is read once ([`super::request`]): what limits take
//! in advance and what is held both come from here.

use std::ops::Range;

use bytes::Bytes;

use super::{edit::Edit, format::Format, prompt::Look, sound::BilledBy};
use crate::domain::refusal::Fault;

/// Tokens that limits take in advance for an answer whose request sets no bound.
const UNBOUNDED_OUTPUT_TOKENS: u64 = 1_024;

/// A bound that is none.
pub(super) const OPEN: &[u8] = b"-1";

/// A request to a model.
pub struct Asked {
    pub(super) format: &'static Format,
    pub(super) body: Bytes,
    /// Where the object stands in the body.
    pub(super) object: Range<usize>,
    /// Whether the object has no member.
    pub(super) is_empty: bool,
    pub(super) model_at: Place,
    pub(super) naming: Naming,
    /// The model that is asked for, and those that may serve in its place.
    pub(super) models: Vec<String>,
    /// Each bound on the answer that the request has, null or not.
    pub(super) output_bounds: Vec<OutputBound>,
    /// The request's settings, where the format has them in a member of their own.
    pub(super) settings: Option<Settings>,
    /// The length of the answer of which the request says nothing, where that is not the model's longest.
    pub(super) usual_tokens: Option<u64>,
    /// Of all prompts together.
    pub(super) answers: u64,
    /// How long the model may think.
    pub(super) thinking_tokens: u64,
    pub(super) predicted_bytes: u64,
    /// What is read more than once: of a query with many documents, all but the first reading.
    pub(super) repeated_bytes: u64,
    /// How many calls the provider may bill it as.
    pub(super) units: u64,
    /// The member that may be written in to bound the answer.
    pub(super) bound_as: Option<&'static str>,
    /// Whether the provider may shorten the conversation by a call of its own.
    pub(super) compacts: bool,
    pub(super) look: Look,
    /// What the bytes of the request do not bound.
    pub(super) without_size: Option<Fault>,
    /// Each kind of use that a price must have a rate for.
    pub(super) needs: Vec<(Need, Fault)>,
    /// How many kinds of content it says that the answer may have; 0 where it says nothing of that.
    pub(super) modalities: usize,
    /// The service tiers that may serve it besides the standard one.
    pub(super) service_tiers: Vec<String>,
    pub(super) is_stream: bool,
    /// Asks for the usage of a stream, where the client has not.
    pub(super) wish_for_usage: Option<Edit>,
}

/// Who says which model serves a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    Answer,
    /// The path, as those of Azure and Bedrock do: another name in the answer is only a word.
    Path,
}

/// Where the name of the model stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    /// As a text in the body.
    Json(Range<usize>),
    /// As it is, in a body that is a form.
    Form(Range<usize>),
}

/// Where the settings of a request stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Settings {
    Object {
        at: Range<usize>,
        is_empty: bool,
    },
    /// The member is there, and nothing in it.
    Null(Range<usize>),
}

/// A kind of use that not every price has a rate for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Need {
    SoundIn,
    SoundOut,
    ImagesOut,
    ServiceTier(String),
}

/// One member that bounds the answer.
pub(super) struct OutputBound {
    pub name: &'static str,
    pub at: Range<usize>,
    pub tokens: Option<u64>,
}

impl Asked {
    /// The model that is asked for, as the request names it.
    pub fn model(&self) -> &str {
        self.models.first().map_or("", String::as_str)
    }

    /// That model, and every other one that the request lets serve in its place.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(String::as_str)
    }

    /// The others.
    pub fn other_models(&self) -> impl Iterator<Item = &str> {
        self.models().skip(1)
    }

    /// Whether the call costs nothing.
    pub const fn is_free(&self) -> bool {
        self.format.is_free
    }

    /// The length of the answer where the request says nothing of it, if that is less than the model's longest.
    pub(super) fn usual_output(&self) -> Option<u64> {
        self.usual_tokens.filter(|_| !self.output_bounds.iter().any(|bound| self.is_open(bound)))
    }

    /// Whether a bound says in words that it is none.
    pub(super) fn is_open(&self, bound: &OutputBound) -> bool {
        self.body.get(bound.at.clone()).is_some_and(|text| text == OPEN)
    }

    /// Whether the answer is to come as it is made.
    pub const fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// About how many tokens the call will take; at least 1.
    pub fn estimated_tokens(&self) -> u64 {
        let each = self.output_bounds.iter().filter_map(|bound| bound.tokens).max();
        let unbounded = || self.usual_output().unwrap_or(UNBOUNDED_OUTPUT_TOKENS);
        let each = self.format.output_bound.map_or(0, |_| each.unwrap_or_else(unbounded));
        let heard = BilledBy::Tokens.about(self.look.sound_bytes);
        self.look.tokens.saturating_add(heard).saturating_add(each.saturating_mul(self.answers)).max(1)
    }
}
