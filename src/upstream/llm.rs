//! The built-in upstream `builtin:llm`: an offline, deterministic model named `demo`, with true usage.
//!
//! Called by the client in place of a connection. It speaks the formats of OpenAI chat completions, responses and embeddings
//! and of Anthropic messages, whole and streamed, closely enough for the providers' own SDKs. It learns nothing, remembers nothing, and takes its ids
//! and times from the call.

mod anthropic;
mod embeddings;
mod model;
mod openai;
mod prompt;
mod responses;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE},
};
use serde_json::Value;

use super::{Answer, AnswerBody, AnswerStream, BodyAborted, Outgoing, Reason, outgoing_body::Collected};

pub use self::{
    model::{MAX_OUTPUT_TOKENS, NAME},
    prompt::{IMAGE_TOKENS, MAX_CONTEXT_TOKENS, MESSAGE_TOKENS},
};

/// The longest request that is read.
const MAX_REQUEST_BYTES: usize = 10 * 1024 * 1024;

/// One request to the model.
struct Call {
    body: Bytes,
    /// Unique; the provider's prefix is put before it.
    id: String,
    unix_time_s: i64,
}

/// Why the model does not answer; each format has its own words for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("Unknown request URL. Please check the URL for typos.")]
    UnknownPath,
    #[error("Not allowed to use this method on this URL. Use POST.")]
    WrongMethod,
    #[error("The request is larger than {MAX_REQUEST_BYTES} bytes.")]
    TooLarge,
    #[error("The model `{0}` does not exist; the only one here is `{NAME}`.")]
    UnknownModel(String),
    #[error("The prompt is too long: {0} tokens, the maximum is {MAX_CONTEXT_TOKENS}.")]
    PromptTooLong(u64),
    #[error("{message}")]
    Invalid { message: String, param: Option<&'static str> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    OpenAi,
    Responses,
    Embeddings,
    Anthropic,
}

pub(super) async fn answer(outgoing: Outgoing) -> Result<Answer, BodyAborted> {
    let Outgoing { method, path_and_query, body, request_id, unix_time_s, .. } = outgoing;
    let body = body.collect(MAX_REQUEST_BYTES).await?;
    let format = Format::at(&path_and_query);
    let id = request_id.replace('-', "");
    let answered = may_be_read(format, &method, &body).and_then(|()| {
        let call = Call { body: body.stored, id: id.clone(), unix_time_s };
        match format {
            Some(Format::Anthropic) => anthropic::complete(&call),
            Some(Format::Responses) => responses::complete(&call),
            Some(Format::Embeddings) => embeddings::complete(&call),
            Some(Format::OpenAi) | None => openai::complete(&call),
        }
    });
    Ok(answered.unwrap_or_else(|refusal| refused(format, &refusal, &id)))
}

fn may_be_read(format: Option<Format>, method: &Method, body: &Collected) -> Result<(), Refusal> {
    if format.is_none() {
        return Err(Refusal::UnknownPath);
    }
    if method != Method::POST {
        return Err(Refusal::WrongMethod);
    }
    if u64::try_from(body.stored.len()).is_ok_and(|stored| stored < body.total) {
        return Err(Refusal::TooLarge);
    }
    Ok(())
}

fn refused(format: Option<Format>, refusal: &Refusal, id: &str) -> Answer {
    let body = match format {
        Some(Format::Anthropic) => anthropic::refusal(refusal, id),
        Some(Format::OpenAi | Format::Responses | Format::Embeddings) | None => openai::refusal(refusal),
    };
    let mut answer = json(refusal.status(), &body);
    if *refusal == Refusal::WrongMethod {
        answer.headers.insert(ALLOW, HeaderValue::from_static("POST"));
    }
    answer
}

impl Format {
    fn at(path_and_query: &str) -> Option<Self> {
        let path = path_and_query.split_once('?').map_or(path_and_query, |(path, _)| path);
        match path {
            _ if path.ends_with("/v1/chat/completions") => Some(Self::OpenAi),
            _ if path.ends_with("/v1/responses") => Some(Self::Responses),
            _ if path.ends_with("/v1/embeddings") => Some(Self::Embeddings),
            _ if path.ends_with("/v1/messages") => Some(Self::Anthropic),
            _ => None,
        }
    }
}

impl Refusal {
    fn invalid(message: impl Into<String>, param: &'static str) -> Self {
        Self::Invalid { message: message.into(), param: Some(param) }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::UnknownPath | Self::UnknownModel(_) => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::PromptTooLong(_) | Self::Invalid { .. } => StatusCode::BAD_REQUEST,
        }
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Self {
        Self::Invalid { message: format!("The request could not be read: {error}."), param: None }
    }
}

fn json(status: StatusCode, body: &Value) -> Answer {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    Answer { status, reason: Reason::default(), headers, body: AnswerBody::Whole(Bytes::from(body.to_string())) }
}

/// Server-sent events, each made only when the client is ready for it.
fn event_stream(events: impl Iterator<Item = String> + Send + 'static) -> Answer {
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ]);
    let body = AnswerBody::Stream(AnswerStream::generated(events.map(Bytes::from)));
    Answer { status: StatusCode::OK, reason: Reason::default(), headers, body }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use futures_util::{FutureExt, StreamExt};

    use super::*;
    use crate::upstream::{Original, OutgoingBody};

    pub(super) fn asked(method: Method, path_and_query: &str, body: impl Into<Bytes>) -> Answer {
        let client_address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let outgoing = Outgoing {
            method,
            path_and_query: path_and_query.to_owned(),
            headers: HeaderMap::new(),
            body: OutgoingBody::Whole(body.into()),
            request_id: "0190-abcd".to_owned(),
            original: Some(Original {
                host: None,
                client_address,
                scheme: "http",
                version: http::Version::HTTP_11,
                forwarded_for: None,
                identity: None,
            }),
            unix_time_s: 1_700_000_000,
            importance: crate::domain::importance::Importance::default(),
        };
        answer(outgoing).now_or_never().unwrap().unwrap()
    }

    pub(super) fn text(answer: Answer) -> String {
        match answer.body {
            AnswerBody::Whole(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            AnswerBody::Stream(stream) => {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let chunks: Vec<_> = runtime.block_on(stream.map(|chunk| chunk.unwrap()).collect());
                String::from_utf8(chunks.concat()).unwrap()
            }
        }
    }

    pub(super) fn posted(path: &str, body: &Value) -> (StatusCode, Value) {
        let answer = asked(Method::POST, path, body.to_string());
        let status = answer.status;
        (status, serde_json::from_str(&text(answer)).unwrap())
    }

    /// The `data` of every event, in order.
    pub(super) fn streamed(path: &str, body: &Value) -> Vec<String> {
        let answer = asked(Method::POST, path, body.to_string());
        assert_eq!(answer.headers[CONTENT_TYPE], "text/event-stream; charset=utf-8");
        let text = text(answer);
        assert!(text.ends_with("\n\n"));
        text.lines().filter_map(|line| line.strip_prefix("data: ").map(str::to_owned)).collect()
    }

    #[test]
    fn the_format_follows_the_end_of_the_path() {
        assert_eq!(Format::at("/v1/chat/completions"), Some(Format::OpenAi));
        assert_eq!(Format::at("/any/v1/messages?beta=true"), Some(Format::Anthropic));
        assert_eq!(Format::at("/v1/messages/count_tokens"), None);
        assert_eq!(Format::at("/v1/models?x=/v1/messages"), None);
    }

    #[test]
    fn another_path_is_not_found_and_another_method_not_allowed() {
        assert_eq!(asked(Method::POST, "/v1/other", "{}").status, StatusCode::NOT_FOUND);
        let answer = asked(Method::GET, "/v1/messages", "");
        assert_eq!((answer.status, &answer.headers[ALLOW]), (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().unwrap()));
    }

    #[test]
    fn a_request_over_the_bound_is_refused_in_the_format_of_its_path() {
        let answer = asked(Method::POST, "/v1/messages", vec![b' '; MAX_REQUEST_BYTES + 1]);
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(text(answer).contains("request_too_large"));
    }

    #[test]
    fn what_is_not_json_or_lacks_a_field_is_a_bad_request_in_both_formats() {
        for (path, wanted) in [("/v1/chat/completions", "\"code\":"), ("/v1/messages", "\"type\":\"error\"")] {
            for body in ["", "{", "[]", "{}", r#"{"model":"demo"}"#, r#"{"model":"demo","max_tokens":1,"messages":[]}"#]
            {
                let answer = asked(Method::POST, path, body);
                assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {body}");
                assert!(text(answer).contains(wanted));
            }
        }
    }
}
