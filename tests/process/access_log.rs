//! The access log, on standard error.

use super::support::{Stage, eventually};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// The lines of the access log about one request.
fn lines(log: &str, request_id: &str) -> Vec<String> {
    let of_request =
        |line: &&str| line.contains(" INFO access ") && line.contains(&format!("request_id={request_id} "));
    log.lines().filter(of_request).map(str::to_owned).collect()
}

#[test]
fn a_request_leaves_one_line_with_what_is_on_record() {
    let stage = Stage::new();
    let (_, answer) = stage.carry(stage.request("GET", "/up/a?secret=1", "", ""), OK);
    let id = answer.request_id();
    let line = eventually("the line", || lines(&stage.gateway.log(), &id).pop());
    for field in [
        "username=admin",
        "role=admin",
        "peer=127.0.0.1",
        "method=GET",
        "route=up",
        "path=/up/a ",
        "status=200",
        "decision=allowed",
        "outcome=complete",
        "upstream=raw",
        "upstream_status=200",
        "response_bytes=2",
        "duration_us=",
    ] {
        assert!(line.contains(&format!(" {field}")), "{field} is missing: {line}");
    }
    assert!(!line.contains("secret") && !line.contains(&stage.token), "{line}");
    assert_eq!(lines(&stage.gateway.log(), &id).len(), 1);
}

#[test]
fn a_refusal_and_a_head_that_cannot_be_read_leave_a_line_too() {
    let stage = Stage::new();
    let refused = stage.gateway.send(b"GET /up HTTP/1.1\r\nhost: gateway.test\r\n\r\n");
    let unread = stage.gateway.send(b"GET /up HTTP/1.1\r\nno colon\r\n\r\n");
    for (answer, fields) in [
        (refused, ["status=401", "decision=refused", "reason=missing-credential"]),
        (unread, ["status=400", "decision=refused", "outcome=complete"]),
    ] {
        let line = eventually("the line", || lines(&stage.gateway.log(), &answer.request_id()).pop());
        assert!(fields.iter().all(|field| line.contains(&format!(" {field}"))), "{line}");
    }
}

#[test]
fn without_access_there_is_no_line() {
    let mut stage = Stage::with("", "[log]\naccess = false\n");
    drop(stage.carry(stage.get("/up"), OK));
    stage.gateway.signal("TERM");
    stage.gateway.wait();
    assert!(!stage.gateway.log().contains(" INFO access "), "{}", stage.gateway.log());
}
