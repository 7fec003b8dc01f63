//! The verifier against tokens that differ from a good one in one thing each, and key sets against keys that are none.

use std::slice::from_ref;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use jsonwebtoken::{Algorithm, EncodingKey, crypto as jws};
use serde_json::{Value, json};

use super::{key_set::OutsideKey, *};
use crate::crypto;

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
        role_claim: "role".into(),
        role: Role::Readonly,
        token_types: vec!["at+jwt".into()],
    }
}

fn keys(jwks: &[Value]) -> KeySet {
    KeySet::read(json!({ "keys": jwks }).to_string().as_bytes()).unwrap()
}

fn verify(verifier: &OutsideVerifier, token: &str) -> Result<OutsideVerified, OutsideRejection> {
    verifier.verify(&OutsideToken::read(token)?, NOW_S)
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
        assert_eq!((verified.token_id.as_str(), verified.iat_s, verified.exp_s), ("j", NOW_S, NOW_S + 60));
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
        ("iat", json!(1000.5)),
        ("iat", json!(-1)),
        ("exp", json!(null)),
        ("exp", json!(u64::MAX)),
        ("exp", json!(NOW_S + 86_401)),
        ("exp", json!(NOW_S)),
        ("nbf", json!("now")),
        ("jti", json!(1)),
        ("role", json!(["user"])),
        ("role", json!("User")),
        ("role", json!("root")),
        ("role", json!(null)),
        ("iss", json!([ISSUER])),
    ] {
        wrong.push(with(name, value));
    }
    let good = claims().to_string();
    wrong.push(good.replace("\"role\":\"user\"", "\"role\":\"user\",\"r\\u006fle\":\"admin\""));
    wrong.push(good.replace("\"iat\":1000", "\"iat\":1e3"));
    wrong.push("[]".into());
    for claims in wrong {
        assert_eq!(f.verify_claims(&claims), faulty(TokenFault::WrongClaims), "{claims}");
    }
    assert_eq!(f.verify_claims(&with("nbf", json!(NOW_S + 6))), faulty(TokenFault::NotYetValid));
    assert_eq!(f.verify_claims(&with("iss", json!("https://idp.example/"))), faulty(TokenFault::UnknownIssuer));
}

#[test]
fn what_may_differ_is_accepted() {
    let f = Fixture::ed25519();
    assert!(f.verify_claims(&with("aud", json!(["other", "tollgate"]))).is_ok());
    assert!(f.verify_claims(&with("scope", json!({ "any": ["thing"] }))).is_ok());
    assert!(f.verify_claims(&with("nbf", json!(NOW_S + 5))).is_ok());
    assert_eq!(f.verify_claims(&without("role")).unwrap().role, None);
    for nameless in [without("jti"), with("jti", json!("")), with("jti", json!("x".repeat(129)))] {
        assert_eq!(f.verify_claims(&nameless).unwrap().token_id.len(), 32, "{nameless}");
    }
    let blind = OutsideVerifier::new([Trust { role_claim: String::new(), ..trust() }]);
    let token = f.sign(&f.header(), &with("role", json!(["anything"])));
    assert_eq!(verify(&blind.with_keys(ISSUER, keys(&[f.jwk])), &token).unwrap().role, None);
}

#[test]
fn an_id_token_is_none_whatever_its_type_says() {
    let f = Fixture::ed25519();
    for (name, value) in [("nonce", json!("n")), ("at_hash", json!(1)), ("c_hash", json!(null)), ("typ", json!("ID"))] {
        assert_eq!(f.verify_claims(&with(name, value)), faulty(TokenFault::WrongType), "{name}");
    }
    assert!(f.verify_claims(&with("typ", json!("Bearer"))).is_ok());
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
}

#[test]
fn a_header_that_changes_the_reading_or_brings_a_key_is_refused() {
    let f = Fixture::ed25519();
    for member in ["crit", "b64", "zip", "jwk", "jku", "x5u", "x5c", "cty", "\\u006aku"] {
        let header = format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"k","{member}":null}}"#);
        assert_eq!(f.verify_header(&header), faulty(TokenFault::UnsupportedHeader), "{member}");
    }
    for header in [
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k","kid":"k"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":1}"#,
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
    let unknown = f.verify_header(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"K"}"#);
    assert_eq!(unknown, Err(OutsideRejection::UnknownKey { issuer: ISSUER.into() }));
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

#[test]
fn a_key_that_cannot_verify_here_is_passed_over() {
    let good = Fixture::p256().jwk;
    let changed = |name: &str, value: Value| {
        let mut jwk = good.clone();
        jwk[name] = value;
        jwk
    };
    assert_eq!(keys(from_ref(&good)).len(), 1);
    assert_eq!(keys(&[changed("key_ops", json!(["verify", "sign"]))]).len(), 1);
    for jwk in [
        changed("kid", json!("")),
        changed("kid", json!("x".repeat(257))),
        changed("kid", json!(1)),
        changed("use", json!("enc")),
        changed("use", json!(null)),
        changed("key_ops", json!(["sign"])),
        changed("alg", json!("ES384")),
        changed("alg", json!(null)),
        changed("crv", json!("P-384")),
        changed("crv", json!("secp256k1")),
        changed("kty", json!("RSA")),
        changed("x", json!("AAAA")),
        changed("d", json!("AAAA")),
        json!({ "kty": "oct", "k": "AAAA", "kid": "k" }),
        json!({ "kty": "OKP", "crv": "Ed448", "x": "AAAA", "kid": "k" }),
        json!("key"),
    ] {
        assert!(keys(from_ref(&jwk)).is_empty(), "{jwk}");
    }
}

#[test]
fn an_rsa_key_has_a_bounded_size_and_one_algorithm() {
    let rsa = |bytes: usize, first: u8, alg: Value| {
        let mut modulus = vec![0xff; bytes];
        modulus[0] = first;
        let mut jwk = json!({ "kty": "RSA", "n": BASE64.encode(modulus), "e": "AQAB", "kid": "k", "alg": alg });
        if alg.is_null() {
            jwk.as_object_mut().unwrap().remove("alg");
        }
        jwk
    };
    for (bytes, first, fits) in [
        (256, 0x80, true),
        (257, 0, true),
        (1_024, 0xff, true),
        (256, 0x7f, false),
        (255, 0xff, false),
        (1_025, 1, false),
    ] {
        assert_eq!(keys(&[rsa(bytes, first, json!(null))]).len(), usize::from(fits), "{bytes} {first}");
    }
    for alg in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] {
        let set = keys(&[rsa(256, 0x80, json!(alg))]);
        assert_eq!(set.find("k").map(OutsideKey::algorithm_name), Some(alg));
    }
    assert_eq!(keys(&[rsa(256, 0x80, json!(null))]).find("k").map(OutsideKey::algorithm_name), Some("RS256"));
    for alg in ["HS256", "none", "RSA-OAEP", "ES256"] {
        assert!(keys(&[rsa(256, 0x80, json!(alg))]).is_empty(), "{alg}");
    }
    let mut long = rsa(256, 0x80, json!(null));
    long["e"] = json!(BASE64.encode([1; 5]));
    assert!(keys(&[long]).is_empty());
}

#[test]
fn of_two_keys_with_one_name_the_first_counts_and_of_many_keys_the_first_hundred() {
    let (first, second) = (Fixture::ed25519(), Fixture::ed25519());
    let set = keys(&[json!({ "kty": "oct", "k": "AAAA", "kid": "k" }), first.jwk.clone(), second.jwk.clone()]);
    let verifier = OutsideVerifier::new([trust()]).with_keys(ISSUER, set);
    assert!(verify(&verifier, &first.sign(&first.header(), &claims().to_string())).is_ok());
    assert!(verify(&verifier, &second.sign(&second.header(), &claims().to_string())).is_err());

    let many = (0..150).map(|n| {
        let mut jwk = first.jwk.clone();
        jwk["kid"] = json!(n.to_string());
        jwk
    });
    let set = keys(&many.collect::<Vec<_>>());
    assert!(set.len() == 100 && set.find("99").is_some() && set.find("100").is_none());
}

#[test]
fn a_document_that_is_no_key_set_is_refused() {
    for text in ["", "{}", "[]", r#"{"keys":{}}"#, r#"{"keys":null}"#, "<html></html>", r#"{"keys":[]}x"#] {
        assert_eq!(KeySet::read(text.as_bytes()).err(), Some(NotAKeySet), "{text}");
    }
    assert!(KeySet::read(br#"{"keys":[]}"#).unwrap().is_empty());
}
