//! What can be decided without the body of a request is decided before it is read: the client announces one and sends none.

use super::support::{Home, Message, Stage, Upstream, Wire, with_upstream};

const BODY: &str = "content-type: application/json\r\ncontent-length: 100000\r\n";

fn stage(meter: &str, sections: &str) -> Stage {
    let upstream = Upstream::start();
    let config = format!("{}{meter}", with_upstream(upstream.address(), "", sections));
    Stage::of(upstream, Home::new().config(&config))
}

fn announce(stage: &Stage, bytes: impl AsRef<[u8]>) -> Wire {
    let mut client = stage.gateway.connect();
    client.say(bytes);
    client
}

fn refused(stage: &Stage, bytes: String) -> Message {
    let answer = announce(stage, &bytes).message();
    assert_eq!(stage.record(&answer.request_id())["status"], answer.status(), "{bytes}");
    answer
}

#[test]
fn each_refusal_comes_before_the_body() {
    for meter in ["", "meter = \"openai-chat\"\n"] {
        let strict = "[[routes]]\nname = \"strict\"\npath = \"/strict\"\nmatch = \"prefix\"\nmethods = [\"POST\"]\n\
                      roles = [\"readonly\"]\nupstream = \"raw\"\n";
        let stage = stage(meter, strict);
        let post = |path: &str, lines: &str| stage.request("POST", path, lines, "");
        let nobody = post("/up", BODY).replace("Bearer ", "Bearer x");
        let table = [
            (nobody, 401, "invalid-token"),
            (post("/up", BODY).replace("authorization", "x-nothing"), 401, "missing-credential"),
            (post("/strict", BODY), 403, "forbidden"),
            (post("/nowhere", BODY), 404, "not-found"),
            (post("/healthz", BODY), 405, "method-not-allowed"),
            (post("/up", &BODY.replace("100000", "99999999999")), 413, "body-too-large"),
            (post("/up", &format!("{BODY}expect: a-miracle\r\n")), 417, "expectation-failed"),
            (post("/up", &format!("{BODY}x: {}\r\n", "y".repeat(40_000))), 431, "head-too-large"),
            (post("/up//x", BODY), 400, "unsafe-path"),
            (post("/up", &format!("{BODY}host: other\r\n")), 400, "invalid-host"),
            (post("/up", "transfer-encoding: chunked\r\n").replace("Bearer ", "Bearer x"), 401, "invalid-token"),
        ];
        for (bytes, status, code) in table {
            let answer = announce(&stage, &bytes).message();
            assert_eq!(answer.status(), status, "{bytes}");
            answer.assert_problem(status, code);
        }
        assert!(stage.upstream.try_accept().is_none());
    }
}

#[test]
fn a_limit_is_decided_before_the_body() {
    let limit = "[[limits]]\nname = \"one\"\nroutes = [\"up\"]\nper = \"user\"\nunit = \"requests\"\nlimit = 1\nwindow_s = 3000\n";
    let stage = stage("", limit);
    stage.carry(stage.get("/up"), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    for lines in [BODY, "transfer-encoding: chunked\r\n", "expect: 100-continue\r\ncontent-length: 9\r\n"] {
        let answer = refused(&stage, stage.request("POST", "/up", lines, ""));
        answer.assert_problem(429, "quota-exceeded");
    }
}

#[test]
fn a_place_among_the_calls_under_way_is_taken_before_the_body_of_a_metered_call() {
    let limit = "[[limits]]\nname = \"one\"\nroutes = [\"up\"]\nper = \"user\"\nunit = \"concurrent\"\nlimit = 1\n";
    let stage = stage("meter = \"openai-chat\"\n", limit);
    // The first is asked for its body once it has the place.
    let mut first = announce(&stage, stage.request("POST", "/up", &format!("{BODY}expect: 100-continue\r\n"), ""));
    assert_eq!(first.head().status(), 100);
    announce(&stage, stage.request("POST", "/up", BODY, "")).message().assert_problem(429, "quota-exceeded");
    drop(first);
    assert!(stage.upstream.try_accept().is_none());
}
