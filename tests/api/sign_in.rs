//! Signing in to the console at a provider: the way there and back, whom it lets in, and what it does not take.

use std::io::Write;

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tollgate::clock::Clock;

use super::support::{
    ACCESS_TOKEN, ADMIN_PASSWORD, Answer, CLIENT_SECRET, OutsideKey, PASSWORD, Provider, ProviderTokens, Setup,
    TestGateway, TestStore, signed,
};

on_both_stores!(
    a_sign_in_at_the_provider_opens_a_session,
    an_answer_that_is_not_to_this_browsers_sign_in_is_refused,
    an_id_token_that_is_none_is_refused_and_its_record_says_why,
    a_key_that_the_provider_has_since_changed_is_fetched,
    a_provider_that_does_not_answer_as_it_should_lets_nobody_in,
    a_provider_that_cannot_be_asked_is_said_to_be_away,
    the_mapping_gives_role_and_team_at_every_sign_in,
    a_local_user_of_the_same_name_is_not_taken_over,
    who_is_disabled_deleted_or_has_no_role_stays_out,
    the_last_admin_stays_one,
    claims_that_the_id_token_does_not_have_are_asked_for,
    a_userinfo_endpoint_that_does_not_answer_for_this_user_ends_the_sign_in,
    an_answer_that_was_redeemed_is_refused_at_another_replica,
    where_no_provider_is_configured_there_is_no_such_path,
    another_site_may_begin_a_sign_in,
    a_target_leads_to_the_console_and_nowhere_else,
    two_tabs_sign_in_at_once,
    a_browser_keeps_few_sign_ins_under_way,
);

const OWN: &str = "http://gateway.test";

fn now_s() -> i64 {
    Clock::system().now().as_second()
}

/// A gateway where people sign in at the provider. `more` is TOML for `[auth.login]`.
async fn gateway_at(store: &TestStore, provider: &Provider, more: &str) -> TestGateway {
    // A test that fails on purpose is not to be throttled.
    let setup =
        Setup::default().set("auth.throttle_account_failures", 1_000).set("auth.throttle_address_failures", 1_000);
    gateway_with(setup, store, provider, more).await
}

async fn gateway_with(setup: Setup, store: &TestStore, provider: &Provider, more: &str) -> TestGateway {
    let mut secret = NamedTempFile::new().unwrap();
    writeln!(secret, "{CLIENT_SECRET}").unwrap();
    let lists = format!(
        "[auth.login]\nissuer = \"{}\"\nclient_id = \"console\"\nclient_secret_file = \"{}\"\nlabel = \"Example\"\n{more}",
        provider.issuer(),
        secret.path().display()
    );
    setup.more_lists(&lists).start(store).await
}

/// A sign-in that has begun.
struct Begun {
    query: Vec<(String, String)>,
    cookie: String,
}

impl Begun {
    fn get(&self, name: &str) -> &str {
        &self.query.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}")).1
    }
}

async fn begin(gateway: &TestGateway, provider: &Provider) -> Begun {
    begun(&gateway.get("/auth/oidc/start?to=%2Fusage%3Fby%3Dteam").send().await, provider)
}

fn begun(answer: &Answer, provider: &Provider) -> Begun {
    let location = answer.expect(303).header("location").unwrap();
    let query = location.strip_prefix(&format!("{}/authorize?tenant=1&", provider.issuer())).unwrap();
    let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    Begun { query, cookie: cookies(answer).remove(0) }
}

fn cookies(answer: &Answer) -> Vec<String> {
    answer.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value.clone()).collect()
}

/// A cookie as a browser sends it back.
fn sent(cookie: &str) -> String {
    cookie.split(';').next().unwrap().to_owned()
}

async fn back(gateway: &TestGateway, begun: &Begun, query: &str) -> Answer {
    gateway.get(&format!("/auth/oidc/callback?{query}")).header("cookie", sent(&begun.cookie)).send().await
}

async fn back_with_code(gateway: &TestGateway, begun: &Begun) -> Answer {
    back(gateway, begun, &format!("code=canary-code&state={}", begun.get("state"))).await
}

fn claims(provider: &Provider, begun: &Begun) -> Value {
    json!({
        "iss": provider.issuer(), "aud": "console", "sub": "subject-1", "iat": now_s(), "exp": now_s() + 300,
        "nonce": begun.get("nonce"), "preferred_username": "ada", "role": "user",
    })
}

fn with(mut claims: Value, changes: &Value) -> Value {
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims
}

/// One whole sign-in of somebody with these claims.
async fn sign_in(gateway: &TestGateway, provider: &Provider, key: &OutsideKey, changes: &Value) -> Answer {
    let begun = begin(gateway, provider).await;
    provider.gives(&key.token(&with(claims(provider, &begun), changes)));
    back_with_code(gateway, &begun).await
}

/// The access token of a session that was opened.
async fn token(gateway: &TestGateway, entered: &Answer) -> String {
    assert_eq!(entered.expect(303).header("location"), Some("/console/#/usage?by=team"), "{entered:?}");
    let session = sent(&cookies(entered)[0]);
    let refreshed = gateway.post("/auth/refresh").header("cookie", session).header("origin", OWN).send().await;
    refreshed.expect(200).json()["access_token"].as_str().unwrap().to_owned()
}

async fn me(gateway: &TestGateway, entered: &Answer) -> Value {
    let token = token(gateway, entered).await;
    gateway.get("/me").token(&token).send().await.expect(200).json()
}

/// A sign-in came to nothing: the word that the console is told, and the reason on record.
async fn nothing(gateway: &TestGateway, answer: &Answer) -> (String, String) {
    let location = answer.expect(303).header("location").unwrap();
    let query = location.strip_prefix("/console/#/sign-in?failed=").unwrap_or_else(|| panic!("{location}"));
    let (told, id) = query.split_once("&request=").unwrap();
    assert_eq!((id, cookies(answer)), (answer.request_id(), vec![]), "{answer:?}");
    let record = gateway.record(answer.request_id()).await.unwrap();
    assert!(record["decision"] == "refused" || record["decision"] == "failed", "{record}");
    let reason = record["reason"].as_str().unwrap().strip_prefix("sign-in-failed: ").unwrap().to_owned();
    (told.to_owned(), reason)
}

async fn a_sign_in_at_the_provider_opens_a_session(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let provider = Provider::start(&[&key]).await;
    let gateway = gateway_at(store, &provider, "").await;
    let ways = gateway.get("/auth/ways").send().await.expect(200).json();
    assert_eq!(ways, json!({ "provider": { "label": "Example", "url": "/auth/oidc/start" } }));

    let begun = begin(&gateway, &provider).await;
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "console"),
        ("redirect_uri", "http://gateway.test/auth/oidc/callback"),
        ("scope", "openid profile email"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(begun.get(name), value);
    }
    let name = format!("tollgate_sign_in_{}=", begun.get("state"));
    for attribute in [&*name, "; Max-Age=600", "; Path=/auth/oidc", "; HttpOnly", "; SameSite=Lax"] {
        assert!(begun.cookie.contains(attribute), "{}", begun.cookie);
    }
    let hash = digest(&SHA512, ACCESS_TOKEN.as_bytes());
    let at_hash = BASE64.encode(&hash.as_ref()[..32]);
    let id_token = key.token(&with(claims(&provider, &begun), &json!({ "at_hash": at_hash, "azp": "console" })));
    provider.gives(&id_token);
    let entered = back_with_code(&gateway, &begun).await;
    let me = me(&gateway, &entered).await;
    assert_eq!((&me["user"]["username"], &me["role"]), (&json!("ada"), &json!("user")));
    let given = cookies(&entered);
    assert!(given[0].starts_with("tollgate_refresh=") && given[0].contains("; SameSite=Strict"), "{given:?}");
    assert!(given[1].starts_with(&format!("{name}; Max-Age=0; Path=/auth/oidc")), "{given:?}");

    let asked = provider.asked();
    let (head, form) = asked.split_once("\r\n\r\n").unwrap();
    let basic = base64::engine::general_purpose::STANDARD.encode("console:canary%3Aof+the+client%27s+secret");
    assert!(head.contains(&format!("Basic {basic}")), "{head}");
    let form: Vec<(String, String)> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let sent_as = |name: &str| form.iter().find(|(known, _)| known == name).unwrap().1.clone();
    assert_eq!((sent_as("grant_type").as_str(), sent_as("code").as_str()), ("authorization_code", "canary-code"));
    assert_eq!(sent_as("redirect_uri"), begun.get("redirect_uri"));
    let challenge = BASE64.encode(digest(&SHA256, sent_as("code_verifier").as_bytes()));
    assert_eq!(challenge, begun.get("code_challenge"));

    let record = gateway.record(entered.request_id()).await.unwrap();
    assert_eq!((&record["username"], &record["path"]), (&json!("ada"), &json!("/auth/oidc/callback")));
    assert!(record["session_id"].is_string() && record["decision"] == "allowed", "{record}");
    let again = back_with_code(&gateway, &begun).await;
    assert_eq!(nothing(&gateway, &again).await, ("expired".into(), "answer-used-before".into()));
    for secret in ["canary-code", ACCESS_TOKEN, CLIENT_SECRET, begun.get("state"), &sent_as("code_verifier"), &id_token]
    {
        assert!(gateway.entries().await.iter().all(|entry| !entry.contains(secret)), "{secret} is on record");
    }
    gateway.finish().await;
}

async fn an_answer_that_is_not_to_this_browsers_sign_in_is_refused(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let provider = Provider::start(&[&key]).await;
    let gateway = gateway_at(store, &provider, "").await;
    let begun = begin(&gateway, &provider).await;
    provider.gives(&key.token(&claims(&provider, &begun)));
    let state = begun.get("state");
    let issuer: String = form_urlencoded::byte_serialize(provider.issuer().as_bytes()).collect();
    for (query, told, reason) in [
        ("code=c&state=other".to_owned(), "expired", "no-sign-in-under-way"),
        ("code=c".into(), "expired", "no-sign-in-under-way"),
        (format!("code=c&state={state}&state={state}"), "expired", "wrong-state"),
        (format!("code=c&state={state}&iss=https%3A%2F%2Fevil.example"), "provider", "answer-of-another-issuer"),
        (format!("state={state}&iss={issuer}"), "provider", "no-code"),
        (format!("state={state}&error=access_denied&error_description=%3Cb%3E"), "denied", "denied-at-provider"),
        (format!("state={state}&error=%3Cscript%3E"), "provider", "refused-by-provider"),
    ] {
        let answer = back(&gateway, &begun, &query).await;
        assert_eq!(nothing(&gateway, &answer).await, (told.into(), reason.into()), "{query}");
    }
    let of_state = |value: &str| format!("tollgate_sign_in_{state}={value}");
    for cookie in [String::new(), of_state(""), of_state("AAAA"), "tollgate_refresh=x".into()] {
        let target = format!("/auth/oidc/callback?code=c&state={state}");
        let answer = gateway.get(&target).header("cookie", &cookie).send().await;
        assert_eq!(nothing(&gateway, &answer).await, ("expired".into(), "no-sign-in-under-way".into()), "{cookie}");
    }
    // None of these has used the sign-in up.
    back_with_code(&gateway, &begun).await.expect(303);
    assert!(provider.asked().contains("canary-code"));
    gateway.finish().await;
}

async fn an_id_token_that_is_none_is_refused_and_its_record_says_why(store: &TestStore) {
    let (key, other) = (OutsideKey::rs256("k"), OutsideKey::rs256("k"));
    let provider = Provider::start(&[&key]).await;
    let gateway = gateway_at(store, &provider, "").await;
    let refused = async |id_token: String, begun: &Begun, reason: &str| {
        provider.gives(&id_token);
        let answer = back_with_code(&gateway, begun).await;
        let expected = ("provider".to_owned(), format!("invalid-id-token: {reason}"));
        assert_eq!(nothing(&gateway, &answer).await, expected);
    };
    let now_s = now_s();
    for (changes, reason) in [
        (json!({ "nonce": "other" }), "wrong-nonce"),
        (json!({ "nonce": null }), "wrong-nonce"),
        (json!({ "aud": "other" }), "wrong-audience"),
        (json!({ "aud": [] }), "wrong-audience"),
        (json!({ "aud": ["console", "other"] }), "wrong-authorized-party"),
        (json!({ "aud": ["console", "other"], "azp": "other" }), "wrong-authorized-party"),
        (json!({ "azp": "other" }), "wrong-authorized-party"),
        (json!({ "iss": "https://evil.example" }), "wrong-issuer"),
        (json!({ "exp": now_s - 60 }), "expired"),
        (json!({ "exp": null }), "wrong-times"),
        (json!({ "iat": "today" }), "wrong-times"),
        (json!({ "iat": now_s + 600 }), "not-yet-valid"),
        (json!({ "at_hash": "AAAA" }), "wrong-at-hash"),
        (json!({ "sub": "" }), "wrong-subject"),
        (json!({ "sub": 7 }), "wrong-subject"),
    ] {
        let begun = begin(&gateway, &provider).await;
        refused(key.token(&with(claims(&provider, &begun), &changes)), &begun, reason).await;
    }
    let begun = begin(&gateway, &provider).await;
    refused(other.token(&claims(&provider, &begun)), &begun, "bad-signature").await;
    for (alg, reason) in [("none", "malformed-token"), ("HS256", "wrong-algorithm"), ("ES256", "wrong-algorithm")] {
        let begun = begin(&gateway, &provider).await;
        let header = json!({ "alg": alg, "kid": "k", "typ": "JWT" });
        // The public key as the secret.
        let hmac = |message: &[u8]| {
            let secret = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key.der);
            if alg == "none" { vec![] } else { aws_lc_rs::hmac::sign(&secret, message).as_ref().to_vec() }
        };
        refused(signed(&header, &claims(&provider, &begun), hmac), &begun, reason).await;
    }
    let begun = begin(&gateway, &provider).await;
    refused("no.token".into(), &begun, "malformed-token").await;
    let users = gateway.get("/admin/users").token(&gateway.admin).send().await.expect(200).json();
    assert_eq!(users["items"].as_array().unwrap().len(), 1, "nobody was made");
    gateway.finish().await;
}

async fn a_key_that_the_provider_has_since_changed_is_fetched(store: &TestStore) {
    let (key, next) = (OutsideKey::ed25519("k"), OutsideKey::p256("next"));
    let provider = Provider::start(&[&key]).await;
    let gateway = gateway_at(store, &provider, "").await;
    let before = sign_in(&gateway, &provider, &key, &json!({})).await;
    assert_eq!(me(&gateway, &before).await["role"], "user");
    provider.publish(&[&next]);
    let after = sign_in(&gateway, &provider, &next, &json!({})).await;
    assert_eq!(me(&gateway, &after).await["role"], "user");
    gateway.finish().await;
}

async fn a_provider_that_does_not_answer_as_it_should_lets_nobody_in(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let provider = Provider::start(&[&key]).await;
    provider.say("token_endpoint_auth_methods_supported", json!(["client_secret_post"]));
    provider.say("authorization_response_iss_parameter_supported", json!(true));
    let gateway = gateway_at(store, &provider, "").await;
    let issuer: String = form_urlencoded::byte_serialize(provider.issuer().as_bytes()).collect();
    let json = "application/json";
    let answer = |status, content_type, body: &str| ProviderTokens::Answer { status, content_type, body: body.into() };
    for (tokens, told, reason) in [
        (answer("400 Bad Request", json, r#"{"error":"invalid_grant"}"#), "provider", "refused-by-provider"),
        (answer("401 Unauthorized", json, r#"{"error":"invalid_client"}"#), "provider", "refused-by-provider"),
        (answer("500 Internal Server Error", json, "{}"), "provider-unavailable", "provider-unavailable"),
        (answer("302 Found", json, "{}"), "provider-unavailable", "provider-unavailable"),
        (answer("200 OK", "text/html", "<html>"), "provider-unavailable", "provider-unavailable"),
        (answer("200 OK", json, "{"), "provider-unavailable", "provider-unavailable"),
        (answer("200 OK", json, r#"{"access_token":"a"}"#), "provider-unavailable", "provider-unavailable"),
        (ProviderTokens::Endless, "provider-unavailable", "provider-unavailable"),
        (ProviderTokens::Hang, "provider-unavailable", "provider-unavailable"),
    ] {
        provider.tokens(tokens);
        let begun = begin(&gateway, &provider).await;
        let query = format!("code=canary-code&state={}&iss={issuer}", begun.get("state"));
        let answer = back(&gateway, &begun, &query).await;
        assert_eq!(nothing(&gateway, &answer).await, (told.into(), reason.into()));
        assert!(provider.asked().contains("client_secret=canary%3Aof+the+client%27s+secret"), "{}", provider.asked());
    }
    let begun = begin(&gateway, &provider).await;
    let unnamed = back_with_code(&gateway, &begun).await;
    assert_eq!(nothing(&gateway, &unnamed).await.1, "answer-of-another-issuer", "the provider always names itself");
    gateway.finish().await;
}

/// It keeps nothing else from working.
async fn a_provider_that_cannot_be_asked_is_said_to_be_away(store: &TestStore) {
    let provider = Provider::start(&[]).await;
    provider.say("jwks_uri", json!("nowhere"));
    let gateway = gateway_at(store, &provider, "").await;
    let answer = gateway.get("/auth/oidc/start").send().await;
    assert_eq!(nothing(&gateway, &answer).await, ("provider-unavailable".into(), "provider-unavailable".into()));
    gateway.finish().await;
}

async fn the_mapping_gives_role_and_team_at_every_sign_in(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let provider = Provider::start(&[&key]).await;
    let more = "role_claim = \"groups\"\nroles = { ops = \"admin\", dev = \"user\" }\ndefault_role = \"readonly\"\n\
                team_claim = \"groups\"\nteams = { dev = \"Developers\" }";
    let gateway = gateway_at(store, &provider, more).await;
    let team = gateway.post("/admin/teams").token(&gateway.admin).json(&json!({ "name": "Developers" })).send().await;
    let team = team.expect(201).json()["id"].clone();
    let mut tokens = vec![];
    for (groups, role, team) in [
        (json!(["dev"]), "user", &team),
        (json!(["ops", "dev"]), "admin", &team),
        (json!(["ops"]), "admin", &Value::Null),
        (json!([]), "readonly", &Value::Null),
        (json!(["dev"]), "user", &team),
    ] {
        let entered = sign_in(&gateway, &provider, &key, &json!({ "groups": groups })).await;
        let token = token(&gateway, &entered).await;
        let me = gateway.get("/me").token(&token).send().await.expect(200).json();
        assert_eq!(me["role"], role, "{groups}");
        let users = gateway.get("/admin/users?name=ada").token(&gateway.admin).send().await.expect(200).json();
        assert_eq!((&users["items"][0]["role"], &users["items"][0]["team_id"]), (&json!(role), team), "{groups}");
        tokens.push(token);
    }
    gateway.get("/me").token(&tokens[0]).send().await.problem(401, "revoked-token");
    // What an administrator says holds until the next sign-in.
    let users = gateway.get("/admin/users?name=ada").token(&gateway.admin).send().await.expect(200).json();
    let id = users["items"][0]["id"].as_str().unwrap();
    gateway.patch(id, &json!({ "role": "readonly" })).await.expect(200);
    let entered = sign_in(&gateway, &provider, &key, &json!({ "groups": ["ops"] })).await;
    let record = gateway.record(entered.request_id()).await.unwrap();
    let roles = (&record["change"]["before"]["role"], &record["change"]["after"]["role"]);
    assert_eq!(roles, (&json!("readonly"), &json!("admin")), "{record}");
    gateway.finish().await;
}

async fn a_local_user_of_the_same_name_is_not_taken_over(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let provider = Provider::start(&[&key]).await;
    let gateway = gateway_at(store, &provider, "").await;
    let local = gateway.user("ada", "admin").await;
    for (changes, begins) in [
        (json!({}), "ada."),
        (json!({ "sub": "subject-2" }), "ada."),
        (json!({ "sub": "subject-3", "preferred_username": "Grace Hopper" }), "Grace-Hopper."),
        (json!({ "sub": "subject-4", "preferred_username": null, "email": "e@example.com" }), "e@example.com"),
        (json!({ "sub": "subject-5", "preferred_username": null }), "subject-5"),
    ] {
        let entered = sign_in(&gateway, &provider, &key, &changes).await;
        let me = me(&gateway, &entered).await;
        let name = me["user"]["username"].as_str().unwrap();
        assert!(name.starts_with(begins) && me["user"]["id"] != local.id.as_str() && me["role"] == "user", "{me}");
    }
    assert_eq!(gateway.get("/me").token(&local.token).send().await.expect(200).json()["role"], "admin");
    gateway.try_login("ada", PASSWORD).await.expect(200);
    gateway.finish().await;
}

async fn who_is_disabled_deleted_or_has_no_role_stays_out(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let provider = Provider::start(&[&key]).await;
    let gateway = gateway_at(store, &provider, "").await;
    let ada = token(&gateway, &sign_in(&gateway, &provider, &key, &json!({})).await).await;
    let without_role = sign_in(&gateway, &provider, &key, &json!({ "role": "guest" })).await;
    assert_eq!(nothing(&gateway, &without_role).await, ("no-role".into(), "no-role".into()));
    gateway.get("/me").token(&ada).send().await.problem(401, "revoked-token");
    let stranger = sign_in(&gateway, &provider, &key, &json!({ "sub": "stranger", "role": [] })).await;
    assert_eq!(nothing(&gateway, &stranger).await.0, "no-role");
    let users = gateway.get("/admin/users").token(&gateway.admin).send().await.expect(200).json();
    assert_eq!(users["items"].as_array().unwrap().len(), 2, "no user is made who has no role");
    let id = users["items"][1]["id"].as_str().unwrap();
    gateway.patch(id, &json!({ "status": "disabled" })).await.expect(200);
    let disabled = sign_in(&gateway, &provider, &key, &json!({})).await;
    assert_eq!(nothing(&gateway, &disabled).await, ("user".into(), "user-disabled".into()));
    let record = gateway.record(disabled.request_id()).await.unwrap();
    assert_eq!(record["username"], "ada", "whose sign-in was refused is on record");
    gateway.request("DELETE", &format!("/admin/users/{id}")).token(&gateway.admin).send().await.expect(204);
    let deleted = sign_in(&gateway, &provider, &key, &json!({})).await;
    assert_eq!(nothing(&gateway, &deleted).await, ("user".into(), "user-deleted".into()));
    gateway.finish().await;
}

async fn the_last_admin_stays_one(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let provider = Provider::start(&[&key]).await;
    let gateway = gateway_at(store, &provider, "").await;
    let ada = token(&gateway, &sign_in(&gateway, &provider, &key, &json!({ "role": "admin" })).await).await;
    let admins = gateway.get("/admin/users?name=admin").token(&ada).send().await.expect(200).json();
    let target = format!("/admin/users/{}", admins["items"][0]["id"].as_str().unwrap());
    gateway.request("PATCH", &target).token(&ada).json(&json!({ "role": "user" })).send().await.expect(200);
    let refused = sign_in(&gateway, &provider, &key, &json!({ "role": "user" })).await;
    assert_eq!(nothing(&gateway, &refused).await, ("last-admin".into(), "last-admin".into()));
    assert_eq!(gateway.get("/me").token(&ada).send().await.expect(200).json()["role"], "admin");
    gateway.request("PATCH", &target).token(&ada).json(&json!({ "role": "admin" })).send().await.expect(200);
    let entered = sign_in(&gateway, &provider, &key, &json!({ "role": "user" })).await;
    assert_eq!(me(&gateway, &entered).await["role"], "user");
    gateway.finish().await;
}

async fn where_no_provider_is_configured_there_is_no_such_path(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    assert_eq!(gateway.get("/auth/ways").send().await.expect(200).json(), json!({ "provider": null }));
    for path in ["/auth/oidc/start", "/auth/oidc/callback?code=c&state=s"] {
        gateway.get(path).send().await.problem(401, "missing-credential");
        gateway.get(path).token(&gateway.admin).send().await.problem(404, "not-found");
    }
    gateway.finish().await;
}

async fn claims_that_the_id_token_does_not_have_are_asked_for(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let provider = Provider::start(&[&key]).await;
    let info = json!({
        "sub": "subject-1", "realm": { "groups": ["ops", "dev"] }, "role": "admin", "preferred_username": "of-userinfo",
    });
    provider.informs("200 OK", "application/json", &info.to_string());
    let more = "role_claim = \"realm.groups\"\nroles = { ops = \"admin\", dev = \"user\" }\n\
                team_claim = \"realm.groups\"\nteams = { dev = \"Developers\" }";
    let gateway = gateway_at(store, &provider, more).await;
    let team = gateway.post("/admin/teams").token(&gateway.admin).json(&json!({ "name": "Developers" })).send().await;
    let team = team.expect(201).json()["id"].clone();

    // Nothing is missing: nothing is asked.
    let whole = sign_in(&gateway, &provider, &key, &json!({ "realm": { "groups": ["dev"] } })).await;
    assert_eq!(me(&gateway, &whole).await["role"], "user");
    assert_eq!(provider.userinfo_asked(), Vec::<String>::new());

    let lacking = sign_in(&gateway, &provider, &key, &json!({ "realm": { "others": [] } })).await;
    let me = me(&gateway, &lacking).await;
    assert_eq!((&me["role"], &me["user"]["username"]), (&json!("admin"), &json!("ada")));
    let users = gateway.get("/admin/users?name=ada").token(&gateway.admin).send().await.expect(200).json();
    assert_eq!(users["items"][0]["team_id"], team);
    let asked = provider.userinfo_asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    let bearer = format!("authorization: Bearer {ACCESS_TOKEN}\r\n");
    assert!(asked[0].starts_with("GET /userinfo HTTP/1.1\r\n") && asked[0].contains(&bearer), "{asked:?}");

    // Only the name is missing, and it is that of a new user.
    let info = json!({ "sub": "subject-2", "preferred_username": "grace" });
    provider.informs("200 OK", "application/json", &info.to_string());
    let changes = json!({ "sub": "subject-2", "preferred_username": null, "realm": { "groups": ["dev"] } });
    let named = sign_in(&gateway, &provider, &key, &changes).await;
    let token = token(&gateway, &named).await;
    let me = gateway.get("/me").token(&token).send().await.expect(200).json();
    assert_eq!(me["user"]["username"], "grace");
    assert!(gateway.entries().await.iter().all(|entry| !entry.contains(ACCESS_TOKEN)), "the token is on record");
    gateway.finish().await;
}

async fn a_userinfo_endpoint_that_does_not_answer_for_this_user_ends_the_sign_in(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let provider = Provider::start(&[&key]).await;
    provider.informs("200 OK", "application/json", r#"{"sub":"subject-1","role":"user"}"#);
    let gateway = gateway_at(store, &provider, "default_role = \"readonly\"").await;
    let ada = token(&gateway, &sign_in(&gateway, &provider, &key, &json!({ "role": null })).await).await;
    let json = "application/json";
    for (status, content_type, body, told, reason) in [
        ("200 OK", json, r#"{"sub":"subject-2","role":"admin"}"#, "provider", "userinfo-of-another-subject"),
        ("200 OK", json, r#"{"sub":"Subject-1","role":"admin"}"#, "provider", "userinfo-of-another-subject"),
        ("200 OK", json, r#"{"role":"admin"}"#, "provider-unavailable", "provider-unavailable"),
        (
            "200 OK",
            json,
            r#"{"sub":"subject-1","role":"user","role":"admin"}"#,
            "provider-unavailable",
            "provider-unavailable",
        ),
        ("200 OK", "application/jwt", "e30.e30.", "provider-unavailable", "provider-unavailable"),
        ("302 Found", json, "{}", "provider-unavailable", "provider-unavailable"),
        ("503 Service Unavailable", json, "{}", "provider-unavailable", "provider-unavailable"),
        ("401 Unauthorized", json, "{}", "provider", "refused-by-provider"),
    ] {
        provider.informs(status, content_type, body);
        let answer = sign_in(&gateway, &provider, &key, &json!({ "role": null })).await;
        assert_eq!(nothing(&gateway, &answer).await, (told.into(), reason.into()), "{status} {body}");
    }
    // A role that could not be read is none that was taken away.
    assert_eq!(gateway.get("/me").token(&ada).send().await.expect(200).json()["role"], "user");
    gateway.finish().await;
}

async fn an_answer_that_was_redeemed_is_refused_at_another_replica(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let provider = Provider::start(&[&key]).await;
    let one = gateway_at(store, &provider, "").await;
    let other = gateway_at(store, &provider, "").await;
    let begun = begin(&one, &provider).await;
    provider.gives(&key.token(&claims(&provider, &begun)));
    // Any replica goes on with a sign-in that another began.
    let entered = back_with_code(&other, &begun).await;
    assert_eq!(me(&other, &entered).await["role"], "user");
    for replica in [&one, &other] {
        let again = back_with_code(replica, &begun).await;
        assert_eq!(nothing(replica, &again).await, ("expired".into(), "answer-used-before".into()));
    }
    TestGateway::finish_all([one, other]).await;
    let restarted = gateway_at(store, &provider, "").await;
    let again = back_with_code(&restarted, &begun).await;
    assert_eq!(nothing(&restarted, &again).await.1, "answer-used-before", "a restart forgets nothing");
    restarted.discard().await;
}

/// Of one network; whose sign-in it was does not matter.
#[test]
fn codes_that_the_provider_does_not_know_are_throttled() {
    super::support::run(super::support::Kind::Sqlite, async |store: &TestStore| {
        let provider = Provider::start(&[&OutsideKey::ed25519("k")]).await;
        let setup = Setup::default().set("auth.throttle_address_failures", 3);
        let gateway = gateway_with(setup, store, &provider, "").await;
        provider.answers("400 Bad Request", "application/json", br#"{"error":"invalid_grant"}"#);
        for n in 0..4 {
            let begun = begin(&gateway, &provider).await;
            let answer = back_with_code(&gateway, &begun).await;
            let expected = if n < 3 { "refused-by-provider" } else { "throttled" };
            assert_eq!(nothing(&gateway, &answer).await.1, expected, "{n}");
        }
        gateway.finish().await;
    });
}

/// Any page can lead a browser to the callback, with the cookies that it has.
#[test]
fn what_guesses_no_secret_locks_nobody_out() {
    super::support::run(super::support::Kind::Sqlite, async |store: &TestStore| {
        let key = OutsideKey::ed25519("k");
        let provider = Provider::start(&[&key]).await;
        let setup = Setup::default().set("auth.throttle_address_failures", 3);
        let gateway = gateway_with(setup, store, &provider, "").await;
        let begun = begin(&gateway, &provider).await;
        let state = begun.get("state");
        for n in 0..4 {
            let bare = gateway.get(&format!("/auth/oidc/callback?code=c&state={n}")).send().await;
            assert_eq!(nothing(&gateway, &bare).await.1, "no-sign-in-under-way", "{n}");
            for query in
                [format!("code=c&state={n}"), format!("code=c&state={state}&state={n}"), format!("state={state}")]
            {
                let (_, reason) = nothing(&gateway, &back(&gateway, &begun, &query).await).await;
                assert_ne!(reason, "throttled", "{n} {query}");
            }
        }
        gateway.try_login("admin", ADMIN_PASSWORD).await.expect(200);
        sign_in(&gateway, &provider, &key, &json!({})).await.expect(303);
        gateway.finish().await;
    });
}

async fn another_site_may_begin_a_sign_in(store: &TestStore) {
    let provider = Provider::start(&[&OutsideKey::ed25519("k")]).await;
    let gateway = gateway_at(store, &provider, "").await;
    let start = async |pairs: &[(&str, &str)]| {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        gateway.get(&format!("/auth/oidc/start?{query}")).send().await
    };
    let issuer = provider.issuer();
    let known = [("iss", &*issuer), ("login_hint", "ada@example.com"), ("utm_source", "mail")];
    let answer = start(&known).await;
    let location = answer.expect(303).header("location").unwrap();
    assert!(location.starts_with(&issuer) && location.ends_with("&login_hint=ada%40example.com"), "{location}");
    start(&[("iss", "https://evil.example")]).await.invalid("?iss");
    let long = "x".repeat(257);
    start(&[("login_hint", long.as_str())]).await.invalid("?login_hint");
    gateway.finish().await;
}

async fn a_target_leads_to_the_console_and_nowhere_else(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let provider = Provider::start(&[&key]).await;
    let gateway = gateway_at(store, &provider, "").await;
    for (target, page) in [
        (format!("{OWN}/console/#/usage?by=team"), "/console/#/usage?by=team"),
        (format!("{OWN}.evil.example/console/#/usage"), "/console/#/overview"),
        (format!("{OWN}/console/#//evil.example/<"), "/console/#/overview"),
        ("https://evil.example/".into(), "/console/#/overview"),
        ("javascript:alert(1)".into(), "/console/#/overview"),
    ] {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("target_link_uri", &target).finish();
        let answer = gateway.get(&format!("/auth/oidc/start?{query}")).send().await;
        let begun = begun(&answer, &provider);
        provider.gives(&key.token(&claims(&provider, &begun)));
        let entered = back_with_code(&gateway, &begun).await;
        assert_eq!(entered.expect(303).header("location"), Some(page), "{target}");
    }
    gateway.finish().await;
}

async fn two_tabs_sign_in_at_once(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let provider = Provider::start(&[&key]).await;
    let gateway = gateway_at(store, &provider, "").await;
    let (one, other) = (begin(&gateway, &provider).await, begin(&gateway, &provider).await);
    let both = format!("{}; {}", sent(&one.cookie), sent(&other.cookie));
    for begun in [&one, &other] {
        provider.gives(&key.token(&claims(&provider, begun)));
        let target = format!("/auth/oidc/callback?code=c&state={}", begun.get("state"));
        let head = gateway.request("HEAD", &target).header("cookie", &both).send().await;
        assert_eq!(cookies(&head), [""; 0], "a HEAD redeems nothing");
        let entered = gateway.get(&target).header("cookie", &both).send().await;
        assert!(cookies(&entered)[0].starts_with("tollgate_refresh="), "{entered:?}");
    }
    gateway.finish().await;
}

async fn a_browser_keeps_few_sign_ins_under_way(store: &TestStore) {
    let provider = Provider::start(&[&OutsideKey::ed25519("k")]).await;
    let gateway = gateway_at(store, &provider, "").await;
    let start = async |count: usize| {
        let before: Vec<String> = (0..count).map(|n| format!("tollgate_sign_in_{n}=x")).collect();
        let answer = gateway.get("/auth/oidc/start").header("cookie", before.join("; ")).send().await;
        cookies(&answer).iter().filter(|line| line.contains("Max-Age=0")).count()
    };
    assert_eq!((start(3).await, start(4).await), (0, 4));
    gateway.finish().await;
}
