//! A token verifies if it is, byte for byte, one that was signed here, and never otherwise.

use tollgate::{
    credentials::jwt::{
        Claims, PublicKey, RingKey, SigningKey, Verifier,
        outside::{KeySet, OutsideToken, OutsideVerifier, Trust},
    },
    crypto::Ed25519Key,
    domain::{
        algorithm::Algorithm,
        ids::{SessionId, TokenId, UserId},
        principal::Role,
    },
};
use uuid::Uuid;

use super::choice;

const NOW_S: i64 = 1_800_000_000;
const SECRET: &[u8; 32] = b"a secret of thirty-two bytes ...";
const ISSUER: &str = "https://issuer.test";
/// An Ed25519 key in PKCS #8 (RFC 8410 §7), but for its last 32 bytes.
const PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// Who verifies, and the tokens that verify.
struct World {
    own: Verifier,
    outside: OutsideVerifier,
    /// By HS256 and by `EdDSA`, of the gateway itself; by `EdDSA`, of the outside issuer.
    tokens: [String; 3],
}

thread_local! {
    static WORLD: World = world();
}

/// `data` is a token; or, behind a byte below 3, changes of one that was signed: each two bytes of a place and the byte there.
pub fn run(data: &[u8]) {
    WORLD.with(|world| {
        let (kind, rest) = choice(data);
        let token = match world.tokens.get(kind) {
            Some(signed) => String::from_utf8_lossy(&changed(signed, rest)).into_owned(),
            None => String::from_utf8_lossy(data).into_owned(),
        };
        let is_own = world.tokens.iter().take(2).any(|signed| *signed == token);
        assert_eq!(world.own.verify(&token, NOW_S).is_ok(), is_own, "{token}");
        let outside = OutsideToken::read(&token).ok();
        let is_outside = outside.is_some_and(|token| world.outside.verify(&token, NOW_S).is_ok());
        assert_eq!(is_outside, world.tokens.get(2) == Some(&token), "{token}");
        assert!(world.own.verify(&token, NOW_S + 3_600).is_err(), "a token outlives its end");
    });
}

fn changed(signed: &str, changes: &[u8]) -> Vec<u8> {
    let mut bytes = signed.as_bytes().to_vec();
    for change in changes.chunks_exact(3) {
        let [high, low, byte] = change else { continue };
        let at = usize::from(u16::from_be_bytes([*high, *low])) % (bytes.len() + 1);
        match bytes.get_mut(at) {
            Some(place) => *place = *byte,
            None => bytes.push(*byte),
        }
    }
    bytes
}

fn world() -> World {
    let hmac = PublicKey::new(Algorithm::Hs256, SECRET).expect("a key");
    let pkcs8 = [&PKCS8[..], &[7; 32]].concat();
    let pair = Ed25519Key::from_pkcs8(&pkcs8).unwrap_or_else(|_| panic!("a key"));
    let public = PublicKey::new(Algorithm::EdDsa, &pair.public_key()).expect("a key");
    let sign = |algorithm, kid: &str, key: &[u8], claims: &Claims| {
        SigningKey::new(algorithm, kid, key).sign(claims).expect("a token")
    };
    let tokens = [
        sign(Algorithm::Hs256, hmac.kid(), SECRET, &claims("tollgate")),
        sign(Algorithm::EdDsa, public.kid(), &pkcs8, &claims("tollgate")),
        sign(Algorithm::EdDsa, "outside", &pkcs8, &claims(ISSUER)),
    ];
    let mut jwk = serde_json::to_value(public.jwk()).expect("JSON");
    jwk.as_object_mut().expect("an object").insert("kid".into(), "outside".into());
    let keys = KeySet::read(serde_json::json!({ "keys": [jwk] }).to_string().as_bytes()).expect("a set");
    let ring = [hmac, public].map(|key| RingKey { key, retired_at_s: None });
    World {
        own: Verifier::new("tollgate", "tollgate", 900, ring),
        outside: OutsideVerifier::new([trust()]).with_keys(ISSUER, keys),
        tokens,
    }
}

fn claims(issuer: &str) -> Claims {
    Claims {
        iss: issuer.into(),
        aud: "tollgate".into(),
        sub: UserId(Uuid::from_u128(1)),
        jti: TokenId(Uuid::from_u128(2)),
        iat: NOW_S,
        nbf: NOW_S,
        exp: NOW_S + 900,
        role: Role::User,
        sid: SessionId(Uuid::from_u128(3)),
        key: None,
    }
}

fn trust() -> Trust {
    Trust {
        issuer: ISSUER.into(),
        audience: "tollgate".into(),
        audience_claim: "aud".into(),
        role_claim: "role".into(),
        roles: std::collections::BTreeMap::new(),
        role: Role::Readonly,
        team_claim: String::new(),
        teams: std::collections::BTreeMap::new(),
        token_types: vec!["at+jwt".into()],
        leeway_s: 0,
        max_lifetime_s: 86_400,
    }
}
