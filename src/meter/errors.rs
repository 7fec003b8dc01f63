//! How an answer with a status of success says that its call has failed.

use super::{
    json::{Kind, Node},
    path::{MAX_ITEMS, Path, paths},
};

const ERRORS: &[Path] = paths![
    "error",
    "response/error",
    "result/error",
    "data/error",
    "Error",
    "ResponseMetadata/Error",
    "ResponseMetadata/error",
    "fault",
    "Fault",
    // Of AWS, where nothing else is.
    "Output/__type",
];
const ERROR_CODE: Path = Path::of("base_resp/status_code");

/// Members that say whether a call has succeeded, and those that have its status (RFC 9110 §15: errors from 400 on).
const SUCCESSES: [&str; 3] = ["success", "ok", "Success"];
const STATUSES: [&str; 3] = ["status", "statusCode", "status_code"];
const LEAST_ERROR_STATUS: u64 = 400;

/// Whether an answer, or an event of one, says that its call has failed.
pub(super) fn is_error(answer: &Node<'_>) -> bool {
    let is_told = |error: &Node<'_>| match &error.kind {
        Kind::Object(members) => !members.is_empty(),
        Kind::Text => !is_nothing(error),
        Kind::Number | Kind::Bool(true) => true,
        _ => false,
    };
    let is_named = |name| answer.get(name).and_then(Node::text).is_some_and(|name| *name == *b"error");
    let has_failed = SUCCESSES.iter().any(|name| answer.get(name).is_some_and(|value| value.bool() == Some(false)))
        || STATUSES.iter().filter_map(|name| answer.get(name)?.whole()).any(|status| status >= LEAST_ERROR_STATUS);
    let has_errors = answer.get("errors").is_some_and(|errors| !errors.items().is_empty());
    let is_code = ERROR_CODE.value(answer).and_then(Node::whole).is_some_and(|code| code > 0);
    let in_choice = answer.get("choices").map(Node::items).unwrap_or_default().iter().take(MAX_ITEMS);
    let in_choice = in_choice.filter_map(|choice| choice.get("error")).any(|error| !is_nothing(error));
    ERRORS.iter().filter_map(|path| path.value(answer)).any(is_told)
        || has_failed
        || has_errors
        || is_named("type")
        || is_named("object")
        || is_code
        || in_choice
}

/// Null, or a text with nothing in it.
pub(super) fn is_nothing(value: &Node<'_>) -> bool {
    value.is_null() || value.text().is_some_and(|text| text.is_empty())
}
