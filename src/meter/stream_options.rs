//! A stream of OpenAI chat completions states its usage only where the request asks for it.

use std::ops::Range;

use super::{
    edit::Edit,
    members::{self, Found},
};
use crate::domain::refusal::Fault;

pub(super) const NAME: &str = "stream_options";
const INCLUDE_USAGE: &str = "include_usage";

/// What has to be written into a request so that it asks for usage; nothing where it does.
pub(super) fn wish(options: Option<&Found<'_, '_>>, text: &[u8], object: &Range<usize>) -> Result<Option<Edit>, Fault> {
    let whole = || format!("{{\"{INCLUDE_USAGE}\":true}}");
    let Some(options) = options else {
        return Ok(Some(Edit::append(object, false, NAME, &whole())));
    };
    let at = options.value.place(text);
    if options.value.is_null() {
        return Ok(Some(Edit { at, text: whole() }));
    }
    let pointer = format!("/{NAME}");
    if !options.value.is_object() {
        return Err(Fault::new(pointer, "must be an object"));
    }
    let known = |name: &str| (name == INCLUDE_USAGE).then_some(INCLUDE_USAGE);
    let found = members::find(options.value, known, &pointer)?;
    Ok(match found.first() {
        None => Some(Edit::append(&at, options.value.members().is_empty(), INCLUDE_USAGE, "true")),
        Some(given) => match given.value.raw {
            b"true" => None,
            b"false" | b"null" => Some(Edit { at: given.value.place(text), text: "true".into() }),
            _ => {
                return Err(Fault::new(format!("{pointer}/{INCLUDE_USAGE}"), "must be true or false"));
            }
        },
    })
}
