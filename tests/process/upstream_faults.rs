//! Every way in which an upstream can fail: what the client gets, what is on record, and that nothing stays held, counted as
//! under way, or in use of the connection.

use std::{thread, time::Duration};

use socket2::SockRef;

use super::support::{Exchange, Home, Stage, Upstream, Wire, eventually, with_upstream};

/// What an upstream does after what it has said.
#[derive(Debug, Clone, Copy)]
enum Then {
    Closes,
    Resets,
    /// It keeps the connection, says nothing more, and waits for the gateway to let go.
    Stays,
    /// It says this again and again, faster than any silence that is bounded.
    Trickles(&'static str),
    /// It says this as fast as it is taken.
    Floods(&'static str),
}

use Then::{Closes, Floods, Resets, Stays, Trickles};

/// What the client gets: an answer of this status that is whole, or one that is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Got {
    Whole(u16),
    Cut(u16),
}

use Got::{Cut, Whole};

/// What an upstream says, how it goes on, and what the client gets.
type Fault = (&'static str, Then, Got);

/// Before the end of a head.
const HEADS: [Fault; 48] = [
    ("", Closes, Whole(502)),
    ("", Resets, Whole(502)),
    ("", Stays, Whole(504)),
    ("H", Closes, Whole(502)),
    ("HTTP/1.1 200", Closes, Whole(502)),
    ("HTTP/1.1 200", Resets, Whole(502)),
    ("HTTP/1.1 200", Stays, Whole(504)),
    ("HTTP/1.1 200", Floods("0"), Whole(502)),
    ("HTTP/1.1 200 OK\r\ncontent-le", Closes, Whole(502)),
    ("HTTP/1.1 200 OK\r\ncontent-le", Resets, Whole(502)),
    ("HTTP/1.1 200 OK\r\ncontent-le", Stays, Whole(504)),
    ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", Stays, Whole(504)),
    ("HTTP/1.1 200 OK\r\n", Trickles("x: y\r\n"), Whole(504)),
    ("HTTP/1.1 200 OK\r\nx: ", Trickles("y"), Whole(504)),
    ("HTTP/1.1 200 OK\r\n", Floods("x-flood: 1\r\n"), Whole(502)),
    ("HTTP/1.1 200 OK\r\nx: ", Floods("yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"), Whole(502)),
    ("nonsense\r\n\r\n", Stays, Whole(502)),
    ("\0\0\0\0\0\0", Stays, Whole(502)),
    ("<html></html>\r\n\r\n", Closes, Whole(502)),
    ("SSH-2.0-OpenSSH_9.6\r\n", Stays, Whole(502)),
    ("ICY 200 OK\r\n\r\n", Stays, Whole(502)),
    ("http/1.1 200 OK\r\n\r\n", Stays, Whole(502)),
    ("HTTP/2.0 200 OK\r\n\r\n", Stays, Whole(502)),
    ("HTTP/1.1 99 Low\r\n\r\n", Stays, Whole(502)),
    ("HTTP/1.1 1000 High\r\n\r\n", Stays, Whole(502)),
    ("HTTP/1.1 abc X\r\n\r\n", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\nbad line\r\n\r\n", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\n: x\r\n\r\n", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\na b: x\r\n\r\n", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\nx: a\rb\r\n\r\n", Stays, Whole(502)),
    ("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", Stays, Whole(502)),
    ("HTTP/1.1 100 Continue\r\n\r\n", Closes, Whole(502)),
    ("HTTP/1.1 100 Continue\r\n\r\n", Stays, Whole(504)),
    ("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", Resets, Whole(502)),
    ("", Trickles("HTTP/1.1 103 Early Hints\r\n\r\n"), Whole(504)),
    ("", Floods("HTTP/1.1 103 Early Hints\r\n\r\n"), Whole(502)),
    ("HTTP/1.1 102 Processing\r\n", Floods("x-flood: 1\r\n"), Whole(502)),
    ("", Floods("HTTP/1.2 102 Processing\n\n"), Whole(502)),
    (
        "HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        Closes,
        Whole(200),
    ),
    ("HTTP/1.1 200 OK\r\nx-obsolete: a\r\n folded\r\ncontent-length: 2\r\n\r\nok", Closes, Whole(200)),
    ("HTTP/1.1 200 OK\r\nx-space : a\r\ncontent-length: 2\r\n\r\nok", Closes, Whole(200)),
    ("HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok", Closes, Whole(200)),
    ("HTTP/1.2 200 OK\r\ncontent-length: 2\r\n\r\nok", Closes, Whole(200)),
    ("HTTP/1.9 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Closes, Whole(200)),
    (
        "HTTP/1.2 100 Continue\r\n\r\nHTTP/1.2 103 Hints\r\n\r\nHTTP/1.2 200 OK\r\ncontent-length: 2\r\n\r\nok",
        Closes,
        Whole(200),
    ),
    ("HTTP/1.10 200 OK\r\ncontent-length: 2\r\n\r\nok", Stays, Whole(502)),
    ("HTTP/3.0 200 OK\r\ncontent-length: 2\r\n\r\nok", Stays, Whole(502)),
];

/// What says how long the body is.
const FRAMINGS: [Fault; 32] = [
    ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\ncontent-length: 2, 3\r\n\r\nok", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\ncontent-length: 0x2\r\n\r\nok", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\ncontent-length: 2 2\r\n\r\nok", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\nok", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nok", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: gzip\r\n\r\n0\r\n\r\n", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: , chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Closes, Whole(200)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, ,chunked\r\n\r\n0\r\n\r\n", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\ncontent-length: x\r\n\r\nok", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: identity, chunked\r\n\r\n0\r\n\r\n", Stays, Whole(502)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\nok", Closes, Whole(200)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: Identity\r\ncontent-length: 2\r\n\r\nok", Stays, Whole(200)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\ncontent-length: 2\r\n\r\nokstolen", Stays, Whole(200)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n", Stays, Whole(502)),
    ("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Closes, Whole(502)),
    ("HTTP/1.0 200 OK\r\n\r\nok", Closes, Whole(200)),
    ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", Closes, Whole(200)),
    ("HTTP/1.1 200 OK\r\n\r\nok", Closes, Whole(200)),
    (
        "HTTP/1.1 200 OK\r\ntransfer-encoding: CHUNKED\r\n\r\n2;a=\"b\"\r\nok\r\n0;c\r\nx-sum: 1\r\n\r\n",
        Closes,
        Whole(200),
    ),
    ("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", Stays, Whole(200)),
    ("HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nok", Stays, Whole(204)),
    ("HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Stays, Whole(204)),
    ("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen", Stays, Whole(204)),
    ("HTTP/1.1 304 Not Modified\r\ncontent-length: 6\r\n\r\nstolen", Stays, Whole(304)),
];

/// Behind a head that was good.
const BODIES: [Fault; 19] = [
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\ncontent-length: 9\r\n\r\nhalf", Closes, Cut(200)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\ncontent-length: 9\r\n\r\nhalf", Stays, Cut(200)),
    ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", Stays, Cut(200)),
    ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", Closes, Cut(200)),
    ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", Resets, Cut(200)),
    ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", Stays, Cut(200)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", Closes, Cut(200)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", Resets, Cut(200)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", Stays, Cut(200)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n9\r\nha", Closes, Cut(200)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n", Stays, Cut(200)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n-1\r\n", Stays, Cut(200)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nfffffffffffffffff\r\n", Stays, Cut(200)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n", Closes, Cut(200)),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nx: y\r\n", Resets, Cut(200)),
    ("HTTP/1.1 200 OK\r\n\r\nhalf", Resets, Cut(200)),
    ("HTTP/1.1 200 OK\r\n\r\nhalf", Stays, Cut(200)),
    ("HTTP/1.0 200 OK\r\n\r\nhalf", Resets, Cut(200)),
    ("HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-8/9\r\ncontent-length: 9\r\n\r\nhalf", Closes, Cut(206)),
];

const SECTIONS: &str = "[[budgets]]\nname = \"all\"\nscope = \"global\"\nlimit_usd = \"1\"\nperiod = \"total\"\n\
    [[limits]]\nname = \"one\"\nroutes = [\"*\"]\nper = \"user\"\nunit = \"concurrent\"\nlimit = 1\n";

/// A stage whose calls are held money for, and of which a user may have one under way.
fn stage(meter: &str) -> Stage {
    let upstream = Upstream::start();
    let config = format!("{}{meter}\n", with_upstream(upstream.address(), "timeout_s = 1", SECTIONS));
    Stage::of(upstream, Home::new().config(&config))
}

/// Tries every fault, one after the other, and asserts that none came out wrong and that the books are closed.
fn assert_all(stage: &Stage, faults: &[Fault], request: &str) {
    let wrong: Vec<String> = faults.iter().filter_map(|fault| wrong(stage, fault, request).err()).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), faults.len(), wrong.join("\n"));
    eventually("nothing is held", || {
        let budgets = stage.gateway.get("/admin/budgets", &stage.token).json();
        (budgets["items"][0]["held_usd"] == "0").then_some(())
    });
}

fn wrong(stage: &Stage, (said, then, expected): &Fault, request: &str) -> Result<(), String> {
    let (mut client, Exchange { mut wire, .. }) = stage.call(request);
    let going_on = thread::scope(|scope| {
        let upstream = scope.spawn(move || {
            wire.try_say(said);
            go_on(&mut wire, *then);
        });
        let answer = client.message();
        drop(client);
        upstream.join().map(|()| answer)
    });
    let answer = going_on.map_err(|_| format!("{said:?} {then:?}: the connection is kept"))?;
    let got = if answer.complete { Whole(answer.status()) } else { Cut(answer.status()) };
    let unlike = |what: &str, found: &dyn std::fmt::Debug| Err(format!("{said:?} {then:?}: {what}: {found:?}"));
    if got != *expected {
        return unlike("the client got", &(got, answer.text()));
    }
    match got {
        Whole(502) => answer.assert_problem(502, "upstream-failed"),
        Whole(504) => answer.assert_problem(504, "upstream-timeout"),
        _ => {}
    }
    let record = stage.record(&answer.request_id());
    let (decision, outcome) = match got {
        Whole(502 | 504) => ("failed", "complete"),
        Whole(_) => ("allowed", "complete"),
        Cut(_) => ("failed", "aborted"),
    };
    let is_right =
        record["status"] == answer.status() && record["outcome"] == outcome && record["decision"] == decision;
    if is_right { Ok(()) } else { unlike("the record", &record) }
}

fn go_on(wire: &mut Wire, then: Then) {
    match then {
        Closes => {}
        Resets => SockRef::from(wire.stream()).set_linger(Some(Duration::ZERO)).unwrap(),
        Stays => wire.drain(),
        Trickles(piece) => {
            while wire.try_say(piece) {
                thread::sleep(Duration::from_millis(20));
            }
        }
        Floods(piece) => while wire.try_say(piece.repeat(512)) {},
    }
}

#[test]
fn a_fault_before_the_end_of_the_head_is_a_502_or_a_504() {
    let stage = stage("meter = { fixed_usd = \"0.01\" }");
    assert_all(&stage, &HEADS, &stage.get("/up"));
}

#[test]
fn a_body_whose_length_two_readers_could_read_in_two_ways_is_a_502() {
    let stage = stage("meter = { fixed_usd = \"0.01\" }");
    assert_all(&stage, &FRAMINGS, &stage.get("/up"));
}

#[test]
fn a_fault_within_the_body_cuts_the_answer() {
    let stage = stage("meter = { fixed_usd = \"0.01\" }");
    assert_all(&stage, &BODIES, &stage.get("/up"));
}

#[test]
fn what_follows_the_answer_to_a_head_request_is_no_answer_to_the_next() {
    let stage = stage("meter = \"none\"");
    for head in ["content-length: 6\r\n", "transfer-encoding: chunked\r\n", "", "content-length: 0\r\n"] {
        let (mut client, mut exchange) = stage.call(stage.request("HEAD", "/up", "connection: close\r\n", ""));
        let stolen = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen";
        exchange.wire.say(format!("HTTP/1.1 200 OK\r\n{head}\r\n{stolen}"));
        assert_eq!(client.head().status(), 200);
        exchange.wire.drain();
    }
}
