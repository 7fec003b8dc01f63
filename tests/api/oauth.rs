//! OAuth: tokens for API keys and refresh tokens (RFC 6749), revocation (RFC 7009), metadata (RFC 8414).

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tollgate::clock::Clock;

use super::support::{ADMIN_PASSWORD, Answer, Key, Setup, TestGateway, TestStore};

on_both_stores!(
    an_api_key_is_exchanged_for_an_access_token,
    the_client_authenticates_in_one_way_of_two,
    a_client_that_is_not_known_is_challenged,
    no_token_outlives_its_key,
    a_refresh_token_gives_the_next_pair,
    a_client_that_names_itself_when_it_refreshes_must_be_right,
    bad_requests_are_answered_as_the_standard_says,
    any_token_is_revoked_by_whoever_has_it,
    the_metadata_says_where_everything_is,
    the_record_names_user_session_and_credential,
);

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

async fn token(gateway: &TestGateway, form: &str) -> Answer {
    gateway.post("/oauth/token").form(form).send().await
}

async fn revoke(gateway: &TestGateway, token: &str) -> Answer {
    gateway.post("/oauth/revoke").form(&format!("token={token}&token_type_hint=anything")).send().await
}

fn access(answer: &Answer) -> String {
    answer.expect(200).json()["access_token"].as_str().unwrap().to_owned()
}

async fn an_api_key_is_exchanged_for_an_access_token(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let user = gateway.user("user", "user").await;
    let key = gateway.api_key(&user.token, "ci").await;
    let answer = gateway.exchange(&key).await;
    let body = answer.expect(200).json();
    let fields: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["access_token", "expires_in", "token_type"]);
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let me = gateway.get("/me").token(&access(&answer)).send().await.expect(200).json();
    assert_eq!((&me["user"]["id"], me["session"]["id"].is_string()), (&json!(user.id), true));
    gateway.post("/auth/logout").token(&access(&answer)).send().await.expect(204);
    gateway.get("/me").token(&access(&answer)).send().await.problem(401, "revoked-token");
    gateway.get("/me").token(&key.text).send().await.expect(200);
    gateway.finish().await;
}

async fn the_client_authenticates_in_one_way_of_two(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let key = gateway.api_key(&gateway.admin, "ci").await;
    let (id, secret) = (key.id.as_str(), key.secret());
    let by =
        |header: String, form: &str| gateway.post("/oauth/token").header("authorization", header).form(form).send();
    let grant = "grant_type=client_credentials";
    by(basic(id, secret), grant).await.expect(200);
    by(basic(id, secret).replace("Basic", "basic"), grant).await.expect(200);
    by(basic(&id.replace('-', "%2D"), &secret.replace('a', "%61")), grant).await.expect(200);
    by(basic(id, secret), &format!("{grant}&client_id={id}&client_secret=")).await.expect(200);
    token(&gateway, &format!("{grant}&client_id={id}&client_secret={secret}&scope=x")).await.expect(200);
    // The key as its owner was given it, in place of the part behind the id.
    let whole = key.text.as_str();
    by(basic(id, whole), grant).await.expect(200);
    token(&gateway, &format!("{grant}&client_id={id}&client_secret={whole}")).await.expect(200);
    let other = gateway.api_key(&gateway.admin, "other").await;
    for id in [other.id.as_str(), "", whole] {
        token(&gateway, &format!("{grant}&client_id={id}&client_secret={whole}"))
            .await
            .oauth_error(401, "invalid_client");
    }
    for form in [format!("{grant}&client_secret={secret}"), format!("{grant}&client_id=other")] {
        by(basic(id, secret), &form).await.oauth_error(400, "invalid_request");
    }
    gateway.finish().await;
}

async fn a_client_that_is_not_known_is_challenged(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let key = gateway.api_key(&gateway.admin, "ci").await;
    let grant = "grant_type=client_credentials";
    let wrong = "0".repeat(64);
    for header in [basic(&key.id, &wrong), basic("x", "y"), "Basic !".into(), format!("Bearer {}", key.text)] {
        let request = gateway.post("/oauth/token").header("authorization", header);
        let refused = request.form(grant).send().await;
        refused.oauth_error(401, "invalid_client");
        assert_eq!(refused.header("www-authenticate"), Some("Basic realm=\"tollgate\""));
    }
    for form in
        [grant.to_owned(), format!("{grant}&client_id={}", key.id), format!("{grant}&client_id=a&client_secret=b")]
    {
        token(&gateway, &form).await.oauth_error(401, "invalid_client");
    }
    let query = format!("/oauth/token?{grant}&client_id={}&client_secret={}", key.id, key.secret());
    gateway.post(&query).form("").send().await.oauth_error(400, "invalid_request");
    gateway.finish().await;
}

async fn no_token_outlives_its_key(store: &TestStore) {
    let clock = Clock::manual(1_800_000_000);
    let gateway = Setup::default().clock(&clock).start(store).await;
    let body = json!({ "name": "short", "expires_at": "2027-01-15T08:01:00Z" });
    let key = Key::from(&gateway.post("/me/api-keys").token(&gateway.admin).json(&body).send().await);
    let answer = gateway.exchange(&key).await;
    assert_eq!(answer.expect(200).json()["expires_in"], 60);
    clock.advance(Duration::from_secs(59));
    gateway.get("/me").token(&access(&answer)).send().await.expect(200);
    clock.advance(Duration::from_secs(1));
    gateway.get("/me").token(&access(&answer)).send().await.problem(401, "expired-token");
    gateway.exchange(&key).await.oauth_error(401, "invalid_client");
    gateway.finish().await;
}

async fn a_refresh_token_gives_the_next_pair(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let tokens = gateway.login("admin", ADMIN_PASSWORD).await;
    let form = |token: &str| format!("grant_type=refresh_token&refresh_token={token}&client_id=any");
    let answer = token(&gateway, &form(&tokens.refresh)).await;
    let body = answer.expect(200).json();
    gateway.get("/me").token(&access(&answer)).send().await.expect(200);
    assert_ne!(body["refresh_token"], tokens.refresh.as_str());
    let third = token(&gateway, &form(body["refresh_token"].as_str().unwrap())).await;
    third.expect(200);
    token(&gateway, &form(&tokens.refresh)).await.oauth_error(400, "invalid_grant");
    token(&gateway, &form(third.json()["refresh_token"].as_str().unwrap())).await.oauth_error(400, "invalid_grant");
    token(&gateway, &form("tgr_x")).await.oauth_error(400, "invalid_grant");
    gateway.finish().await;
}

async fn bad_requests_are_answered_as_the_standard_says(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let key = gateway.api_key(&gateway.admin, "ci").await;
    let good = format!("grant_type=client_credentials&client_id={}&client_secret={}", key.id, key.secret());
    for (form, error) in [
        (String::new(), "invalid_request"),
        ("grant_type=".into(), "invalid_request"),
        ("grant_type=refresh_token".into(), "invalid_request"),
        ("grant_type=refresh_token&refresh_token=".into(), "invalid_request"),
        ("grant_type=password&username=a&password=b".into(), "unsupported_grant_type"),
        (format!("{good}&grant_type=client_credentials"), "invalid_request"),
        (format!("{good}&x=1&x=2"), "invalid_request"),
    ] {
        token(&gateway, &form).await.oauth_error(400, error);
    }
    token(&gateway, &format!("{good}&role=admin&resource=x")).await.expect(200);
    gateway.post("/oauth/token").json(&json!({})).send().await.problem(415, "unsupported-media-type");
    gateway.post("/oauth/token").send().await.problem(415, "unsupported-media-type");
    let huge = "x".repeat(70_000);
    token(&gateway, &huge).await.problem(413, "body-too-large");
    gateway.post("/oauth/revoke").form("token_type_hint=x").send().await.oauth_error(400, "invalid_request");
    gateway.post("/oauth/revoke").form("token=a&token=b").send().await.oauth_error(400, "invalid_request");
    gateway.finish().await;
}

async fn any_token_is_revoked_by_whoever_has_it(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let (first, second) = (gateway.login("admin", ADMIN_PASSWORD).await, gateway.login("admin", ADMIN_PASSWORD).await);
    let key = gateway.api_key(&gateway.admin, "ci").await;
    let exchanged = access(&gateway.exchange(&key).await);
    let wrong = format!("tg_{}_{}", key.id, "0".repeat(64));
    for nothing in ["x", "tgr_x", "tg_x", &wrong] {
        assert_eq!(revoke(&gateway, nothing).await.expect(200).json(), json!({}));
    }
    gateway.get("/me").token(&key.text).send().await.expect(200);
    revoke(&gateway, &first.refresh).await.expect(200);
    revoke(&gateway, &second.access).await.expect(200);
    revoke(&gateway, &key.text).await.expect(200);
    revoke(&gateway, &key.text).await.expect(200);
    for dead in [&first.access, &second.access, &exchanged, &key.text] {
        gateway.get("/me").token(dead).send().await.problem(401, "revoked-token");
    }
    gateway.refresh(&first.refresh).await.problem(401, "invalid-token");
    gateway.refresh(&second.refresh).await.problem(401, "invalid-token");
    gateway.get("/me").token(&gateway.admin).send().await.expect(200);
    gateway.finish().await;
}

async fn the_metadata_says_where_everything_is(store: &TestStore) {
    let path = "/.well-known/oauth-authorization-server";
    let gateway = TestGateway::start(store).await;
    let metadata = gateway.get(path).send().await.expect(200).json();
    let expected = json!({
        "issuer": "tollgate",
        "token_endpoint": "http://gateway.test/oauth/token",
        "revocation_endpoint": "http://gateway.test/oauth/revoke",
        "jwks_uri": "http://gateway.test/.well-known/jwks.json",
        "grant_types_supported": ["client_credentials", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "response_types_supported": [],
    });
    assert_eq!(metadata, expected);
    gateway.finish().await;
    let gateway = Setup::default().set("auth.issuer", "https://id.example.com").start(store).await;
    let metadata = gateway.get(path).send().await.expect(200).json();
    assert_eq!(metadata["issuer"], "https://id.example.com");
    assert_eq!(metadata["token_endpoint"], "https://id.example.com/oauth/token");
    gateway.discard().await;
}

async fn the_record_names_user_session_and_credential(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let admin = gateway.get("/me").token(&gateway.admin).send().await.expect(200).json()["user"]["id"].clone();
    let key = gateway.api_key(&gateway.admin, "ci").await;
    let login = gateway.try_login("admin", ADMIN_PASSWORD).await;
    let refresh_token = login.json()["refresh_token"].as_str().unwrap().to_owned();
    let refreshed = gateway.refresh(&refresh_token).await;
    let exchanged = gateway.exchange(&key).await;
    for (answer, credential) in
        [(&login, Value::Null), (&refreshed, Value::Null), (&exchanged, json!({ "kind": "api_key", "id": key.id }))]
    {
        let me = gateway.get("/me").token(&access(answer)).send().await.expect(200).json();
        let record = gateway.record(answer.request_id()).await.unwrap();
        assert_eq!((&record["user_id"], &record["username"]), (&admin, &json!("admin")), "{record}");
        assert_eq!(record["session_id"], me["session"]["id"], "{record}");
        assert_eq!(record.get("credential").cloned().unwrap_or_default(), credential, "{record}");
    }
    gateway.finish().await;
}

/// RFC 6749 §6.
async fn a_client_that_names_itself_when_it_refreshes_must_be_right(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let refresh = gateway.login("admin", ADMIN_PASSWORD).await.refresh;
    let key = gateway.api_key(&gateway.admin, "client").await;
    let form = format!("grant_type=refresh_token&refresh_token={refresh}");
    let by =
        |authorization: String| gateway.post("/oauth/token").header("authorization", authorization).form(&form).send();
    for wrong in [basic("x", "y"), basic(&key.id, "y"), "Bearer x".into()] {
        assert_eq!(by(wrong).await.expect(401).json()["error"], "invalid_client");
    }
    assert_eq!(token(&gateway, &format!("{form}&client_id={}&client_secret=x", key.id)).await.status, 401);
    by(basic(&key.id, key.secret())).await.expect(200);
    gateway.finish().await;
}
