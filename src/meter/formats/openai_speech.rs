//! OpenAI speech: <https://platform.openai.com/docs/api-reference/audio/createSpeech>. Billed by the usage that a stream of
//! events states. Sound without any is estimated: by the characters of the text where the model's answers cost nothing, as
//! models are priced that are billed by them, and else by its tokens and about as many of sound as are spoken for them.

use super::{
    super::{
        count_tables::OPENAI,
        format::{About, Format, Member},
        path::paths,
        written::Written,
    },
    openai::CONTENT,
};

pub(in super::super) const OPENAI_SPEECH: Format = Format {
    about: About::Speech,
    members: &[
        ("model", Member::Model),
        ("input", Member::Spoken),
        // Of other services.
        ("text", Member::Spoken),
        ("transcript", Member::Spoken),
        ("ssml", Member::Spoken),
        ("instructions", Member::Prompt),
    ],
    content: CONTENT,
    output_bound: Some(""),
    settings: None,
    written: Written::NONE,
    usages: paths!["usage"],
    first_usages: &[],
    counts: &OPENAI,
    calls: &[],
    is_free: false,
};
