//! The verifier against tokens that differ from a good one in one thing each, and key sets against keys that are none.

use std::slice::from_ref;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use jsonwebtoken::{Algorithm, EncodingKey, crypto as jws};
use serde_json::{Value, json};

use super::*;
use crate::crypto;

mod keys;
mod providers;
mod wycheproof;

const NOW_S: i64 = 1_000;
const ISSUER: &str = "https://idp.example";

struct Fixture {
    algorithm: Algorithm,
    private: EncodingKey,
    jwk: Value,
}

impl Fixture {
    fn ed25519() -> Self {
        let (private, public) = crypto::new_ed25519().unwrap();
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64.encode(public), "kid": "k" });
        Self { algorithm: Algorithm::EdDSA, private: EncodingKey::from_ed_der(&private), jwk }
    }

    fn p256() -> Self {
        let (private, public) = crypto::new_p256().unwrap();
        let (x, y) = (BASE64.encode(&public[1..33]), BASE64.encode(&public[33..]));
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "k", "use": "sig", "alg": "ES256" });
        Self { algorithm: Algorithm::ES256, private: EncodingKey::from_ec_der(&private), jwk }
    }

    fn verifier(&self) -> OutsideVerifier {
        OutsideVerifier::new([trust()]).with_keys(ISSUER, keys(from_ref(&self.jwk)))
    }

    fn sign(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
        let signature = jws::sign(message.as_bytes(), &self.private, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }

    fn header(&self) -> String {
        format!(r#"{{"alg":"{:?}","typ":"at+jwt","kid":"k","x5t":"y","x5t#S256":"z"}}"#, self.algorithm)
    }

    fn verify_claims(&self, claims: &str) -> Result<OutsideVerified, OutsideRejection> {
        verify(&self.verifier(), &self.sign(&self.header(), claims))
    }

    fn verify_header(&self, header: &str) -> Result<OutsideVerified, OutsideRejection> {
        verify(&self.verifier(), &self.sign(header, &claims().to_string()))
    }
}

fn trust() -> Trust {
    Trust {
        issuer: ISSUER.into(),
        audience: "tollgate".into(),
        audience_claim: "aud".into(),
        role_claim: "role".into(),
        roles: BTreeMap::new(),
        role: Role::Readonly,
        team_claim: String::new(),
        teams: BTreeMap::new(),
        token_types: vec!["at+jwt".into()],
        leeway_s: 0,
        max_lifetime_s: 86_400,
    }
}

fn keys(jwks: &[Value]) -> KeySet {
    KeySet::read(json!({ "keys": jwks }).to_string().as_bytes()).unwrap()
}

fn verify(verifier: &OutsideVerifier, token: &str) -> Result<OutsideVerified, OutsideRejection> {
    verify_at(verifier, token, NOW_S)
}

/// As if the keys had just been fetched again and were the same.
fn verify_at(verifier: &OutsideVerifier, token: &str, now_s: i64) -> Result<OutsideVerified, OutsideRejection> {
    verifier.verify(&OutsideToken::read(token)?, now_s).map_err(|rejection| match rejection {
        OutsideRejection::NeedsKeys { fault, .. } => fault.into(),
        rejected @ OutsideRejection::Rejected(_) => rejected,
    })
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": "tollgate", "sub": "ada", "iat": NOW_S, "exp": NOW_S + 60, "jti": "j", "role": "user" })
}

fn with(name: &str, value: Value) -> String {
    let mut claims = claims();
    claims[name] = value;
    claims.to_string()
}

fn without(name: &str) -> String {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims.to_string()
}

fn faulty<T>(fault: TokenFault) -> Result<T, OutsideRejection> {
    Err(fault.into())
}

#[test]
fn a_token_verifies_until_the_second_it_expires_by_each_algorithm() {
    for f in [Fixture::ed25519(), Fixture::p256()] {
        let token = f.sign(&f.header(), &claims().to_string());
        let read = OutsideToken::read(&token).unwrap();
        let at = |now_s| f.verifier().verify(&read, now_s);
        let verified = at(NOW_S).unwrap();
        assert_eq!((&*verified.identity.issuer, &*verified.identity.subject), (ISSUER, "ada"));
        assert_eq!((verified.role, verified.first_role), (Some(Role::User), Role::Readonly));
        // The issuer's clock may be ahead of ours.
        assert_eq!((verified.token_id.as_str(), verified.made_s, verified.ends_s), ("j", NOW_S - 5, NOW_S + 60));
        assert!(at(NOW_S + 59).is_ok() && at(NOW_S - 5).is_ok());
        assert_eq!(at(NOW_S + 60), Err(Rejection::Expired.into()));
        assert_eq!(at(NOW_S - 6), faulty(TokenFault::NotYetValid));
    }
}

#[test]
fn a_claim_that_is_missing_or_wrong_is_refused() {
    let f = Fixture::ed25519();
    let mut wrong: Vec<String> = ["iss", "aud", "sub", "iat", "exp"].map(without).into();
    for (name, value) in [
        ("aud", json!("other")),
        ("aud", json!([])),
        ("aud", json!(["other"])),
        ("aud", json!(["tollgate", 1])),
        ("aud", json!({ "tollgate": true })),
        ("sub", json!("")),
        ("sub", json!(1)),
        ("sub", json!("x".repeat(256))),
        ("sub", json!("a\u{0}")),
        ("iat", json!("1000")),
        ("iat", json!(-1)),
        ("iat", json!(-1.5)),
        ("exp", json!(1e300)),
        ("exp", json!(null)),
        ("exp", json!(u64::MAX)),
        ("exp", json!(NOW_S + 86_401)),
        ("exp", json!(NOW_S)),
        ("nbf", json!("now")),
        ("jti", json!(1)),
        ("iss", json!([ISSUER])),
    ] {
        wrong.push(with(name, value));
    }
    let good = claims().to_string();
    wrong.push(good.replace("\"role\":\"user\"", "\"role\":\"user\",\"r\\u006fle\":\"admin\""));
    wrong.push(good.replace("\"role\":\"user\"", "\"realm\":{\"r\":1,\"r\":2}"));
    wrong.push("[]".into());
    for claims in wrong {
        let refused = f.verify_claims(&claims).unwrap_err();
        let is_of_claims = matches!(
            refused,
            OutsideRejection::Rejected(Rejection::Faulty(TokenFault::WrongClaims | TokenFault::WrongClaim(_)))
        );
        assert!(is_of_claims, "{claims}: {refused:?}");
    }
    assert_eq!(f.verify_claims(&with("nbf", json!(NOW_S + 6))), faulty(TokenFault::NotYetValid));
    assert_eq!(f.verify_claims(&with("iss", json!("https://idp.example/"))), faulty(TokenFault::UnknownIssuer));
}

#[test]
fn a_refusal_names_the_claim_that_is_wrong() {
    let f = Fixture::ed25519();
    for (claims, named) in [
        (with("aud", json!("other")), "aud"),
        (with("sub", json!("")), "sub"),
        (without("exp"), "exp"),
        (with("exp", json!(NOW_S + 86_401)), "lifetime"),
        (with("nbf", json!("now")), "nbf"),
        (with("jti", json!(1)), "jti"),
        (with("cnf", json!({ "jkt": "x" })), "cnf"),
    ] {
        assert_eq!(f.verify_claims(&claims), faulty(TokenFault::WrongClaim(named)), "{claims}");
    }
}

#[test]
fn what_may_differ_is_accepted() {
    let f = Fixture::ed25519();
    assert!(f.verify_claims(&with("aud", json!(["other", "tollgate"]))).is_ok());
    assert!(f.verify_claims(&with("scope", json!({ "any": ["thing"] }))).is_ok());
    assert!(f.verify_claims(&with("nbf", json!(NOW_S + 5))).is_ok());
    for exp in [json!(1_060.0), json!(1_060.9), json!(1.06e3)] {
        let verified = f.verify_claims(&with("exp", exp)).unwrap();
        assert_eq!(verified.ends_s, 1_060);
    }
    assert_eq!(f.verify_claims(&without("role")).unwrap().role, None);
    for nameless in [without("jti"), with("jti", json!("")), with("jti", json!("x".repeat(129)))] {
        assert_eq!(f.verify_claims(&nameless).unwrap().token_id.len(), 32, "{nameless}");
    }
    let blind = OutsideVerifier::new([Trust { role_claim: String::new(), ..trust() }]);
    let token = f.sign(&f.header(), &with("role", json!(["anything"])));
    assert_eq!(verify(&blind.with_keys(ISSUER, keys(&[f.jwk])), &token).unwrap().role, None);
}

/// RFC 7519 §4.1.6 asks no issuer for `iat`, RFC 9068 §2.2 does.
#[test]
fn a_token_that_does_not_say_when_it_was_made_was_made_when_it_begins_or_as_early_as_may_be() {
    let f = Fixture::ed25519();
    let plain = Trust { token_types: vec!["JWT".into()], max_lifetime_s: 100, ..trust() };
    let verifier = OutsideVerifier::new([plain]).with_keys(ISSUER, keys(std::slice::from_ref(&f.jwk)));
    let verify = |times: Value| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove("iat");
        claims.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
        verify(&verifier, &f.sign(r#"{"alg":"EdDSA","typ":"JWT","kid":"k"}"#, &claims.to_string()))
    };
    for (times, made_s) in [
        (json!({ "exp": NOW_S + 60 }), NOW_S - 45),
        (json!({ "exp": NOW_S + 100 }), NOW_S - 5),
        (json!({ "exp": NOW_S + 60, "nbf": NOW_S - 10 }), NOW_S - 15),
    ] {
        assert_eq!(verify(times.clone()).map(|verified| verified.made_s), Ok(made_s), "{times}");
    }
    for (times, named) in [
        (json!({ "exp": NOW_S + 101 }), "exp"),
        (json!({ "exp": NOW_S + 60, "nbf": NOW_S - 41 }), "lifetime"),
        (json!({ "nbf": "x" }), "nbf"),
    ] {
        assert_eq!(verify(times.clone()), faulty(TokenFault::WrongClaim(named)), "{times}");
    }
    assert_eq!(verify(json!({ "exp": NOW_S })), Err(Rejection::Expired.into()));
}

#[test]
fn an_id_token_is_none_whatever_its_type_says() {
    let f = Fixture::ed25519();
    for (name, value) in [("nonce", json!("n")), ("at_hash", json!(1)), ("c_hash", json!(null)), ("typ", json!("ID"))] {
        assert_eq!(f.verify_claims(&with(name, value)), faulty(TokenFault::WrongType), "{name}");
    }
    assert_eq!(f.verify_claims(&with("token_use", json!("id"))), faulty(TokenFault::WrongType));
    assert!(f.verify_claims(&with("typ", json!("Bearer"))).is_ok());
    // Keycloak and Authentik copy the nonce of the login into access tokens.
    for (name, value) in [("typ", json!("Bearer")), ("scope", json!("openid")), ("scp", json!(["openid"]))] {
        let mut claims = claims();
        (claims["nonce"], claims[name]) = (json!("n"), value);
        assert!(f.verify_claims(&claims.to_string()).is_ok(), "{name}");
        claims["at_hash"] = json!("h");
        assert_eq!(f.verify_claims(&claims.to_string()), faulty(TokenFault::WrongType), "{name}");
    }
}

/// RFC 8417 §2.2, whatever its type says.
#[test]
fn a_security_event_token_is_no_access_token() {
    let f = Fixture::ed25519();
    let logout = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    for events in [logout, json!({}), json!(null), json!([])] {
        assert_eq!(f.verify_claims(&with("events", events.clone())), faulty(TokenFault::WrongType), "{events}");
    }
}

#[test]
fn a_type_is_compared_without_case_and_without_application() {
    let f = Fixture::ed25519();
    let typed = |typ: &str| f.verify_header(&format!(r#"{{"alg":"EdDSA","typ":"{typ}","kid":"k"}}"#));
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        assert!(typed(typ).is_ok(), "{typ}");
    }
    for typ in ["JWT", "", "application/", "application/application/at+jwt", "at+jwt ", "é+jwt"] {
        assert_eq!(typed(typ), faulty(TokenFault::WrongType), "{typ}");
    }
    assert_eq!(f.verify_header(r#"{"alg":"EdDSA","kid":"k"}"#), faulty(TokenFault::WrongType));
    assert_eq!(f.verify_header(r#"{"alg":"EdDSA","kid":"k","typ":1}"#), faulty(TokenFault::WrongType));
}

#[test]
fn a_header_that_says_where_a_key_is_is_a_hint_that_is_ignored() {
    let f = Fixture::ed25519();
    for member in ["jwk", "jku", "x5u", "x5c", "\\u006aku"] {
        for value in ["null", "\"https://elsewhere.example/\"", "[\"MIIB\"]", "{}"] {
            let header = format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"k","{member}":{value}}}"#);
            assert!(f.verify_header(&header).is_ok(), "{header}");
        }
    }
}

#[test]
fn a_header_that_changes_the_reading_is_refused() {
    let f = Fixture::ed25519();
    for member in ["crit", "b64", "zip", "cty", "\\u0063rit"] {
        let header = format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"k","{member}":null}}"#);
        assert_eq!(f.verify_header(&header), faulty(TokenFault::UnsupportedHeader), "{member}");
    }
    for (cty, is_taken) in
        [("\"JWT\"", true), ("\"jwt\"", true), ("\"application/jwt\"", true), ("\"x\"", false), ("[\"JWT\"]", false)]
    {
        let header = format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"k","cty":{cty}}}"#);
        assert_eq!(f.verify_header(&header).is_ok(), is_taken, "{cty}");
    }
    for header in [
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k","kid":"k"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":1}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":null}"#,
        r#"{"typ":"at+jwt","kid":"k"}"#,
        r#"["EdDSA"]"#,
    ] {
        assert_eq!(f.verify_header(header), faulty(TokenFault::UnsupportedHeader), "{header}");
    }
}

#[test]
fn a_key_verifies_with_its_own_algorithm_only_and_only_what_it_signed() {
    let (f, other) = (Fixture::ed25519(), Fixture::ed25519());
    for alg in ["none", "HS256", "ES256", "eddsa", ""] {
        let header = format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"k"}}"#);
        assert_eq!(f.verify_header(&header), faulty(TokenFault::WrongAlgorithm), "{alg}");
    }
    let forged = other.sign(&other.header(), &claims().to_string());
    assert_eq!(verify(&f.verifier(), &forged), faulty(TokenFault::BadSignature));
}

#[test]
fn the_highest_role_of_those_that_are_ours_counts() {
    let f = Fixture::ed25519();
    let role = |value: Value| f.verify_claims(&with("role", value)).unwrap().role;
    for (value, expected) in [
        (json!(["user", "admin", "readonly"]), Some(Role::Admin)),
        (json!(["readonly"]), Some(Role::Readonly)),
        (json!(["readonly", "auditor"]), Some(Role::Auditor)),
        (json!(["auditor", "user"]), Some(Role::User)),
        (json!(["offline_access", "user", "uma_authorization"]), Some(Role::User)),
        (json!("offline_access user"), Some(Role::User)),
        (json!({ "user": { "org": "x" } }), Some(Role::User)),
        (json!([]), None),
        (json!(["Admin", "root", 1, null, ["admin"]]), None),
        (json!("User"), None),
        (json!(null), None),
        (json!(true), None),
    ] {
        assert_eq!(role(value.clone()), expected, "{value}");
    }
}

#[test]
fn where_roles_are_mapped_only_the_mapped_names_count() {
    let f = Fixture::ed25519();
    let roles = BTreeMap::from([("ops".to_owned(), Role::Admin), ("/dev team".to_owned(), Role::User)]);
    let teams = BTreeMap::from([("/dev team".to_owned(), "Developers".to_owned())]);
    let trust = Trust { role_claim: "groups".into(), roles, team_claim: "groups".into(), teams, ..trust() };
    let verifier = OutsideVerifier::new([trust]).with_keys(ISSUER, keys(from_ref(&f.jwk)));
    let accepted = |groups: Value| verify(&verifier, &f.sign(&f.header(), &with("groups", groups))).unwrap();
    assert_eq!(accepted(json!(["admin"])).role, None);
    let developer = accepted(json!(["everyone", "/dev team"]));
    assert_eq!((developer.role, developer.team.as_deref()), (Some(Role::User), Some("Developers")));
    assert_eq!((accepted(json!(["ops"])).role, accepted(json!(["ops"])).team), (Some(Role::Admin), None));
}

#[test]
fn leeway_and_lifetime_are_as_configured() {
    let f = Fixture::ed25519();
    let trust = Trust { leeway_s: 60, max_lifetime_s: 200_000, ..trust() };
    let verifier = OutsideVerifier::new([trust]).with_keys(ISSUER, keys(from_ref(&f.jwk)));
    let at = |claims: String, now_s| verify_at(&verifier, &f.sign(&f.header(), &claims), now_s);
    assert!(at(claims().to_string(), NOW_S + 119).is_ok());
    assert_eq!(at(claims().to_string(), NOW_S + 120), Err(Rejection::Expired.into()));
    assert!(at(with("nbf", json!(NOW_S + 60)), NOW_S).is_ok());
    assert_eq!(at(with("nbf", json!(NOW_S + 61)), NOW_S), faulty(TokenFault::NotYetValid));
    assert!(at(with("exp", json!(NOW_S + 200_000)), NOW_S).is_ok());
    assert_eq!(at(with("exp", json!(NOW_S + 200_001)), NOW_S), faulty(TokenFault::WrongClaim("lifetime")));
}

#[test]
fn a_token_without_a_type_is_taken_where_that_is_configured() {
    let f = Fixture::ed25519();
    let trust = Trust { token_types: vec!["at+jwt".into(), String::new()], ..trust() };
    let verifier = OutsideVerifier::new([trust]).with_keys(ISSUER, keys(from_ref(&f.jwk)));
    for (typ, taken) in [("", true), (r#","typ":"""#, true), (r#","typ":"at+jwt""#, true), (r#","typ":"JWT""#, false)] {
        let token = f.sign(&format!(r#"{{"alg":"EdDSA","kid":"k"{typ}}}"#), &claims().to_string());
        assert_eq!(verify(&verifier, &token).is_ok(), taken, "{typ}");
    }
    let token = f.sign(r#"{"alg":"EdDSA","kid":"k","typ":"application/"}"#, &claims().to_string());
    assert_eq!(verify(&verifier, &token), faulty(TokenFault::WrongType));
}

#[test]
fn only_the_keys_of_the_issuer_that_a_token_names_are_tried() {
    let (ours, theirs) = (Fixture::ed25519(), Fixture::ed25519());
    let other = Trust { issuer: "https://other.example".into(), ..trust() };
    let verifier = OutsideVerifier::new([trust(), other]);
    let verifier =
        verifier.with_keys(ISSUER, keys(&[ours.jwk])).with_keys("https://other.example", keys(from_ref(&theirs.jwk)));
    let token = theirs.sign(&theirs.header(), &claims().to_string());
    assert_eq!(verify(&verifier, &token), faulty(TokenFault::BadSignature));
}
