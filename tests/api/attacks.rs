//! The attacks on tokens that are known, against a running gateway: each is a 401, and its record names the reason.
//!
//! The table is in `attacks/`: [`forged`] has what can be done without the key, [`signed`] what would be wrong even under
//! a good signature, which the gateway's own key is borrowed for.

mod forged;
mod signed;

use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use tollgate::{clock::Clock, domain::algorithm::Algorithm};

use super::support::{
    ADMIN_PASSWORD, Answer, Setup, TestGateway, TestStore, User,
    forge::{Forge, HMAC_SECRET, encode, part},
};

on_both_stores!(
    every_attack_on_a_token_of_eddsa_is_refused,
    every_attack_on_a_token_of_es256_is_refused,
    every_attack_on_a_token_of_hs256_is_refused,
    a_key_in_the_header_is_not_used_and_an_address_there_is_not_called,
    a_token_in_the_cache_lends_nothing_to_its_neighbours,
    a_retired_key_is_good_for_old_tokens_and_for_no_new_one,
    a_token_outlives_neither_its_role_nor_its_user,
    the_published_keys_are_public,
);

/// One attack: a credential that must be refused, and why.
#[derive(Clone)]
pub struct Case {
    name: String,
    token: String,
    reason: &'static str,
}

impl Case {
    pub fn new(name: impl Into<String>, token: impl Into<String>, reason: &'static str) -> Self {
        Self { name: name.into(), token: token.into(), reason }
    }
}

/// What an attacker has: a good token of theirs, and what can be known or borrowed of the key.
pub struct Loot {
    pub forge: Forge,
    pub token: String,
    /// The claims of the token, as the gateway wrote them.
    pub claims: String,
}

impl Loot {
    async fn take(gateway: &TestGateway) -> Self {
        let token = gateway.login("admin", ADMIN_PASSWORD).await.access;
        let claims = String::from_utf8(part(&token, 1)).unwrap();
        Self { forge: Forge::of(gateway, &token).await, token, claims }
    }
}

fn signing_by(algorithm: Algorithm) -> Setup {
    let setup = Setup::default().set("auth.algorithm", algorithm);
    if algorithm == Algorithm::Hs256 { setup.set("auth.hmac_secret", HMAC_SECRET) } else { setup }
}

async fn every_attack_on_a_token_of_eddsa_is_refused(store: &TestStore) {
    attack(store, Algorithm::EdDsa).await;
}

async fn every_attack_on_a_token_of_es256_is_refused(store: &TestStore) {
    attack(store, Algorithm::Es256).await;
}

async fn every_attack_on_a_token_of_hs256_is_refused(store: &TestStore) {
    attack(store, Algorithm::Hs256).await;
}

async fn attack(store: &TestStore, algorithm: Algorithm) {
    let gateway = signing_by(algorithm).start(store).await;
    let loot = Loot::take(&gateway).await;
    assert_eq!(loot.forge.algorithm, algorithm);
    let rebuilt = loot.forge.sign(&loot.forge.header(), &loot.claims);
    gateway.get("/me").token(&rebuilt).send().await.expect(200);
    let refresh = gateway.login("admin", ADMIN_PASSWORD).await.refresh;
    let mut cases = forged::cases(&loot);
    cases.extend(signed::cases(&loot));
    cases.push(Case::new("a refresh token", refresh, "malformed-token"));
    for case in &cases {
        let answer = gateway.get("/me").token(&case.token).send().await;
        refused(&gateway, &answer, case).await;
    }
    gateway.get("/me").token(&loot.token).send().await.expect(200);
    println!("{algorithm}: {} attacks, each a 401 with its reason on record", cases.len());
    gateway.finish().await;
}

async fn refused(gateway: &TestGateway, answer: &Answer, case: &Case) {
    let name = &case.name;
    assert_eq!(answer.status, 401, "{name}: {answer:?}");
    let code = if case.reason.starts_with("expired") { "expired-token" } else { "invalid-token" };
    answer.problem(401, code);
    let challenge = answer.header("www-authenticate");
    assert_eq!(challenge, Some("Bearer error=\"invalid_token\""), "{name}");
    let record = gateway.record(answer.request_id()).await.unwrap_or_else(|| panic!("{name}: not on record"));
    let reason = record["reason"].as_str().unwrap_or_else(|| panic!("{name}: {record}"));
    assert!(reason == case.reason || reason == format!("invalid-token: {}", case.reason), "{name}: {reason}");
    assert!(record.get("user_id").is_none(), "{name}: {record}");
}

async fn a_key_in_the_header_is_not_used_and_an_address_there_is_not_called(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let trap = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys.json", trap.local_addr().unwrap());
    let loot = Loot::take(&gateway).await;
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(loot.forge.public_key()), "kid": loot.forge.kid });
    for member in [
        format!(r#""jku":"{url}""#),
        format!(r#""x5u":"{url}""#),
        format!(r#""jwk":{jwk}"#),
        r#""x5c":["MIIB"]"#.into(),
        format!(r#""jku":"{url}","kid":"{url}""#),
    ] {
        let header = format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{}",{member}}}"#, loot.forge.kid);
        let answer = gateway.get("/me").token(&loot.forge.sign(&header, &loot.claims)).send().await;
        refused(&gateway, &answer, &Case::new(member, "", "unsupported-header")).await;
    }
    let called = tokio::time::timeout(Duration::from_millis(200), trap.accept()).await;
    assert!(called.is_err(), "somebody called the address in the header");
    gateway.finish().await;
}

/// On one worker thread, so that all of it meets one cache.
async fn a_token_in_the_cache_lends_nothing_to_its_neighbours(store: &TestStore) {
    let gateway = Setup::default().set("server.workers", 1).start(store).await;
    let mine = gateway.user("mine", "user").await.token;
    let loot = Loot::take(&gateway).await;
    for token in [&mine, &loot.token] {
        gateway.get("/me").token(token).send().await.expect(200);
        gateway.get("/me").token(token).send().await.expect(200);
    }
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (ours, theirs) = (parts(&mine), parts(&loot.token));
    for (name, token, reason) in [
        ("one more character", format!("{mine}A"), "bad-signature"),
        ("one character less", mine.strip_suffix(|_: char| true).unwrap().to_owned(), "malformed-token"),
        ("the other's signature", format!("{}.{}.{}", ours[0], ours[1], theirs[2]), "bad-signature"),
        ("the other's claims", format!("{}.{}.{}", ours[0], theirs[1], ours[2]), "bad-signature"),
        ("a common beginning", format!("{}.{}.{}", ours[0], ours[1], encode([0; 64])), "bad-signature"),
    ] {
        for _ in 0..2 {
            let answer = gateway.get("/me").token(&token).send().await;
            refused(&gateway, &answer, &Case::new(name, "", reason)).await;
        }
    }
    gateway.get("/me").token(&mine).send().await.expect(200);
    gateway.finish().await;
}

async fn a_retired_key_is_good_for_old_tokens_and_for_no_new_one(store: &TestStore) {
    let clock = Clock::manual(1_800_000_000);
    let gateway = Setup::default().clock(&clock).start(store).await;
    let loot = Loot::take(&gateway).await;
    gateway.post("/admin/signing-keys/rotate").token(&gateway.admin).send().await.expect(201);
    clock.advance(Duration::from_mins(1));
    gateway.get("/me").token(&loot.token).send().await.expect(200);
    let stolen = |iat: i64, exp: i64| {
        let mut claims = loot.claims.clone();
        for (name, value) in [("iat", iat), ("nbf", iat), ("exp", exp)] {
            claims = signed::with_number(&claims, name, value);
        }
        loot.forge.sign(&loot.forge.header(), &claims)
    };
    let now = clock.now().as_second();
    let fresh = gateway.get("/me").token(&stolen(now, now + 900)).send().await;
    refused(&gateway, &fresh, &Case::new("signed after its key was retired", "", "retired-key")).await;
    clock.advance(Duration::from_secs(1_000));
    let backdated = gateway.get("/me").token(&stolen(now - 60, now + 80_000)).send().await;
    refused(&gateway, &backdated, &Case::new("back-dated", "", "expired-token")).await;
    let kids = gateway.get("/.well-known/jwks.json").send().await.expect(200).json();
    assert_eq!(kids["keys"].as_array().unwrap().len(), 1, "{kids}");
    gateway.finish().await;
}

async fn a_token_outlives_neither_its_role_nor_its_user(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let User { id, token } = gateway.user("demoted", "admin").await;
    gateway.get("/admin/users").token(&token).send().await.expect(200);
    gateway.patch(&id, &json!({ "role": "readonly" })).await.expect(200);
    let answer = gateway.get("/admin/users").token(&token).send().await;
    answer.problem(401, "revoked-token");
    let record = gateway.record(answer.request_id()).await.unwrap();
    assert!(record["reason"].as_str().unwrap().starts_with("revoked-token: "), "{record}");
    gateway.request("DELETE", &format!("/admin/users/{id}")).token(&gateway.admin).send().await.expect(204);
    gateway.get("/me").token(&token).send().await.problem(401, "revoked-token");
    gateway.finish().await;
}

async fn the_published_keys_are_public(store: &TestStore) {
    // An operator who changes the algorithm keeps the store, and with it the keys of before.
    let mut gateways = vec![];
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Hs256] {
        let gateway = signing_by(algorithm).start(store).await;
        let answer = gateway.get("/.well-known/jwks.json").send().await.expect(200).clone();
        for key in answer.json()["keys"].as_array().unwrap() {
            let members: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
            assert!(members.iter().all(|m| ["alg", "crv", "kid", "kty", "use", "x", "y"].contains(m)), "{key}");
            assert_ne!(key["kty"], "oct");
        }
        assert!(!answer.text().contains(&encode(HMAC_SECRET)));
        gateways.push(gateway);
    }
    TestGateway::finish_all(gateways).await;
}
