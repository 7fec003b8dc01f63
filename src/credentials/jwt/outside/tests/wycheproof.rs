//! The vectors of Project Wycheproof: tokens and signatures that implementations have taken for good ones, and good ones that
//! they have refused, verified with the keys that an issuer publishes.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

use super::super::{key_set::KeySet, token::Header};
use crate::credentials::jwt::compact::Compact;

const SIGNED_TOKENS: &str = include_str!("../../../../../tests/data/wycheproof/json_web_signature_test.json");

/// Good signatures that the gateway refuses: of what its tokens never have.
const REFUSED: [(&str, &str); 3] = [
    ("emptyPayload", "a token without claims says nothing"),
    ("oct", "no symmetric key of an issuer is used"),
    ("Figure20", "the token names PS384, and its key is for PS256"),
];

fn set(jwk: &Value) -> KeySet {
    KeySet::read(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap()
}

/// Whether the token is one that the keys have signed. What it says is not looked at: the vectors' payloads are no claims.
fn is_signed(keys: &KeySet, token: &str) -> bool {
    let Ok(compact) = Compact::read(token) else { return false };
    let Ok(header) = Header::read(&compact) else { return false };
    keys.check_signature(header.kid.as_deref(), &header.alg, &compact).is_ok()
}

#[test]
fn a_signed_token_of_wycheproof_is_taken_exactly_if_it_is_good() {
    let vectors: Value = serde_json::from_str(SIGNED_TOKENS).unwrap();
    let (mut taken, mut refused, mut wrong) = (0, 0, vec![]);
    for group in vectors["testGroups"].as_array().unwrap() {
        let key = if group["public"].is_null() { &group["private"] } else { &group["public"] };
        let keys = set(key);
        for test in group["tests"].as_array().unwrap() {
            let comment = test["comment"].as_str().unwrap();
            let is_ours = |name: &str| name == comment || Some(name) == key["kty"].as_str();
            // The key of RFC 7520 names ES521, which is no algorithm: ES512 is meant.
            let is_supported = key["alg"] != "ES521" && !REFUSED.iter().any(|(name, _)| is_ours(name));
            let expected = test["result"] == "valid" && is_supported;
            let found = is_signed(&keys, test["jws"].as_str().unwrap());
            if found != expected {
                wrong.push(format!("{} {comment}: taken: {found}", test["tcId"]));
            }
            *(if found { &mut taken } else { &mut refused }) += 1;
        }
    }
    println!("{taken} tokens taken, {refused} refused");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(taken + refused, 401);
}

/// Counts the vectors, and gathers those that come out wrong.
#[derive(Default)]
struct Tally {
    good: usize,
    bad: usize,
    wrong: Vec<String>,
}

impl Tally {
    /// A vector is a message, its signature, and what is to come of it. Of a key that is not used no signature may be taken.
    fn try_one(&mut self, name: &str, keys: &KeySet, vector: (&[u8], &[u8], TestResult)) {
        let (message, signature, result) = vector;
        let key = keys.find("k");
        let found = key.is_some_and(|key| {
            let alg = key.algorithm_names()[0];
            key.has_signed(alg, message, &BASE64.encode(signature))
        });
        match (result, found) {
            (TestResult::Valid | TestResult::Acceptable, true) => self.good += 1,
            (TestResult::Invalid | TestResult::Acceptable, false) => self.bad += 1,
            (TestResult::Valid, false) | (TestResult::Invalid, true) => {
                self.wrong.push(format!("{name}: {result:?}, taken: {found}"));
            }
        }
    }

    fn finish(&self, what: &str, at_least: usize) {
        println!("{what}: {} taken, {} refused", self.good, self.bad);
        assert!(self.wrong.is_empty(), "{what}: {} wrong:\n{}", self.wrong.len(), self.wrong.join("\n"));
        assert!(self.good + self.bad >= at_least, "{what}: only {} vectors", self.good + self.bad);
    }
}

/// Without the zeros that some write before a number.
fn number(bytes: &[u8]) -> String {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    BASE64.encode(&bytes[start..])
}

#[test]
fn signatures_with_ed25519_of_wycheproof_are_taken_exactly_if_they_are_good() {
    let mut tally = Tally::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let keys = set(&json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64.encode(&group.key.pk), "kid": "k" }));
        for test in group.tests {
            tally.try_one(&format!("{} {}", test.tc_id, test.comment), &keys, (&test.msg, &test.sig, test.result));
        }
    }
    tally.finish("Ed25519", 100);
}

#[test]
fn signatures_on_elliptic_curves_of_wycheproof_are_taken_exactly_if_they_are_good() {
    for (name, curve) in [
        (ecdsa::TestName::EcdsaSecp256r1Sha256P1363, "P-256"),
        (ecdsa::TestName::EcdsaSecp384r1Sha384P1363, "P-384"),
        (ecdsa::TestName::EcdsaSecp521r1Sha512P1363, "P-521"),
    ] {
        let mut tally = Tally::default();
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let point = &group.key.key;
            let (x, y) = point[1..].split_at(point.len() / 2);
            let keys =
                set(&json!({ "kty": "EC", "crv": curve, "x": BASE64.encode(x), "y": BASE64.encode(y), "kid": "k" }));
            for test in group.tests {
                tally.try_one(&format!("{} {}", test.tc_id, test.comment), &keys, (&test.msg, &test.sig, test.result));
            }
        }
        tally.finish(curve, 200);
    }
}

#[test]
fn signatures_with_rsa_of_wycheproof_are_taken_exactly_if_they_are_good() {
    use rsa_pkcs1_verify::TestName::{
        Rsa2048Sha256, Rsa2048Sha384, Rsa2048Sha512, Rsa3072Sha256, Rsa3072Sha384, Rsa3072Sha512, Rsa4096Sha256,
        Rsa4096Sha384, Rsa4096Sha512,
    };
    let mut tally = Tally::default();
    for (name, alg) in [
        (Rsa2048Sha256, "RS256"),
        (Rsa2048Sha384, "RS384"),
        (Rsa2048Sha512, "RS512"),
        (Rsa3072Sha256, "RS256"),
        (Rsa3072Sha384, "RS384"),
        (Rsa3072Sha512, "RS512"),
        (Rsa4096Sha256, "RS256"),
        (Rsa4096Sha384, "RS384"),
        (Rsa4096Sha512, "RS512"),
    ] {
        for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            let (n, e) = (number(&group.key.n), number(&group.key.e));
            let keys = set(&json!({ "kty": "RSA", "n": n, "e": e, "alg": alg, "kid": "k" }));
            for test in group.tests {
                let name = format!("{name:?} {} {}", test.tc_id, test.comment);
                tally.try_one(&name, &keys, (&test.msg, &test.sig, test.result));
            }
        }
    }
    tally.finish("RSA, PKCS #1", 2_000);
}

#[test]
fn signatures_with_rsa_pss_of_wycheproof_are_taken_exactly_if_they_are_good() {
    use rsa_pss_verify::TestName::{
        RsaPss2048Sha256Mgf1SaltLen32, RsaPss2048Sha384Mgf1SaltLen48, RsaPss3072Sha256Mgf1SaltLen32,
        RsaPss4096Sha256Mgf1SaltLen32, RsaPss4096Sha384Mgf1SaltLen48, RsaPss4096Sha512Mgf1SaltLen64,
    };
    let mut tally = Tally::default();
    for (name, alg) in [
        (RsaPss2048Sha256Mgf1SaltLen32, "PS256"),
        (RsaPss2048Sha384Mgf1SaltLen48, "PS384"),
        (RsaPss3072Sha256Mgf1SaltLen32, "PS256"),
        (RsaPss4096Sha256Mgf1SaltLen32, "PS256"),
        (RsaPss4096Sha384Mgf1SaltLen48, "PS384"),
        (RsaPss4096Sha512Mgf1SaltLen64, "PS512"),
    ] {
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            let (n, e) = (number(&group.key.n), number(&group.key.e));
            let keys = set(&json!({ "kty": "RSA", "n": n, "e": e, "alg": alg, "kid": "k" }));
            for test in group.tests {
                let name = format!("{name:?} {} {}", test.tc_id, test.comment);
                tally.try_one(&name, &keys, (&test.msg, &test.sig, test.result));
            }
        }
    }
    tally.finish("RSA-PSS", 500);
}
