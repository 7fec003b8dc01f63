//! Names of members that say nothing of what was written: what is around every answer, what failures say, what answers say of
//! their request.

use std::borrow::Cow;

use super::json::{Kind, Member};

/// Whether a member of this name says nothing of what was written: names, places, reasons.
pub(super) fn is_frame(name: &str) -> bool {
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

/// Whether it is what failures say. A `message` that is no text is what was said.
pub(super) fn is_of_failure(member: &Member<'_>) -> bool {
    let name = small(member.name());
    let is_message = matches!(&*name, "message" | "msg") && matches!(member.value.kind, Kind::Text);
    is_message || is_name_of_failure(&name)
}

fn is_name_of_failure(name: &str) -> bool {
    matches!(
        name,
        "__type"
            | "cause"
            | "description"
            | "detail"
            | "details"
            | "err"
            | "err_msg"
            | "errcode"
            | "errmsg"
            | "errorCode"
            | "errorMessage"
            | "errorType"
            | "error_code"
            | "error_description"
            | "error_message"
            | "error_msg"
            | "error_type"
            | "errors"
            | "exception"
            | "fault"
            | "faultstring"
            | "hint"
            | "logs"
            | "originalMessage"
            | "param"
            | "reason"
            | "stack"
            | "statusMessage"
            | "statusText"
            | "status_msg"
            | "title"
            | "trace"
            | "traceback"
            | "warning"
            | "warnings"
    )
}

/// Whether a member of this name is about the request or the call: what it is called, when and why.
pub(super) fn is_of_call(name: &str) -> bool {
    let is_kind = ["_id", "Id", "_at", "_reason", "Reason", "_version"].iter().any(|end| name.ends_with(end));
    is_kind
        || matches!(
            name,
            "base_resp"
                | "citations"
                | "createTime"
                | "event"
                | "event_type"
                | "header"
                | "hook_results"
                | "input"
                | "instructions"
                | "language"
                | "metadata"
                | "modelVersion"
                | "model_name"
                | "promptFeedback"
                | "prompt_feedback"
                | "provider"
                | "responseMetadata"
                | "search_results"
                | "system_fingerprint"
                | "task_status"
                | "timestamp"
                | "timings"
                | "tools"
                | "urls"
                | "version"
        )
}

/// Whether the text of a member of this name is none of an answer. Of an address nobody has written a word.
pub(super) fn is_aside(name: Cow<'_, str>) -> bool {
    let name = small(name);
    is_frame(&name) || is_name_of_failure(&name) || is_of_call(&name) || name == "url"
}

/// A name with a small letter at its beginning: AWS and others write `Message`.
pub(super) fn small(name: Cow<'_, str>) -> Cow<'_, str> {
    if !name.starts_with(|first: char| first.is_ascii_uppercase()) {
        return name;
    }
    let mut small = name.into_owned();
    if let Some(first) = small.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    small.into()
}
