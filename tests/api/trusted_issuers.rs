//! Callers with tokens of a trusted outside issuer: who they are here, and which tokens are none.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tollgate::clock::Clock;

use super::support::{OutsideIssuer, OutsideKey, Setup, TestGateway, TestStore, signed};

on_both_stores!(
    a_token_of_each_algorithm_is_accepted_and_makes_its_user,
    many_first_calls_at_once_make_one_user,
    a_call_may_do_what_both_the_user_and_the_token_may,
    a_user_that_is_disabled_or_deleted_stays_so,
    a_token_that_is_none_is_refused_and_its_record_says_why,
    a_header_never_brings_a_key_and_no_connection_is_made_for_it,
    an_own_token_is_never_judged_by_an_outside_issuer,
    the_issuer_decides_the_role_until_an_administrator_does,
    groups_give_a_role_and_a_team,
    a_token_says_its_roles_in_a_claim_inside_another,
);

fn now_s() -> i64 {
    Clock::system().now().as_second()
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

async fn trusting(store: &TestStore, issuer: &OutsideIssuer) -> TestGateway {
    Setup::default().more_lists(&issuer.trusted()).start(store).await
}

async fn usernames(gateway: &TestGateway) -> Vec<String> {
    let users = gateway.get("/admin/users").token(&gateway.admin).send().await.expect(200).json();
    users["items"].as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
}

/// Calls with a token that must be refused, and gives the reason on record.
async fn refusal(gateway: &TestGateway, token: &str) -> String {
    let answer = gateway.get("/me").token(token).send().await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert!(answer.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Bearer")));
    let record = gateway.record(answer.request_id()).await.unwrap();
    assert_eq!(record["decision"], "refused", "{record}");
    record["reason"].as_str().unwrap().to_owned()
}

async fn a_token_of_each_algorithm_is_accepted_and_makes_its_user(store: &TestStore) {
    let keys = [
        OutsideKey::ed25519("a"),
        OutsideKey::p256("b"),
        OutsideKey::p384("c"),
        OutsideKey::p521("f"),
        OutsideKey::rs256("d"),
        OutsideKey::ps256("e"),
    ];
    let issuer = OutsideIssuer::start(&keys.each_ref()).await;
    let gateway = trusting(store, &issuer).await;
    for key in &keys {
        let subject = format!("{}|ada", key.alg);
        let claims = with(issuer.claims(&subject, now_s()), "jti", json!("token-1"));
        let answer = gateway.get("/me").token(&key.token(&claims)).send().await;
        let me = answer.expect(200).json();
        let name = me["user"]["username"].as_str().unwrap();
        assert!(name.starts_with(&format!("{}-ada.", key.alg)) && me["role"] == "readonly", "{me}");
        let record = gateway.record(answer.request_id()).await.unwrap();
        assert_eq!(record["credential"], json!({ "kind": "outside_token", "id": "token-1" }));
        assert_eq!((&record["username"], &record["role"]), (&me["user"]["username"], &json!("readonly")));
        assert_eq!(record["session_id"], Value::Null);
    }
    assert_eq!((usernames(&gateway).await.len(), issuer.connections()), (1 + keys.len(), 1));
    gateway.finish().await;
}

async fn many_first_calls_at_once_make_one_user(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let issuer = OutsideIssuer::start(&[&key]).await;
    let one = trusting(store, &issuer).await;
    let two = trusting(store, &issuer).await;
    let token = key.token(&with(issuer.claims("ada", now_s()), "role", json!("user")));
    let calls = (0..20).map(|n| if n % 2 == 0 { &one } else { &two }.get("/me").token(&token).send());
    let ids = join_all(calls).await.into_iter().map(|answer| answer.expect(200).json()["user"]["id"].clone());
    let mut ids: Vec<Value> = ids.collect();
    ids.dedup();
    assert_eq!((ids.len(), usernames(&one).await.len()), (1, 2));
    TestGateway::finish_all([one, two]).await;
}

async fn a_call_may_do_what_both_the_user_and_the_token_may(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let issuer = OutsideIssuer::start(&[&key]).await;
    let clock = Clock::manual(1_800_000_000);
    let gateway = Setup::default().more_lists(&issuer.trusted()).clock(&clock).start(store).await;
    let claims = || issuer.claims("ada", clock.now().as_second());
    let token = |role: &str| key.token(&with(claims(), "role", json!(role)));
    let me = async |token: &str| gateway.get("/me").token(token).send().await.expect(200).json();
    let first = me(&token("user")).await;
    assert_eq!(first["role"], "user");
    let id = first["user"]["id"].as_str().unwrap();
    for (local, claimed, effective) in [
        ("user", Some("admin"), "user"),
        ("user", Some("readonly"), "readonly"),
        ("readonly", Some("user"), "readonly"),
        ("admin", Some("admin"), "admin"),
        ("admin", Some("user"), "user"),
        ("admin", None, "admin"),
    ] {
        gateway.patch(id, &json!({ "role": local })).await.expect(200);
        // Tokens from before the change are dead.
        clock.advance(Duration::from_secs(6));
        let token = claimed.map_or_else(|| key.token(&claims()), token);
        let what = format!("{local} {claimed:?}");
        assert_eq!(me(&token).await["role"], effective, "{what}");
        let made = gateway.post("/me/api-keys").token(&token).json(&json!({ "name": "key" })).send().await;
        assert_eq!(made.status, if effective == local { 201 } else { 403 }, "{what}");
        let admin = gateway.get("/admin/users").token(&token).send().await;
        assert_eq!(admin.status, if effective == "admin" { 200 } else { 403 }, "{what}");
        let change = gateway.post("/echo").token(&token).send().await;
        assert_eq!(change.status, if effective == "readonly" { 403 } else { 200 }, "{what}");
        assert_eq!(gateway.record(change.request_id()).await.unwrap()["role"], effective, "{what}");
    }
    // Each may what the other may not.
    gateway.patch(id, &json!({ "role": "auditor" })).await.expect(200);
    clock.advance(Duration::from_secs(6));
    gateway.get("/me").token(&token("user")).send().await.problem(403, "forbidden");
    assert_eq!(me(&token("auditor")).await["role"], "auditor");
    gateway.finish().await;
}

async fn a_user_that_is_disabled_or_deleted_stays_so(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let issuer = OutsideIssuer::start(&[&key]).await;
    let clock = Clock::manual(1_800_000_000);
    let gateway = Setup::default().more_lists(&issuer.trusted()).clock(&clock).start(store).await;
    let fresh = || {
        clock.advance(Duration::from_secs(6));
        key.token(&issuer.claims("ada", clock.now().as_second()))
    };
    let token = fresh();
    let me = gateway.get("/me").token(&token).send().await.expect(200).json();
    let id = me["user"]["id"].as_str().unwrap();
    gateway.patch(id, &json!({ "status": "disabled" })).await.expect(200);
    assert_eq!(refusal(&gateway, &token).await, "revoked-token: user-disabled");
    gateway.patch(id, &json!({ "status": "active" })).await.expect(200);
    assert_eq!(refusal(&gateway, &token).await, "revoked-token: session-revoked");
    let token = fresh();
    gateway.get("/me").token(&token).send().await.expect(200);
    let sessions = format!("/admin/users/{id}/sessions");
    gateway.request("DELETE", &sessions).token(&gateway.admin).send().await.expect(204);
    assert_eq!(refusal(&gateway, &token).await, "revoked-token: session-revoked");
    gateway.get("/me").token(&fresh()).send().await.expect(200);
    gateway.request("DELETE", &format!("/admin/users/{id}")).token(&gateway.admin).send().await.expect(204);
    assert_eq!(refusal(&gateway, &fresh()).await, "revoked-token: user-deleted");
    assert_eq!(usernames(&gateway).await, ["admin"]);
    gateway.finish().await;
}

async fn a_token_that_is_none_is_refused_and_its_record_says_why(store: &TestStore) {
    let (key, rsa) = (OutsideKey::ed25519("k"), OutsideKey::rs256("r"));
    let issuer = OutsideIssuer::start(&[&key, &rsa]).await;
    let gateway = trusting(store, &issuer).await;
    let claims = issuer.claims("ada", now_s());
    let changed = |name: &str, value: Value| key.token(&with(claims.clone(), name, value));
    let titled = |name: &str, value: Value| key.token_with(&with(key.header(), name, value), &claims);
    for (token, reason) in [
        (changed("aud", json!("other")), "wrong-claims: aud"),
        (changed("aud", json!(["other", "Tollgate"])), "wrong-claims: aud"),
        (changed("exp", json!(now_s() + 100_000)), "wrong-claims: lifetime"),
        (changed("sub", json!("")), "wrong-claims: sub"),
        (changed("nonce", json!("n")), "wrong-type"),
        (changed("cnf", json!({ "jkt": "x" })), "wrong-claims: cnf"),
        (changed("typ", json!("ID")), "wrong-type"),
        (titled("typ", json!("JWT")), "wrong-type"),
        (changed("iat", json!(now_s() + 60)), "not-yet-valid"),
        (changed("iss", json!("https://other.example")), "unknown-issuer"),
        (titled("alg", json!("none")), "wrong-algorithm"),
        (titled("kid", json!("r")), "wrong-algorithm"),
        (titled("crit", json!(["exp"])), "unsupported-header"),
        (titled("kid", json!("made-up")), "unknown-key"),
        (OutsideKey::ed25519("k").token(&claims), "bad-signature"),
    ] {
        assert_eq!(refusal(&gateway, &token).await, format!("invalid-token: {reason}"), "{token}");
    }
    let expired = with(issuer.claims("ada", now_s() - 60), "exp", json!(now_s()));
    assert_eq!(refusal(&gateway, &key.token(&expired)).await, "expired-token");
    for secret in confusing_secrets(&rsa) {
        let header = with(rsa.header(), "alg", json!("HS256"));
        let mac = |message: &[u8]| {
            let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret);
            aws_lc_rs::hmac::sign(&key, message).as_ref().to_vec()
        };
        let token = signed(&header, &claims, mac);
        assert_eq!(refusal(&gateway, &token).await, "invalid-token: wrong-algorithm");
    }
    assert_eq!(usernames(&gateway).await, ["admin"]);
    gateway.finish().await;
}

/// A public key in every form that a careless verifier could take for a shared secret.
fn confusing_secrets(rsa: &OutsideKey) -> [Vec<u8>; 3] {
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &rsa.der);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n");
    [pem.into_bytes(), rsa.der.clone(), rsa.jwk.to_string().into_bytes()]
}

async fn a_header_never_brings_a_key_and_no_connection_is_made_for_it(store: &TestStore) {
    let (key, theirs) = (OutsideKey::ed25519("k"), OutsideKey::ed25519("theirs"));
    let issuer = OutsideIssuer::start(&[&key]).await;
    let elsewhere = OutsideIssuer::start(&[&theirs]).await;
    let gateway = trusting(store, &issuer).await;
    gateway.get("/me").token(&key.token(&issuer.claims("ada", now_s()))).send().await.expect(200);
    let url = json!(elsewhere.name());
    for (name, value) in
        [("jku", url.clone()), ("x5u", url.clone()), ("x5c", json!(["MIIB"])), ("jwk", theirs.jwk.clone())]
    {
        let header = with(theirs.header(), name, value.clone());
        let token = theirs.token_with(&header, &issuer.claims("ada", now_s()));
        assert_eq!(refusal(&gateway, &token).await, "invalid-token: unknown-key", "{name}");
        // It is a hint, so a token that is good without it is good with it.
        let token = key.token_with(&with(key.header(), name, value), &issuer.claims("ada", now_s()));
        gateway.get("/me").token(&token).send().await.expect(200);
    }
    let stranger = theirs.token(&elsewhere.claims("ada", now_s()));
    assert_eq!(refusal(&gateway, &stranger).await, "invalid-token: unknown-issuer");
    // The issuer itself was asked for the key once more.
    assert_eq!((elsewhere.connections(), issuer.connections()), (0, 2));
    gateway.finish().await;
}

async fn an_own_token_is_never_judged_by_an_outside_issuer(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let issuer = OutsideIssuer::start(&[&key]).await;
    let gateway = trusting(store, &issuer).await;
    gateway.get("/me").token(&gateway.admin).send().await.expect(200);
    let jwks = gateway.get("/.well-known/jwks.json").send().await.expect(200).json();
    let own_kid = jwks["keys"][0]["kid"].clone();
    let thief = OutsideKey::ed25519(own_kid.as_str().unwrap());
    issuer.publish(&[&thief]);
    let token = thief.token(&issuer.claims("admin", now_s()));
    assert_eq!(refusal(&gateway, &token).await, "invalid-token: unsupported-header");
    let own_issuer = key.token(&with(issuer.claims("admin", now_s()), "iss", json!("tollgate")));
    assert_eq!(refusal(&gateway, &own_issuer).await, "invalid-token: unsupported-header");
    assert_eq!(issuer.connections(), 1);
    gateway.finish().await;
}

async fn the_issuer_decides_the_role_until_an_administrator_does(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let issuer = OutsideIssuer::start(&[&key]).await;
    let clock = Clock::manual(1_800_000_000);
    let gateway = Setup::default().more_lists(&issuer.trusted()).clock(&clock).start(store).await;
    let me = async |roles: Value| {
        let token = key.token(&with(issuer.claims("ada", clock.now().as_second()), "role", roles));
        gateway.get("/me").token(&token).send().await.expect(200).json()
    };
    let first = me(json!(["user"])).await;
    assert_eq!(first["role"], "user");
    // A promotion and a demotion at the issuer take effect with the next token, and so does the loss of every role.
    for (roles, effective) in [
        (json!(["admin", "user"]), "admin"),
        (json!(["readonly"]), "readonly"),
        (json!(["something-else"]), "readonly"),
        (json!(["user"]), "user"),
    ] {
        assert_eq!(me(roles.clone()).await["role"], effective, "{roles}");
    }
    let id = first["user"]["id"].as_str().unwrap();
    gateway.patch(id, &json!({ "role": "user" })).await.expect(200);
    clock.advance(Duration::from_secs(6));
    assert_eq!(me(json!(["admin"])).await["role"], "user");
    assert_eq!(me(json!(["readonly"])).await["role"], "readonly");
    gateway.finish().await;
}

async fn groups_give_a_role_and_a_team(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let issuer = OutsideIssuer::start(&[&key]).await;
    let trusted = issuer.trusted().replace("role_claim = \"role\"", "role_claim = \"groups\"");
    let mapped = "\nteam_claim = \"groups\"\nroles = { ops = \"admin\" }\nteams = { ops = \"Operations\" }\n";
    let gateway = Setup::default().more_lists(&format!("{trusted}{mapped}")).start(store).await;
    let team = gateway.post("/admin/teams").token(&gateway.admin).json(&json!({ "name": "Operations" })).send().await;
    let team = team.expect(201).json();
    let me = async |subject: &str, groups: Value| {
        let token = key.token(&with(issuer.claims(subject, now_s()), "groups", groups));
        let me = gateway.get("/me").token(&token).send().await.expect(200).json();
        let path = format!("/admin/users/{}", me["user"]["id"].as_str().unwrap());
        let user = gateway.get(&path).token(&gateway.admin).send().await.expect(200).json();
        (me["role"].clone(), user["team_id"].clone())
    };
    assert_eq!(me("ada", json!(["everyone", "ops"])).await, (json!("admin"), team["id"].clone()));
    // Our own names mean nothing where the issuer's are mapped.
    assert_eq!(me("bob", json!(["admin"])).await, (json!("readonly"), Value::Null));
    gateway.finish().await;
}

async fn a_token_says_its_roles_in_a_claim_inside_another(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    for (path, claim) in [
        ("realm_access.roles", json!({ "realm_access": { "roles": ["x", "user"] } })),
        ("https://example.com/roles", json!({ "https://example.com/roles": ["user"] })),
    ] {
        let issuer = OutsideIssuer::start(&[&key]).await;
        let trusted = issuer.trusted().replace("\"role\"", &format!("\"{path}\""));
        let gateway = Setup::default().more_lists(&trusted).start(store).await;
        let mut claims = issuer.claims("ada", now_s());
        claims.as_object_mut().unwrap().extend(claim.as_object().unwrap().clone());
        let me = gateway.get("/me").token(&key.token(&claims)).send().await.expect(200).json();
        assert_eq!(me["role"], "user", "{path}");
        gateway.discard().await;
    }
}
