//! The console: the way to it, its files, and signing in by a cookie that only the gateway's own pages may use.

use std::io::Read;

use serde_json::json;

use super::support::{ADMIN_PASSWORD, Answer, Request, Setup, TestGateway, TestStore, eventually};

on_both_stores!(
    the_root_leads_to_the_console,
    the_files_are_public_strict_and_known_by_their_hash,
    where_the_console_is_off_nothing_of_it_is_there,
    a_route_may_have_the_root_for_itself,
    with_a_cookie_the_refresh_token_is_in_no_body,
    the_cookie_is_taken_from_our_own_pages_alone,
    nothing_else_reads_the_cookie,
    logging_out_by_cookie_ends_the_session,
    the_files_are_compressed_for_those_who_take_it,
    looking_at_the_console_leaves_no_refusal_on_record,
);

const OWN: &str = "http://gateway.test";

async fn sign_in(gateway: &TestGateway) -> Answer {
    let body = json!({ "username": "admin", "password": ADMIN_PASSWORD, "cookie": true });
    let answer = gateway.post("/auth/login").json(&body).send().await;
    answer.expect(200);
    answer
}

/// The cookie as a browser sends it back.
fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

fn access(answer: &Answer) -> String {
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

fn refresh<'g>(gateway: &'g TestGateway, cookie: &str) -> Request<'g> {
    gateway.post("/auth/refresh").header("cookie", cookie)
}

async fn the_root_leads_to_the_console(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for path in ["/", "/console"] {
        for accept in ["text/html,application/xhtml+xml,*/*;q=0.8", "*/*", "application/json"] {
            let answer = gateway.get(path).header("accept", accept).send().await;
            assert_eq!(answer.expect(303).header("location"), Some("/console/"), "{path} {accept}");
        }
    }
    gateway.post("/").send().await.problem(401, "missing-credential");
    gateway.finish().await;
}

async fn the_files_are_public_strict_and_known_by_their_hash(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for (path, media) in [
        ("/console/", "text/html; charset=utf-8"),
        ("/console/main.js", "text/javascript; charset=utf-8"),
        ("/console/console.css", "text/css; charset=utf-8"),
        ("/favicon.ico", "image/svg+xml"),
    ] {
        let answer = gateway.get(path).send().await;
        assert_eq!(answer.expect(200).header("content-type"), Some(media), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        let tag = answer.header("etag").unwrap();
        let again = gateway.get(path).header("if-none-match", tag).send().await;
        assert_eq!((again.expect(304).header("etag"), again.body.len()), (Some(tag), 0));
        gateway.get(path).header("if-none-match", "\"other\"").send().await.expect(200);
    }
    gateway.get("/console/nothing.js").send().await.problem(404, "not-found");
    gateway.get("/console/a/b").send().await.problem(401, "missing-credential");
    gateway.finish().await;
}

async fn where_the_console_is_off_nothing_of_it_is_there(store: &TestStore) {
    let gateway = Setup::default().set("console.enabled", false).start(store).await;
    for path in ["/", "/favicon.ico", "/console", "/console/", "/console/main.js"] {
        gateway.get(path).send().await.problem(401, "missing-credential");
        gateway.get(path).token(&gateway.admin).send().await.problem(404, "not-found");
    }
    gateway.finish().await;
}

async fn a_route_may_have_the_root_for_itself(store: &TestStore) {
    let route = r#"
        [[routes]]
        name = "all"
        path = "/"
        match = "prefix"
        methods = ["GET"]
        roles = ["admin"]
        upstream = "builtin:echo"
    "#;
    let gateway = Setup::default().more_lists(route).start(store).await;
    for path in ["/", "/favicon.ico"] {
        gateway.get(path).header("accept", "text/html").send().await.problem(401, "missing-credential");
        let echoed = gateway.get(path).token(&gateway.admin).send().await;
        assert_eq!(echoed.expect(200).json()["path"], path);
    }
    gateway.get("/console/").send().await.expect(200);
    gateway.finish().await;
}

async fn with_a_cookie_the_refresh_token_is_in_no_body(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let answer = sign_in(&gateway).await;
    assert!(answer.json().get("refresh_token").is_none(), "{answer:?}");
    let line = answer.header("set-cookie").unwrap();
    for part in ["tollgate_refresh=tgr_", "; HttpOnly", "; SameSite=Strict", "; Path=/auth", "; Max-Age="] {
        assert!(line.contains(part), "{line}");
    }
    assert!(!line.contains("Secure"), "over http a browser would drop it: {line}");
    let next = refresh(&gateway, &cookie(&answer)).header("origin", OWN).send().await;
    assert!(next.expect(200).json().get("refresh_token").is_none(), "{next:?}");
    assert_ne!(cookie(&next), cookie(&answer));
    gateway.get("/me").token(&access(&next)).send().await.expect(200);
    let plain = gateway.post("/auth/login").json(&json!({ "username": "admin", "password": ADMIN_PASSWORD }));
    assert_eq!(plain.send().await.expect(200).header("set-cookie"), None);
    gateway.finish().await;
}

async fn the_cookie_is_taken_from_our_own_pages_alone(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let cookie = cookie(&sign_in(&gateway).await);
    refresh(&gateway, &cookie).send().await.problem(403, "forbidden");
    for origin in ["https://gateway.test", "http://gateway.test:81", "http://evil.test", "null"] {
        refresh(&gateway, &cookie).header("origin", origin).send().await.problem(403, "forbidden");
        let logout = gateway.post("/auth/logout").header("cookie", &cookie).header("origin", origin);
        logout.send().await.problem(403, "forbidden");
    }
    for site in ["cross-site", "same-site", "none"] {
        refresh(&gateway, &cookie).header("sec-fetch-site", site).send().await.problem(403, "forbidden");
    }
    refresh(&gateway, &cookie).header("sec-fetch-site", "same-origin").send().await.expect(200);
    gateway.finish().await;
}

async fn nothing_else_reads_the_cookie(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let signed_in = sign_in(&gateway).await;
    let token = access(&signed_in);
    for cookie in [cookie(&signed_in), format!("tollgate_refresh={token}"), format!("access_token={token}")] {
        for path in ["/me", "/admin/users", "/echo", "/v1/models"] {
            let answer = gateway.get(path).header("cookie", &cookie).header("origin", OWN).send().await;
            answer.problem(401, "missing-credential");
        }
    }
    gateway.finish().await;
}

async fn logging_out_by_cookie_ends_the_session(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for by_token in [false, true] {
        let answer = sign_in(&gateway).await;
        let cookie = cookie(&answer);
        let mut logout = gateway.post("/auth/logout").header("cookie", &cookie).header("origin", OWN);
        if by_token {
            logout = logout.token(&access(&answer));
        }
        let goodbye = logout.send().await;
        let cleared = goodbye.expect(204).header("set-cookie").unwrap();
        assert!(cleared.starts_with("tollgate_refresh=; Max-Age=0; Path=/auth"), "{cleared}");
        refresh(&gateway, &cookie).header("origin", OWN).send().await.problem(401, "invalid-token");
        let dead = eventually("the end of the session", async || {
            let answer = gateway.get("/me").token(&access(&answer)).send().await;
            (answer.status == 401).then_some(answer)
        });
        dead.await.problem(401, "revoked-token");
    }
    gateway.post("/auth/logout").send().await.problem(401, "missing-credential");
    gateway.finish().await;
}

async fn looking_at_the_console_leaves_no_refusal_on_record(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for path in ["/", "/favicon.ico", "/console/", "/console/main.js"] {
        gateway.get(path).send().await;
    }
    let list = gateway.get("/admin/audit?decision=refused").token(&gateway.admin).send().await;
    assert_eq!(list.expect(200).json()["items"], json!([]));
    gateway.finish().await;
}

async fn the_files_are_compressed_for_those_who_take_it(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let path = "/console/main.js";
    let plain = gateway.get(path).send().await;
    assert_eq!((plain.expect(200).header("content-encoding"), plain.header("vary")), (None, Some("Accept-Encoding")));
    for coding in ["gzip", "br, GZIP;q=0.5"] {
        let packed = gateway.get(path).header("accept-encoding", coding).send().await;
        assert_eq!(packed.expect(200).header("content-encoding"), Some("gzip"), "{coding}");
        assert!(packed.body.len() < plain.body.len());
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, plain.body);
        assert_ne!(packed.header("etag"), plain.header("etag"), "each form has its own name");
    }
    for coding in ["identity", "gzip;q=0", "br"] {
        let answer = gateway.get(path).header("accept-encoding", coding).send().await;
        assert_eq!(answer.expect(200).header("content-encoding"), None, "{coding}");
    }
    gateway.finish().await;
}
