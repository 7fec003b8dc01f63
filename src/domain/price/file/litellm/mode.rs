//! What kind of calls a model has, and by which of its costs these are billed.

use super::{
    Skipped,
    costs::{Costs, limited, said},
    fields::Fields,
    names::{INPUT, OUTPUT},
};

/// What the calls of a model make of what they are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Text of text.
    Writing,
    /// Numbers: embeddings, and the order of documents. There is no answer to bound.
    Reading,
    Drawing,
    /// Text of sound.
    Hearing,
    /// Sound of text.
    Speaking,
}

/// The field of it.
pub(super) const FIELD: &str = "mode";

const MODES: [(&str, Mode); 9] = [
    ("chat", Mode::Writing),
    ("responses", Mode::Writing),
    ("completion", Mode::Writing),
    ("embedding", Mode::Reading),
    ("rerank", Mode::Reading),
    ("image_generation", Mode::Drawing),
    ("image_edit", Mode::Drawing),
    ("audio_transcription", Mode::Hearing),
    ("audio_speech", Mode::Speaking),
];

const PER_QUERY: &str = "input_cost_per_query";
const PER_CHARACTER: &str = "input_cost_per_character";
/// Of an image that is given, and of one that is made. Where tokens of images have a cost, these say the same in another unit.
const PER_IMAGE: [&str; 2] = ["input_cost_per_image", "output_cost_per_image"];
const PER_SECOND: [&str; 2] = ["input_cost_per_second", "output_cost_per_second"];

/// The most tokens of an image where the file does not say: those of gpt-image-1 at its best have up to 6,240.
const IMAGE_TOKENS: u64 = 10_000;

/// The same of the sound of a text, which may have 2,000 tokens.
const SOUND_TOKENS: u64 = 20_000;

/// A second of sound, or a character, dearer than a cent is a mistake.
const MAX_PUSD: u64 = 10_000_000_000;

impl Mode {
    /// The mode of a model, if its calls are billed by what the gateway can count.
    pub fn of(fields: &Fields) -> Result<Self, Skipped> {
        let mode = fields.string(FIELD).ok_or(Skipped::NoMode)?;
        let known = MODES.iter().find(|(name, _)| *name == mode);
        known.map(|(_, mode)| *mode).ok_or_else(|| Skipped::Mode(super::shortened(&mode)))
    }

    /// The costs of a token in and out. Where a model is billed by the second of sound or by the character of text, each
    /// counts as a token in, and nothing goes out.
    pub fn each(self, fields: &Fields, costs: &Costs) -> Result<(u64, u64), Skipped> {
        let unit = |name: &str| limited(name, fields.cost_pusd(name)?, MAX_PUSD);
        let input = costs.input.ok_or(Skipped::Missing(INPUT));
        let output = |other: Option<u64>| costs.output.or(other).ok_or(Skipped::Missing(OUTPUT));
        match self {
            Self::Writing => Ok((input?, output(None)?)),
            Self::Reading => Ok((input?, costs.output.unwrap_or(0))),
            Self::Drawing if per_image(fields, costs)?.is_some() => {
                Ok((costs.input.unwrap_or(0), costs.output.unwrap_or(0)))
            }
            Self::Drawing => Ok((input?, output(costs.image_output)?)),
            Self::Hearing if costs.output.is_some() => {
                Ok((costs.input.or(costs.audio_input).ok_or(Skipped::Missing(INPUT))?, output(None)?))
            }
            Self::Hearing => {
                let seconds = [unit(PER_SECOND[0])?, unit(PER_SECOND[1])?].into_iter().flatten().max();
                Ok((seconds.ok_or(Skipped::Missing(PER_SECOND[0]))?, 0))
            }
            Self::Speaking => match said(unit(PER_CHARACTER)?) {
                Some(character) => Ok((character, 0)),
                None => Ok((input?, output(costs.audio_output)?)),
            },
        }
    }

    /// What a call costs by itself, where it is named by what is asked, or by each image that is made.
    pub fn per_call(self, fields: &Fields, costs: &Costs) -> Result<Option<u64>, Skipped> {
        match self {
            Self::Reading => fields.cost_pusd(PER_QUERY),
            Self::Drawing => per_image(fields, costs),
            Self::Writing | Self::Hearing | Self::Speaking => Ok(None),
        }
    }

    /// The longest answer, where the file need not say it; `output` is what a token of it costs.
    pub const fn longest(self, output: u64) -> Option<u64> {
        match self {
            Self::Drawing if output > 0 => Some(IMAGE_TOKENS),
            Self::Speaking if output > 0 => Some(SOUND_TOKENS),
            Self::Drawing => Some(0),
            Self::Reading | Self::Hearing | Self::Speaking if self.writes_nothing(output) => Some(0),
            Self::Reading | Self::Hearing | Self::Speaking | Self::Writing => None,
        }
    }

    /// Whether there is no answer to bound, where a token of it costs `output`.
    const fn writes_nothing(self, output: u64) -> bool {
        matches!(self, Self::Reading) || output == 0
    }

    /// Costs that are read here, or are the same price in another unit.
    pub fn knows(self, name: &str) -> bool {
        match self {
            Self::Writing => false,
            Self::Reading => name == PER_QUERY,
            Self::Drawing => PER_IMAGE.contains(&name),
            Self::Hearing => PER_SECOND.contains(&name),
            Self::Speaking => name == PER_CHARACTER || PER_SECOND.contains(&name),
        }
    }
}

/// What an image costs, where its tokens have no cost.
fn per_image(fields: &Fields, costs: &Costs) -> Result<Option<u64>, Skipped> {
    if costs.image_output.is_some() {
        return Ok(None);
    }
    let both = [fields.cost_pusd(PER_IMAGE[0])?, fields.cost_pusd(PER_IMAGE[1])?];
    Ok(said(both.into_iter().flatten().reduce(u64::saturating_add)))
}
