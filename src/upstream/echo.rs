//! The built-in upstream `builtin:echo`: answers with the request that an upstream would have got.
//!
//! Called by the client in place of a connection. It shows the headers after the same rules that every upstream's go
//! through, but never a secret: a configured one is not for this upstream. It stores at most 10 MiB of a body.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde::Serialize;

use super::{
    Answer, AnswerBody, BodyAborted, Outgoing, Reason,
    headers::{self, Additions},
    outgoing_body::Collected,
};

/// A longer body is counted to its end and shown up to here.
const MAX_STORED_BYTES: usize = 10 * 1024 * 1024;

const HOST_OF_ECHO: HeaderValue = HeaderValue::from_static("echo.builtin");

#[derive(Serialize)]
struct Echo<'a> {
    method: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    headers: BTreeMap<&'a str, String>,
    /// Null when it is not text.
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    body_bytes: u64,
    truncated: bool,
}

pub(super) async fn answer(outgoing: Outgoing) -> Result<Answer, BodyAborted> {
    let Outgoing { method, path_and_query, mut headers, body, request_id, original, .. } = outgoing;
    let additions =
        Additions { host: HOST_OF_ECHO, original: original.as_ref(), request_id: &request_id, secret: None };
    headers::make_fit_for_upstream(&mut headers, additions);
    headers::frame_request(&mut headers, &method, &body);
    let body = body.collect(MAX_STORED_BYTES).await?;
    Ok(json(&Echo::of(method.as_str(), &path_and_query, &headers, &body)))
}

impl<'a> Echo<'a> {
    fn of(method: &'a str, path_and_query: &'a str, headers: &'a HeaderMap, body: &'a Collected) -> Self {
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        let path = if path.is_empty() { "/" } else { path };
        let text = std::str::from_utf8(&body.stored).ok();
        Self {
            method,
            path,
            query,
            headers: headers.keys().map(|name| (name.as_str(), joined(headers, name.as_str()))).collect(),
            body: text,
            body_base64: text.is_none().then(|| BASE64_STANDARD.encode(&body.stored)),
            body_bytes: body.total,
            truncated: u64::try_from(body.stored.len()).is_ok_and(|stored| stored < body.total),
        }
    }
}

/// All lines of a header as one (RFC 9110 §5.3).
fn joined(headers: &HeaderMap, name: &str) -> String {
    let lines: Vec<Cow<'_, str>> =
        headers.get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    lines.join(", ")
}

fn json(echo: &Echo<'_>) -> Answer {
    // Serialising strings and numbers into memory cannot fail.
    let text = serde_json::to_vec(echo).unwrap_or_default();
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    Answer { status: StatusCode::OK, reason: Reason::default(), headers, body: AnswerBody::Whole(Bytes::from(text)) }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use futures_util::FutureExt;
    use http::Method;
    use serde_json::Value;

    use super::*;
    use crate::upstream::{Original, OutgoingBody};

    fn echoed(path_and_query: &str, headers: HeaderMap, body: OutgoingBody) -> Value {
        let original = Original {
            host: None,
            client_address: IpAddr::V6(Ipv6Addr::LOCALHOST),
            scheme: "http",
            version: http::Version::HTTP_11,
            forwarded_for: None,
            identity: None,
        };
        let outgoing = Outgoing {
            method: Method::PUT,
            path_and_query: path_and_query.to_owned(),
            headers,
            body,
            request_id: "id-1".to_owned(),
            original: Some(original),
            unix_time_s: 0,
            importance: crate::domain::importance::Importance::default(),
        };
        let answer = answer(outgoing).now_or_never().unwrap().unwrap();
        let AnswerBody::Whole(bytes) = answer.body else { panic!("an echo is whole") };
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn an_echo_shows_the_request_as_an_upstream_would_get_it() {
        let headers = HeaderMap::from_iter([
            (http::header::AUTHORIZATION, HeaderValue::from_static("Bearer client")),
            (http::header::COOKIE, HeaderValue::from_static("a=1")),
        ]);
        let echo = echoed("/a/%2e?x=1&y", headers, OutgoingBody::Whole(Bytes::from_static(b"hello")));
        let expected = serde_json::json!({
            "method": "PUT", "path": "/a/%2e", "query": "x=1&y", "body": "hello", "body_bytes": 5, "truncated": false,
            "headers": {
                "content-length": "5", "cookie": "a=1", "host": "echo.builtin", "via": "1.1 tollgate",
                "x-forwarded-for": "::1", "x-forwarded-proto": "http", "x-request-id": "id-1",
            },
        });
        assert_eq!(echo, expected);
    }

    #[test]
    fn repeated_headers_are_joined() {
        let mut headers = HeaderMap::new();
        headers.append("x-list", HeaderValue::from_static("a"));
        headers.append("x-list", HeaderValue::from_static("b"));
        assert_eq!(echoed("/", headers, OutgoingBody::Empty)["headers"]["x-list"], "a, b");
    }

    #[test]
    fn a_body_that_is_not_text_is_shown_in_base64() {
        let echo = echoed("/", HeaderMap::new(), OutgoingBody::Whole(Bytes::from_static(b"\xff\x00")));
        assert_eq!((&echo["body"], &echo["body_base64"]), (&Value::Null, &Value::from("/wA=")));
    }

    #[test]
    fn a_body_over_the_bound_is_counted_and_cut() {
        let body = Bytes::from(vec![b'x'; MAX_STORED_BYTES + 1]);
        let echo = echoed("/", HeaderMap::new(), OutgoingBody::Whole(body));
        assert_eq!(echo["body_bytes"], MAX_STORED_BYTES + 1);
        assert_eq!(echo["truncated"], true);
        assert_eq!(echo["body"].as_str().unwrap().len(), MAX_STORED_BYTES);
    }
}
