//! The bodies that are read whole before they are forwarded are bounded over all callers together.

use serde_json::json;

use super::support::{Home, Stage, Upstream, Wire, eventually, with_upstream};

fn stage(meter: &str, sections: &str) -> Stage {
    let upstream = Upstream::start();
    let config = format!("{}{meter}", with_upstream(upstream.address(), "", sections));
    Stage::of(upstream, Home::new().config(&config))
}

fn announce(stage: &Stage, path: &str, lines: &str) -> Wire {
    let mut client = stage.gateway.connect();
    client.say(stage.request("POST", path, &format!("content-type: application/json\r\n{lines}"), ""));
    client
}

#[test]
fn the_bodies_that_are_read_whole_are_bounded_together() {
    let bound = "[server]\nmax_buffered_bytes = 300000\nbody_timeout_s = 3600\n";
    let stage = stage("meter = \"openai-chat\"\n", bound);
    let part = "x".repeat(100_000);
    // Nothing but their memory ends these: each has sent as much as the others, and waits.
    let mut waiting: Vec<Wire> = (0..8)
        .map(|_| {
            let mut client = announce(&stage, "/up", "content-length: 200000\r\n");
            client.try_say(&part);
            client
        })
        .collect();
    let refused = eventually("the bodies above the bound are refused", || {
        let answered = waiting.iter().filter(|client| client.has_something()).count();
        (answered >= 5).then_some(answered)
    });
    assert!(refused <= 6, "{refused} of 8 are refused");
    for client in waiting.iter_mut().filter(|client| client.has_something()) {
        client.message().assert_problem(503, "temporary-reduced-capacity");
    }
    drop(waiting);
    eventually("their memory is free again", || {
        let answer = stage.gateway.json("POST", "/up", &stage.token, &json!({ "no": "x".repeat(250_000) }));
        (answer.status() == 400).then_some(())
    });
    assert!(stage.upstream.try_accept().is_none());
}
