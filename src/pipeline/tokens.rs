//! What a request to a model asks for, read before its tokens are limited: limits take them in advance, and its hold is
//! bounded by it.

use std::sync::Arc;

use actix_web::http::header::{self, HeaderMap};

use super::{body::ClientBody, coding, visit::Visit};
use crate::{
    domain::{
        failover::Aim,
        principal::Principal,
        refusal::Refusal,
        route::{Meter, Route},
    },
    meter::{self, Asked},
};

/// Reads the request, where the route's calls are to a model.
pub async fn read(
    visit: &mut Visit<'_>,
    headers: &HeaderMap,
    route: &Route,
    body: &mut ClientBody,
) -> Result<Option<Asked>, Refusal> {
    let Some(format) = meter::format_at(route.meter, &visit.call.path) else {
        return Ok(None);
    };
    if let Some(reason) = meter::unbilled(route.meter, &visit.call.path, visit.call.query.as_deref()) {
        return Err(Refusal::invalid("path", reason));
    }
    if route.meter == Meter::GeminiGenerate && headers.contains_key(meter::HIDING_HEADER) {
        let reason = "it leaves the usage out of the answer; leave it out";
        return Err(Refusal::invalid(format!("header:{}", meter::HIDING_HEADER), reason));
    }
    coding::refuse(headers)?;
    let takes_forms = format.about.takes_forms();
    let label = label_of(headers, takes_forms)?;
    let bytes = body.read(&visit.gate.shape.body, &visit.record.known.intake(), &mut visit.buffered).await?;
    let boundary = match label {
        Label::Form(boundary) => Some(boundary),
        Label::None if !looks_like_json(&bytes) => return Err(unsupported(takes_forms)),
        Label::Json | Label::None => None,
    };
    let (path, metering) = (visit.call.path.clone(), route.metering.clone());
    let is_long = bytes.len() > meter::MAX_READ_HERE_BYTES;
    let read = move || match boundary {
        Some(boundary) => Asked::read_form(format, &path, bytes, &boundary),
        None => Asked::read(format, &path, bytes, &|tool| metering.tool(tool).is_some()),
    };
    let asked =
        if is_long { actix_web::rt::task::spawn_blocking(read).await.map_err(|_| Refusal::Internal)? } else { read() };
    let mut asked = asked.map_err(Refusal::InvalidRequest)?;
    read_fields(&mut asked, headers)?;
    visit.record.known.model(Some(asked.model()).filter(|model| !model.is_empty()));
    // What is free may be asked without a model.
    Ok(Some(asked).filter(|asked| !asked.is_free() || !asked.model().is_empty()))
}

/// Reads the header fields that change what a call costs.
fn read_fields(asked: &mut Asked, headers: &HeaderMap) -> Result<(), Refusal> {
    for name in Asked::tier_headers() {
        let values = headers.get_all(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        values.for_each(|value| asked.read_tier_header(name, &value));
    }
    for name in meter::steering::fields().filter(|_| !asked.is_free()) {
        let mut values = headers.get_all(name);
        if let Some(reason) = values.find_map(|value| meter::steering::unbilled(name, value.as_bytes(), asked.model()))
        {
            return Err(Refusal::invalid(format!("header:{name}"), reason));
        }
    }
    Ok(())
}

/// Those of the places of a call where its model is on every list of the caller's, by the name that was asked for or by the one
/// that it has there. Refused where none is, or where a model is not that the request lets serve in its place.
pub fn permit(caller: &Principal, asked: Option<&Asked>, aims: Arc<[Aim]>) -> Result<Arc<[Aim]>, Refusal> {
    let Some(asked) = asked else { return Ok(aims) };
    let refused = |names: &[&str]| {
        let (model, whose) = ((*names.first()?).to_owned(), caller.who_forbids(names)?);
        Some(Refusal::ModelNotAllowed { model, whose })
    };
    if let Some(refusal) = asked.other_models().find_map(|model| refused(&[model])) {
        return Err(refusal);
    }
    let refused_at = |aim: &Aim| refused(&[asked.model(), aim.model.as_deref().unwrap_or_else(|| asked.model())]);
    let Some(refusal) = aims.iter().find_map(refused_at) else { return Ok(aims) };
    let left: Vec<Aim> = aims.iter().filter(|aim| refused_at(aim).is_none()).cloned().collect();
    if left.is_empty() { Err(refusal) } else { Ok(left.into()) }
}

/// What a request says of its body.
enum Label {
    Json,
    /// A form, with its boundary.
    Form(String),
    /// Nothing, or what `curl -d` and `fetch` say of any body: servers of models read JSON even so.
    None,
}

/// What is metered has to be read, and read by the upstream in the same way: JSON in UTF-8 (RFC 8259 §8.1), or where the
/// format has it a form.
fn label_of(headers: &HeaderMap, takes_forms: bool) -> Result<Label, Refusal> {
    let mut types = headers.get_all(header::CONTENT_TYPE);
    let (first, second) = (types.next(), types.next());
    let Some(first) = first else { return Ok(Label::None) };
    let first = first.to_str().ok().filter(|_| second.is_none()).unwrap_or_default();
    match meter::boundary_of(first).filter(|_| takes_forms) {
        Some(boundary) => Ok(Label::Form(boundary)),
        None if is_json(first) => Ok(Label::Json),
        None if is_of_any_body(first) => Ok(Label::None),
        None => Err(unsupported(takes_forms)),
    }
}

fn looks_like_json(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"{")
}

fn unsupported(takes_forms: bool) -> Refusal {
    Refusal::UnsupportedMediaType { expected: if takes_forms { JSON_OR_FORM } else { JSON } }
}

const JSON: &str = "application/json in UTF-8; of forms the meters openai-images and openai-transcriptions are read";
const JSON_OR_FORM: &str = "application/json in UTF-8 or multipart/form-data";

/// JSON itself, its older name, and types that are made of it (RFC 6839 §3.1).
fn is_json(content_type: &str) -> bool {
    is_utf8_of(content_type, |kind| {
        matches!(kind, "application/json" | "text/json")
            || (kind.starts_with("application/") && kind.ends_with("+json"))
    })
}

/// What clients write where nobody has said what the body is.
fn is_of_any_body(content_type: &str) -> bool {
    is_utf8_of(content_type, |kind| matches!(kind, "application/x-www-form-urlencoded" | "text/plain"))
}

fn is_utf8_of(content_type: &str, is_kind: impl Fn(&str) -> bool) -> bool {
    let mut parts = content_type.split(';').map(|part| part.trim().to_ascii_lowercase());
    let is_it = parts.next().is_some_and(|kind| is_kind(&kind));
    is_it && parts.all(|parameter| !parameter.starts_with("charset") || is_utf8(&parameter))
}

fn is_utf8(charset: &str) -> bool {
    matches!(charset, "charset=utf-8" | "charset=\"utf-8\"" | "charset=utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_in_utf_8_is_read() {
        for (content_type, accepted) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json;profile=x; charset=\"utf-8\"", true),
            ("application/json; charset=utf-7", false),
            ("application/json; charset =utf-16", false),
            ("application/vnd.api+json", true),
            ("text/json; charset=utf-8", true),
            ("application/jsonp", false),
            ("image/svg+json", false),
            ("text/plain", false),
            ("", false),
        ] {
            assert_eq!(is_json(content_type), accepted, "{content_type}");
        }
        for (content_type, accepted) in [
            ("text/plain;charset=UTF-8", true),
            ("application/x-www-form-urlencoded", true),
            ("text/plain; charset=iso-8859-1", false),
            ("text/html", false),
        ] {
            assert_eq!(is_of_any_body(content_type), accepted, "{content_type}");
        }
    }
}
