//! Bodies of any size pass without being kept, at the pace of the slower side.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    thread,
};

use super::support::{Exchange, Stage, Wire, eventually};

const MIB: usize = 1024 * 1024;
const GIB: usize = 1024 * MIB;
/// How much a gateway may grow by a body, whatever its size.
const MAX_GROWTH_KIB: u64 = 64 * 1024;
/// More than all buffers between the two ends hold.
const MORE_THAN_BUFFERS: usize = 32 * MIB;
static PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];

fn stage() -> Stage {
    let stage = Stage::with("", "[server]\nmax_body_bytes = 2147483648\n");
    // Everything a call needs is made by the first.
    for _ in 0..8 {
        let (mut client, mut exchange) = stage.call(stage.get("/up/first"));
        exchange.answer("ok");
        client.message();
    }
    stage
}

/// A field of `/proc/PID/status`, in KiB.
fn memory_kib(stage: &Stage, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", stage.gateway.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Runs `work` and checks how far the peak of the gateway's memory rose over what it had before.
fn assert_bounded_growth(what: &str, stage: &Stage, work: impl FnOnce()) {
    let before = memory_kib(stage, "VmRSS");
    work();
    let grown = memory_kib(stage, "VmHWM").saturating_sub(before);
    println!("{what}: {before} KiB before, at most {grown} KiB more");
    assert!(grown < MAX_GROWTH_KIB, "{what}: {before} KiB grew by {grown} KiB");
}

/// Writes `total` bytes of a body, as chunks or as they are.
fn write_body(mut stream: &TcpStream, total: usize, is_chunked: bool) {
    let framed = format!("{:x}\r\n{}\r\n", PIECE.len(), String::from_utf8_lossy(&PIECE));
    let piece = if is_chunked { framed.as_bytes() } else { &PIECE };
    for _ in 0..total / PIECE.len() {
        stream.write_all(piece).unwrap();
    }
    if is_chunked {
        stream.write_all(b"0\r\n\r\n").unwrap();
    }
}

/// Reads a body to its end and counts it.
fn count_body(wire: &mut Wire, is_chunked: bool, length: usize) -> usize {
    if is_chunked {
        return std::iter::from_fn(|| wire.chunk()).map(|chunk| chunk.len()).sum();
    }
    wire.count(length)
}

fn framing(is_chunked: bool, length: usize) -> String {
    if is_chunked { "transfer-encoding: chunked\r\n".into() } else { format!("content-length: {length}\r\n") }
}

fn upload_of_a_gib(is_chunked: bool) {
    let stage = stage();
    assert_bounded_growth(&format!("upload, chunked: {is_chunked}"), &stage, || {
        let mut client = stage.gateway.connect();
        client.say(stage.request("POST", "/up/sink", &framing(is_chunked, GIB), ""));
        thread::scope(|scope| {
            scope.spawn(|| write_body(client.stream(), GIB, is_chunked));
            let mut upstream = stage.upstream.accept();
            let head = upstream.head();
            assert_eq!(head.header("transfer-encoding").is_some(), is_chunked);
            assert_eq!(count_body(&mut upstream, is_chunked, GIB), GIB);
            upstream.say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfull");
        });
        let answer = client.message();
        assert_eq!(answer.text(), "full");
        let record = stage.record(&answer.request_id());
        assert_eq!((&record["request_bytes"], &record["outcome"]), (&GIB.into(), &"complete".into()));
    });
}

fn download_of_a_gib(is_chunked: bool) {
    let stage = stage();
    assert_bounded_growth(&format!("download, chunked: {is_chunked}"), &stage, || {
        let (mut client, Exchange { mut wire, .. }) = stage.call(stage.get("/up/source"));
        wire.say(format!("HTTP/1.1 200 OK\r\n{}\r\n", framing(is_chunked, GIB)));
        let head = thread::scope(|scope| {
            scope.spawn(|| write_body(wire.stream(), GIB, is_chunked));
            let head = client.head();
            assert_eq!(count_body(&mut client, is_chunked, GIB), GIB);
            head
        });
        let record = stage.record(&head.request_id());
        assert_eq!((&record["response_bytes"], &record["outcome"]), (&GIB.into(), &"complete".into()));
    });
}

#[test]
fn an_upload_of_a_gib_with_its_length_is_not_kept() {
    upload_of_a_gib(false);
}

#[test]
fn an_upload_of_a_gib_in_chunks_is_not_kept() {
    upload_of_a_gib(true);
}

#[test]
fn a_download_of_a_gib_with_its_length_is_not_kept() {
    download_of_a_gib(false);
}

#[test]
fn a_download_of_a_gib_in_chunks_is_not_kept() {
    download_of_a_gib(true);
}

/// Writes until the other side has taken nothing for a while, and counts.
fn write_until_it_stalls(mut stream: &TcpStream) -> usize {
    stream.set_write_timeout(Some(std::time::Duration::from_secs(2))).unwrap();
    let mut taken = 0;
    while taken < 4 * MORE_THAN_BUFFERS {
        match stream.write(&PIECE) {
            Ok(length) => taken += length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            // A child ended, which says nothing of this connection: signal(7) gives a write with a timeout
            // back even where others are restarted.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("{error} after {taken} bytes"),
        }
    }
    taken
}

fn read_exactly(mut stream: &TcpStream, mut length: usize) {
    let mut buffer = vec![0; MIB];
    while length > 0 {
        let most = length.min(MIB);
        stream.read_exact(&mut buffer[..most]).unwrap();
        length -= most;
    }
}

#[test]
fn a_client_that_stops_reading_makes_its_upstream_wait() {
    let stage = stage();
    let (mut client, Exchange { mut wire, .. }) = stage.call(stage.get("/up/source"));
    wire.say(format!("HTTP/1.1 200 OK\r\ncontent-length: {GIB}\r\n\r\n"));
    let taken = write_until_it_stalls(wire.stream());
    println!("taken from the upstream: {} KiB", taken / 1024);
    assert!(taken < MORE_THAN_BUFFERS, "{taken} bytes were taken for a client that reads nothing");
    client.head();
    read_exactly(client.stream(), taken / 2);
    assert!(write_until_it_stalls(wire.stream()) > 0, "it goes on as the client does");
}

#[test]
fn an_upstream_that_stops_reading_makes_its_client_wait() {
    let stage = stage();
    let mut client = stage.gateway.connect();
    client.say(stage.request("POST", "/up/sink", &framing(false, GIB), ""));
    let mut upstream = stage.upstream.accept();
    let taken = write_until_it_stalls(client.stream());
    println!("taken from the client: {} KiB", taken / 1024);
    assert!(taken < MORE_THAN_BUFFERS, "{taken} bytes were taken for an upstream that reads nothing");
    upstream.head();
    read_exactly(upstream.stream(), taken / 2);
    assert!(write_until_it_stalls(client.stream()) > 0, "it goes on as the upstream does");
}

#[test]
fn events_reach_the_client_one_by_one() {
    let stage = Stage::new();
    let (mut client, Exchange { mut wire, .. }) = stage.call(stage.get("/up/events"));
    wire.say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
    let head = client.head();
    assert_eq!((head.status(), head.header("content-type")), (200, Some("text/event-stream")));
    for i in 0..20 {
        let event = format!("data: {i}\n\n");
        wire.say(format!("{:x}\r\n{event}\r\n", event.len()));
        // The upstream says the next only when the client has this one.
        assert_eq!(String::from_utf8(client.chunk().unwrap()).unwrap(), event);
    }
    wire.say("0\r\n\r\n");
    assert_eq!(client.chunk(), None);
    assert_eq!(stage.record(&head.request_id())["outcome"], "complete");
}

#[test]
fn pieces_of_an_upload_reach_the_upstream_one_by_one_and_answers_can_overlap_them() {
    let stage = Stage::new();
    let mut client = stage.gateway.connect();
    client.say(stage.request("POST", "/up/duplex", "transfer-encoding: chunked\r\n", ""));
    let mut upstream = stage.upstream.accept();
    upstream.head();
    upstream.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    eventually("the head comes before the upload is over", || client.has_something().then_some(()));
    client.head();
    for piece in ["one", "two", "three"] {
        client.say(format!("{:x}\r\n{piece}\r\n", piece.len()));
        assert_eq!(upstream.chunk().unwrap(), piece.as_bytes());
        upstream.say(format!("{:x}\r\n{piece}\r\n", piece.len()));
        assert_eq!(client.chunk().unwrap(), piece.as_bytes());
    }
    client.say("0\r\n\r\n");
    assert_eq!(upstream.chunk(), None);
    upstream.say("0\r\n\r\n");
    assert_eq!(client.chunk(), None);
}
