//! OpenAI transcriptions and translations: <https://platform.openai.com/docs/api-reference/audio>. Billed by the usage that
//! the answer states: tokens, or the seconds of the sound, which count as tokens of the prompt. A sound has more bytes than
//! tokens and seconds.

use super::{
    super::{
        count_tables::OPENAI,
        counts::Counts,
        format::{About, Format, Member},
        path::paths,
        written::Written,
    },
    openai::CONTENT,
};

const TRANSCRIPT_COUNTS: Counts = Counts {
    input: paths!["input_tokens", "prompt_tokens", "seconds", "duration"],
    rest_is_input: true,
    audio_input: paths!["input_token_details/audio_tokens"],
    ..OPENAI
};

pub(in super::super) const OPENAI_TRANSCRIPTIONS: Format = Format {
    about: About::Transcripts,
    members: &[
        ("model", Member::Model),
        ("prompt", Member::Prompt),
        ("input_audio", Member::Prompt),
        ("stream", Member::Stream),
        ("file", Member::Elsewhere),
        ("file_url", Member::Elsewhere),
        ("url", Member::Elsewhere),
    ],
    content: CONTENT,
    output_bound: Some(""),
    settings: None,
    written: Written {
        roots: &["delta", "text"],
        texts: &[],
        same: &[],
        json: &[],
        data_events: &["transcript.text.done", "transcript.text.segment"],
        again: &[],
        items: &[],
        results: "",
    },
    usages: paths![".", "usage"],
    first_usages: &[],
    counts: &TRANSCRIPT_COUNTS,
    calls: &[],
    is_free: false,
};
