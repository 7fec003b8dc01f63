//! What goes out.

use super::*;

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
    for path in ["x", "*", "/a#b", "/a b", "/<", "/`", "/\t", "/\r\nHost: evil", "/\0", "http://evil/"] {
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
async fn a_tunnel_is_not_made() {
    let upstream = RawUpstream::start().await;
    let outgoing = call(Method::CONNECT, "/", OutgoingBody::Empty);
    let error = Client::new().send(&upstream.target(), outgoing).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Unforwardable(Unforwardable::Connect)));
}

#[tokio::test]
async fn an_answer_that_comes_before_the_upload_ends_is_given_at_once() {
    let upstream = RawUpstream::start().await;
    let (client, target) = (Client::new(), upstream.target());
    let (sender, body) = OutgoingBody::channel(Some(1_000));
    let upstream_side = async {
        let mut conversation = upstream.accept().await;
        conversation.head().await;
        conversation.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno").await;
        conversation
    };
    let (answer, mut conversation) = tokio::join!(client.send(&target, call(Method::POST, "/", body)), upstream_side);
    assert_eq!(content(answer.unwrap()).await.unwrap(), "no");
    assert_eq!(sender.send(Bytes::from_static(b"more")).await, Err(UpstreamGone));
    drop(sender);
    assert_eq!(conversation.until("never").await, "", "the connection is closed, for it owes the rest of the body");
}
