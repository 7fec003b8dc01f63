//! Every state of a connection and its bound.

use std::time::Duration;

use actix_web::{
    dev::Payload,
    http::header::{self, HeaderMap},
};
use tokio::time::Instant;

use super::*;

const BOUNDS: Bounds = Bounds {
    head: Duration::from_secs(1),
    idle: Duration::from_secs(10),
    unread_body: Duration::from_secs(2),
    unread_body_bytes: 100,
    head_bytes: 1_000,
    trailer_bytes: 100,
    write: Duration::from_secs(30),
    write_bytes_per_s: 0,
    body_pause: Duration::from_secs(20),
    body_bytes_per_s: 0,
};

fn due_s(connection: &Connection) -> Option<(u64, Due)> {
    let now = Instant::now();
    connection.due().map(|(at, due)| (at.saturating_duration_since(now).as_secs(), due))
}

fn payload() -> Payload {
    Payload::Stream { payload: Box::pin(futures_util::stream::pending()) }
}

fn answer(connection: &Connection) {
    connection.reads_head(Line::default(), b"", b"");
    drop(Ongoing::begin(connection));
}

fn refuse_unread(connection: &Connection) {
    connection.reads_head(Line::default(), b"", b"");
    let ongoing = Ongoing::begin(connection);
    let mut headers = HeaderMap::new();
    headers.insert(header::TRANSFER_ENCODING, header::HeaderValue::from_static("chunked"));
    drop(ongoing.receive(&headers, payload()));
}

/// Steps that lead a connection into a state; a call that they leave under way goes on.
type Steps = fn(&Connection) -> Option<Ongoing>;

/// A state, how it is reached, and after how many seconds what is due.
type State = (&'static str, Steps, Option<(u64, Due)>);

fn states_without_an_answer_under_way() -> Vec<State> {
    vec![
        ("opened", |_| None, Some((1, Due::End(Overdue::Idle)))),
        (
            "in a head that is too long",
            |c| {
                c.reads_head(Line { bytes: 14, ..Line::default() }, &[b'x'; 1_018], b"");
                None
            },
            Some((0, Due::End(Overdue::LongHead))),
        ),
        (
            "in a request line that is too long",
            |c| {
                c.reads_head(Line { bytes: 1_001, ..Line::default() }, &[b'x'; 1_001], b"");
                None
            },
            Some((0, Due::End(Overdue::LongHead))),
        ),
        (
            "in the first head",
            |c| {
                c.reads_head(Line::default(), b"", b"");
                None
            },
            Some((1, Due::End(Overdue::Head))),
        ),
        ("in a call", |c| Some(Ongoing::begin(c)), None),
        (
            "answered",
            |c| {
                answer(c);
                None
            },
            Some((10, Due::End(Overdue::Idle))),
        ),
        (
            "in a later head",
            |c| {
                answer(c);
                c.reads_head(Line::default(), b"", b"");
                None
            },
            Some((1, Due::End(Overdue::Head))),
        ),
        (
            "answered with its body unread",
            |c| {
                refuse_unread(c);
                None
            },
            Some((2, Due::End(Overdue::UnreadBody))),
        ),
    ]
}

fn states_of_answers_and_of_a_stop() -> Vec<State> {
    vec![
        (
            "in an answer that is not taken",
            |c| {
                let ongoing = Ongoing::begin(c);
                c.cannot_write();
                Some(ongoing)
            },
            Some((30, Due::End(Overdue::UnreadAnswer))),
        ),
        (
            "between two requests, with an answer that is not taken",
            |c| {
                drop(Ongoing::begin(c));
                c.cannot_write();
                None
            },
            Some((30, Due::End(Overdue::UnreadAnswer))),
        ),
        (
            "in an answer that is not taken, while the gateway stops",
            |c| {
                let ongoing = Ongoing::begin(c);
                c.cannot_write();
                c.stops();
                Some(ongoing)
            },
            Some((5, Due::End(Overdue::UnreadAnswer))),
        ),
        (
            "idle while the gateway stops",
            |c| {
                drop(Ongoing::begin(c));
                c.stops();
                None
            },
            Some((2, Due::End(Overdue::Idle))),
        ),
        (
            "in a body while the gateway stops",
            |c| {
                let ongoing = Ongoing::begin(c);
                c.0.body_awaited.set(Some(Instant::now()));
                c.stops();
                Some(ongoing)
            },
            Some((5, Due::End(Overdue::Stopping))),
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn every_state_of_a_connection_has_its_bound() {
    for (state, steps, due) in states_without_an_answer_under_way().into_iter().chain(states_of_answers_and_of_a_stop())
    {
        let connection = Connection::opened(BOUNDS, Transport::Plain);
        let _ongoing = steps(&connection);
        assert_eq!(due_s(&connection), due, "{state}");
    }
    let connection = Connection::opened(BOUNDS, Transport::Plain);
    answer(&connection);
    let _next = Ongoing::begin(&connection);
    assert_eq!(due_s(&connection), None, "a second call");
}

#[tokio::test(start_paused = true)]
async fn bytes_that_trickle_move_no_bound() {
    let connection = Connection::opened(BOUNDS, Transport::Plain);
    answer(&connection);
    connection.reads_head(Line::default(), b"", b"");
    tokio::time::advance(Duration::from_millis(900)).await;
    connection.reads_head(Line::default(), b"", b"");
    tokio::time::advance(Duration::from_millis(100)).await;
    assert_eq!(due_s(&connection), Some((0, Due::End(Overdue::Head))));
}

#[tokio::test(start_paused = true)]
async fn of_an_unread_body_so_many_bytes_are_read_and_no_more() {
    let connection = Connection::opened(BOUNDS, Transport::Plain);
    refuse_unread(&connection);
    connection.reads_body(100);
    assert!(connection.may_read());
    connection.reads_body(1);
    assert!(!connection.may_read());
}
