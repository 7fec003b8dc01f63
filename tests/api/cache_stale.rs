//! Answers that are kept and no longer fresh: served while they are confirmed, or where their upstream fails.

use super::{
    cache::{Stage, status},
    support::{TestStore, eventually, whole},
};

on_both_stores!(
    what_may_be_stale_is_served_and_confirmed_meanwhile,
    what_is_stale_at_once_is_confirmed_at_each_turn,
    a_client_has_no_say_in_how_what_it_is_served_stale_is_confirmed,
    what_is_withdrawn_while_it_is_served_stale_is_not_served_again,
    what_is_kept_is_served_where_its_upstream_fails,
);

async fn what_may_be_stale_is_served_and_confirmed_meanwhile(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60 }").await;
    let headers = [("cache-control", "max-age=10, stale-while-revalidate=10"), ("etag", "\"a\"")];
    stage.origin.answers(whole("200 OK", &headers, "old"));
    stage.get("/up", &[]).await.expect(200);
    stage.after(15);
    stage.origin.answers(whole("200 OK", &headers, "new"));
    let served = stage.get("/up", &[]).await;
    assert_eq!((served.text(), status(&served)), ("old", "tollgate; hit; ttl=-5"));
    let renewed = eventually("the call that nobody waits for", async || {
        let answer = stage.get("/up", &[]).await;
        (answer.text() == "new").then_some(answer)
    });
    assert_eq!(status(&renewed.await), "tollgate; hit; ttl=10");
    assert_eq!(stage.origin.count(), 2);
    stage.after(20);
    assert_eq!(status(&stage.get("/up", &[]).await), "tollgate; fwd=stale; stored");
    stage.gateway.finish().await;
}

/// `max-age=0` with a time for confirming: never waited for, and never older than the call before.
async fn what_is_stale_at_once_is_confirmed_at_each_turn(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60 }").await;
    let headers = [("cache-control", "max-age=0, stale-while-revalidate=60")];
    stage.origin.answers(whole("200 OK", &headers, "old"));
    stage.get("/up", &[]).await.expect(200);
    stage.origin.answers(whole("200 OK", &headers, "new"));
    let served = stage.get("/up", &[]).await;
    assert_eq!((served.text(), status(&served)), ("old", "tollgate; hit; ttl=0"));
    eventually("what is new", async || (stage.get("/up", &[]).await.text() == "new").then_some(())).await;
    stage.gateway.finish().await;
}

async fn a_client_has_no_say_in_how_what_it_is_served_stale_is_confirmed(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60 }").await;
    for (number, wish) in ["no-store", "only-if-cached"].into_iter().enumerate() {
        let path = format!("/up/{number}");
        let headers = [("cache-control", "max-age=10, stale-while-revalidate=60")];
        stage.origin.answers(whole("200 OK", &headers, "old"));
        stage.get(&path, &[]).await.expect(200);
        stage.after(15);
        stage.origin.answers(whole("200 OK", &headers, "new"));
        assert_eq!(stage.get(&path, &[("cache-control", wish)]).await.text(), "old");
        eventually("what is new is kept", async || (stage.get(&path, &[]).await.text() == "new").then_some(())).await;
        let calls = stage.origin.calls();
        assert!(!calls.iter().any(|call| call.contains(wish)), "{wish} {calls:?}");
    }
    stage.gateway.finish().await;
}

/// Also where nothing can be confirmed, because the answer has no `ETag` and no date.
async fn what_is_withdrawn_while_it_is_served_stale_is_not_served_again(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60 }").await;
    let (gone, private) = (("404 Not Found", vec![]), ("200 OK", vec![("cache-control", "private")]));
    for (number, (state, headers)) in [gone, private].into_iter().enumerate() {
        let path = format!("/up/{number}");
        let kept = [("cache-control", "max-age=10, stale-while-revalidate=60")];
        stage.origin.answers(whole("200 OK", &kept, "old"));
        stage.get(&path, &[]).await.expect(200);
        stage.after(15);
        stage.origin.answers(whole(state, &headers, "new"));
        assert_eq!(stage.get(&path, &[]).await.text(), "old");
        eventually("what was withdrawn is forgotten", async || {
            stage.origin.answers(whole(state, &headers, "new"));
            let answer = stage.get(&path, &[]).await;
            stage.origin.forget_answers();
            (answer.text() == "new").then_some(())
        })
        .await;
    }
    stage.gateway.finish().await;
}

async fn what_is_kept_is_served_where_its_upstream_fails(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60 }").await;
    for (number, (directives, failure, after, expected)) in [
        (
            "max-age=10, stale-if-error=10",
            whole("503 Service Unavailable", &[], "no"),
            15,
            (200, "tollgate; hit; ttl=-5; detail=stale-if-error"),
        ),
        ("max-age=10, stale-if-error=10", String::new(), 15, (200, "tollgate; hit; ttl=-5; detail=stale-if-error")),
        ("max-age=10, stale-if-error=10", whole("404 Not Found", &[], "no"), 15, (404, "tollgate; fwd=stale")),
        (
            "max-age=10, stale-if-error=10",
            whole("503 Service Unavailable", &[], "no"),
            20,
            (503, "tollgate; fwd=stale"),
        ),
        (
            "max-age=10, stale-if-error=10, must-revalidate",
            whole("503 Service Unavailable", &[], "no"),
            15,
            (503, "tollgate; fwd=stale"),
        ),
        ("max-age=10", whole("503 Service Unavailable", &[], "no"), 15, (503, "tollgate; fwd=stale")),
        (
            "max-age=0, stale-if-error=60",
            whole("503 Service Unavailable", &[], "no"),
            15,
            (200, "tollgate; hit; ttl=-15; detail=stale-if-error"),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/up/{number}");
        stage.origin.answers(whole("200 OK", &[("cache-control", directives)], "kept"));
        stage.get(&path, &[]).await.expect(200);
        stage.after(after);
        stage.origin.answers(failure);
        let answer = stage.get(&path, &[]).await;
        assert_eq!((answer.status, status(&answer)), expected, "{directives} {after}");
        assert_eq!(answer.text(), if expected.0 == 200 { "kept" } else { "no" });
    }
    stage.gateway.finish().await;
}
