//! Answers that are kept: what is served from the cache, what goes to the upstream, and what is never kept.

use std::time::Duration;

use serde_json::json;
use tollgate::clock::Clock;

use super::support::{Answer, Origin, Setup, TestGateway, TestStore, eventually, whole};

on_both_stores!(
    what_is_fresh_is_served_from_the_cache_and_nothing_else,
    a_hit_is_recorded_counted_and_free,
    a_client_is_told_that_it_has_the_answer_already,
    what_is_stale_is_confirmed_by_its_upstream,
    a_client_that_wants_nothing_kept_takes_nothing_from_others,
    a_kept_answer_is_served_in_part_and_without_its_body,
    an_answer_to_head_renews_what_is_kept_or_makes_it_obsolete,
    an_answer_that_is_broken_or_too_large_is_not_kept,
    a_client_that_wants_only_what_is_kept_is_answered_504,
    a_change_forgets_what_is_kept_at_its_url,
    what_is_put_elsewhere_forgets_what_is_kept_there,
    a_purge_forgets_what_is_kept_of_a_route,
);

/// A route `/up` to an origin, whose answers are kept as `cache` says.
pub(super) fn route(origin: &Origin, cache: &str) -> String {
    format!(
        r#"
        [[upstreams]]
        name = "raw"
        url = "http://{}"
        [[routes]]
        name = "up"
        path = "/up"
        match = "prefix"
        methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PROPFIND", "MKCOL", "MOVE", "COPY", "QUERY"]
        roles = ["admin", "user"]
        upstream = "raw"
        cache = {cache}
        "#,
        origin.address
    )
}

/// A gateway before an origin, with a clock that the test moves.
pub(super) struct Stage {
    pub gateway: TestGateway,
    pub origin: Origin,
    pub clock: Clock,
}

impl Stage {
    pub async fn set(store: &TestStore, cache: &str) -> Self {
        let origin = Origin::start().await;
        let clock = Clock::manual(1_700_000_000);
        let setup = Setup::default().clock(&clock).more_lists(&route(&origin, cache));
        let gateway = setup.set("cache.max_bytes", 1 << 20).set("cache.max_entry_bytes", 1 << 16).start(store).await;
        Self { gateway, origin, clock }
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", path, headers).await
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = self.gateway.request(method, path).token(&self.gateway.admin);
        headers.iter().fold(request, |request, (name, value)| request.header(name, *value)).send().await
    }

    pub fn after(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

pub(super) fn status(answer: &Answer) -> &str {
    answer.header("cache-status").unwrap_or_else(|| panic!("no Cache-Status: {answer:?}"))
}

type Lines = &'static [(&'static str, &'static str)];

/// What an upstream says of its answer, what a second request says after so many seconds, and what that is told.
const CASES: [(Lines, u64, Lines, &str); 37] = [
    // First, because it is in the time at which the clock begins.
    (
        &[("expires", "Tue, 14 Nov 2023 22:15:20 GMT"), ("date", "Tue, 14 Nov 2023 22:13:20 GMT")],
        100,
        &[],
        "hit; ttl=20",
    ),
    (&[], 0, &[], "hit; ttl=60"),
    (&[], 59, &[], "hit; ttl=1"),
    (&[], 60, &[], "fwd=stale; stored"),
    (&[("cache-control", "max-age=5")], 4, &[], "hit; ttl=1"),
    (&[("cache-control", "max-age=5")], 5, &[], "fwd=stale; stored"),
    (&[("cache-control", "max-age=5, s-maxage=100")], 5, &[], "hit; ttl=95"),
    (&[("cache-control", "max-age=100"), ("age", "95")], 4, &[], "hit; ttl=1"),
    (&[("cache-control", "max-age=100"), ("age", "95")], 5, &[], "fwd=stale; stored"),
    (&[("expires", "0")], 0, &[], "fwd=miss; stored"),
    (&[("cache-control", "no-store")], 0, &[], "fwd=miss; stored"),
    (&[("cache-control", "No-Store, max-age=60")], 0, &[], "fwd=miss; stored"),
    (&[("cache-control", "private, max-age=60")], 0, &[], "fwd=miss; stored"),
    (&[("cache-control", "private; max-age=60")], 0, &[], "fwd=miss; stored"),
    (&[("cache-control", "no-cache no-store")], 0, &[], "fwd=miss; stored"),
    (&[("cache-control", "public, max-age=60"), ("set-cookie", "a=1")], 0, &[], "fwd=miss; stored"),
    (&[("vary", "*")], 0, &[], "fwd=miss; stored"),
    (&[("vary", "X-Forwarded-For")], 0, &[], "fwd=miss; stored"),
    (&[("vary", "Accept; Cookie")], 0, &[], "fwd=miss; stored"),
    (&[("content-type", "text/event-stream")], 0, &[], "fwd=miss; stored"),
    (&[("vary", "Accept")], 0, &[], "hit; ttl=60"),
    (&[("vary", "Accept")], 0, &[("accept", "text/plain")], "fwd=vary-miss; stored"),
    (&[("content-encoding", "gzip")], 0, &[], "hit; ttl=60"),
    (&[("content-encoding", "gzip")], 0, &[("accept-encoding", "identity")], "fwd=vary-miss; stored"),
    (&[("vary", "Authorization, X-Api-Key")], 0, &[], "hit; ttl=60"),
    (&[("cache-control", "max-age=60, must-revalidate")], 61, &[("cache-control", "max-stale")], "fwd=stale; stored"),
    (&[("cache-control", "max-age=60")], 61, &[("cache-control", "max-stale")], "hit; ttl=-1"),
    (&[], 10, &[("cache-control", "no-cache")], "fwd=request; stored"),
    (&[], 10, &[("pragma", "no-cache")], "fwd=request; stored"),
    (&[], 10, &[("cache-control", "max-age=9")], "fwd=request; stored"),
    (&[], 10, &[("cache-control", "max-age=10")], "hit; ttl=50"),
    (&[], 10, &[("cache-control", "min-fresh=51")], "fwd=request; stored"),
    (&[], 10, &[("cache-control", "no-store")], "hit; ttl=50"),
    (&[], 0, &[("cookie", "session=other")], "fwd=miss; stored"),
    (&[], 0, &[("api-key", "another")], "fwd=miss; stored"),
    (&[], 0, &[("if-match", "\"a\"")], "fwd=bypass"),
    (&[], 0, &[("user-agent", "another"), ("x-forwarded-host", "evil"), ("x-real-ip", "9.9.9.9")], "hit; ttl=60"),
];

async fn what_is_fresh_is_served_from_the_cache_and_nothing_else(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60, per = \"user\" }").await;
    for (number, (answer, seconds, request, expected)) in CASES.iter().enumerate() {
        let path = format!("/up/{number}");
        stage.origin.answers(whole("200 OK", answer, "first"));
        let first = stage.get(&path, &[]).await;
        assert_eq!(
            (first.text(), first.header("age")),
            ("first", answer.iter().find(|(name, _)| *name == "age").map(|age| age.1))
        );
        let asked = stage.origin.count();
        stage.after(*seconds);
        stage.origin.answers(whole("200 OK", &[], "second"));
        let second = stage.get(&path, request).await;
        let is_hit = expected.starts_with("hit");
        assert_eq!(status(&second), format!("tollgate; {expected}"), "{answer:?} {seconds} {request:?}");
        assert_eq!(second.text(), if is_hit { "first" } else { "second" }, "{answer:?} {request:?}");
        assert_eq!(stage.origin.count() - asked, usize::from(!is_hit), "{answer:?} {request:?}");
        if is_hit {
            let age: u64 = second.header("age").unwrap().parse().unwrap();
            assert!(age >= *seconds, "{age} {seconds}");
            stage.origin.forget_answers();
        }
    }
    stage.gateway.finish().await;
}

async fn a_hit_is_recorded_counted_and_free(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60 }").await;
    stage.get("/up", &[]).await.expect(200);
    let hit = stage.get("/up", &[]).await;
    assert_eq!((status(&hit), hit.header("x-content-type-options")), ("tollgate; hit; ttl=60", None));
    // The upstream states none.
    assert_eq!(hit.header("date"), Some("Tue, 14 Nov 2023 22:13:20 GMT"));
    assert!(hit.rate_limit("ratelimit", "per-user").starts_with("r="));
    let record = stage.gateway.record(hit.request_id()).await.unwrap();
    assert_eq!(record["upstream"], json!(null), "{record}");
    assert_eq!(record["upstream_status"], json!(null), "{record}");
    assert_eq!(
        (&record["status"], &record["decision"], &record["route"]),
        (&json!(200), &json!("allowed"), &json!("up"))
    );
    let metrics = stage.gateway.metrics().await;
    for line in
        ["tollgate_cache_total{result=\"hit\",route=\"up\"} 1", "tollgate_cache_total{result=\"miss\",route=\"up\"} 1"]
    {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    stage.gateway.finish().await;
}

async fn a_client_is_told_that_it_has_the_answer_already(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60 }").await;
    let headers =
        [("etag", "\"a\""), ("last-modified", "Mon, 13 Nov 2023 22:13:20 GMT"), ("content-type", "text/plain")];
    stage.origin.answers(whole("200 OK", &headers, "body"));
    stage.get("/up", &[]).await.expect(200);
    for (name, value, expected) in [
        ("if-none-match", "\"b\", W/\"a\"", 304),
        ("if-none-match", "\"b\"", 200),
        ("if-modified-since", "Tue, 14 Nov 2023 00:00:00 GMT", 304),
        ("if-modified-since", "Sun, 12 Nov 2023 00:00:00 GMT", 200),
    ] {
        let answer = stage.get("/up", &[(name, value)]).await;
        assert_eq!((answer.status, answer.header("etag")), (expected, Some("\"a\"")), "{name} {value}");
        assert_eq!(status(&answer), "tollgate; hit; ttl=60");
        assert_eq!(answer.header("content-type").is_none(), expected == 304, "{answer:?}");
    }
    assert_eq!(stage.origin.count(), 1);
    // Nothing is kept: the upstream judges, and a 304 of its is no answer to others.
    stage.origin.answers("HTTP/1.1 304 Not Modified\r\netag: \"z\"\r\n\r\n");
    let judged = stage.get("/up/other", &[("if-none-match", "\"z\"")]).await;
    assert_eq!((judged.status, status(&judged)), (304, "tollgate; fwd=miss"));
    assert!(stage.origin.calls()[1].contains("if-none-match: \"z\""));
    assert_eq!(status(&stage.get("/up/other", &[]).await), "tollgate; fwd=miss; stored");
    stage.gateway.finish().await;
}

async fn what_is_stale_is_confirmed_by_its_upstream(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60 }").await;
    stage.origin.answers(whole("200 OK", &[("etag", "\"a\""), ("x-old", "1"), ("x-both", "old")], "body"));
    stage.get("/up", &[]).await.expect(200);
    stage.after(60);
    stage.origin.answers("HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\nx-both: new\r\nx-new: 1\r\n\r\n");
    let confirmed = stage.get("/up", &[]).await;
    assert!(stage.origin.calls()[1].contains("if-none-match: \"a\""));
    assert_eq!(status(&confirmed), "tollgate; fwd=stale; fwd-status=304; stored");
    assert_eq!((confirmed.status, confirmed.text()), (200, "body"));
    let headers = ["x-old", "x-both", "x-new"].map(|name| confirmed.header(name));
    assert_eq!(headers, [Some("1"), Some("new"), Some("1")]);
    let record = stage.gateway.record(confirmed.request_id()).await.unwrap();
    assert_eq!((&record["upstream"], &record["upstream_status"]), (&json!("raw"), &json!(304)), "{record}");
    assert_eq!(status(&stage.get("/up", &[]).await), "tollgate; hit; ttl=60");
    stage.after(60);
    // What the client has is another matter.
    stage.origin.answers("HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\n\r\n");
    let both = stage.get("/up", &[("if-none-match", "\"a\"")]).await;
    assert_eq!((both.status, status(&both)), (304, "tollgate; fwd=stale; fwd-status=304; stored"));
    stage.after(60);
    stage.origin.answers(whole("200 OK", &[("etag", "\"b\"")], "changed"));
    assert_eq!(stage.get("/up", &[]).await.text(), "changed");
    assert_eq!(stage.get("/up", &[]).await.text(), "changed");
    stage.after(60);
    // A confirmation that names another answer confirms this one once, and is not kept.
    stage.origin.answers("HTTP/1.1 304 Not Modified\r\netag: \"c\"\r\n\r\n");
    let odd = stage.get("/up", &[]).await;
    assert_eq!((odd.text(), status(&odd)), ("changed", "tollgate; fwd=stale; fwd-status=304"));
    stage.origin.answers(whole("200 OK", &[("etag", "\"d\"")], "again"));
    assert_eq!(stage.get("/up", &[]).await.text(), "again");
    stage.after(60);
    // A newer answer that may not be kept takes the older one away.
    stage.origin.answers(whole("200 OK", &[("cache-control", "no-store")], "secret"));
    assert_eq!(stage.get("/up", &[]).await.text(), "secret");
    assert_eq!(status(&stage.get("/up", &[]).await), "tollgate; fwd=miss; stored");
    assert_eq!(stage.origin.count(), 8);
    stage.gateway.finish().await;
}

async fn a_client_that_wants_nothing_kept_takes_nothing_from_others(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60 }").await;
    stage.origin.answers(whole("200 OK", &[("etag", "\"a\"")], "body"));
    stage.get("/up", &[]).await.expect(200);
    stage.after(60);
    for (wish, expected) in
        [("no-store", "tollgate; fwd=stale; fwd-status=304"), ("", "tollgate; fwd=stale; fwd-status=304; stored")]
    {
        stage.origin.answers("HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\n\r\n");
        let confirmed = stage.get("/up", &[("cache-control", wish)]).await;
        assert_eq!((confirmed.text(), status(&confirmed)), ("body", expected), "{wish}");
    }
    stage.gateway.finish().await;
}

async fn a_kept_answer_is_served_in_part_and_without_its_body(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60 }").await;
    // A part is asked of the upstream, and is no answer to others.
    stage.origin.answers(whole("206 Partial Content", &[("content-range", "bytes 0-1/10"), ("etag", "\"a\"")], "01"));
    let part = stage.get("/up", &[("range", "bytes=0-1")]).await;
    assert_eq!((part.status, status(&part)), (206, "tollgate; fwd=miss"));
    assert!(stage.origin.calls()[0].contains("range: bytes=0-1"));
    let digests = [("content-digest", "sha-256=:whole:"), ("repr-digest", "sha-256=:whole:")];
    let headers = [("etag", "\"a\""), ("content-type", "text/plain"), digests[0], digests[1]];
    stage.origin.answers(whole("200 OK", &headers, "0123456789"));
    assert_eq!(status(&stage.get("/up", &[]).await), "tollgate; fwd=miss; stored");
    for (range, expected, body, content_range) in [
        ("bytes=0-1", 206, "01", Some("bytes 0-1/10")),
        ("bytes=7-", 206, "789", Some("bytes 7-9/10")),
        ("bytes=-2", 206, "89", Some("bytes 8-9/10")),
        ("bytes=10-", 416, "", Some("bytes */10")),
        ("bytes=0-1,3-4", 200, "0123456789", None),
        ("nonsense", 200, "0123456789", None),
    ] {
        let answer = stage.get("/up", &[("range", range)]).await;
        assert_eq!(
            (answer.status, answer.text(), answer.header("content-range")),
            (expected, body, content_range),
            "{range}"
        );
        assert!(status(&answer).starts_with("tollgate; hit"), "{range}");
        // A part is not what the whole has a digest of.
        let told = digests.map(|(name, _)| answer.header(name).is_some());
        assert_eq!(told, [expected == 200, true], "{range}");
    }
    let head = stage.send("HEAD", "/up", &[]).await;
    assert_eq!((head.status, head.header("content-length"), head.text()), (200, Some("10"), ""));
    assert_eq!((status(&head), head.header("etag")), ("tollgate; hit; ttl=60", Some("\"a\"")));
    assert_eq!(stage.origin.count(), 2);
    // A HEAD that goes to the upstream keeps nothing.
    assert_eq!(status(&stage.send("HEAD", "/up/other", &[]).await), "tollgate; fwd=miss");
    assert_eq!(status(&stage.get("/up/other", &[]).await), "tollgate; fwd=miss; stored");
    stage.gateway.finish().await;
}

async fn an_answer_to_head_renews_what_is_kept_or_makes_it_obsolete(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60 }").await;
    for (number, (state, lines, expected)) in [
        ("200 OK", "etag: \"a\"\r\n", "hit; ttl=60"),
        ("200 OK", "etag: \"a\"\r\ncontent-length: 4\r\n", "hit; ttl=60"),
        ("200 OK", "etag: \"b\"\r\n", "fwd=miss; stored"),
        ("200 OK", "etag: \"a\"\r\ncontent-length: 5\r\n", "fwd=miss; stored"),
        ("200 OK", "last-modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "fwd=miss; stored"),
        ("200 OK", "etag: \"a\"\r\ncache-control: no-store\r\n", "fwd=miss; stored"),
        // These say nothing of it.
        ("200 OK", "content-length: 4\r\n", "hit; ttl=10"),
        ("404 Not Found", "etag: \"b\"\r\n", "hit; ttl=10"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/up/{number}");
        stage.origin.answers(whole("200 OK", &[("etag", "\"a\"")], "body"));
        stage.get(&path, &[]).await.expect(200);
        stage.after(50);
        stage.origin.answers(format!("HTTP/1.1 {state}\r\n{lines}\r\n"));
        let head = stage.send("HEAD", &path, &[("cache-control", "no-cache")]).await;
        assert_eq!(status(&head), "tollgate; fwd=request", "{lines}");
        assert_eq!(status(&stage.get(&path, &[]).await), format!("tollgate; {expected}"), "{state} {lines}");
    }
    stage.gateway.finish().await;
}

async fn an_answer_that_is_broken_or_too_large_is_not_kept(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60, per = \"global\" }").await;
    let large = "x".repeat((1 << 16) + 1);
    for (number, answer) in [
        whole("500 Internal Server Error", &[("cache-control", "max-age=60")], "no"),
        whole("404 Not Found", &[], "no"),
        whole("403 Forbidden", &[("cache-control", "max-age=60")], "no"),
        whole("200 OK", &[], &large),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n", large.len()),
        "HTTP/1.1 200 OK\r\n\r\nwithout a length it may have been cut".into(),
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\ncut".into(),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\ncut".into(),
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n".into(),
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".into(),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/up/{number}");
        let is_large = answer.contains(&large);
        stage.origin.answers(answer);
        stage.gateway.expect_record();
        let mut connection = stage.gateway.connect().await;
        connection.send(&stage.gateway.get(&path).token(&stage.gateway.admin).bytes()).await;
        let rest = connection.rest().await;
        assert!(!is_large || rest.len() > large.len(), "a large answer passes whole");
        let second = stage.get(&path, &[]).await;
        assert_eq!(status(&second), "tollgate; fwd=miss; stored", "{number}");
    }
    stage.gateway.finish().await;
}

async fn a_client_that_wants_only_what_is_kept_is_answered_504(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60 }").await;
    let only = [("cache-control", "only-if-cached")];
    stage.get("/up", &only).await.problem(504, "not-cached");
    assert_eq!(stage.origin.count(), 0);
    stage.get("/up", &[]).await.expect(200);
    assert_eq!(status(&stage.get("/up", &only).await), "tollgate; hit; ttl=60");
    stage.after(60);
    stage.get("/up", &only).await.problem(504, "not-cached");
    stage.get("/up", &[("cache-control", "only-if-cached, max-stale=5")]).await.expect(200);
    stage.gateway.finish().await;
}

async fn a_change_forgets_what_is_kept_at_its_url(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60 }").await;
    let user = stage.gateway.user("ada", "user").await;
    let get_as_user = async |path: &str| stage.gateway.get(path).token(&user.token).send().await;
    for (number, (method, answer, forgets)) in [
        ("POST", whole("200 OK", &[], ""), true),
        ("PUT", "HTTP/1.1 204 No Content\r\n\r\n".into(), true),
        ("DELETE", whole("303 See Other", &[("location", "/up/x")], ""), true),
        ("PUT", whole("409 Conflict", &[], ""), false),
        ("DELETE", whole("500 Internal Server Error", &[], ""), false),
        ("PROPFIND", whole("207 Multi-Status", &[], ""), false),
        ("QUERY", whole("200 OK", &[], ""), false),
        ("MKCOL", whole("201 Created", &[], ""), true),
    ]
    .into_iter()
    .enumerate()
    {
        let (path, other, named) =
            (format!("/up/{number}"), format!("/up/{number}?x=1"), format!("/up/{number}/named"));
        for path in [&path, &other, &named] {
            stage.get(path, &[]).await.expect(200);
            get_as_user(path).await.expect(200);
        }
        let answer = if method == "POST" {
            answer.replace("content-length", &format!("content-location: {named}\r\ncontent-length"))
        } else {
            answer
        };
        stage.origin.answers(answer);
        let changed = stage.send(method, &path, &[]).await;
        assert_eq!(status(&changed), "tollgate; fwd=bypass");
        let is_kept = |answer: &Answer| status(answer).starts_with("tollgate; hit");
        assert_eq!(is_kept(&stage.get(&path, &[]).await), !forgets, "{method}");
        assert_eq!(is_kept(&get_as_user(&path).await), !forgets, "{method}: also what others had");
        assert!(is_kept(&stage.get(&other, &[]).await), "{method}: another URL");
        assert_eq!(is_kept(&stage.get(&named, &[]).await), method != "POST", "{method}: the URL that it names");
    }
    stage.gateway.finish().await;
}

async fn what_is_put_elsewhere_forgets_what_is_kept_there(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60 }").await;
    for (number, method) in ["MOVE", "COPY"].into_iter().enumerate() {
        let (from, to) = (format!("/up/{number}/a"), format!("/up/{number}/b?x=1"));
        stage.get(&to, &[]).await.expect(200);
        assert_eq!(status(&stage.get(&to, &[]).await), "tollgate; hit; ttl=60");
        stage.origin.answers(whole("201 Created", &[], ""));
        stage.send(method, &from, &[("destination", &to)]).await.expect(201);
        assert_eq!(status(&stage.get(&to, &[]).await), "tollgate; fwd=miss; stored", "{method}");
    }
    stage.gateway.finish().await;
}

async fn a_purge_forgets_what_is_kept_of_a_route(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60 }").await;
    let purge = async |query: &str, token: &str| {
        stage.gateway.request("DELETE", &format!("/admin/cache{query}")).token(token).send().await
    };
    let admin = stage.gateway.admin.clone();
    for query in ["?route=up", ""] {
        stage.get("/up", &[]).await.expect(200);
        assert!(status(&stage.get("/up", &[]).await).contains("hit"));
        let purged = purge(query, &admin).await;
        purged.expect(204);
        assert_eq!(status(&stage.get("/up", &[]).await), "tollgate; fwd=miss; stored");
        let record = stage.gateway.record(purged.request_id()).await.unwrap();
        assert!(record["change"]["after"].get("purged").is_some(), "{record}");
    }
    purge("?route=other", &admin).await.invalid("?route");
    purge("?path=/up", &admin).await.expect(400);
    let user = stage.gateway.user("ada", "user").await;
    purge("", &user.token).await.problem(403, "forbidden");
    assert!(status(&stage.get("/up", &[]).await).contains("hit"));
    // An answer that was on its way during the purge is not found after it.
    stage.origin.hold();
    let (late, ()) = tokio::join!(stage.get("/up/late", &[]), async {
        eventually("the call", async || (stage.origin.count() == 4).then_some(())).await;
        purge("?route=up", &admin).await.expect(204);
        stage.origin.release();
    });
    assert_eq!(status(&late), "tollgate; fwd=miss; stored");
    assert_eq!(status(&stage.get("/up/late", &[]).await), "tollgate; fwd=miss; stored");
    stage.gateway.finish().await;
}
