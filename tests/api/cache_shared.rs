//! Two gateways on one Redis: what one keeps the other serves, and what one forgets the other forgets.

use serde_json::json;
use tollgate::{
    cache::key,
    clock::Clock,
    store::redis::{Redis, Timeouts, Way},
};

use super::{
    cache::{route, status},
    support::{Answer, Origin, RawUpstream, Setup, TestGateway, TestStore, eventually, whole},
};

on_both_stores!(
    what_one_replica_keeps_the_others_serve,
    a_change_and_a_purge_reach_every_replica,
    what_was_forgotten_is_not_served_by_a_redis_that_went_back,
    without_redis_each_replica_keeps_its_own,
);

/// Of Redis, from the environment.
fn redis() -> String {
    std::env::var("TOLLGATE_TEST_REDIS")
        .expect("TOLLGATE_TEST_REDIS is not set: scripts/test starts a Redis and sets it")
}

/// Paths that no other test has: Redis is shared by all.
fn path() -> String {
    format!("/up/{}", Clock::system().new_id())
}

async fn replicas(store: &TestStore, origin: &Origin, redis: &str) -> [TestGateway; 2] {
    let start = async || {
        let lists = route(origin, "{ ttl_s = 60, per = \"global\" }");
        Setup::default().set("redis.url", redis).more_lists(&lists).start(store).await
    };
    [start().await, start().await]
}

async fn get(gateway: &TestGateway, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = gateway.get(path).token(&gateway.admin);
    headers.iter().fold(request, |request, (name, value)| request.header(name, *value)).send().await
}

fn is_hit(answer: &Answer) -> bool {
    status(answer).starts_with("tollgate; hit")
}

async fn what_one_replica_keeps_the_others_serve(store: &TestStore) {
    let origin = Origin::start().await;
    let [a, b] = replicas(store, &origin, &redis()).await;
    let path = path();
    let headers = [("vary", "accept"), ("etag", "\"a\""), ("x-twice", "1"), ("x-twice", "2")];
    // Redis has it in its own time, and on a busy machine not at once: then it is kept anew.
    let served = eventually("the answer in Redis", async || {
        origin.answers(whole("200 OK", &headers, "first"));
        get(&a, &path, &[("accept", "text/plain"), ("cache-control", "no-cache")]).await.expect(200);
        let asked = origin.count();
        let answer = get(&b, &path, &[("accept", "text/plain"), ("cache-control", "only-if-cached")]).await;
        assert_eq!(origin.count(), asked);
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert!(is_hit(&served), "{served:?}");
    assert_eq!((served.text(), served.header("etag")), ("first", Some("\"a\"")));
    assert_eq!(served.headers.iter().filter(|(name, _)| name == "x-twice").count(), 2);
    assert!(served.header("age").is_some());
    assert_eq!(status(&get(&b, &path, &[("accept", "text/html")]).await), "tollgate; fwd=vary-miss; stored");
    TestGateway::finish_all([a, b]).await;
}

async fn a_change_and_a_purge_reach_every_replica(store: &TestStore) {
    let origin = Origin::start().await;
    let [a, b] = replicas(store, &origin, &redis()).await;
    let path = path();
    let fill = async || {
        get(&a, &path, &[]).await.expect(200);
        get(&b, &path, &[]).await.expect(200);
        eventually("a hit on both", async || {
            let both = [get(&a, &path, &[]).await, get(&b, &path, &[]).await];
            both.iter().all(is_hit).then_some(())
        })
        .await;
    };
    fill().await;
    let before = get(&b, &path, &[]).await.text().to_owned();
    origin.answers(whole("200 OK", &[], ""));
    a.request("PUT", &path).token(&a.admin).send().await.expect(200);
    assert!(!is_hit(&get(&a, &path, &[]).await), "at once where the change was made");
    eventually("the change on the other", async || (get(&b, &path, &[]).await.text() != before).then_some(())).await;
    fill().await;
    let before = [get(&a, &path, &[]).await, get(&b, &path, &[]).await].map(|answer| answer.text().to_owned());
    b.request("DELETE", "/admin/cache?route=up").token(&b.admin).send().await.expect(204);
    assert!(!is_hit(&get(&b, &path, &[]).await), "at once where it was purged");
    let answer = eventually("the purge on the other", async || {
        let answer = get(&a, &path, &[]).await;
        (!before.contains(&answer.text().to_owned())).then_some(answer)
    })
    .await;
    assert_eq!(answer.status, 200);
    TestGateway::finish_all([a, b]).await;
}

async fn what_was_forgotten_is_not_served_by_a_redis_that_went_back(store: &TestStore) {
    let origin = Origin::start().await;
    let [a, b] = replicas(store, &origin, &redis()).await;
    let path = path();
    let redis = Redis::connect(&redis(), &Way::Server, Timeouts::default()).unwrap();
    let url = key::url(&path, None);
    let epoch = async || redis.cache_epoch(&url).await.ok().flatten();
    // Redis has it in its own time, and on a busy machine not at once: then it is kept anew.
    let first = eventually("the epoch of the first answer", async || {
        origin.answers(whole("200 OK", &[], "first"));
        get(&a, &path, &[("cache-control", "no-cache")]).await.expect(200);
        epoch().await
    })
    .await;
    origin.answers(whole("200 OK", &[], ""));
    a.request("PUT", &path).token(&a.admin).send().await.expect(200);
    eventually("another epoch", async || epoch().await.filter(|epoch| *epoch != first)).await;
    // As a restored snapshot has it.
    eventually("the first epoch again", async || redis.begin_cache_epoch(&url, first.clone()).await.ok()).await;
    eventually("an epoch that is later than both", async || {
        assert_ne!(get(&a, &path, &[]).await.text(), "first", "what a change has made obsolete");
        epoch().await.filter(|epoch| *epoch != first)
    })
    .await;
    TestGateway::finish_all([a, b]).await;
}

async fn without_redis_each_replica_keeps_its_own(store: &TestStore) {
    let origin = Origin::start().await;
    let nowhere = format!("redis://{}", RawUpstream::nowhere().await);
    let [a, b] = replicas(store, &origin, &nowhere).await;
    let path = path();
    for gateway in [&a, &b] {
        assert_eq!(status(&get(gateway, &path, &[]).await), "tollgate; fwd=miss; stored");
        assert!(is_hit(&get(gateway, &path, &[]).await));
    }
    assert_eq!(origin.count(), 2);
    origin.answers(whole("200 OK", &[], ""));
    a.request("PUT", &path).token(&a.admin).json(&json!({})).send().await.expect(200);
    assert!(!is_hit(&get(&a, &path, &[]).await));
    // A purge is in the store, and reaches every replica all the same.
    b.request("DELETE", "/admin/cache").token(&b.admin).send().await.expect(204);
    let asked = origin.count();
    eventually("the purge on the other", async || (!is_hit(&get(&a, &path, &[]).await)).then_some(())).await;
    assert!(origin.count() > asked);
    TestGateway::finish_all([a, b]).await;
}
