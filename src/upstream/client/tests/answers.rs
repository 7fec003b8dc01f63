//! What comes back.

use std::task::Poll;

use super::*;

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
    let wire = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n\
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
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
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
async fn blanks_and_folds_in_a_head_are_mended() {
    for (line, value) in [("X-Old : v", "v"), ("X-Old\t: v", "v"), ("X-Old: a\r\n b", "a   b"), ("X-Old:v  ", "v")] {
        let answer = get_answered(&format!("HTTP/1.1 200 OK\r\n{line}\r\nContent-Length: 2\r\n\r\nok")).await.unwrap();
        let got = answer.headers["x-old"].to_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(got, value.split_whitespace().collect::<Vec<_>>().join(" "), "{line:?}");
        assert_eq!(content(answer).await.unwrap(), "ok");
    }
}

#[tokio::test]
async fn an_answer_may_have_many_lines() {
    for count in [100, 101, 200, 500] {
        let lines: Vec<String> = (0..count).map(|n| format!("X-{n}: {n}\r\n")).collect();
        let lines = lines.concat();
        let answer = get_answered(&format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 2\r\n\r\nok")).await.unwrap();
        assert_eq!(answer.headers[format!("x-{}", count - 1)], (count - 1).to_string());
    }
}

#[tokio::test]
async fn a_connection_with_a_doubtful_answer_is_not_used_again() {
    for doubtful in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    ] {
        let upstream = RawUpstream::start().await;
        let (client, target) = (Client::new(), upstream.target());
        let first = async {
            let mut conversation = upstream.accept().await;
            conversation.head().await;
            conversation.say(doubtful).await;
            conversation
        };
        let (answer, mut conversation) = tokio::join!(client.send(&target, get()), first);
        if let Ok(answer) = answer {
            drop(content(answer).await);
        }
        assert_eq!(conversation.until("never").await, "", "closed after {doubtful:?}");
        let (answer, _) = tokio::join!(client.send(&target, get()), upstream.answer_once(OK));
        assert_eq!(content(answer.unwrap()).await.unwrap(), "ok", "after {doubtful:?}");
    }
}

#[tokio::test]
async fn an_early_answer_arrives_though_the_upstream_closes_with_the_body_unread() {
    for status in [401, 413] {
        let upstream = RawUpstream::start().await;
        let (client, target) = (Client::new(), upstream.target());
        let body = OutgoingBody::Whole(vec![b'x'; 8_000_000].into());
        let early = async {
            let mut conversation = upstream.accept().await;
            conversation.head().await;
            conversation.say(&format!("HTTP/1.1 {status} Early\r\nContent-Length: 2\r\n\r\nno")).await;
        };
        let (answer, ()) = tokio::join!(client.send(&target, call(Method::POST, "/", body)), early);
        let answer = answer.unwrap();
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(content(answer).await.unwrap(), "no");
    }
}

#[tokio::test]
async fn a_head_of_an_answer_without_end_is_refused() {
    let error = get_answered(&format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(2 * MAX_HEAD_BYTES))).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Protocol(_)), "{error:?}");
}

#[tokio::test]
async fn a_built_in_upstream_answers_head_without_a_body() {
    let target = Target { kind: Kind::Echo, ..RawUpstream::start().await.target() };
    let answer = Client::new().send(&target, call(Method::HEAD, "/echo", OutgoingBody::Empty)).await.unwrap();
    assert!(answer.headers["content-length"].to_str().unwrap().parse::<u64>().unwrap() > 50);
    assert!(matches!(answer.body, AnswerBody::Whole(bytes) if bytes.is_empty()));
}

#[tokio::test]
async fn an_answer_that_is_looked_into_comes_in_turns() {
    const TURN: usize = 64 << 10;
    let long = "x".repeat(5 * TURN + 7);
    let wire = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{long}", long.len());
    let AnswerBody::Stream(mut stream) = get_answered(&wire).await.unwrap().body else { panic!("no stream") };
    stream.take_turns();
    assert_eq!(stream.length(), u64::try_from(long.len()).ok());
    let (mut came, mut of_turn, mut turns) = (0, 0, 0);
    std::future::poll_fn(|cx| {
        loop {
            match stream.poll_next_unpin(cx) {
                Poll::Pending => {
                    (of_turn, turns) = (0, turns + 1);
                    return Poll::Pending;
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Ready(Some(piece)) => {
                    let piece = piece.unwrap();
                    (came, of_turn) = (came + piece.len(), of_turn + piece.len());
                    assert!(of_turn <= TURN, "{of_turn} bytes without a chance for others");
                }
            }
        }
    })
    .await;
    assert!(came == long.len() && turns >= 5, "{came} bytes in {turns} turns");
}
