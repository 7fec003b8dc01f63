//! Connections: their failures, their times, their number and their reuse.

use super::*;

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
        assert!(matches!(error, UpstreamError::Stale(_)) && error.reached_upstream(), "{error:?}");
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
async fn a_stream_of_the_built_in_model_holds_its_place_until_it_is_dropped() {
    let target = Target { kind: Kind::Llm, ..RawUpstream::start().await.target() };
    let body = r#"{"model":"demo","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let outgoing = call(Method::POST, "/v1/chat/completions", OutgoingBody::Whole(Bytes::from_static(body.as_bytes())));
    let answer = Client::new().send(&target, outgoing).await.unwrap();
    assert_eq!(target.in_flight.count(), 1);
    drop(answer);
    assert_eq!(target.in_flight.count(), 0);
}

#[tokio::test]
async fn an_answer_nobody_wants_any_more_closes_the_connection() {
    let upstream = RawUpstream::start().await;
    let (client, target) = (Client::new(), upstream.target());
    let upstream_side = async {
        let mut conversation = upstream.accept().await;
        conversation.head().await;
        conversation.say("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\npart").await;
        conversation
    };
    let (answer, mut conversation) = tokio::join!(client.send(&target, get()), upstream_side);
    drop(answer.unwrap());
    assert_eq!(conversation.until("never").await, "", "the connection is closed");
    assert_eq!(target.in_flight.count(), 0);
}

/// The pool has the connection again before its answer is looked at; it must neither be used nor kept.
#[tokio::test]
async fn a_connection_whose_answer_could_be_read_in_two_ways_is_closed_at_once() {
    for (method, wire, is_answered) in [
        (Method::GET, "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n", true),
        (Method::GET, "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", true),
        (Method::GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", true),
        (Method::GET, "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", true),
        (Method::HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", true),
        (Method::HEAD, "HTTP/1.1 200 OK\r\n\r\n", true),
        (Method::HEAD, "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n", true),
        (Method::GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", false),
        (Method::GET, "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: gzip\r\n\r\n", false),
    ] {
        let upstream = RawUpstream::start().await;
        let (client, target) = (Client::new(), upstream.target());
        let first = async {
            let mut conversation = upstream.accept().await;
            conversation.head().await;
            conversation.say(wire).await;
            conversation
        };
        let asked = call(method.clone(), "/", OutgoingBody::Empty);
        let (answer, mut conversation) = tokio::join!(client.send(&target, asked), first);
        assert_eq!(answer.is_ok(), is_answered, "{method} {wire}");
        // The next call takes another connection, though it asks before this one can have closed.
        let (next, _) = tokio::join!(client.send(&target, get()), upstream.answer_once(OK));
        assert_eq!(content(next.unwrap()).await.unwrap(), "ok", "{wire}");
        assert_eq!(conversation.until("never").await, "", "the connection is closed");
    }
}

/// Also where no event has told of it yet.
#[tokio::test]
async fn what_came_behind_an_answer_is_no_answer_to_the_next_call() {
    let upstream = RawUpstream::start().await;
    let (client, target) = (Client::new(), upstream.target());
    let first = async {
        let mut conversation = upstream.accept().await;
        conversation.head().await;
        conversation.say(OK).await;
        conversation
    };
    let (answer, mut conversation) = tokio::join!(client.send(&target, get()), first);
    assert_eq!(content(answer.unwrap()).await.unwrap(), "ok");
    conversation.say("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison").await;
    let other = tokio::time::timeout(Duration::from_secs(5), upstream.answer_once(OK));
    let (next, other) = tokio::join!(client.send(&target, get()), other);
    assert_eq!(content(next.unwrap()).await.unwrap(), "ok");
    assert!(other.is_ok(), "it goes over another connection");
}

/// An upstream that does not read the rest of the body could take it for the next request.
#[tokio::test]
async fn a_connection_that_was_answered_before_the_whole_body_went_out_serves_no_other_call() {
    for (length, rest) in [(None, "4\r\nlate\r\n0\r\n\r\n"), (Some(4), "late")] {
        let upstream = RawUpstream::start().await;
        let (client, target) = (Client::new(), upstream.target());
        let (sender, body) = OutgoingBody::channel(length);
        let first = async {
            let mut conversation = upstream.accept().await;
            conversation.head().await;
            conversation.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").await;
            conversation
        };
        let (answer, mut conversation) = tokio::join!(client.send(&target, call(Method::POST, "/", body)), first);
        sender.send(Bytes::from_static(b"late")).await.unwrap();
        sender.finish();
        assert_eq!(conversation.until(rest).await, rest);
        conversation.say("ok").await;
        assert_eq!(content(answer.unwrap()).await.unwrap(), "ok");
        let end = tokio::time::timeout(Duration::from_secs(5), conversation.until("never")).await;
        assert_eq!(end.as_deref(), Ok(""), "{length:?}: it is closed, and not kept");
    }
}

#[tokio::test]
async fn only_a_connection_that_served_before_and_said_nothing_is_stale() {
    for (served, said, is_stale) in [
        (0, "", false),
        (1, "", true),
        (3, "", true),
        (1, "H", false),
        (1, "HTTP/1.1 100 Continue\r\n\r\n", false),
        (1, "HTTP/1.1 200 OK\r\nconten", false),
    ] {
        let upstream = RawUpstream::start().await;
        let (client, target) = (Client::new(), upstream.target());
        let upstream_side = async {
            let mut conversation = upstream.accept().await;
            for _ in 0..served {
                conversation.head().await;
                conversation.say(OK).await;
            }
            conversation.head().await;
            conversation.say(said).await;
        };
        let client_side = async {
            for _ in 0..served {
                assert_eq!(content(client.send(&target, get()).await.unwrap()).await.unwrap(), "ok");
            }
            let error = client.send(&target, get()).await.unwrap_err();
            assert_eq!(matches!(error, UpstreamError::Stale(_)), is_stale, "{served} {said:?} {error:?}");
            assert_eq!(matches!(error, UpstreamError::Closed(_)), !is_stale, "{served} {said:?} {error:?}");
        };
        tokio::join!(upstream_side, client_side);
    }
}

#[tokio::test]
async fn a_call_that_goes_anew_takes_no_connection_that_was_kept() {
    let upstream = RawUpstream::start().await;
    let (client, target) = (Client::new(), upstream.target());
    let upstream_side = async {
        let mut kept = upstream.accept().await;
        kept.head().await;
        kept.say(OK).await;
        for _ in 0..2 {
            upstream.answer_once(OK).await;
        }
        kept.head().await;
        kept.say(OK).await;
    };
    let client_side = async {
        assert_eq!(content(client.send(&target, get()).await.unwrap()).await.unwrap(), "ok");
        for _ in 0..2 {
            assert_eq!(content(client.send_anew(&target, get()).await.unwrap()).await.unwrap(), "ok");
        }
        assert_eq!(content(client.send(&target, get()).await.unwrap()).await.unwrap(), "ok");
    };
    tokio::join!(upstream_side, client_side);
    assert!(!upstream.has_another_connection().await);
}

/// Whether the connection of an answer with this line is closed from this side before the second call.
async fn is_closed_before_the_next(line: &str, pause: Duration) -> bool {
    let upstream = RawUpstream::start().await;
    let (client, target) = (Client::new(), upstream.target());
    let first = async {
        let mut conversation = upstream.accept().await;
        conversation.head().await;
        conversation.say(&format!("HTTP/1.1 200 OK\r\n{line}Content-Length: 2\r\n\r\nok")).await;
        conversation
    };
    let (answer, mut conversation) = tokio::join!(client.send(&target, get()), first);
    assert_eq!(content(answer.unwrap()).await.unwrap(), "ok");
    tokio::time::pause();
    tokio::time::advance(pause).await;
    tokio::time::resume();
    // The connection's task sees that its time is over.
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    let next = async {
        tokio::select! {
            biased;
            head = conversation.head() => if head.is_empty() { upstream.answer_once(OK).await; true } else { conversation.say(OK).await; false },
            _ = upstream.answer_once(OK) => true,
        }
    };
    let (answer, is_new) = tokio::join!(client.send(&target, get()), next);
    assert_eq!(content(answer.unwrap()).await.unwrap(), "ok");
    is_new
}

#[tokio::test]
async fn a_connection_is_unused_for_no_longer_than_its_upstream_says() {
    let pause = Duration::from_millis(1_500);
    for (line, is_closed) in [
        ("", false),
        ("Keep-Alive: timeout=2\r\n", true),
        ("Keep-Alive: timeout=2, max=100\r\n", true),
        ("Keep-Alive: timeout=1\r\n", true),
        ("Keep-Alive: timeout=60\r\n", false),
        ("Keep-Alive: max=1\r\n", false),
    ] {
        assert_eq!(is_closed_before_the_next(line, pause).await, is_closed, "{line:?}");
    }
}
