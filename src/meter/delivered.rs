//! Whether an answer has anything in it that a client reads, and how much of it counts where that is in another dialect than
//! its route's.

use std::borrow::Cow;

use super::{
    format::{About, Format},
    json::{Kind, Member, Node},
    text, work,
};

/// Whether there is anything where answers have it. Vectors, scores and images have many names: of a format that writes no
/// text any list or object has an answer.
pub(super) fn is_delivered(format: &Format, answer: &Node<'_>) -> bool {
    has_answer(answer) || (format.written.is_none() && answer.members().iter().any(holds_data))
}

fn has_answer(answer: &Node<'_>) -> bool {
    answer.members().iter().any(holds)
}

/// Whether it is a list or an object with anything in it that is neither of a failure nor about the call.
fn holds_data(member: &Member<'_>) -> bool {
    let name = member.name();
    let is_about = matches!(&*name, "base_resp" | "messages" | "meta" | "timings" | "usage" | "warnings")
        || name.to_lowercase().ends_with("metadata");
    !is_about
        && !is_aside(member)
        && !is_frame(&name)
        && !matches!(member.value.kind, Kind::Text | Kind::Number)
        && has_anything(&member.value)
}

/// Whether it is a member that has an answer, with anything in it. A `message` that is a text is that of an error, and of a
/// silence there is an empty text.
fn holds(member: &Member<'_>) -> bool {
    let name = member.name();
    let is_known = matches!(
        &*name,
        "choices"
            | "content"
            | "content_block"
            | "candidates"
            | "completion"
            | "data"
            | "delta"
            | "documents"
            | "embeddings"
            | "generated_text"
            | "item"
            | "message"
            | "output"
            | "outputs"
            | "response"
            | "result"
            | "results"
            | "text"
    );
    is_known
        && match &member.value.kind {
            Kind::Text => name == "text" || (name != "message" && has_anything(&member.value)),
            // It begins with the request's own settings.
            Kind::Object(_) if name == "response" => has_answer(&member.value),
            Kind::Object(_) | Kind::List(_) => has_anything(&member.value),
            Kind::Null | Kind::Bool(_) | Kind::Number => false,
        }
}

/// Whether there is a text or a number in it, besides what is around every answer.
pub(super) fn has_anything(value: &Node<'_>) -> bool {
    work::count(1);
    match &value.kind {
        Kind::Text => value.raw.len() > EMPTY.len(),
        Kind::Number => true,
        // Numbers are not in it.
        Kind::List(items) if items.is_empty() => value.raw.iter().any(u8::is_ascii_digit),
        Kind::List(items) => items.iter().any(has_anything),
        Kind::Object(members) => members.iter().any(|member| !is_frame(&member.name()) && has_anything(&member.value)),
        Kind::Null | Kind::Bool(_) => false,
    }
}

/// A text with nothing in it.
const EMPTY: &[u8] = b"\"\"";

/// Whether a member of this name says nothing of what was written: names, places, reasons.
fn is_frame(name: &str) -> bool {
    matches!(
        name,
        "avgLogprobs"
            | "avg_logprobs"
            | "code"
            | "contentBlockIndex"
            | "content_filter_result"
            | "content_filter_results"
            | "content_index"
            | "created"
            | "created_at"
            | "error"
            | "finishMessage"
            | "finishReason"
            | "finish_message"
            | "finish_reason"
            | "id"
            | "index"
            | "item_id"
            | "logprobs"
            | "matched_stop"
            | "model"
            | "native_finish_reason"
            | "object"
            | "obfuscation"
            | "output_index"
            | "p"
            | "role"
            | "safetyRatings"
            | "safety_ratings"
            | "sequence_number"
            | "status"
            | "stopReason"
            | "stop_reason"
            | "stop_sequence"
            | "tokenCount"
            | "token_count"
            | "type"
            | "usage"
    )
}

/// Types of events that a format with types has besides those of its text.
const OWN_EVENTS: [&[u8]; 4] = [b"\"response.", b"\"message_", b"\"content_block_", b"\"ping"];

/// About the tokens of the texts in an answer, or an event of one, that has nothing where its format has it.
pub(super) fn foreign_tokens(format: &Format, answer: &Node<'_>) -> u64 {
    let written = &format.written;
    let is_text = format.about == About::Text && !written.is_none();
    if !is_text || written.roots.iter().any(|root| answer.get(root).is_some()) {
        return 0;
    }
    let has_types = !written.data_events.is_empty();
    let is_own = |kind: &Node<'_>| OWN_EVENTS.iter().any(|own| kind.raw.starts_with(own));
    if has_types && answer.get("type").is_some_and(is_own) { 0 } else { texts(answer) }
}

fn texts(value: &Node<'_>) -> u64 {
    match &value.kind {
        Kind::Text => value.text().map_or(0, |text| text::tokens(&text)),
        Kind::List(items) => items.iter().map(texts).fold(0, u64::saturating_add),
        Kind::Object(members) => {
            let said = members.iter().filter(|member| !is_frame(&small(member.name())) && !is_aside(member));
            said.map(|member| texts(&member.value)).fold(0, u64::saturating_add)
        }
        Kind::Null | Kind::Bool(_) | Kind::Number => 0,
    }
}

/// A name with a small letter at its beginning: AWS and others write `Message`.
fn small(name: Cow<'_, str>) -> Cow<'_, str> {
    if !name.starts_with(|first: char| first.is_ascii_uppercase()) {
        return name;
    }
    let mut small = name.into_owned();
    if let Some(first) = small.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    small.into()
}

/// Whether it is what failures say, or what answers say of their request.
fn is_aside(member: &Member<'_>) -> bool {
    let name = small(member.name());
    let is_aside = matches!(
        &*name,
        "createTime"
            | "description"
            | "detail"
            | "details"
            | "errorMessage"
            | "error_code"
            | "error_msg"
            | "errors"
            | "input"
            | "instructions"
            | "metadata"
            | "modelVersion"
            | "msg"
            | "param"
            | "promptFeedback"
            | "prompt_feedback"
            | "reason"
            | "requestId"
            | "request_id"
            | "responseId"
            | "responseMetadata"
            | "response_id"
            | "stack"
            | "system_fingerprint"
            | "title"
            | "tools"
            | "trace"
            | "url"
    );
    // One that is an object is what was said.
    is_aside || (name == "message" && matches!(member.value.kind, Kind::Text))
}
