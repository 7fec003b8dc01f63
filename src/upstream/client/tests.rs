use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::{raw_upstream::RawUpstream, *};
use crate::upstream::{BodyAborted, InFlight, Original, OutgoingBody, Secret, StreamError};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const SHORT: Duration = Duration::from_millis(100);

fn call(method: Method, path_and_query: &str, body: OutgoingBody) -> Outgoing {
    let client_address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
    let host = Some(HeaderValue::from_static("gateway.example"));
    Outgoing {
        method,
        path_and_query: path_and_query.to_owned(),
        headers: HeaderMap::new(),
        body,
        request_id: "id-1".to_owned(),
        original: Original { host, client_address, scheme: "http", forwarded_for: None },
        unix_time_s: 0,
    }
}

fn get() -> Outgoing {
    call(Method::GET, "/", OutgoingBody::Empty)
}

fn post() -> Outgoing {
    call(Method::POST, "/pay", OutgoingBody::Whole(Bytes::from_static(b"once")))
}

/// Sends to an upstream that gives this answer and closes.
async fn answered(outgoing: Outgoing, answer: &str) -> (Result<Answer, UpstreamError>, String) {
    let upstream = RawUpstream::start().await;
    let (client, target) = (Client::new(), upstream.target());
    tokio::join!(client.send(&target, outgoing), upstream.answer_once(answer))
}

async fn get_answered(answer: &str) -> Result<Answer, UpstreamError> {
    answered(get(), answer).await.0
}

async fn content(answer: Answer) -> Result<Bytes, StreamError> {
    match answer.body {
        AnswerBody::Whole(bytes) => Ok(bytes),
        AnswerBody::Stream(mut stream) => {
            let mut content = Vec::new();
            while let Some(chunk) = stream.next().await {
                content.extend_from_slice(&chunk?);
            }
            Ok(content.into())
        }
    }
}

/// The request line that an upstream gets for a path.
async fn request_line(path: &str) -> Result<String, UpstreamError> {
    let upstream = RawUpstream::start().await;
    let (client, target) = (Client::new(), upstream.target());
    let sending = client.send(&target, call(Method::GET, path, OutgoingBody::Empty));
    let (_, head) = tokio::try_join!(sending, async { Ok(upstream.answer_once(OK).await) })?;
    Ok(head.split("\r\n").next().unwrap().to_owned())
}

#[tokio::test]
async fn a_path_reaches_the_upstream_byte_for_byte() {
    for path in [
        "/",
        "/?",
        "/a?b?c=%20&&x",
        "/%2e%2e/%2E./..%2fadmin",
        "/a/../../b/./c",
        "//double///slash//",
        "/..;/x;y=1,2",
        "/{id}/[x]|^\"?`[{|",
        "/%zz/%",
        "/\\admin",
        "/%252e%252e/x",
        "/é?é",
        "/*'()!$&+@:~",
    ] {
        assert_eq!(request_line(path).await.expect(path), format!("GET {path} HTTP/1.1"));
    }
}

#[tokio::test]
async fn a_path_that_cannot_be_sent_byte_for_byte_is_refused_and_not_repaired() {
    for path in ["", "?q", "x", "*", "/a#b", "/a b", "/<", "/`", "/\t", "/\r\nHost: evil", "/\0", "http://evil/"] {
        let error = request_line(path).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Unforwardable(Unforwardable::Path)), "{path:?}");
        assert!(!error.reached_upstream());
    }
}

#[tokio::test]
async fn a_request_says_what_a_gateway_must_say() {
    let upstream = RawUpstream::start().await;
    let mut target = upstream.target_at("http", "/base");
    target.secret = Some(Secret::new("authorization", "sk-upstream").unwrap());
    let mut outgoing = call(Method::POST, "/x", OutgoingBody::Whole(Bytes::from_static(b"hello")));
    outgoing.headers.insert("authorization", HeaderValue::from_static("Bearer client"));
    outgoing.headers.insert("expect", HeaderValue::from_static("100-continue"));
    outgoing.headers.insert("content-length", HeaderValue::from_static("99"));
    let client = Client::new();
    let upstream_side = async {
        let mut conversation = upstream.accept().await;
        let request = conversation.until("hello").await;
        conversation.say(OK).await;
        request
    };
    let (answer, request) = tokio::join!(client.send(&target, outgoing), upstream_side);
    assert_eq!(content(answer.unwrap()).await.unwrap(), "ok");
    let mut lines: Vec<_> = request.split("\r\n").collect();
    assert_eq!((lines.remove(0), lines.pop()), ("POST /base/x HTTP/1.1", Some("hello")));
    lines.sort_unstable();
    let host = format!("host: {}", upstream.address());
    assert_eq!(
        lines,
        [
            "",
            "authorization: Bearer sk-upstream",
            "content-length: 5",
            &host,
            "via: 1.1 tollgate",
            "x-forwarded-for: 192.0.2.7",
            "x-forwarded-host: gateway.example",
            "x-forwarded-proto: http",
            "x-request-id: id-1"
        ]
    );
}

#[tokio::test]
async fn a_streamed_body_is_chunked_when_its_length_is_unknown_even_on_get() {
    let upstream = RawUpstream::start().await;
    let (client, target) = (Client::new(), upstream.target());
    let (sender, body) = OutgoingBody::channel(None);
    let upstream_side = async {
        let mut conversation = upstream.accept().await;
        let head = conversation.head().await;
        let body = conversation.until("0\r\n\r\n").await;
        conversation.say(OK).await;
        (head, body)
    };
    let client_side = async {
        sender.send(Bytes::from_static(b"ab")).await.unwrap();
        sender.send(Bytes::from_static(b"cde")).await.unwrap();
        sender.finish();
    };
    let sending = client.send(&target, call(Method::GET, "/", body));
    let (answer, (head, body), ()) = tokio::join!(sending, upstream_side, client_side);
    assert_eq!(answer.unwrap().status, StatusCode::OK);
    assert!(head.contains("transfer-encoding: chunked\r\n") && !head.contains("content-length"));
    assert_eq!(body, "2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_request_body_that_is_aborted_never_looks_complete_to_the_upstream() {
    for length in [None, Some(100)] {
        let upstream = RawUpstream::start().await;
        let (client, target) = (Client::new(), upstream.target());
        let (sender, body) = OutgoingBody::channel(length);
        let upstream_side = async {
            let mut conversation = upstream.accept().await;
            conversation.head().await;
            sender.send(Bytes::from_static(b"part")).await.unwrap();
            let start = conversation.until("part").await;
            sender.abort(BodyAborted::TimedOut);
            start + &conversation.until("0\r\n\r\n").await
        };
        let sending = client.send(&target, call(Method::POST, "/", body));
        let (answer, body) = tokio::join!(sending, upstream_side);
        assert!(matches!(answer, Err(UpstreamError::RequestBody(BodyAborted::TimedOut))), "{answer:?}");
        assert!(!body.contains("0\r\n\r\n"), "{body}");
    }
}

#[tokio::test]
async fn a_body_with_a_length_arrives_whole_and_keeps_its_length() {
    let answer =
        get_answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Request-Id: theirs\r\n\r\nhello").await.unwrap();
    assert_eq!(answer.body.length(), Some(5));
    assert_eq!(
        (&answer.headers["content-length"], &answer.headers["via"]),
        (&"5".parse().unwrap(), &"1.1 tollgate".parse().unwrap())
    );
    assert!(!answer.headers.contains_key("x-request-id"));
    assert_eq!(content(answer).await.unwrap(), "hello");
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_arrives_whole() {
    let answer = get_answered("HTTP/1.1 200 OK\r\n\r\nto the end").await.unwrap();
    assert_eq!(answer.body.length(), None);
    assert_eq!(content(answer).await.unwrap(), "to the end");
    let answer = get_answered("HTTP/1.0 200 OK\r\n\r\nold").await.unwrap();
    assert_eq!(content(answer).await.unwrap(), "old");
}

#[tokio::test]
async fn a_chunked_body_arrives_whole_without_its_framing_and_trailers() {
    let wire = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\nContent-Length: 3\r\n\r\n\
                2\r\nab\r\n3;ext=1\r\ncde\r\n0\r\nx-sum: 1\r\n\r\n";
    let answer = get_answered(wire).await.unwrap();
    for name in ["transfer-encoding", "content-length", "trailer"] {
        assert!(!answer.headers.contains_key(name), "{name}");
    }
    assert_eq!(content(answer).await.unwrap(), "abcde");
}

#[tokio::test]
async fn a_body_that_is_cut_ends_with_an_error() {
    for wire in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    ] {
        let answer = get_answered(wire).await.unwrap();
        assert!(matches!(content(answer).await, Err(StreamError::Cut(_))), "{wire}");
    }
}

#[tokio::test]
async fn an_answer_without_a_body_has_none_and_keeps_the_length_of_head() {
    let length = |answer: &Answer| answer.headers.get("content-length").map(|value| value.to_str().unwrap().to_owned());
    for (method, wire, status, stated) in [
        (Method::HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n", 200, Some("42".to_owned())),
        (Method::GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 42\r\n\r\n", 304, Some("42".to_owned())),
        (Method::GET, "HTTP/1.1 204 No Content\r\nContent-Length: 42\r\n\r\n", 204, None),
        (Method::GET, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, Some("0".to_owned())),
    ] {
        let answer = answered(call(method, "/", OutgoingBody::Empty), wire).await.0.unwrap();
        assert_eq!((answer.status.as_u16(), length(&answer)), (status, stated), "{wire}");
        assert!(matches!(answer.body, AnswerBody::Whole(bytes) if bytes.is_empty()));
    }
}

#[tokio::test]
async fn an_informational_answer_is_never_the_final_one() {
    let wire = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n\
                HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let answer = get_answered(wire).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!answer.headers.contains_key("link"));
    assert_eq!(content(answer).await.unwrap(), "ok");
}

#[tokio::test]
async fn an_answer_that_cannot_be_forwarded_is_refused() {
    for wire in [
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "not http at all\r\n\r\n",
    ] {
        let error = get_answered(wire).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Protocol(_)), "{wire} {error:?}");
        assert!(error.reached_upstream() && !error.is_timeout());
    }
}

#[tokio::test]
async fn a_head_of_an_answer_without_end_is_refused() {
    let error = get_answered(&format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(2 * MAX_HEAD_BYTES))).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Protocol(_)), "{error:?}");
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_may_have_carried_the_request() {
    for wire in ["", "HTTP/1.1 200 OK\r\nConten", "HTTP/1.1 103 Early Hints\r\n\r\n"] {
        let error = get_answered(wire).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Closed(_)) && error.reached_upstream(), "{wire} {error:?}");
    }
}

#[tokio::test]
async fn an_upstream_that_is_away_was_not_reached() {
    let target = RawUpstream::start().await.target();
    let error = Client::new().send(&target, get()).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Connect(_)), "{error:?}");
    assert!(!error.reached_upstream() && !error.is_timeout());
}

#[tokio::test]
async fn a_connection_that_is_not_made_in_time_is_a_timeout_of_its_own() {
    let client = Client::new();
    if !client.can_do_tls() {
        return;
    }
    // The listener's queue takes the connection; nobody answers the TLS hello.
    let upstream = RawUpstream::start().await;
    let target = Target { connect_timeout: SHORT, ..upstream.target_at("https", "") };
    let error = client.send(&target, get()).await.unwrap_err();
    assert!(matches!(error, UpstreamError::ConnectTimeout), "{error:?}");
    assert!(error.is_timeout() && !error.reached_upstream());
}

#[tokio::test]
async fn an_upstream_that_does_not_begin_its_answer_in_time_is_given_up() {
    let upstream = RawUpstream::start().await;
    let target = Target { timeout: SHORT, ..upstream.target() };
    let client = Client::new();
    let (answer, mut conversation) = tokio::join!(client.send(&target, get()), upstream.accept());
    let error = answer.unwrap_err();
    assert!(matches!(error, UpstreamError::HeadTimeout) && error.is_timeout() && error.reached_upstream());
    assert!(conversation.head().await.starts_with("GET / "));
    assert_eq!(conversation.until("never").await, "", "the connection is closed");
    assert_eq!(target.in_flight.count(), 0);
}

#[tokio::test]
async fn an_upstream_that_falls_silent_within_its_answer_is_given_up() {
    let upstream = RawUpstream::start().await;
    let target = Target { timeout: Duration::from_millis(500), ..upstream.target() };
    let client = Client::new();
    let upstream_side = async {
        let mut conversation = upstream.accept().await;
        conversation.head().await;
        conversation.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart").await;
        conversation
    };
    let (answer, _conversation) = tokio::join!(client.send(&target, get()), upstream_side);
    assert!(matches!(content(answer.unwrap()).await, Err(StreamError::Idle)));
    assert_eq!(target.in_flight.count(), 0);
}

#[tokio::test]
async fn a_call_above_the_bound_is_refused_until_the_last_byte_of_another_was_read() {
    let upstream = RawUpstream::start().await;
    let target = Target { in_flight: InFlight::new(1), ..upstream.target() };
    let client = Client::new();
    let (first, _) = tokio::join!(client.send(&target, get()), upstream.answer_once(OK));
    let first = first.unwrap();
    let busy = client.send(&target, get()).await.unwrap_err();
    assert!(matches!(busy, UpstreamError::Busy) && !busy.reached_upstream());
    assert_eq!(content(first).await.unwrap(), "ok");
    let (second, _) = tokio::join!(client.send(&target, get()), upstream.answer_once(OK));
    drop(second.unwrap());
    assert_eq!(target.in_flight.count(), 0, "a dropped answer gives its place back too");
}

#[tokio::test]
async fn a_connection_is_reused() {
    let upstream = RawUpstream::start().await;
    let (client, target) = (Client::new(), upstream.target());
    let upstream_side = async {
        let mut conversation = upstream.accept().await;
        for _ in 0..3 {
            conversation.head().await;
            conversation.say(OK).await;
        }
    };
    let client_side = async {
        for _ in 0..3 {
            assert_eq!(content(client.send(&target, get()).await.unwrap()).await.unwrap(), "ok");
        }
    };
    tokio::join!(upstream_side, client_side);
    assert!(!upstream.has_another_connection().await);
}

#[tokio::test]
async fn a_post_that_a_closing_connection_may_have_carried_is_not_sent_again() {
    let upstream = RawUpstream::start().await;
    let (client, target) = (Client::new(), upstream.target());
    let upstream_side = async {
        let mut conversation = upstream.accept().await;
        conversation.until("once").await;
        conversation.say(OK).await;
        conversation.until("once").await;
        drop(conversation);
    };
    let client_side = async {
        assert_eq!(content(client.send(&target, post()).await.unwrap()).await.unwrap(), "ok");
        let error = client.send(&target, post()).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Closed(_)), "{error:?}");
    };
    tokio::join!(upstream_side, client_side);
    assert!(!upstream.has_another_connection().await);
}

#[tokio::test]
async fn a_post_that_meets_a_connection_closed_before_is_sent_once_on_a_new_one() {
    let upstream = RawUpstream::start().await;
    let (client, target) = (Client::new(), upstream.target());
    let first = async {
        let mut conversation = upstream.accept().await;
        conversation.until("once").await;
        conversation.say(OK).await;
        conversation
    };
    let (answer, conversation) = tokio::join!(client.send(&target, post()), first);
    assert_eq!(content(answer.unwrap()).await.unwrap(), "ok");
    drop(conversation);
    // The event loop turns, and the connection's task sees the close.
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    let second = async {
        let mut conversation = upstream.accept().await;
        let request = conversation.until("once").await;
        conversation.say(OK).await;
        request
    };
    let (answer, request) = tokio::join!(client.send(&target, post()), second);
    assert_eq!(content(answer.unwrap()).await.unwrap(), "ok");
    assert!(request.starts_with("POST /pay "));
    assert!(!upstream.has_another_connection().await);
}

#[tokio::test]
async fn a_tunnel_is_not_made() {
    let upstream = RawUpstream::start().await;
    let outgoing = call(Method::CONNECT, "/", OutgoingBody::Empty);
    let error = Client::new().send(&upstream.target(), outgoing).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Unforwardable(Unforwardable::Connect)));
}

#[tokio::test]
async fn a_built_in_upstream_answers_head_without_a_body() {
    let target = Target { kind: Kind::Echo, ..RawUpstream::start().await.target() };
    let answer = Client::new().send(&target, call(Method::HEAD, "/echo", OutgoingBody::Empty)).await.unwrap();
    assert!(answer.headers["content-length"].to_str().unwrap().parse::<u64>().unwrap() > 50);
    assert!(matches!(answer.body, AnswerBody::Whole(bytes) if bytes.is_empty()));
}

#[tokio::test]
async fn a_stream_of_the_built_in_model_holds_its_place_until_it_is_dropped() {
    let target = Target { kind: Kind::Llm, ..RawUpstream::start().await.target() };
    let body = r#"{"model":"demo","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let outgoing = call(Method::POST, "/v1/chat/completions", OutgoingBody::Whole(Bytes::from_static(body.as_bytes())));
    let answer = Client::new().send(&target, outgoing).await.unwrap();
    assert_eq!(target.in_flight.count(), 1);
    drop(answer);
    assert_eq!(target.in_flight.count(), 0);
}
