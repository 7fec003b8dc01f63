//! What tokens cost in one range of the prompt's length.

use super::{
    Skipped,
    fields::Fields,
    names::{
        AUDIO_INPUT, AUDIO_OUTPUT, CACHE_HIT, CACHE_WRITE, CACHED_INPUT, IMAGE_INPUT, IMAGE_OUTPUT, INPUT,
        LONG_CACHE_WRITE, OUTPUT, REASONING,
    },
};
use crate::domain::price::{Rates, spec::long_of};

/// A cent for a token is more than any model asks; what is above it is a price for a thousand or for a million.
const MAX_PUSD_A_TOKEN: u64 = 10_000_000_000;

/// What tokens cost up to some length of the prompt, at some service tier. A part that costs nothing is not said rather than free, so that it
/// is billed as what it is part of.
pub(super) struct Costs {
    pub input: Option<u64>,
    pub output: Option<u64>,
    cached_input: Option<u64>,
    cache_write: Option<u64>,
    long_cache_write: Option<u64>,
    reasoning: Option<u64>,
    pub audio_input: Option<u64>,
    pub audio_output: Option<u64>,
    image_input: Option<u64>,
    pub image_output: Option<u64>,
}

impl Costs {
    pub(super) fn read(fields: &Fields, suffix: &str) -> Result<Self, Skipped> {
        let cost = |name: &str| {
            let name = format!("{name}{suffix}");
            limited(&name, fields.cost_pusd(&name)?, MAX_PUSD_A_TOKEN)
        };
        let cached_input = match (said(cost(CACHED_INPUT)?), said(cost(CACHE_HIT)?)) {
            // Of two that differ the dearer one is never too little.
            (Some(one), Some(other)) => Some(one.max(other)),
            (one, other) => one.or(other),
        };
        Ok(Self {
            input: cost(INPUT)?,
            output: cost(OUTPUT)?,
            cached_input,
            cache_write: said(cost(CACHE_WRITE)?),
            long_cache_write: said(cost(LONG_CACHE_WRITE)?),
            reasoning: said(cost(REASONING)?),
            audio_input: said(cost(AUDIO_INPUT)?),
            audio_output: said(cost(AUDIO_OUTPUT)?),
            image_input: said(cost(IMAGE_INPUT)?),
            image_output: said(cost(IMAGE_OUTPUT)?),
        })
    }

    pub(super) fn rates(&self, input: u64, output: u64) -> Rates {
        let cache_write = self.cache_write.unwrap_or(input);
        Rates {
            input,
            cached_input: self.cached_input.unwrap_or(input),
            cache_write,
            long_cache_write: self.long_cache_write.unwrap_or_else(|| long_of(cache_write)),
            output,
            reasoning: self.reasoning.unwrap_or(output),
            audio_input: self.audio_input,
            audio_output: self.audio_output,
            image_input: self.image_input.unwrap_or(input),
            image_output: self.image_output.unwrap_or(output),
        }
    }
}

impl Costs {
    /// The rates of a tier at which a token costs `input` and `output`. A part that it does not say is to the whole as it is without
    /// the tier, in `base`; `media` says so of sound and images, of the rate, the whole without the tier, and the whole with it.
    pub(super) fn beside(
        &self,
        base: &Rates,
        (input, output): (u64, u64),
        media: impl Fn(u64, u64, u64) -> u64,
    ) -> Rates {
        let read = |part: u64| in_step(part, base.input, input);
        Rates {
            input,
            cached_input: self.cached_input.unwrap_or_else(|| read(base.cached_input)),
            cache_write: self.cache_write.unwrap_or_else(|| read(base.cache_write)),
            long_cache_write: match (self.long_cache_write, self.cache_write) {
                (Some(long), _) => long,
                (None, Some(short)) => long_of(short),
                (None, None) => read(base.long_cache_write),
            },
            output,
            reasoning: self.reasoning.unwrap_or_else(|| in_step(base.reasoning, base.output, output)),
            audio_input: self.audio_input.or_else(|| Some(media(base.audio_input?, base.input, input))),
            audio_output: self.audio_output.or_else(|| Some(media(base.audio_output?, base.output, output))),
            image_input: self.image_input.unwrap_or_else(|| media(base.image_input, base.input, input)),
            image_output: self.image_output.unwrap_or_else(|| media(base.image_output, base.output, output)),
        }
    }
}

/// What a part costs where the whole costs `now` in place of `whole`, if it stays the same share of it.
pub(super) fn in_step(part: u64, whole: u64, now: u64) -> u64 {
    let scaled = u128::from(part).saturating_mul(u128::from(now)).checked_div(u128::from(whole));
    scaled.map_or(part, |scaled| u64::try_from(scaled).unwrap_or(u64::MAX))
}

/// The same where prompts are longer: sound and images that are dearer than text have prices of their own, which stay.
pub(super) fn by_length(part: u64, whole: u64, now: u64) -> u64 {
    if part > whole { part.max(now) } else { in_step(part, whole, now) }
}

/// A cost of nothing is not said rather than free.
pub(super) fn said(cost: Option<u64>) -> Option<u64> {
    cost.filter(|pusd| *pusd > 0)
}

/// The cost, unless it is above `most`.
pub(super) fn limited(name: &str, cost: Option<u64>, most: u64) -> Result<Option<u64>, Skipped> {
    match cost {
        Some(pusd) if pusd > most => Err(Skipped::TooHigh(name.to_owned())),
        cost => Ok(cost),
    }
}
