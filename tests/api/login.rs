//! Logging in and out, and what an access token is.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::support::{ADMIN_PASSWORD, Answer, PASSWORD, TestGateway, TestStore};

on_both_stores!(
    a_login_gives_a_pair_of_tokens,
    refused_logins_tell_nothing_apart,
    a_logout_kills_both_tokens_and_no_other_session,
    the_published_keys_verify_a_token_and_are_public,
    a_short_or_common_password_is_not_accepted,
    a_user_without_a_password_cannot_log_in,
    a_password_is_the_same_however_its_characters_are_composed,
);

async fn a_login_gives_a_pair_of_tokens(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let answer = gateway.try_login("admin", ADMIN_PASSWORD).await;
    let body = answer.expect(200).json();
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let fields: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["access_token", "expires_in", "refresh_expires_in", "refresh_token", "token_type"]);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!((&body["expires_in"], &body["refresh_expires_in"]), (&json!(900), &json!(1_209_600)));
    let me = gateway.get("/me").token(body["access_token"].as_str().unwrap()).send().await.expect(200).json();
    assert_eq!((&me["user"]["username"], &me["role"]), (&json!("admin"), &json!("admin")));
    gateway.finish().await;
}

/// All of an answer that could tell two refusals apart.
fn tell(answer: &Answer) -> (u16, Vec<(String, String)>, Value) {
    let changes = ["x-request-id", "date"];
    let headers = answer.headers.iter().filter(|(name, _)| !changes.contains(&name.as_str()));
    let mut headers: Vec<_> = headers.cloned().collect();
    headers.sort();
    let mut body = answer.json();
    body["instance"] = Value::Null;
    (answer.status, headers, body)
}

async fn refused_logins_tell_nothing_apart(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let id = gateway.create("disabled", "user").await["id"].as_str().unwrap().to_owned();
    gateway.patch(&id, &json!({ "status": "disabled" })).await.expect(200);
    let wrong = gateway.try_login("admin", "not the password of admin").await;
    wrong.problem(401, "invalid-credentials");
    assert_eq!(wrong.header("www-authenticate"), Some("Bearer"));
    let others =
        [("nobody", PASSWORD), ("disabled", PASSWORD), ("no name at all!", ""), ("ADMIN", ADMIN_PASSWORD), ("", "")];
    for (username, password) in others {
        let refused = gateway.try_login(username, password).await;
        assert_eq!(tell(&refused), tell(&wrong), "{username}");
    }
    gateway.finish().await;
}

async fn a_logout_kills_both_tokens_and_no_other_session(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let tokens = gateway.login("admin", ADMIN_PASSWORD).await;
    let other = gateway.login("admin", ADMIN_PASSWORD).await;
    let goodbye = gateway.post("/auth/logout").token(&tokens.access).send().await;
    assert!(goodbye.expect(204).body.is_empty());
    gateway.get("/me").token(&tokens.access).send().await.problem(401, "revoked-token");
    gateway.post("/auth/logout").token(&tokens.access).send().await.problem(401, "revoked-token");
    gateway.refresh(&tokens.refresh).await.problem(401, "invalid-token");
    gateway.get("/me").token(&other.access).send().await.expect(200);
    gateway.refresh(&other.refresh).await.expect(200);
    gateway.finish().await;
}

async fn the_published_keys_verify_a_token_and_are_public(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let keys = gateway.get("/.well-known/jwks.json").send().await.expect(200).json()["keys"].clone();
    let header = jsonwebtoken::decode_header(&gateway.admin).unwrap();
    assert_eq!((header.alg, header.typ.as_deref()), (Algorithm::EdDSA, Some("at+jwt")));
    let key = keys.as_array().unwrap().iter().find(|key| key["kid"] == header.kid.clone().unwrap()).unwrap();
    assert_eq!((&key["kty"], &key["crv"], &key["use"]), (&json!("OKP"), &json!("Ed25519"), &json!("sig")));
    for key in keys.as_array().unwrap() {
        let private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
        assert!(private.iter().all(|member| key.get(member).is_none()), "a private member in {key}");
    }
    let claims = verified(&gateway.admin, key["x"].as_str().unwrap());
    let fields: Vec<&String> = claims.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["aud", "exp", "iat", "iss", "jti", "nbf", "role", "sid", "sub"]);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
    assert_eq!(claims["role"], "admin");
    gateway.finish().await;
}

fn verified(token: &str, x: &str) -> Value {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&["tollgate"]);
    validation.set_issuer(&["tollgate"]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub", "nbf"]);
    jsonwebtoken::decode(token, &DecodingKey::from_ed_components(x).unwrap(), &validation).unwrap().claims
}

async fn a_short_or_common_password_is_not_accepted(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    for bad in ["fourteen chars".to_owned(), String::new(), "x".repeat(257), "short1234567890".into()] {
        let body = json!({ "username": "short", "password": bad, "role": "user" });
        gateway.post("/admin/users").token(&gateway.admin).json(&body).send().await.invalid("/password");
    }
    let id = gateway.create("user", "user").await["id"].as_str().unwrap().to_owned();
    gateway.patch(&id, &json!({ "password": "fourteen chars" })).await.invalid("/password");
    // The name that counts is the one the user has, or will have.
    for common in ["PasswordPassword123", "user20262026202", "123456789012345"] {
        gateway.patch(&id, &json!({ "password": common })).await.invalid("/password");
    }
    let renamed = json!({ "username": "uwe", "password": "uwe202620262026" });
    gateway.patch(&id, &renamed).await.invalid("/password");
    let nobody = tollgate::clock::Clock::system().new_id().to_string();
    gateway.patch(&nobody, &json!({ "password": PASSWORD })).await.problem(404, "not-found");
    gateway.patch(&id, &json!({ "password": "fifteen chars.." })).await.expect(200);
    gateway.login("user", "fifteen chars..").await;
    gateway.try_login("user", PASSWORD).await.problem(401, "invalid-credentials");
    gateway.finish().await;
}

async fn a_user_without_a_password_cannot_log_in(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let body = json!({ "username": "service", "role": "user" });
    gateway.post("/admin/users").token(&gateway.admin).json(&body).send().await.expect(201);
    for password in ["", PASSWORD, "a password that nobody has"] {
        gateway.try_login("service", password).await.problem(401, "invalid-credentials");
    }
    gateway.finish().await;
}

async fn a_password_is_the_same_however_its_characters_are_composed(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let (composed, decomposed) = ("un caf\u{e9} cr\u{e8}me, encore un", "un cafe\u{301} cre\u{300}me, encore un");
    for (name, set, tried) in [("ada", composed, decomposed), ("bob", decomposed, composed)] {
        let body = json!({ "username": name, "password": set, "role": "user" });
        gateway.post("/admin/users").token(&gateway.admin).json(&body).send().await.expect(201);
        gateway.try_login(name, tried).await.expect(200);
        gateway.try_login(name, set).await.expect(200);
        gateway.try_login(name, "un cafe creme, encore un").await.problem(401, "invalid-credentials");
    }
    gateway.finish().await;
}
