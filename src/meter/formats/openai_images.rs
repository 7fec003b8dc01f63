//! OpenAI images: <https://platform.openai.com/docs/api-reference/images>. Billed by the usage that the answer states; what
//! is not stated costs the tokens of the prompt. Edits come as a form.

use super::{
    super::{
        count_tables::OPENAI,
        counts::CALLS,
        format::{About, Calls, Format, Member},
        path::{Path, paths},
        written::Written,
    },
    openai::CONTENT,
};

pub(in super::super) const OPENAI_IMAGES: Format = Format {
    about: About::Images,
    members: &[
        ("model", Member::Model),
        ("models", Member::OtherModels),
        ("prompt", Member::Prompt),
        ("image", Member::Images),
        ("images", Member::Images),
        ("mask", Member::Images),
        ("n", Member::Answers),
        ("stream", Member::Stream),
    ],
    content: CONTENT,
    output_bound: Some(""),
    settings: None,
    written: Written::NONE,
    usages: paths!["usage"],
    first_usages: &[],
    counts: &OPENAI,
    // Of models that are billed by the image, each is a call.
    calls: &[(CALLS, Path::of("data"), Calls::Each), (CALLS, Path::of("images"), Calls::Each)],
    is_free: false,
};
