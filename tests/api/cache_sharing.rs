//! Who is served what was kept for whom, and what of one client's request shows in what others get.

use serde_json::json;

use super::{
    cache::{Stage, status},
    support::{Answer, TestStore, whole},
};

on_both_stores!(
    an_answer_is_never_seen_by_whom_the_route_does_not_name,
    what_is_no_part_of_the_key_changes_nothing_for_others,
    where_the_upstream_is_told_who_calls_only_equal_callers_share,
);

async fn an_answer_is_never_seen_by_whom_the_route_does_not_name(store: &TestStore) {
    // Ada with two keys and a login, Bob of the same team, Eve of another.
    for (per, shared) in [
        ("user", ["ada-1", "ada-2", "ada"].as_slice()),
        ("key", &["ada-1"]),
        ("team", &["ada-1", "ada-2", "ada", "bob"]),
        ("global", &["ada-1", "ada-2", "ada", "bob", "eve"]),
    ] {
        let stage = Stage::set(store, &format!("{{ ttl_s = 60, per = \"{per}\" }}")).await;
        let gateway = &stage.gateway;
        let team = async |name: &str| {
            let made =
                gateway.post("/admin/teams").token(&gateway.admin).json(&json!({ "name": format!("{name}-{per}") }));
            made.send().await.expect(201).json()["id"].clone()
        };
        let (ours, theirs) = (team("ours").await, team("theirs").await);
        let mut tokens = vec![];
        for (name, team) in [("ada", &ours), ("bob", &ours), ("eve", &theirs)] {
            let user = gateway.user(&format!("{name}-{per}"), "user").await;
            gateway.patch(&user.id, &json!({ "team_id": team })).await.expect(200);
            tokens.push((name.to_owned(), user.token));
        }
        let ada = tokens[0].1.clone();
        for name in ["ada-1", "ada-2"] {
            tokens.push((name.into(), gateway.api_key(&ada, name).await.text));
        }
        let first = &tokens.iter().find(|(name, _)| name == "ada-1").unwrap().1;
        let get = async |token: &str| -> Answer { gateway.get("/up").token(token).send().await };
        assert_eq!(status(&get(first).await), "tollgate; fwd=miss; stored");
        // Those who share it first: who does not share keeps an answer of their own.
        for (name, token) in &tokens {
            let answer = get(token).await;
            let is_hit = status(&answer).starts_with("tollgate; hit");
            let is_first = answer.text() == "1";
            assert_eq!((is_hit || !is_first, is_first), (true, shared.contains(&name.as_str())), "{per} {name}");
        }
        stage.gateway.discard().await;
    }
}

async fn what_is_no_part_of_the_key_changes_nothing_for_others(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60, per = \"global\" }").await;
    let headers = [
        ("x-forwarded-host", "evil"),
        ("x-forwarded-for", "evil"),
        ("x-forwarded-proto", "evil"),
        ("x-forwarded-port", "evil"),
        ("x-forwarded-prefix", "/evil"),
        ("x-original-url", "/evil"),
        ("x-rewrite-url", "/evil"),
        ("x-http-method-override", "evil"),
        ("forwarded", "host=evil"),
        ("x-real-ip", "evil"),
        ("x-tollgate-user", "evil"),
        ("x_forwarded_host", "evil"),
    ];
    let poisoned = stage.get("/up", &headers).await;
    assert_eq!(status(&poisoned), "tollgate; fwd=miss; stored");
    assert!(!stage.origin.calls()[0].contains("evil"), "{:?}", stage.origin.calls());
    assert_eq!(status(&stage.get("/up", &[]).await), "tollgate; hit; ttl=60");
    // The host is told to the upstream, so it is part of the key.
    let host =
        format!("GET /up/host HTTP/1.1\r\nhost: evil.test\r\nauthorization: Bearer {}\r\n\r\n", stage.gateway.admin);
    stage.origin.answers(whole("200 OK", &[], "https://evil.test/"));
    assert_eq!(stage.gateway.raw(&host).await.text(), "https://evil.test/");
    assert_eq!(stage.get("/up/host", &[]).await.text(), "3");
    // A credential that passes on, and a session, belong to whoever sends them.
    for (name, value) in [
        ("cookie", "session=1"),
        ("api-key", "1"),
        ("x-goog-api-key", "1"),
        ("x-auth-token", "1"),
        ("private-token", "1"),
        ("x-session-id", "1"),
        ("dpop", "1"),
        ("x-scope-orgid", "1"),
    ] {
        stage.origin.answers(whole("200 OK", &[], "personal"));
        let path = format!("/up/{name}");
        assert_eq!(stage.get(&path, &[(name, value)]).await.text(), "personal");
        assert_eq!(status(&stage.get(&path, &[(name, value)]).await), "tollgate; hit; ttl=60");
        assert_ne!(stage.get(&path, &[]).await.text(), "personal", "{name}");
        assert_ne!(stage.get(&path, &[(name, "2")]).await.text(), "personal", "{name}");
    }
    // Neither the query nor the form of a path is unified.
    for path in ["/up/a", "/up/a/", "/up/A", "/up/a?", "/up/a?x=1", "/up/a?x=1&y", "/up/a?y&x=1", "/up/%7Ea", "/up/~a"]
    {
        assert_eq!(status(&stage.get(path, &[]).await), "tollgate; fwd=miss; stored", "{path}");
    }
    stage.gateway.finish().await;
}

async fn where_the_upstream_is_told_who_calls_only_equal_callers_share(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60, per = \"user\" }\nidentity = true").await;
    let gateway = &stage.gateway;
    let ada = gateway.user("ada", "user").await;
    let key = gateway.api_key(&ada.token, "k").await.text;
    let get = async |token: &str| -> Answer { gateway.get("/up").token(token).send().await };
    for token in [&ada.token, &key] {
        assert_eq!(status(&get(token).await), "tollgate; fwd=miss; stored");
        assert_eq!(status(&get(token).await), "tollgate; hit; ttl=60");
    }
    gateway.patch(&ada.id, &json!({ "role": "admin" })).await.expect(200);
    assert_eq!(status(&get(&key).await), "tollgate; fwd=miss; stored");
    let last = stage.origin.calls().pop().unwrap();
    assert!(last.contains("x-tollgate-role: admin"), "{last}");
    stage.gateway.finish().await;
}
