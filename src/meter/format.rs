//! What a format of requests and answers is to its meter: tables, one value a format.

use super::{counts::Counts, path::Path, written::Written};

/// One format of requests and answers.
#[derive(Debug)]
pub struct Format {
    pub about: About,
    /// The members of a request that say what it may take or cost. Of any other only tools, model names and cache rules
    /// are read, wherever these stand in it.
    pub members: &'static [(&'static str, Member)],
    /// What the content of a prompt may be made of.
    pub content: Content,
    /// Where the model's maximum is written if a request sets no bound; `None` where the model gives numbers and no text.
    pub output_bound: Option<&'static str>,
    /// Where the request has a member that holds its settings: the bound stands in it.
    pub settings: Option<&'static str>,
    /// The text of its answers.
    pub written: Written,
    /// Where an answer, or an event of one, states usage: paths, in which `*` is each item of a list.
    pub usages: &'static [Path],
    /// The same of an event that states what was read before anything is written.
    pub first_usages: &'static [Path],
    pub counts: &'static Counts,
    /// Tools that the provider ran, each with a list in an answer and how often it was called by what is in that.
    pub calls: &'static [(&'static str, Path, Calls)],
    /// Whether its calls cost nothing.
    pub is_free: bool,
}

impl Format {
    /// Whether the model writes, so that there is an output to count.
    pub(super) const fn writes(&self) -> bool {
        self.output_bound.is_some()
    }

    /// The length of an answer whose request has no bound, where that is not the model's longest.
    pub(super) fn usual_tokens(&self) -> Option<u64> {
        let usual = |member: &Member| if let Member::OutputBoundOr(tokens) = member { Some(*tokens) } else { None };
        self.members.iter().find_map(|(_, member)| usual(member))
    }
}

/// How often a tool was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// Once for each item.
    Each,
    /// Once for each text that is not empty and not there before.
    EachText,
    /// Once for each item of this type.
    EachOf(&'static str),
    /// Once if there is any of this type.
    OnceOf(&'static str),
    /// Once if it has taken tokens of its own.
    OnceIfUsed,
}

impl Calls {
    /// Whether the number of items decides.
    pub(super) const fn are_counted(self) -> bool {
        matches!(self, Self::Each | Self::EachText)
    }
}

/// What the calls are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Text,
    /// Answers are images. The request may be a form.
    Images,
    /// What is asked is the text of a sound. The request may be a form.
    Transcripts,
    /// Answers are sound, which may come without any usage.
    Speech,
}

impl About {
    /// Whether the request may be a form (RFC 7578).
    #[must_use]
    pub const fn takes_forms(self) -> bool {
        matches!(self, Self::Images | Self::Transcripts)
    }
}

/// What a member of a request is to its meter. Null is as good as absent for each but the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    Model,
    /// Names of models, or objects with a `model`, that may serve in place of the one asked for.
    OtherModels,
    /// Content that the model reads.
    Prompt,
    /// The same under a name of another service. An object there is a setting.
    Words,
    /// The same, in a list of which each item is answered for itself.
    Prompts,
    /// A text that is read with each of the documents.
    Query,
    /// A list of texts that are read one by one.
    Documents,
    /// An image, or a list of them.
    Images,
    /// A text that is to be spoken.
    Spoken,
    /// What the model may call.
    Tools,
    /// The longest answer, in tokens.
    OutputBound,
    /// The same, which may be 0: what is read goes into a cache, and nothing is written.
    OutputBoundOrNone,
    /// The same, which may be 0: nothing is written then. Without it the answer is as long as this.
    OutputBoundOr(u64),
    /// An object with an output bound and a number of answers.
    Settings,
    /// How many answers.
    Answers,
    Stream,
    StreamOptions,
    /// How long the model may think, which must be less than its output bound.
    Thinking,
    /// A text that may be billed as output too.
    Predicted,
    /// It names a prompt that is kept elsewhere, so that its length is not known here.
    Elsewhere,
    /// The service tier: words that cost no more than the standard one, and those that a provider may choose where none is
    /// named.
    Tier {
        standard: &'static [&'static str],
        unasked: &'static [&'static str],
    },
    /// What the answer may be made of: a list of kinds.
    Modalities,
    /// Asks for an answer in sound.
    Sound,
    /// It is a tool that the provider runs.
    Tool(&'static str),
    /// Plug-ins of a gateway, each named by its `id`; those in the list take nothing but text.
    Plugins(&'static [&'static str]),
    /// Rules by which the provider shortens the conversation.
    Context,
    /// It is neither read by the model nor looked into.
    Own,
    /// It names a container of the provider in which code runs.
    Container,
    /// May not be there, because of what it costs, unless it is false.
    NeverTrue(&'static str),
}

/// What content may be made of, at any depth. What is on none of these lists may be longer than it looks.
#[derive(Debug, Clone, Copy)]
pub struct Content {
    /// Types of parts whose every token has a byte in the request.
    pub sized: &'static [&'static str],
    /// Types of parts, and names of members, that are one image.
    pub images: &'static [&'static str],
    /// The same of sound.
    pub sounds: &'static [&'static str],
    /// The same of files and of anything that is only named and kept elsewhere.
    pub references: &'static [&'static str],
    /// Members whose texts the model reads.
    pub texts: &'static [&'static str],
    /// Of those, names under which one text is said again.
    pub same: &'static [&'static str],
    /// Members with JSON that the model reads as text; not looked into.
    pub json: &'static [&'static str],
    /// Members that the model does not read; not looked into.
    pub own: &'static [&'static str],
    /// Types of tools that the client runs, or that are run for nothing. A date may follow.
    pub tools: &'static [&'static str],
    /// How long a cache entry may live that is written, and at which price.
    pub ttls: &'static [(&'static str, Ttl)],
    /// The most tokens of an image.
    pub image_tokens: u64,
}

/// The price at which a cache entry is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// The price of cache writes.
    Short,
    /// The price of those that live for an hour.
    Long,
}
