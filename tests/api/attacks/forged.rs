//! What can be tried without the key: other algorithms, other signatures, other forms.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use tollgate::domain::algorithm::Algorithm;

use super::{Case, Loot, encode, part};

pub fn cases(loot: &Loot) -> Vec<Case> {
    [algorithms(loot), public_keys_as_secrets(loot), signatures(loot), forms(loot)].concat()
}

fn pieces(loot: &Loot) -> (String, String, String) {
    let mut parts = loot.token.split('.').map(str::to_owned);
    (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap())
}

fn header(loot: &Loot, alg: &str) -> String {
    encode(format!(r#"{{"typ":"at+jwt","alg":"{alg}","kid":"{}"}}"#, loot.forge.kid))
}

fn algorithms(loot: &Loot) -> Vec<Case> {
    let (_, claims, signature) = pieces(loot);
    let mut cases = vec![];
    for alg in ["none", "None", "NONE", "nOnE", "noNe", "", " ", "null"] {
        let header = header(loot, alg);
        cases.push(Case::new(format!("alg {alg:?}, no signature"), format!("{header}.{claims}."), "malformed-token"));
        cases.push(Case::new(format!("alg {alg:?}, no dot"), format!("{header}.{claims}"), "malformed-token"));
        let kept = format!("{header}.{claims}.{signature}");
        cases.push(Case::new(format!("alg {alg:?}, its signature kept"), kept, "wrong-algorithm"));
    }
    let ours = loot.forge.algorithm.as_str();
    let all = ["EdDSA", "Ed25519", "Ed448", "ES256", "ES256K", "ES384", "ES512", "HS256", "HS384", "HS512"];
    let more = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "eddsa", "es256", "hs256", "HS256 ", "A256KW"];
    for alg in all.into_iter().chain(more).filter(|alg| *alg != ours) {
        let token = format!("{}.{claims}.{signature}", header(loot, alg));
        cases.push(Case::new(format!("alg {alg}"), token, "wrong-algorithm"));
    }
    cases
}

/// The classic confusion: what everybody knows, used as the secret of an HMAC (RFC 8725 §2.1).
fn public_keys_as_secrets(loot: &Loot) -> Vec<Case> {
    let raw = loot.forge.public_key();
    let prefix: &[u8] = match loot.forge.algorithm {
        Algorithm::Es256 => &[
            0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1,
            7, 3, 0x42, 0,
        ],
        _ => &[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0],
    };
    let der = [prefix, &raw].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&der));
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(&raw));
    let secrets: [(&str, Vec<u8>); 8] = [
        ("the raw key", raw.clone()),
        ("the key in base64url", encode(&raw).into_bytes()),
        ("the key as DER", der),
        ("the key as PEM", pem.clone().into_bytes()),
        ("the key as PEM without its last line end", pem.trim_end().into()),
        ("the key as a JWK", jwk.into_bytes()),
        ("the name of the key", loot.forge.kid.clone().into_bytes()),
        ("nothing", vec![]),
    ];
    let (_, claims, _) = pieces(loot);
    let hmacs = [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)];
    let mut cases = vec![];
    for (alg, hash) in hmacs {
        for (name, secret) in &secrets {
            let message = format!("{}.{claims}", header(loot, alg));
            let tag = hmac::sign(&hmac::Key::new(hash, secret), message.as_bytes());
            // Under HS256 itself this is not confusion but a wrong secret.
            let reason = if alg == loot.forge.algorithm.as_str() { "bad-signature" } else { "wrong-algorithm" };
            cases.push(Case::new(format!("{alg} with {name}"), format!("{message}.{}", encode(tag)), reason));
        }
    }
    cases
}

/// n, the order of P-256 (SEC 2 §2.4.2).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7,
    0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

fn signatures(loot: &Loot) -> Vec<Case> {
    let (header, claims, signature) = pieces(loot);
    let good = part(&loot.token, 2);
    let half = good.len() / 2;
    let (r, s) = good.split_at(half);
    let zero = vec![0; half];
    let one = [vec![0; half - 1], vec![1]].concat();
    let order = ORDER.get(..half).unwrap().to_vec();
    let mut all: Vec<(String, Vec<u8>)> = [
        ("r = s = 0", [zero.clone(), zero.clone()].concat()),
        ("r = 0", [&zero, s].concat()),
        ("s = 0", [r, &zero].concat()),
        ("r = n", [&order, s].concat()),
        ("s = n", [r, &order].concat()),
        ("r = s = n", [order.clone(), order].concat()),
        ("r = s = 1", [one.clone(), one].concat()),
        ("all ones", vec![255; good.len()]),
        ("halves swapped", [s, r].concat()),
        ("twice", [good.as_slice(), &good].concat()),
        ("a byte more", [good.as_slice(), &[0]].concat()),
        ("a byte less", good.split_last().unwrap().1.to_vec()),
        ("a zero before", [&[0], good.as_slice()].concat()),
        ("DER", der(r, s)),
        ("one byte", vec![0]),
    ]
    .map(|(name, bytes)| (name.to_owned(), bytes))
    .into();
    for bit in (0..good.len() * 8).step_by(37) {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        all.push((format!("bit {bit} flipped"), flipped));
    }
    let case = |(name, bytes): (String, Vec<u8>)| {
        Case::new(format!("signature: {name}"), format!("{header}.{claims}.{}", encode(bytes)), "bad-signature")
    };
    let mut cases: Vec<Case> = all.into_iter().map(case).collect();
    for length in [4, 40, signature.len() / 8 * 4] {
        let cut: String = signature.chars().take(length).collect();
        cases.push(Case::new(
            format!("signature cut to {length}"),
            format!("{header}.{claims}.{cut}"),
            "bad-signature",
        ));
    }
    // One character alone is six bits, which are no byte.
    let odd: String = signature.chars().take(41).collect();
    cases.push(Case::new("signature cut to 41", format!("{header}.{claims}.{odd}"), "malformed-token"));
    cases
}

/// ASN.1: what ECDSA signatures are elsewhere (RFC 3279 §2.2.3).
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |n: &[u8]| {
        let pad: &[u8] = if n.first().is_some_and(|first| *first > 127) { &[0] } else { &[] };
        let length = u8::try_from(n.len() + pad.len()).unwrap();
        [&[2, length], pad, n].concat()
    };
    let both = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(both.len()).unwrap()], both.as_slice()].concat()
}

fn forms(loot: &Loot) -> Vec<Case> {
    let (header, claims, signature) = pieces(loot);
    let token = &loot.token;
    let flattened = format!(r#"{{"protected":"{header}","payload":"{claims}","signature":"{signature}"}}"#);
    let general =
        format!(r#"{{"payload":"{claims}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#);
    let other_alphabet = token.replace('-', "+").replace('_', "/");
    let mut cases: Vec<Case> = [
        ("one part", header.clone()),
        ("two parts", format!("{header}.{claims}")),
        ("four parts", format!("{token}.{signature}")),
        ("five parts", format!("{header}.{claims}.{signature}.{claims}.{signature}")),
        ("five empty parts", "....".into()),
        ("three empty parts", "..".into()),
        ("no header", format!(".{claims}.{signature}")),
        ("no claims", format!("{header}..{signature}")),
        ("no signature", format!("{header}.{claims}.")),
        ("a dot before", format!(".{token}")),
        ("a dot behind", format!("{token}.")),
        ("JSON, flattened", flattened),
        ("JSON, general", general),
        ("padding", format!("{token}=")),
        ("padding of the header", format!("{header}=.{claims}.{signature}")),
        ("padding, escaped", format!("{token}%3D")),
        ("a space within", format!("{header}. {claims}.{signature}")),
        ("a tab within", format!("{header}.\t{claims}.{signature}")),
        ("two tokens", format!("{token} {token}")),
        ("a list of tokens", format!("{token}, {token}")),
        ("quotes around", format!("\"{token}\"")),
        ("the scheme twice", format!("Bearer {token}")),
        ("not base64", "äöü.äöü.äöü".into()),
        ("10 kB", "x".repeat(10_000)),
    ]
    .into_iter()
    .map(|(name, token)| Case::new(name, token, "malformed-token"))
    .collect();
    if other_alphabet != *token {
        cases.push(Case::new("the other alphabet", other_alphabet, "malformed-token"));
    }
    let long = format!("{header}.{}.{signature}", encode("x".repeat(7_500)));
    cases.push(Case::new("10 kB of parts", long, "bad-signature"));
    cases.extend(loose_bits(token));
    cases
}

/// The last character of 64 or 32 bytes has bits that mean nothing: there is one way to write them (RFC 4648 §3.5).
fn loose_bits(token: &str) -> Vec<Case> {
    let (rest, last) = token.split_at(token.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let position = alphabet.find(last).unwrap();
    let neighbours = [position ^ 1, position ^ 2, position ^ 3].into_iter().filter_map(|at| alphabet.chars().nth(at));
    neighbours.map(|c| Case::new(format!("loose bits {c}"), format!("{rest}{c}"), "malformed-token")).collect()
}
