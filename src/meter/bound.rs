//! The most that a call can take, and the request by which it cannot take more.

use std::rc::Rc;

use super::{
    asked::{Asked, Naming, Need, OutputBound, Place, Settings},
    counts::Counts,
    edit::Edit,
    format::{About, Format, Member},
    kept::Kept,
    letter::Letter,
    sound::BilledBy,
};
use crate::domain::{
    price::{Images, Most, Price},
    refusal::Fault,
    route::{BoundName, Dialect},
};

/// Tokens that a provider may put around what a request shows: the frame of the conversation, and the words that describe
/// tools to a model (Anthropic states up to 735).
const FRAME_TOKENS: u64 = 100;
const TOOLS_TOKENS: u64 = 1_000;

/// What a call of a tool that the provider runs may bring into the prompt, where the longest prompt is not known.
const TOOL_CALL_TOKENS: u64 = 20_000;

/// Up to here a count is sane whatever the price list says: tables are behind their providers, and a batch or a cache
/// may be longer than a prompt.
const SANE_INPUT_TOKENS: u64 = 4_000_000;
const SANE_OUTPUT_TOKENS: u64 = 1_000_000;

/// What a bound on the answers takes at most in a request, with its name and blanks around it.
const BOUND_BYTES: u64 = 64;

/// By how much a sane count may be above what the price list knows.
const SANE_FACTOR: u64 = 4;

/// Tokens of sound for a token of the text that is spoken: about 20 a second, and three of the text.
const SPOKEN_TOKENS: u64 = 7;

/// The tier that costs less, and is billed as the standard one where it has no price.
pub(super) const FLEX: &str = "flex";

/// What may be written into a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ways<'n> {
    /// What the upstream calls the model, where that is another name than the one that is asked for.
    pub model: Option<&'n str>,
    pub dialect: Dialect,
    /// The output bound of a request that has none, where it is less than the model's.
    pub default_max_tokens: Option<u64>,
}

/// Whether tokens may be those of images, or of sound.
#[derive(Debug, Clone, Copy)]
struct Media {
    images: Images,
    sound: bool,
}

/// The bounds of one call to one model.
#[derive(Clone)]
pub struct Bound {
    /// The request to be sent.
    pub letter: Rc<Letter>,
    pub input_tokens: u64,
    /// Of all answers together.
    pub output_tokens: u64,
    /// How many answers there may be.
    pub answers: u64,
    /// Of the output tokens, those that no bound on an answer makes fewer.
    output_besides: u64,
    /// Bytes that the request would be longer by if it had a bound on its answers.
    further_bytes: u64,
    /// How many calls the provider may bill it as.
    pub(super) units: u64,
    pub kept: Kept,
    media: Media,
    /// The service tiers that may serve it besides the standard one, and whether the request names one of them.
    service_tiers: Vec<String>,
    asked_tier: Option<String>,
    /// The most calls of each tool that the provider runs.
    pub tools: Vec<(String, u64)>,
    pub(super) format: &'static Format,
    /// Who says which model serves.
    pub naming: Naming,
    /// The counts of the model that is asked for.
    pub(super) counts: &'static Counts,
    /// About the length of the prompt, where no answer states it.
    pub(super) estimated_input_tokens: u64,
    /// About the length of the answer, where nothing in it can be counted.
    pub(super) estimated_output_tokens: u64,
    /// By what the sound in it is billed.
    pub(super) sound: BilledBy,
    /// The longest prompt and answers that are believed.
    pub(super) sane_input_tokens: u64,
    pub(super) sane_output_tokens: u64,
    /// Whether data in the answer is sound, and no image.
    pub(super) speaks: bool,
    /// Whether the answer is to come as it is made.
    pub(super) is_stream: bool,
    /// Whether the usage of a stream was asked for by the gateway alone.
    pub(super) asks_for_usage: bool,
    /// The name that stands in the answer in place of the upstream's.
    pub(super) answers_as: Option<String>,
}

impl Bound {
    /// The most that it can take, as prices know it.
    pub fn most(&self) -> Most<'_> {
        let Self { input_tokens, output_tokens, kept, media, units, .. } = *self;
        let has_long_cache = kept.has_long_cache;
        let Media { images, sound: has_sound } = media;
        let service_tiers = &self.service_tiers;
        Most { input_tokens, output_tokens, has_long_cache, images, has_sound, service_tiers, calls: units }
    }

    /// The same without the answers, where a bound on them is written into the request.
    pub fn most_besides(&self) -> Most<'_> {
        let input_tokens = self.input_tokens.saturating_add(self.further_bytes);
        Most { input_tokens, output_tokens: self.output_besides, ..self.most() }
    }

    /// The service tier that the request names, where it is not a standard one.
    pub fn asked_tier(&self) -> Option<&str> {
        self.asked_tier.as_deref()
    }

    /// Whether the model writes text.
    pub fn writes_text(&self) -> bool {
        self.format.writes() && self.format.about == About::Text
    }
}

impl Asked {
    /// Bounds the call by the prices of all models that may serve it. The error is a request whose cost has no bound.
    pub fn bound(&self, prices: &[&Price], ways: Ways<'_>) -> Result<Bound, Fault> {
        let longest_input = prices.iter().map(|price| price.max_input_tokens).min().flatten();
        let longest_output = prices.iter().map(|price| price.max_output_tokens).min().unwrap_or(0);
        let most_output = prices.iter().map(|price| price.max_output_tokens).max().unwrap_or(0);
        self.has_rates(prices)?;
        let is_by_seconds = self.format.about == About::Transcripts && most_output == 0;
        let sound = if is_by_seconds { BilledBy::Seconds } else { BilledBy::Tokens };
        let prompt = self.prompt_tokens(longest_input, sound)?;
        let room = longest_input.map(|longest| longest.saturating_sub(prompt));
        let (each, mut edits) = self.output_tokens(longest_output, room, ways)?;
        let each = each.max(self.bound_elsewhere().min(most_output));
        // A further call that shortens the conversation.
        let shortenings = u64::from(self.compacts);
        // Other models that the model may ask read what it has read.
        let advisors = self.look.provider_tools.iter().filter(|tool| tool.is_model());
        let advice = advisors.map(|tool| tool.calls).fold(0, u64::saturating_add);
        let times = advice.saturating_add(shortenings).saturating_add(1);
        let further = shortenings.saturating_mul(longest_output).saturating_add(advice.saturating_mul(most_output));
        let input_tokens = prompt.saturating_mul(times);
        let output_besides = self.predicted_bytes.saturating_add(further);
        let output_tokens = each.saturating_mul(self.answers).saturating_add(output_besides);
        let is_bounded = self.output_bounds.iter().any(|bound| bound.tokens.is_some());
        let wish = self.wish_for_usage.as_ref().filter(|_| ways.dialect.stream_usage);
        let asks_for_usage = wish.is_some();
        edits.extend(wish.cloned());
        edits.extend(self.renaming(ways.model));
        let sane = |floor: u64, known: u64, bound: u64| {
            floor.max(known.saturating_mul(SANE_FACTOR)).max(bound.saturating_mul(SANE_FACTOR))
        };
        let about = self.format.about;
        let needs = |need: &Need| self.needs.iter().any(|(known, _)| known == need);
        let images = match about {
            _ if self.look.images > 0 || about == About::Images || needs(&Need::ImagesOut) => Images::Any,
            // Models that draw do so unasked.
            About::Text if self.modalities == 0 => Images::Drawn,
            _ => Images::None,
        };
        let speaks = matches!(about, About::Transcripts | About::Speech) || needs(&Need::SoundOut);
        let answers_in_sound = needs(&Need::SoundOut) && !needs(&Need::ImagesOut);
        let has_sound = speaks || needs(&Need::SoundIn) || self.look.has_video;
        let (spoken, read) = self.estimates(output_tokens);
        let heard = read.saturating_add(sound.about(self.look.sound_bytes));
        let known_output = most_output.saturating_mul(self.answers).saturating_add(self.predicted_bytes);
        Ok(Bound {
            letter: Rc::new(self.letter(edits, ways.model)),
            input_tokens,
            output_tokens,
            answers: self.answers,
            output_besides,
            further_bytes: if is_bounded { 0 } else { BOUND_BYTES.saturating_mul(times) },
            units: if about == About::Images { self.answers } else { self.units },
            kept: Kept { has_long_cache: self.look.has_long_cache, is_elsewhere: self.without_size.is_some() },
            media: Media { images, sound: has_sound },
            asked_tier: self.asked_tier(),
            service_tiers: self.service_tiers.clone(),
            tools: self.look.provider_tools.iter().map(|tool| (tool.name.clone(), tool.calls)).collect(),
            format: self.format,
            naming: self.naming,
            counts: self.format.counts.of_model(ways.model.unwrap_or_else(|| self.model())),
            estimated_input_tokens: heard.clamp(1, input_tokens.max(1)),
            estimated_output_tokens: spoken,
            sane_input_tokens: sane(SANE_INPUT_TOKENS, longest_input.unwrap_or(0), input_tokens),
            sane_output_tokens: sane(SANE_OUTPUT_TOKENS, known_output, output_tokens),
            sound,
            speaks: answers_in_sound,
            is_stream: self.is_stream,
            asks_for_usage,
            answers_as: ways.model.map(|_| self.model().to_owned()),
        })
    }

    fn letter(&self, edits: Vec<Edit>, model: Option<&str>) -> Letter {
        let in_path =
            model.filter(|_| self.model_at == Place::Path).map(|model| (self.model().to_owned(), model.to_owned()));
        Letter { body: self.body.clone(), edits, in_path }
    }

    /// Writes the upstream's name of the model where the client's stands in the body.
    fn renaming(&self, model: Option<&str>) -> Option<Edit> {
        let model = model?;
        match &self.model_at {
            Place::Path => None,
            Place::Json(at) => Some(Edit { at: at.clone(), text: serde_json::Value::from(model).to_string() }),
            Place::Form(at) => Some(Edit { at: at.clone(), text: model.to_owned() }),
        }
    }

    /// Whether every price has the rates that the call needs.
    fn has_rates(&self, prices: &[&Price]) -> Result<(), Fault> {
        let is_known = |need: &Need, price: &Price| match need {
            Need::SoundIn => price.base.audio_input.is_some(),
            Need::SoundOut => price.base.audio_output.is_some(),
            Need::ImagesOut => price.base.image_output != price.base.output,
            Need::ServiceTier(name) => price.service_tier(name).is_some(),
        };
        let missing = self.needs.iter().find(|(need, _)| !prices.iter().all(|price| is_known(need, price)));
        missing.map_or(Ok(()), |(need, fault)| {
            let field = match need {
                Need::SoundIn => "audio_input_usd".to_owned(),
                Need::SoundOut => "audio_output_usd".to_owned(),
                Need::ImagesOut => "image_output_usd".to_owned(),
                Need::ServiceTier(name) => format!("entry of service_tiers for {}", name.escape_debug()),
            };
            let Fault { pointer, detail, .. } = fault;
            let why = "which the price of this model does not have. An administrator can add it at /admin/prices";
            Err(Fault::new(pointer.clone(), format!("{detail}, and that needs {field}, {why}")))
        })
    }

    /// The tier that the request names, of those that a price may be lower or higher for.
    fn asked_tier(&self) -> Option<String> {
        let is_named = |tier: &&String| {
            let need = Need::ServiceTier((*tier).clone());
            *tier == FLEX || self.needs.iter().any(|(known, _)| *known == need)
        };
        self.service_tiers.iter().find(is_named).cloned()
    }

    /// About the length of an answer in which nothing can be counted, and of the prompt.
    fn estimates(&self, output_tokens: u64) -> (u64, u64) {
        match self.format.about {
            About::Speech if output_tokens == 0 => (0, self.look.characters),
            About::Speech => (self.look.tokens.saturating_mul(SPOKEN_TOKENS).min(output_tokens), self.look.tokens),
            About::Text | About::Images | About::Transcripts => (0, self.look.tokens),
        }
    }

    /// No token of text is shorter than a byte, images have a bound each, and sound has one by its bytes. What has neither takes the longest prompt of
    /// the model. That longest prompt lowers no bound: a batch may be longer, and the price list may be behind.
    fn prompt_tokens(&self, longest: Option<u64>, sound: BilledBy) -> Result<u64, Fault> {
        let bytes = u64::try_from(self.body.len()).unwrap_or(u64::MAX).saturating_sub(self.look.data_bytes);
        let images = self.look.images.saturating_mul(self.format.content.image_tokens);
        let around = FRAME_TOKENS.saturating_add(if self.look.has_tools { TOOLS_TOKENS } else { 0 });
        let media = images.saturating_add(sound.most(self.look.sound_bytes));
        let shown = bytes.saturating_add(self.repeated_bytes).saturating_add(media).saturating_add(around);
        if let Some(Fault { pointer, detail, .. }) = &self.without_size {
            let unknown = "so that its length is not known from the request, and the price of this model has no \
                           max_input_tokens. An administrator can add it at /admin/prices";
            let longest = longest.ok_or_else(|| Fault::new(pointer.clone(), format!("{detail}, {unknown}")))?;
            return Ok(shown.max(longest));
        }
        let calls = self.look.provider_tools.iter().map(|tool| tool.calls).fold(0, u64::saturating_add);
        let read = longest.unwrap_or_else(|| shown.saturating_add(calls.saturating_mul(TOOL_CALL_TOKENS)));
        Ok(if calls > 0 { shown.max(read) } else { shown })
    }

    /// The bound of each answer, and the edits that make it one: no bound above the model's own is left, and where there
    /// is none one is written that fits into the model's context.
    fn output_tokens(&self, longest: u64, room: Option<u64>, ways: Ways<'_>) -> Result<(u64, Vec<Edit>), Fault> {
        if self.format.output_bound.is_none() {
            return Ok((0, vec![]));
        }
        if longest == 0 && self.format.about != About::Text {
            return Ok((0, vec![]));
        }
        if longest == 0 {
            return Err(Fault::new("/model", "has no bound on its answers in its price, so that it can give none"));
        }
        // A bound that leaves no room for the thoughts is refused: the price list is behind what the model can.
        let may_clamp = self.thinking_tokens < longest;
        let too_long = |tokens: u64| tokens > longest && may_clamp;
        let all_too_long = self.output_bounds.iter().filter(|bound| bound.tokens.is_some_and(too_long));
        let mut edits: Vec<Edit> =
            all_too_long.map(|bound| Edit { at: bound.at.clone(), text: longest.to_string() }).collect();
        if let Some(given) = self.output_bounds.iter().filter_map(|bound| bound.tokens).max() {
            return Ok((if too_long(given) { longest } else { given }, edits));
        }
        let wanted = ways.default_max_tokens.or_else(|| self.usual_output());
        let wanted = wanted.map_or(longest, |tokens| tokens.min(longest));
        let fits = room.map_or(wanted, |room| wanted.min(room));
        // A provider that is given a prediction takes no bound besides it; the model's own holds all the same. And bytes
        // bound a long prompt too loosely: rather than cut the answer to less than half, none is written, and the
        // provider's own bound is the rest of the context.
        let is_loose = fits < wanted.div_ceil(2) || fits <= self.thinking_tokens;
        match self.bound_name(ways).filter(|_| self.predicted_bytes == 0 && !is_loose) {
            None => Ok((longest.saturating_add(self.thinking_tokens), edits)),
            Some(name) => {
                edits.extend(self.written_bound(name, fits));
                Ok((fits, edits))
            }
        }
    }

    /// The longest answer that the request allows outside of the members of its format: in an entry of those that may serve
    /// in its place, or under a name of another service. Some servers heed these.
    fn bound_elsewhere(&self) -> u64 {
        self.format.output_bound.and(self.look.bound_tokens).unwrap_or(0)
    }

    /// Under which name a bound is written.
    fn bound_name(&self, ways: Ways<'_>) -> Option<&'static str> {
        let name = self.bound_as.filter(|name| !name.is_empty())?;
        let knows = |name: &str| {
            let is_bound = |member: &Member| {
                matches!(member, Member::OutputBound | Member::OutputBoundOrNone | Member::OutputBoundOr(_))
            };
            self.format.members.iter().any(|(known, member)| *known == name && is_bound(member))
        };
        match ways.dialect.output_bound {
            BoundName::MaxTokens if knows("max_tokens") => Some("max_tokens"),
            BoundName::MaxCompletionTokens | BoundName::MaxTokens => Some(name),
            BoundName::Unwritten => None,
        }
    }

    /// In place of each bound that is none, or of the null under this name, or as a further member.
    fn written_bound(&self, name: &str, tokens: u64) -> Vec<Edit> {
        let value = tokens.to_string();
        let open: Vec<&OutputBound> = self.output_bounds.iter().filter(|bound| self.is_open(bound)).collect();
        let null = self.output_bounds.iter().find(|bound| bound.name == name).filter(|_| open.is_empty());
        let given = open.into_iter().chain(null);
        let mut edits: Vec<Edit> = given.map(|bound| Edit { at: bound.at.clone(), text: value.clone() }).collect();
        if edits.is_empty() {
            edits.push(match (self.format.settings, &self.settings) {
                (None, _) => Edit::append(&self.object, self.is_empty, name, &value),
                (Some(_), Some(Settings::Object { at, is_empty })) => Edit::append(at, *is_empty, name, &value),
                (Some(_), Some(Settings::Null(at))) => Edit { at: at.clone(), text: format!("{{\"{name}\":{value}}}") },
                (Some(settings), None) => {
                    Edit::append(&self.object, self.is_empty, settings, &format!("{{\"{name}\":{value}}}"))
                }
            });
        }
        edits
    }

    /// What is sent of a request that costs nothing: with the name that the upstream has for the model.
    #[must_use]
    pub fn renamed(&self, model: Option<&str>) -> Letter {
        self.letter(self.renaming(model).into_iter().collect(), model)
    }
}

#[cfg(test)]
mod tests;
