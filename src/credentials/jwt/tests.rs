//! The verifier against tokens that differ from ours in one thing each.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::{crypto, domain::algorithm::Algorithm};

const NOW_S: i64 = 1_000;
const ALL: [Algorithm; 3] = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Hs256];

struct Fixture {
    signing: SigningKey,
    public: PublicKey,
    encoded_header: String,
}

impl Fixture {
    fn new(algorithm: Algorithm) -> Self {
        let (private, public) = match algorithm {
            Algorithm::EdDsa => crypto::new_ed25519().unwrap(),
            Algorithm::Es256 => crypto::new_p256().unwrap(),
            Algorithm::Hs256 => (vec![7; 32].into(), vec![7; 32]),
        };
        let public = PublicKey::new(algorithm, &public).unwrap();
        let signing = SigningKey::new(algorithm, public.kid(), &private);
        let encoded_header = URL_SAFE_NO_PAD.encode(public.canonical_header());
        Self { signing, public, encoded_header }
    }

    fn verifier(&self, retired_at_s: Option<i64>) -> Verifier {
        Verifier::new("i", "a", 900, [RingKey { key: self.public.clone(), retired_at_s }])
    }

    fn verify(&self, token: &str) -> Result<Verified, Rejection> {
        self.verifier(None).verify(token, NOW_S)
    }

    /// A token whose claims are these bytes.
    fn sign_text(&self, claims: &str) -> String {
        self.signing.sign_encoded(&self.encoded_header, claims.as_bytes()).unwrap()
    }

    /// A token whose header is this text, with the claims and a good signature.
    fn sign_header(&self, header: &str) -> String {
        let claims = serde_json::to_vec(&claims()).unwrap();
        self.signing.sign_encoded(&URL_SAFE_NO_PAD.encode(header), &claims).unwrap()
    }
}

fn claims() -> Claims {
    let id = Uuid::from_u128(7);
    Claims {
        iss: "i".into(),
        aud: "a".into(),
        sub: UserId(id),
        jti: TokenId(id),
        iat: NOW_S,
        nbf: NOW_S,
        exp: 1_900,
        role: Role::User,
        key: None,
        sid: SessionId(id),
    }
}

#[test]
fn a_token_verifies_until_the_second_it_expires_by_each_algorithm() {
    for algorithm in ALL {
        let f = Fixture::new(algorithm);
        let token = f.signing.sign(&claims()).unwrap();
        let at = |now_s| f.verifier(None).verify(&token, now_s);
        let verified = at(1_000).unwrap();
        let said = (verified.user, verified.token, verified.session, verified.role);
        assert_eq!(said, (claims().sub, claims().jti, claims().sid, claims().role), "{algorithm}");
        assert_eq!(at(1_899), Ok(verified));
        assert_eq!(at(1_900), Err(Rejection::Expired));
        assert_eq!((verified.check(1_899), verified.check(1_900)), (Ok(()), Err(Rejection::Expired)));
        assert_eq!(at(994), Err(TokenFault::NotYetValid.into()));
    }
}

#[test]
fn a_token_of_another_ring_is_refused() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
        let (ours, theirs) = (Fixture::new(algorithm), Fixture::new(algorithm));
        let token = theirs.signing.sign(&claims()).unwrap();
        assert_eq!(ours.verify(&token), Err(TokenFault::UnknownKey.into()));
        let forged =
            theirs.signing.sign_encoded(&ours.encoded_header, &serde_json::to_vec(&claims()).unwrap()).unwrap();
        assert_eq!(ours.verify(&forged), Err(TokenFault::BadSignature.into()));
    }
}

#[test]
fn a_retired_key_verifies_what_it_signed_before_and_nothing_else() {
    let f = Fixture::new(Algorithm::EdDsa);
    let token = f.signing.sign(&claims()).unwrap();
    assert!(f.verifier(Some(NOW_S)).verify(&token, 1_899).is_ok());
    let late = f.signing.sign(&Claims { iat: 1_006, ..claims() }).unwrap();
    assert_eq!(f.verifier(Some(NOW_S)).verify(&late, 1_006), Err(TokenFault::RetiredKey.into()));
    let long = f.signing.sign(&Claims { exp: 80_000, ..claims() }).unwrap();
    assert!(f.verifier(Some(NOW_S)).verify(&long, 1_899).is_ok());
    assert_eq!(f.verifier(Some(NOW_S)).verify(&long, 1_900), Err(Rejection::Expired));
    assert_eq!(f.verifier(Some(NOW_S)).jwks(1_904).len(), 1);
    assert_eq!(f.verifier(Some(NOW_S)).jwks(1_905).len(), 0);
}

#[test]
fn every_claim_must_be_there_with_its_own_type_and_value() {
    let f = Fixture::new(Algorithm::EdDsa);
    let whole = serde_json::to_value(claims()).unwrap();
    let mut wrong = vec![];
    for field in ["iss", "aud", "sub", "jti", "iat", "nbf", "exp", "role", "sid"] {
        let mut missing = whole.clone();
        missing.as_object_mut().unwrap().remove(field);
        wrong.push(missing.to_string());
        for value in [json!(["x"]), json!(null), json!(""), json!({}), json!(true), json!(1.5), json!("x")] {
            let mut other: Value = whole.clone();
            other[field] = value;
            wrong.push(other.to_string());
        }
    }
    for (field, number) in [("exp", "1e30"), ("exp", "18446744073709551615"), ("iat", "-1"), ("nbf", "-1")] {
        wrong.push(
            whole.to_string().replace(&format!("\"{field}\":{}", whole[field]), &format!("\"{field}\":{number}")),
        );
    }
    for claims in wrong {
        assert_eq!(f.verify(&f.sign_text(&claims)), Err(TokenFault::WrongClaims.into()), "{claims}");
    }
}

#[test]
fn claims_written_in_another_way_are_refused() {
    let f = Fixture::new(Algorithm::EdDsa);
    let whole = serde_json::to_string(&claims()).unwrap();
    assert!(f.verify(&f.sign_text(&whole)).is_ok());
    for other in [
        whole.replace("{\"iss\"", "{ \"iss\""),
        whole.replace("\"role\":\"user\"", "\"role\":\"\\u0075ser\""),
        whole.replace("\"role\":\"user\"", "\"r\\u006fle\":\"user\""),
        whole.replace("\"role\":\"user\"", "\"role\":\"User\""),
        whole.replace("\"role\":\"user\"", "\"role\":\"user\",\"role\":\"admin\""),
        whole.replace("\"role\":\"user\"", "\"role\":\"user\",\"Role\":\"admin\""),
        whole.replace("\"exp\":1900", "\"exp\":1900.0"),
        whole.replace("\"exp\":1900", "\"exp\":19e2"),
        serde_json::to_value(claims()).unwrap().to_string(),
        format!("{whole}\n"),
        format!("{whole}{{}}"),
    ] {
        assert_ne!(other, whole);
        assert_eq!(f.verify(&f.sign_text(&other)), Err(TokenFault::WrongClaims.into()), "{other}");
    }
}

#[test]
fn a_header_written_in_another_way_is_refused() {
    let f = Fixture::new(Algorithm::EdDsa);
    let kid = f.public.kid();
    let good = format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{kid}"}}"#);
    assert!(f.verify(&f.sign_header(&good)).is_ok());
    for (header, fault) in [
        (format!(r#"{{"typ":"JWT","alg":"EdDSA","kid":"{kid}"}}"#), TokenFault::WrongType),
        (format!(r#"{{"typ":"at+jwt","alg":"HS256","kid":"{kid}"}}"#), TokenFault::WrongAlgorithm),
        (format!(r#"{{"typ":"at+jwt","alg":"none","kid":"{kid}"}}"#), TokenFault::WrongAlgorithm),
        (format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{kid}","crit":["b64"]}}"#), TokenFault::UnsupportedHeader),
        (format!(r#"{{"typ":"at+jwt","alg":"EdDSA","alg":"none","kid":"{kid}"}}"#), TokenFault::UnsupportedHeader),
        (format!(r#"{{"typ":"at+jwt", "alg":"EdDSA","kid":"{kid}"}}"#), TokenFault::UnsupportedHeader),
        (format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}"}}"#), TokenFault::UnsupportedHeader),
        (format!(r#"{{"typ":"at+jwt","alg":"EdDS\u0041","kid":"{kid}"}}"#), TokenFault::UnsupportedHeader),
        (r#"{"typ":"at+jwt","alg":"EdDSA"}"#.into(), TokenFault::UnsupportedHeader),
        (r#"{"typ":"at+jwt","alg":"EdDSA","kid":1}"#.into(), TokenFault::UnsupportedHeader),
        (r#"{"typ":"at+jwt","alg":"EdDSA","kid":"x"}"#.into(), TokenFault::UnknownKey),
        ("[]".into(), TokenFault::Malformed),
    ] {
        assert_eq!(f.verify(&f.sign_header(&header)), Err(fault.into()), "{header}");
    }
}

#[test]
fn altered_and_misshapen_tokens_are_refused() {
    for algorithm in ALL {
        let f = Fixture::new(algorithm);
        let token = f.signing.sign(&claims()).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let (head, body, signature) = (parts[0], parts[1], parts[2]);
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt","kid":"k"}"#);
        for bad in [
            String::new(),
            "a.b.c".into(),
            "..".into(),
            format!("{head}.{body}"),
            format!("{head}.{body}."),
            format!(".{body}.{signature}"),
            format!("{head}..{signature}"),
            format!("{token}.x"),
            format!("{token}="),
            format!(" {token}"),
            format!("{token}\n"),
            format!("{none}.{body}."),
            format!("{none}.{body}.{signature}"),
            format!("{head}.{body}.{}", signature.chars().skip(1).collect::<String>()),
            format!("{head}.{body}.{}", signature.chars().rev().collect::<String>()),
            "x".repeat(9_000),
        ] {
            assert!(matches!(f.verify(&bad), Err(Rejection::Faulty(_))), "{algorithm} {bad}");
        }
    }
}

#[test]
fn the_last_bits_of_a_part_are_not_free() {
    let f = Fixture::new(Algorithm::EdDsa);
    let token = f.signing.sign(&claims()).unwrap();
    // 64 bytes of signature leave four bits of the last character that mean nothing.
    let (rest, last) = token.split_at(token.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let accepted = alphabet.chars().filter(|c| f.verify(&format!("{rest}{c}")).is_ok()).collect::<String>();
    assert_eq!(accepted, last);
}

#[test]
fn the_thumbprint_is_that_of_rfc_8037() {
    // RFC 8037, appendix A.3.
    let x = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    let key = PublicKey::new(Algorithm::EdDsa, &x).unwrap();
    assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn bytes_that_are_no_point_are_no_key() {
    for bad in [vec![], vec![4; 64], vec![3; 65], vec![4; 66]] {
        assert_eq!(PublicKey::new(Algorithm::Es256, &bad).err(), Some(NotAKey(Algorithm::Es256)));
    }
}
