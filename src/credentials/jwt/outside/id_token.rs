//! ID tokens (`OpenID` Connect Core §2): what the provider says to this gateway, its client, about who has signed in. They
//! come straight from the token endpoint and are no credential of anybody. Claims that are missing there are read from what
//! the userinfo endpoint answers (Core §5.3).

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    OutsideToken, Trust,
    claim_path::find,
    claims::{is_for, is_subject, role, team, time_s},
    unique::UniqueObject,
};
use crate::{
    credentials::jwt::CLOCK_SKEW_S,
    crypto,
    domain::{
        principal::{OutsideIdentity, Role},
        sign_in::IdTokenFault,
    },
};

/// Where a name for people is looked for, in order (`OpenID` Connect Core §5.1); after these, `sub` names the user.
const NAMES: [&str; 2] = ["preferred_username", "email"];

/// What an ID token must fit besides its issuer and its client.
pub struct Expected<'e> {
    /// As it went to the provider.
    pub nonce: &'e str,
    /// The access token that came with it, if one did.
    pub access_token: Option<&'e str>,
}

/// An ID token that verified, and the claims about the user that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    trust: Arc<Trust>,
    subject: Arc<str>,
    claims: Map<String, Value>,
}

/// What the userinfo endpoint says of a user, and not yet whether it is the one of the ID token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfo(Map<String, Value>);

/// The userinfo endpoint answers what is no JSON object with `sub`, or names something twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer is no JSON object with sub, or names something twice")]
pub struct NoUserInfo;

/// Why what the provider says makes nobody signed in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotVouched {
    /// The userinfo endpoint answers for another user than the ID token is of (Core §5.3.2).
    #[error("the answer of the userinfo endpoint is of another subject than the ID token")]
    OtherSubject,
    /// A claim of the mapping is a distributed or an aggregated one (Core §5.6.2), as the groups that Entra ID leaves out of a token
    /// when a user has more than 200: what it says is not known.
    #[error(
        "the claim {0:?} of the mapping is named by _claim_names, so it lies elsewhere, and is not read from there: have the provider \
         put it into the ID token (Entra ID: app roles, or only the groups assigned to the application)"
    )]
    Elsewhere(String),
}

/// Who has signed in at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    pub identity: OutsideIdentity,
    /// The role that the mapping gives.
    pub role: Option<Role>,
    /// The name of the team that the mapping gives.
    pub team: Option<Arc<str>>,
    /// What people call the user.
    pub username: Option<String>,
}

/// Checks the claims of an ID token that is well signed and of this issuer, in the order of Core §3.1.3.7.
pub(super) fn check(
    trust: &Arc<Trust>,
    token: &OutsideToken,
    expected: &Expected<'_>,
    now_s: i64,
) -> Result<Vouched, IdTokenFault> {
    let claims = &token.claims;
    check_audience(trust, claims)?;
    check_times(claims, now_s)?;
    let nonce = claims.get("nonce").and_then(Value::as_str).unwrap_or_default();
    if !crypto::is_equal(nonce.as_bytes(), expected.nonce.as_bytes()) {
        return Err(IdTokenFault::Nonce);
    }
    if let (Some(hash), Some(access_token)) = (claims.get("at_hash"), expected.access_token)
        && *hash != half_hash(&token.alg, access_token)
    {
        return Err(IdTokenFault::AccessTokenHash);
    }
    let subject = claims.get("sub").and_then(Value::as_str).filter(|subject| is_subject(subject));
    let subject = subject.ok_or(IdTokenFault::Subject)?;
    Ok(Vouched { trust: Arc::clone(trust), subject: subject.into(), claims: claims.clone() })
}

impl Vouched {
    /// Whether a claim that is read here does not stand in the ID token. `username_claim` names the user; empty: the first of
    /// `preferred_username`, `email` and `sub` that is there.
    #[must_use]
    pub fn lacks_claims(&self, username_claim: &str) -> bool {
        let has = |path: &str| path.is_empty() || present(&self.claims, path).is_some();
        let has_name = if username_claim.is_empty() { NAMES.iter().any(|name| has(name)) } else { has(username_claim) };
        !(has_name && has(&self.trust.role_claim) && has(&self.trust.team_claim))
    }

    /// Who has signed in. A claim that the ID token does not have is read from `userinfo`.
    pub fn signed_in(self, username_claim: &str, userinfo: Option<&UserInfo>) -> Result<SignedIn, NotVouched> {
        if userinfo.is_some_and(|UserInfo(claims)| claims.get("sub").and_then(Value::as_str) != Some(&*self.subject)) {
            return Err(NotVouched::OtherSubject);
        }
        let Self { trust, subject, claims } = &self;
        let more = userinfo.map(|UserInfo(claims)| claims);
        let claim = |path: &str| present(claims, path).or_else(|| present(more?, path));
        let is_named_elsewhere =
            |path: &str| lies_elsewhere(claims, path) || more.is_some_and(|info| lies_elsewhere(info, path));
        for path in [trust.role_claim.as_str(), trust.team_claim.as_str()] {
            if claim(path).is_none() && is_named_elsewhere(path) {
                return Err(NotVouched::Elsewhere(path.to_owned()));
            }
        }
        let text = |path: &str| claim(path)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let username = match username_claim {
            "" => NAMES.into_iter().find_map(text).or_else(|| Some(subject.to_string())),
            named => text(named),
        };
        Ok(SignedIn {
            identity: OutsideIdentity { issuer: Arc::clone(&trust.issuer), subject: Arc::clone(subject) },
            role: claim(&trust.role_claim).and_then(|claim| role(trust, claim)),
            team: claim(&trust.team_claim).and_then(|claim| team(trust, claim)),
            username,
        })
    }
}

impl UserInfo {
    /// Reads an answer of the endpoint (Core §5.3.2).
    pub fn read(json: &[u8]) -> Result<Self, NoUserInfo> {
        let UniqueObject(claims) = serde_json::from_slice(json).map_err(|_| NoUserInfo)?;
        if claims.get("sub").is_some_and(Value::is_string) { Ok(Self(claims)) } else { Err(NoUserInfo) }
    }
}

/// A claim that is null is not there (Core §5.3.2).
fn present<'c>(claims: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    find(claims, path).filter(|claim| !claim.is_null())
}

/// The client is the audience or among several; then, or where `azp` is there, that must name the client too.
/// Whether a claim is said to lie with another source than these claims (Core §5.6.2).
fn lies_elsewhere(claims: &Map<String, Value>, path: &str) -> bool {
    claims.get("_claim_names").and_then(Value::as_object).is_some_and(|names| find(names, path).is_some())
}

fn check_audience(trust: &Trust, claims: &Map<String, Value>) -> Result<(), IdTokenFault> {
    let audience = claims.get("aud").filter(|aud| is_for(&trust.audience, aud)).ok_or(IdTokenFault::Audience)?;
    let is_one_of_several = audience.as_array().is_some_and(|all| all.len() > 1);
    match claims.get("azp") {
        None if is_one_of_several => Err(IdTokenFault::AuthorizedParty),
        Some(azp) if *azp != trust.audience.as_str() => Err(IdTokenFault::AuthorizedParty),
        _ => Ok(()),
    }
}

fn check_times(claims: &Map<String, Value>, now_s: i64) -> Result<(), IdTokenFault> {
    let time = |name: &str| claims.get(name).and_then(time_s);
    let (exp_s, iat_s) = time("exp").zip(time("iat")).ok_or(IdTokenFault::Times)?;
    let nbf_s = claims.get("nbf").map_or(Some(iat_s), time_s).ok_or(IdTokenFault::Times)?;
    if iat_s.max(nbf_s) > now_s.saturating_add(CLOCK_SKEW_S) {
        return Err(IdTokenFault::NotYetValid);
    }
    if exp_s.saturating_add(CLOCK_SKEW_S) <= now_s { Err(IdTokenFault::Expired) } else { Ok(()) }
}

/// The left half of the hash of an access token, with the hash of the algorithm that signed (Core §3.1.3.6).
fn half_hash(alg: &str, access_token: &str) -> String {
    let bytes = access_token.as_bytes();
    let hash = match alg {
        "RS384" | "PS384" | "ES384" => crypto::sha384(bytes),
        "RS512" | "PS512" | "ES512" | "EdDSA" | "Ed25519" => crypto::sha512(bytes),
        _ => crypto::sha256(&[bytes]).to_vec(),
    };
    URL_SAFE_NO_PAD.encode(hash.get(..hash.len() / 2).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn vouched(role_claim: &str, team_claim: &str, claims: &Value) -> Vouched {
        let trust = Trust {
            issuer: "https://idp".into(),
            audience: "console".into(),
            audience_claim: "aud".into(),
            role_claim: role_claim.into(),
            roles: BTreeMap::new(),
            role: Role::Readonly,
            team_claim: team_claim.into(),
            teams: BTreeMap::from([("dev".to_owned(), "Developers".to_owned())]),
            token_types: vec![],
            leeway_s: 0,
            max_lifetime_s: 0,
        };
        Vouched { trust: Arc::new(trust), subject: "s".into(), claims: claims.as_object().unwrap().clone() }
    }

    #[test]
    fn more_is_asked_for_only_where_a_claim_that_is_read_is_missing() {
        for (role_claim, team_claim, username_claim, claims, lacks) in [
            ("role", "", "", json!({ "role": "user", "email": "e" }), false),
            ("role", "", "", json!({ "role": "user" }), true),
            ("role", "", "", json!({ "email": "e" }), true),
            ("", "", "", json!({ "preferred_username": "p" }), false),
            ("", "", "nick", json!({ "preferred_username": "p" }), true),
            ("", "", "nick", json!({ "nick": "n" }), false),
            ("", "groups", "nick", json!({ "nick": "n" }), true),
            ("", "groups", "nick", json!({ "nick": "n", "groups": null }), true),
            ("", "groups", "nick", json!({ "nick": "n", "groups": [] }), false),
            ("realm.roles", "", "nick", json!({ "nick": "n", "realm": {} }), true),
        ] {
            assert_eq!(vouched(role_claim, team_claim, &claims).lacks_claims(username_claim), lacks, "{claims}");
        }
    }

    #[test]
    fn a_claim_of_the_id_token_goes_before_one_of_the_userinfo_endpoint() {
        let info = |claims: Value| UserInfo::read(claims.to_string().as_bytes()).unwrap();
        let more = info(json!({ "sub": "s", "role": "admin", "groups": ["dev"], "email": "e" }));
        let both = vouched("role", "groups", &json!({ "role": "user" })).signed_in("", Some(&more)).unwrap();
        assert_eq!((both.role, both.team.as_deref()), (Some(Role::User), Some("Developers")));
        assert_eq!(both.username.as_deref(), Some("e"));
        let alone = vouched("role", "groups", &json!({ "email": "own" })).signed_in("", None).unwrap();
        assert_eq!((alone.role, alone.team, alone.username.as_deref()), (None, None, Some("own")));
        let nameless = vouched("role", "", &json!({})).signed_in("", None).unwrap();
        assert_eq!(nameless.username.as_deref(), Some("s"));
        assert_eq!(vouched("role", "", &json!({})).signed_in("nick", None).unwrap().username, None);
        for other in ["t", "S", "s ", ""] {
            let of_other = info(json!({ "sub": other, "role": "admin" }));
            assert_eq!(
                vouched("role", "", &json!({})).signed_in("", Some(&of_other)),
                Err(NotVouched::OtherSubject),
                "{other}"
            );
        }
    }

    #[test]
    fn a_claim_of_the_mapping_that_lies_elsewhere_is_not_one_that_the_user_has_not() {
        let entra = json!({
            "email": "e",
            "_claim_names": { "groups": "src1" },
            "_claim_sources": { "src1": { "endpoint": "https://graph.example/users/1/getMemberObjects" } },
        });
        let elsewhere = || Err(NotVouched::Elsewhere("groups".into()));
        assert_eq!(vouched("groups", "", &entra).signed_in("", None), elsewhere());
        assert_eq!(vouched("role", "groups", &entra).signed_in("", None), elsewhere());
        assert!(vouched("role", "", &entra).signed_in("", None).is_ok(), "nothing of it is read");
        let info = |claims: Value| UserInfo::read(claims.to_string().as_bytes()).unwrap();
        let here = info(json!({ "sub": "s", "groups": ["dev"] }));
        let signed_in = vouched("", "groups", &entra).signed_in("", Some(&here)).unwrap();
        assert_eq!(signed_in.team.as_deref(), Some("Developers"));
        let there = info(json!({ "sub": "s", "_claim_names": { "groups": "src1" } }));
        assert_eq!(vouched("groups", "", &json!({ "email": "e" })).signed_in("", Some(&there)), elsewhere());
    }

    #[test]
    fn what_does_not_say_of_whom_it_is_or_says_it_twice_is_no_userinfo() {
        for bad in ["", "[]", "{}", r#"{"sub":1}"#, r#"{"sub":"s","sub":"t"}"#, r#"{"sub":"s","role":"a","role":"b"}"#]
        {
            assert_eq!(UserInfo::read(bad.as_bytes()), Err(NoUserInfo), "{bad}");
        }
    }

    #[test]
    fn the_hash_of_an_access_token_is_half_of_the_algorithms_own() {
        for (alg, bytes) in [
            ("RS256", 16),
            ("ES256", 16),
            ("PS384", 24),
            ("ES384", 24),
            ("RS512", 32),
            ("ES512", 32),
            ("EdDSA", 32),
            ("Ed25519", 32),
        ] {
            let hash = URL_SAFE_NO_PAD.decode(half_hash(alg, "token")).unwrap();
            assert_eq!(hash.len(), bytes, "{alg}");
        }
    }
}
