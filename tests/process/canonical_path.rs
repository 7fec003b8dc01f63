//! For any bytes as a request target: they are refused, or the upstream sees them below the route's path as they were sent, and
//! route, roles and record are those of the same path. Nothing is dropped or changed in silence.

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};

use super::support::{Message, Stage, request};

/// How many targets are tried.
const TARGETS: usize = 400;

const WORDS: [&str; 53] = [
    "/up",
    "/up/s",
    "/up/s/admin",
    "/up/S/Admin",
    "/admin",
    "/admin/users",
    "/me",
    "/auth/login",
    "/healthz",
    "/echo",
    "/",
    "//",
    "/.",
    "/..",
    "/..;",
    ";",
    ";x=1",
    "\\",
    "%2f",
    "%2F",
    "/arn%3Aa:b",
    "/arn:x%2F",
    "%5c",
    "%2e",
    "%2e%2e",
    "%252e",
    "%25",
    "%00",
    "%0d%0a",
    "%20",
    "%61",
    "%zz",
    "%",
    "%c0%af",
    "%FF",
    "%EF%BC%8561",
    "%EF%BC%8E%EF%BC%8E",
    "/%E2%80%A5",
    "%E2%80%8B",
    "(S(x))",
    ".php",
    "%C3%A4",
    "?",
    "#",
    "?a=/../b",
    "~",
    "@",
    ":80",
    "http://gateway.test",
    "http://other.test",
    "|",
    "\"",
    "a",
];

fn target() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        12 => prop::sample::select(&WORDS[..]).prop_map(|word| word.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    let rest = prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat());
    (prop::sample::select(vec!["/up", "/up/", "/up/s", "", "/"]), rest)
        .prop_map(|(first, rest)| [first.as_bytes(), &rest].concat())
}

/// What became of a target.
#[derive(Debug)]
enum End {
    Refused(Message),
    /// What the upstream got, and what the client got.
    Forwarded(Message, Message),
}

/// The gateway answers a refused target at once; a forwarded one, when its upstream has.
fn sent(stage: &Stage, target: &[u8], token: &str) -> End {
    let mut client = stage.gateway.connect();
    let head = request("GET", "TARGET", token).replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    let (before, after) = head.split_once("TARGET").unwrap();
    client.say([before.as_bytes(), target, after.as_bytes()].concat());
    let mut upstream = super::support::eventually("an answer, or a call to the upstream", || {
        stage.upstream.try_accept().map(Some).or_else(|| client.has_something().then_some(None))
    });
    let Some(wire) = &mut upstream else { return End::Refused(client.message()) };
    let got = wire.message();
    wire.say("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
    End::Forwarded(got, client.message())
}

/// The target as it goes on: what may not stand in a query is percent-encoded there (RFC 3986 §3.4).
fn as_sent_on(target: &[u8]) -> Vec<u8> {
    let query = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    let coded = |(at, byte): (usize, &u8)| {
        let may_not_stand = b"\"<>".contains(byte) || !byte.is_ascii();
        if at > query && may_not_stand { format!("%{byte:02X}").into_bytes() } else { vec![*byte] }
    };
    target.iter().enumerate().flat_map(coded).collect()
}

/// What is wrong, if something is.
fn fault(stage: &Stage, target: &[u8], readonly: &str) -> Result<bool, String> {
    let text = String::from_utf8_lossy(target);
    let says = |what: &str, found: &dyn std::fmt::Debug| Err(format!("{text:?}: {what}: {found:?}"));
    match sent(stage, target, readonly) {
        End::Refused(answer) => {
            let status = answer.status();
            if ![200, 303, 400, 403, 404, 405, 431].contains(&status) {
                return says("the status", &answer);
            }
            // 200 is the gateway's own: echo, probes, one's own page.
            let record = stage.record(&answer.request_id());
            if record["status"] != status || (status == 200 && record["upstream"] == "raw") {
                return says("the record", &record);
            }
            Ok(false)
        }
        End::Forwarded(got, answer) => {
            let own = text.strip_prefix("http://gateway.test").unwrap_or(&text);
            let as_sent = as_sent_on(target.strip_prefix(b"http://gateway.test").unwrap_or(target));
            if got.target().as_bytes() != as_sent {
                return says("the upstream got", &got.target());
            }
            let path = own.split('?').next().unwrap_or_default();
            let is_below = path == "/up" || path.starts_with("/up/");
            let folded = path.to_lowercase();
            if !is_below || folded.contains("/admin/") && folded.starts_with("/up/s/admin") {
                return says("forwarded by the lax route", &path);
            }
            let record = stage.record(&answer.request_id());
            let is_right = record["path"] == path && record["route"] == "up" && record["decision"] == "allowed";
            if is_right { Ok(true) } else { says("the record", &record) }
        }
    }
}

#[test]
fn any_target_is_refused_or_arrives_as_it_was_sent_and_decided() {
    // `readonly` may call the lax route, and not the stricter one below it.
    let strict = "[[routes]]\nname = \"strict\"\npath = \"/up/s/admin\"\nmatch = \"prefix\"\nmethods = [\"GET\"]\n\
                  roles = [\"user\"]\nupstream = \"raw\"\n";
    let stage = Stage::with("", strict);
    let user = serde_json::json!({"username": "ro", "password": "a password for ro in this test", "role": "readonly"});
    assert_eq!(stage.gateway.json("POST", "/admin/users", &stage.token, &user).status(), 201);
    let readonly = stage.gateway.login("ro", "a password for ro in this test");
    let mut runner =
        TestRunner::new_with_rng(ProptestConfig::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let targets = target();
    let (mut forwarded, mut faults) = (0, vec![]);
    for _ in 0..TARGETS {
        let target = targets.new_tree(&mut runner).unwrap().current();
        match fault(&stage, &target, &readonly) {
            Ok(was_forwarded) => forwarded += usize::from(was_forwarded),
            Err(fault) => faults.push(fault),
        }
    }
    println!("{TARGETS} targets: {forwarded} forwarded");
    assert!(faults.is_empty(), "{} of {TARGETS}:\n{}", faults.len(), faults.join("\n"));
    assert!(forwarded > TARGETS / 20, "only {forwarded} were forwarded");
}
