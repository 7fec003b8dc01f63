//! Which key of a set a token is verified with, and key sets with keys that are none.

use crate::credentials::jwt::outside::key_set::OutsideKey;

use super::*;

#[test]
fn keys_that_the_issuer_may_have_changed_are_asked_for_again() {
    let (f, other) = (Fixture::ed25519(), Fixture::ed25519());
    let twice = f.verifier().with_keys(ISSUER, keys(from_ref(&f.jwk)));
    let renamed = f.sign(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"K"}"#, &claims().to_string());
    let replaced = other.sign(&other.header(), &claims().to_string());
    for (token, fault) in [(renamed, TokenFault::UnknownKey), (replaced, TokenFault::BadSignature)] {
        let rejection = OutsideRejection::NeedsKeys { issuer: ISSUER.into(), fetched: 2, fault };
        assert_eq!(twice.verify(&OutsideToken::read(&token).unwrap(), NOW_S), Err(rejection));
    }
}

#[test]
fn a_token_or_a_key_without_a_name_is_tried_with_those_whose_algorithm_fits() {
    let (first, second, ec) = (Fixture::ed25519(), Fixture::ed25519(), Fixture::p256());
    let nameless = |jwk: &Value| {
        let mut jwk = jwk.clone();
        jwk.as_object_mut().unwrap().remove("kid");
        jwk
    };
    let renamed = |jwk: &Value, kid: &str| {
        let mut jwk = jwk.clone();
        jwk["kid"] = json!(kid);
        jwk
    };
    let token = |f: &Fixture, kid: &str| {
        f.sign(&format!(r#"{{"alg":"{:?}","typ":"at+jwt"{kid}}}"#, f.algorithm), &claims().to_string())
    };
    let with = |jwks: &[Value]| OutsideVerifier::new([trust()]).with_keys(ISSUER, keys(jwks));
    let all = with(&[ec.jwk.clone(), renamed(&first.jwk, "a"), renamed(&second.jwk, "b")]);
    for f in [&first, &second, &ec] {
        assert!(verify(&all, &token(f, "")).is_ok());
    }
    assert_eq!(verify(&with(from_ref(&ec.jwk)), &token(&first, "")), faulty(TokenFault::WrongAlgorithm));
    assert_eq!(verify(&with(&[]), &token(&first, "")), faulty(TokenFault::UnknownKey));
    // A key without a name can be the one that a token names, unless another has that name.
    let unnamed = with(&[nameless(&first.jwk), renamed(&second.jwk, "b")]);
    assert!(verify(&unnamed, &token(&first, r#","kid":"x""#)).is_ok());
    assert!(verify(&unnamed, &token(&second, r#","kid":"b""#)).is_ok());
    assert_eq!(verify(&unnamed, &token(&first, r#","kid":"b""#)), faulty(TokenFault::BadSignature));
}

#[test]
fn ed25519_is_another_name_of_eddsa_in_a_key_and_in_a_token() {
    for jwk_alg in [None, Some("EdDSA"), Some("Ed25519")] {
        let mut f = Fixture::ed25519();
        if let Some(alg) = jwk_alg {
            f.jwk["alg"] = json!(alg);
        }
        for alg in ["EdDSA", "Ed25519"] {
            let header = format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"k"}}"#);
            assert!(f.verify_header(&header).is_ok(), "{jwk_alg:?} {alg}");
        }
        assert_eq!(f.verify_header(r#"{"alg":"Ed448","typ":"at+jwt","kid":"k"}"#), faulty(TokenFault::WrongAlgorithm));
    }
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
        assert_eq!(set.find("k").map(OutsideKey::algorithm_names), Some(vec![alg]));
    }
    assert_eq!(
        keys(&[rsa(256, 0x80, json!(null))]).find("k").map(OutsideKey::algorithm_names),
        Some(vec!["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
    );
    for alg in ["HS256", "none", "RSA-OAEP", "ES256"] {
        assert!(keys(&[rsa(256, 0x80, json!(alg))]).is_empty(), "{alg}");
    }
    let mut long = rsa(256, 0x80, json!(null));
    long["e"] = json!(BASE64.encode([1; 5]));
    assert!(keys(&[long]).is_empty());
}

#[test]
fn a_key_on_p521_is_for_es512_alone() {
    let p521 = |bytes: usize, alg: Option<&str>| {
        let (x, y) = (BASE64.encode(vec![1; bytes]), BASE64.encode([1; 66]));
        let mut jwk = json!({ "kty": "EC", "crv": "P-521", "x": x, "y": y, "kid": "k" });
        if let Some(alg) = alg {
            jwk["alg"] = json!(alg);
        }
        jwk
    };
    for alg in [None, Some("ES512")] {
        let set = keys(&[p521(66, alg)]);
        assert_eq!(set.find("k").map(OutsideKey::algorithm_names), Some(vec!["ES512"]), "{alg:?}");
    }
    for other in [p521(65, None), p521(67, None), p521(66, Some("ES256")), p521(66, Some("ES521"))] {
        assert!(keys(from_ref(&other)).is_empty(), "{other}");
    }
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
