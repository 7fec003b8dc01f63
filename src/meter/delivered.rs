//! Whether an answer has anything in it that a client reads, and how much of it counts where that is in another dialect than
//! its route's.

use super::{
    asides::{is_aside, is_frame, is_of_call, is_of_failure, small},
    format::{About, Format},
    json::{Kind, Member, Node},
    text, work,
};

/// As many as a failure may have besides its message.
pub(super) const FEW_TOKENS: u64 = 32;

/// Whether there is anything where answers have it, or `foreign_tokens` of text anywhere that are no words of a failure.
/// Vectors, scores, images and sound have many names: of a format that writes no text any list or object has an answer, and
/// so has any text that is data.
pub(super) fn is_delivered(format: &Format, answer: &Node<'_>, foreign_tokens: u64) -> bool {
    // An answer as functions of AWS give it has the true one in its body, or a failure.
    let is_wrapped = || answer.get("statusCode").is_some();
    has_answer(answer)
        || (format.written.is_none() && answer.members().iter().any(holds_data))
        || (foreign_tokens > 0 && (foreign_tokens >= FEW_TOKENS || !is_wrapped()))
}

/// Whether there is anything in a member that has answers in other formats too.
pub(super) fn has_answer(answer: &Node<'_>) -> bool {
    answer.members().iter().any(holds)
}

/// Whether it is a list, an object or a text with anything in it that is neither of a failure nor about the call.
fn holds_data(member: &Member<'_>) -> bool {
    let name = small(member.name());
    let is_about = matches!(&*name, "messages" | "meta") || name.to_lowercase().ends_with("metadata");
    let has_data = match member.value.kind {
        Kind::Text => is_data(&name, &member.value),
        Kind::List(_) | Kind::Object(_) => has_said(&member.value),
        Kind::Null | Kind::Bool(_) | Kind::Number => false,
    };
    has_data && !is_about && !is_frame(&name) && !is_of_call(&name) && !is_of_failure(member)
}

/// The shortest text that is taken for data: a vector of two numbers in base64, in quotes.
const LEAST_DATA_BYTES: usize = 14;

/// Whether a text is data in base64, or the address of some: words have blanks between them, JSON and pages brackets.
fn is_data(name: &str, text: &Node<'_>) -> bool {
    work::count(text.raw.len());
    let is_address = || ["\"http", "\"data:"].iter().any(|start| text.raw.starts_with(start.as_bytes()));
    let is_plain = !text.raw.iter().any(|byte| b" {<".contains(byte));
    text.raw.len() >= LEAST_DATA_BYTES && is_plain && (name != "url" || is_address())
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
            Kind::Object(_) | Kind::List(_) => has_said(&member.value),
            Kind::Null | Kind::Bool(_) | Kind::Number => false,
        }
}

/// Whether there is anything in a list, or in an object besides the words of a failure.
fn has_said(value: &Node<'_>) -> bool {
    let says = |member: &Member<'_>| !is_frame(&member.name()) && !is_of_failure(member) && has_anything(&member.value);
    if value.is_object() { value.members().iter().any(says) } else { has_anything(value) }
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

/// Types of events that a format with types has besides those of its text.
const OWN_EVENTS: [&[u8]; 4] = [b"\"response.", b"\"message_", b"\"content_block_", b"\"ping"];

/// About the tokens of the texts in an answer, or an event of one, that has nothing where its format has it.
pub(super) fn foreign_tokens(format: &Format, answer: &Node<'_>) -> u64 {
    let written = &format.written;
    let is_text = matches!(format.about, About::Text | About::Transcripts) && !written.is_none();
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
            let said = members.iter().filter(|member| !is_aside(member.name()) && !is_of_failure(member));
            said.map(|member| texts(&member.value)).fold(0, u64::saturating_add)
        }
        Kind::Null | Kind::Bool(_) | Kind::Number => 0,
    }
}
