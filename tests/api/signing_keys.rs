//! The ring of signing keys: rotation by an administrator and by schedule, and changes of algorithm.

use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tollgate::clock::Clock;

use super::support::{
    ADMIN_PASSWORD, Setup, TestGateway, TestStore, eventually,
    forge::{HMAC_SECRET, part},
};

on_both_stores!(
    a_new_key_is_published_before_it_signs,
    the_old_key_verifies_until_its_last_token_has_expired,
    rotations_at_once_add_one_key,
    the_same_request_gives_the_same_answer,
    keys_are_rotated_by_schedule,
    no_call_is_refused_while_keys_are_rotated,
    a_ring_is_listed_in_pages,
    another_algorithm_takes_over_without_a_refusal,
    under_hs256_there_is_nothing_to_rotate,
    a_secret_can_be_changed_while_the_other_one_still_verifies,
    a_replica_that_signs_by_hs256_leaves_the_others_their_keys,
    a_shorter_lifetime_brings_no_revoked_token_back,
);

const START_S: u64 = 1_800_000_000;

fn kid(token: &str) -> String {
    let header: Value = serde_json::from_slice(&part(token, 0)).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

async fn rotate(gateway: &TestGateway) -> Value {
    let answer = gateway.post("/admin/signing-keys/rotate").token(&gateway.admin).send().await;
    assert_eq!(answer.header("location"), Some("/admin/signing-keys"));
    answer.expect(201).json()
}

async fn published(gateway: &TestGateway) -> HashSet<String> {
    let set = gateway.get("/.well-known/jwks.json").send().await.expect(200).json();
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn a_new_key_is_published_before_it_signs(store: &TestStore) {
    let clock = Clock::manual(START_S);
    let gateway = Setup::default().clock(&clock).start(store).await;
    let old = kid(&gateway.admin);
    let key = rotate(&gateway).await;
    let new = key["kid"].as_str().unwrap();
    assert_eq!((&key["state"], &key["algorithm"]), (&json!("waiting"), &json!("EdDSA")));
    assert_eq!(published(&gateway).await, HashSet::from([old.clone(), new.to_owned()]));
    clock.advance(Duration::from_millis(1_999));
    assert_eq!(kid(&gateway.login("admin", ADMIN_PASSWORD).await.access), old);
    clock.advance(Duration::from_millis(1));
    let token = gateway.login("admin", ADMIN_PASSWORD).await.access;
    assert_eq!(kid(&token), new);
    gateway.get("/me").token(&token).send().await.expect(200);
    gateway.finish().await;
}

async fn the_old_key_verifies_until_its_last_token_has_expired(store: &TestStore) {
    let clock = Clock::manual(START_S);
    let gateway = Setup::default().clock(&clock).start(store).await;
    let old = kid(&gateway.admin);
    rotate(&gateway).await;
    clock.advance(Duration::from_millis(1_900));
    let last = gateway.login("admin", ADMIN_PASSWORD).await.access;
    assert_eq!(kid(&last), old);
    clock.advance(Duration::from_secs(899));
    gateway.get("/me").token(&last).send().await.expect(200);
    assert!(published(&gateway).await.contains(&old));
    clock.advance(Duration::from_secs(2));
    gateway.get("/me").token(&last).send().await.problem(401, "expired-token");
    clock.advance(Duration::from_secs(10));
    assert!(!published(&gateway).await.contains(&old));
    gateway.finish().await;
}

async fn rotations_at_once_add_one_key(store: &TestStore) {
    let (one, two) = (TestGateway::start(store).await, TestGateway::start(store).await);
    let rotations = (0..10).map(|n| rotate(if n % 2 == 0 { &one } else { &two }));
    let kids: HashSet<String> = join_all(rotations).await.iter().map(|key| key["kid"].to_string()).collect();
    assert_eq!(kids.len(), 1, "{kids:?}");
    for gateway in [&one, &two] {
        eventually("the new key on each replica", async || (published(gateway).await.len() == 2).then_some(())).await;
    }
    assert_eq!(published(&one).await, published(&two).await);
    TestGateway::finish_all([one, two]).await;
}

async fn the_same_request_gives_the_same_answer(store: &TestStore) {
    let clock = Clock::manual(START_S);
    let gateway = Setup::default().clock(&clock).start(store).await;
    let once = async |key: &str| {
        let request = gateway.post("/admin/signing-keys/rotate").token(&gateway.admin).header("idempotency-key", key);
        request.send().await.expect(201).json()
    };
    let first = once("a").await;
    clock.advance(Duration::from_secs(10));
    assert_eq!(once("a").await, first);
    assert_eq!(published(&gateway).await.len(), 2);
    assert_ne!(once("b").await["kid"], first["kid"]);
    gateway.finish().await;
}

async fn keys_are_rotated_by_schedule(store: &TestStore) {
    let clock = Clock::manual(START_S);
    let gateway = Setup::default().set("auth.key_rotation_s", 3_600).clock(&clock).start(store).await;
    let old = kid(&gateway.admin);
    clock.advance(Duration::from_hours(1));
    eventually("a new key", async || {
        (!published(&gateway).await.is_subset(&HashSet::from([old.clone()]))).then_some(())
    })
    .await;
    clock.advance(Duration::from_secs(2));
    let token = gateway.login("admin", ADMIN_PASSWORD).await.access;
    assert_ne!(kid(&token), old);
    gateway.get("/me").token(&token).send().await.expect(200);
    gateway.finish().await;
}

/// Two replicas, three rotations, and callers who use a token the moment they have it, on either replica.
async fn no_call_is_refused_while_keys_are_rotated(store: &TestStore) {
    let setup = || Setup::default().set("auth.key_lead_s", 1);
    let replicas = [setup().start(store).await, setup().start(store).await];
    let kids = std::cell::RefCell::new(HashSet::new());
    let done = std::cell::Cell::new(false);
    let call = async |n: usize| {
        let mut tokens = replicas[n % 2].login("admin", ADMIN_PASSWORD).await;
        while !done.get() {
            kids.borrow_mut().insert(kid(&tokens.access));
            for replica in &replicas {
                replica.get("/echo").token(&tokens.access).send().await.expect(200);
            }
            tokens = (&replicas[(n + 1) % 2].refresh(&tokens.refresh).await).into();
        }
    };
    let rotations = async {
        for round in 0..3 {
            rotate(&replicas[round % 2]).await;
            let seen = round + 2;
            eventually("a token of the new key", async || (kids.borrow().len() == seen).then_some(())).await;
        }
        done.set(true);
    };
    tokio::join!(rotations, call(0), call(1), call(2), call(3));
    assert_eq!(kids.borrow().len(), 4);
    TestGateway::finish_all(replicas).await;
}

async fn a_ring_is_listed_in_pages(store: &TestStore) {
    let clock = Clock::manual(START_S);
    let gateway = Setup::default().clock(&clock).start(store).await;
    for _ in 0..2 {
        rotate(&gateway).await;
        clock.advance(Duration::from_secs(2));
    }
    let page = async |query: &str| {
        let answer = gateway.get(&format!("/admin/signing-keys{query}")).token(&gateway.admin).send().await;
        answer.expect(200).json()
    };
    let all = page("").await;
    let states: Vec<&Value> = all["items"].as_array().unwrap().iter().map(|key| &key["state"]).collect();
    assert_eq!(states, ["signing", "retired", "retired"]);
    assert!(!all.to_string().contains("private"), "{all}");
    let first = page("?limit=2").await;
    let rest = page(&format!("?limit=2&cursor={}", first["next_cursor"].as_str().unwrap())).await;
    assert_eq!((&rest["items"][0], &rest["next_cursor"]), (&all["items"][2], &Value::Null));
    let bad = gateway.get("/admin/signing-keys?cursor=x").token(&gateway.admin).send().await;
    bad.invalid("?cursor");
    gateway.finish().await;
}

/// A rolling restart from one algorithm to another: the replica that is not restarted yet signs on, and verifies all.
async fn another_algorithm_takes_over_without_a_refusal(store: &TestStore) {
    let old = TestGateway::start(store).await;
    let new = Setup::default().set("auth.algorithm", "ES256").start(store).await;
    let at_once = new.login("admin", ADMIN_PASSWORD).await.access;
    old.get("/me").token(&at_once).send().await.expect(200);
    let by_es256 = eventually("a token by ES256", async || {
        let token = new.login("admin", ADMIN_PASSWORD).await.access;
        old.get("/me").token(&token).send().await.expect(200);
        String::from_utf8(part(&token, 0)).unwrap().contains("ES256").then_some(token)
    });
    let by_es256 = by_es256.await;
    for gateway in [&old, &new] {
        for token in [&by_es256, &old.admin, &at_once] {
            gateway.get("/me").token(token).send().await.expect(200);
        }
    }
    TestGateway::finish_all([old, new]).await;
}

fn hs256(secret: &str) -> Setup {
    Setup::default().set("auth.algorithm", "HS256").set("auth.hmac_secret", secret)
}

async fn under_hs256_there_is_nothing_to_rotate(store: &TestStore) {
    let gateway = hs256(HMAC_SECRET).start(store).await;
    let answer = gateway.post("/admin/signing-keys/rotate").token(&gateway.admin).send().await;
    answer.problem(409, "conflict");
    let list = gateway.get("/admin/signing-keys").token(&gateway.admin).send().await.expect(200).json();
    assert_eq!(list["items"], json!([]));
    gateway.finish().await;
}

async fn a_secret_can_be_changed_while_the_other_one_still_verifies(store: &TestStore) {
    const NEXT: &str = "the-next-secret-for-the-tests-of-32-bytes";
    let old = hs256(HMAC_SECRET).set("auth.hmac_other_secret", NEXT).start(store).await;
    let new = hs256(NEXT).set("auth.hmac_other_secret", HMAC_SECRET).start(store).await;
    let last = hs256(NEXT).start(store).await;
    assert_ne!(kid(&old.admin), kid(&new.admin));
    for gateway in [&old, &new] {
        for token in [&old.admin, &new.admin, &last.admin] {
            gateway.get("/me").token(token).send().await.expect(200);
        }
    }
    last.get("/me").token(&old.admin).send().await.problem(401, "invalid-token");
    Box::pin(TestGateway::finish_all([old, new, last])).await;
}

async fn a_replica_that_signs_by_hs256_leaves_the_others_their_keys(store: &TestStore) {
    let old = TestGateway::start(store).await;
    let new = hs256(HMAC_SECRET).start(store).await;
    rotate(&old).await;
    let tokens = old.login("admin", ADMIN_PASSWORD).await;
    for gateway in [&old, &new] {
        gateway.get("/me").token(&tokens.access).send().await.expect(200);
    }
    old.refresh(&tokens.refresh).await.expect(200);
    TestGateway::finish_all([old, new]).await;
}

/// Revocations are forgotten when the last token of the present lifetime has expired; longer ones must be dead by then.
async fn a_shorter_lifetime_brings_no_revoked_token_back(store: &TestStore) {
    let clock = Clock::manual(START_S);
    let long = Setup::default().clock(&clock).start(store).await;
    let token = long.login("admin", ADMIN_PASSWORD).await.access;
    long.post("/auth/logout").token(&token).send().await.expect(204);
    clock.advance(Duration::from_secs(5));
    let short = Setup::default().set("auth.access_ttl_s", 2).clock(&clock).start(store).await;
    let answer = short.get("/me").token(&token).send().await;
    assert_eq!(answer.status, 401, "{answer:?}");
    TestGateway::finish_all([long, short]).await;
}
