//! Who is calling? Answered from snapshots on this thread; the store is asked only about a user this replica has not
//! heard of yet.

pub mod api_key;
pub mod cookie;
pub mod outside;
mod seldom;
pub mod staleness;
pub mod step;
mod token_cache;

use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use jiff::Timestamp;

use self::{api_key::KeyCheck, outside::Outside, seldom::Seldom};
use crate::{
    actors::registrar::{NotRead, Users},
    credentials::{
        api_key as key_text,
        jwt::{
            CLOCK_SKEW_S, Rejection, Verified, Verifier,
            outside::{OutsideVerified, OutsideVerifier},
        },
    },
    domain::{
        principal::{Account, Credential, CredentialKind, KeyBounds, Principal, Team, UserStatus},
        refusal::{Refusal, Revocation, TokenFault, Unavailable},
        route::Route,
    },
    pipeline::fields::members,
    snapshot::{Snapshot, directory::Directory, revocations::Revocations},
    upstream::headers::PROTOCOL_WITH_KEY,
};

pub use self::token_cache::TokenCache;

/// The gateway's own tokens that a thread has verified.
pub type OwnTokens = TokenCache<Verifier, Verified>;
/// And those of outside issuers.
pub type OutsideTokens = TokenCache<OutsideVerifier, Arc<OutsideVerified>>;

/// The tokens that one thread has verified.
pub struct VerifiedTokens {
    own: OwnTokens,
    outside: OutsideTokens,
}

impl VerifiedTokens {
    /// A cache of at most `max_entries` tokens of each kind, under a random `key`.
    pub fn new(max_entries: usize, key: &[u8; 16]) -> Self {
        Self { own: TokenCache::new(max_entries, key), outside: TokenCache::new(max_entries, key) }
    }
}

/// What callers are checked against.
#[derive(Clone)]
pub struct Identity {
    pub verifier: Snapshot<Verifier>,
    pub outside: Outside,
    pub directory: Snapshot<Directory>,
    pub revocations: Snapshot<Revocations>,
    pub users: Users,
    pub keys: KeyCheck,
    /// Whether the documentation asks for a credential.
    pub docs_public: bool,
    /// Whether the console is served.
    pub console: bool,
    /// Whether people sign in at a provider.
    pub provider: bool,
}

/// Proof that the caller was asked who they are.
#[derive(Debug, Clone)]
pub enum Authenticated {
    /// A public URL was called without a credential, or with one that nobody looked at.
    Anybody,
    Known(Arc<Principal>),
}

/// A user, and their team.
type Member = (Arc<Account>, Option<Arc<Team>>);

fn known(principal: Principal) -> Authenticated {
    Authenticated::Known(Arc::new(principal))
}

/// The store could not be asked about a credential, so that nothing is known of it. A client that gets 401 would
/// throw it away.
const NOT_ASKED: Refusal = Refusal::Unavailable(Unavailable::Capacity);

fn refusal_of(rejection: Rejection) -> Refusal {
    match rejection {
        Rejection::Expired => Refusal::ExpiredToken,
        Rejection::Faulty(fault) => {
            if fault == TokenFault::NotYetValid {
                tell_of_clocks();
            }
            Refusal::InvalidToken(fault)
        }
    }
}

/// Tokens that are well signed and ahead of their time mean that two clocks are apart.
fn tell_of_clocks() {
    static SELDOM: Seldom = Seldom::new();
    SELDOM.tell(|count| {
        tracing::warn!(
            count,
            "tokens are refused that were signed more than {CLOCK_SKEW_S} s ahead of this machine's clock"
        );
    });
}

const BEARER: HeaderName = AUTHORIZATION;
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The lines of a field that may be a credential: one that is empty is none.
fn lines(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &HeaderValue> {
    headers.get_all(name).filter(|line| !line.as_bytes().trim_ascii().is_empty())
}

/// Whether there is anything that may be a credential.
fn has_credential(headers: &HeaderMap) -> bool {
    lines(headers, BEARER).chain(lines(headers, API_KEY)).next().is_some()
}

/// The one credential of a request. The same one given twice is still one; two that differ are refused whatever each is.
/// `x-api-key` alone carries API keys only: what reads that header elsewhere (logs, proxies) must never see an access token
/// as a key.
fn credential(headers: &HeaderMap) -> Result<&str, Refusal> {
    let bearers = lines(headers, BEARER).map(bearer);
    let keys = lines(headers, API_KEY).map(|value| value.to_str().map_err(|_| faulty(TokenFault::Malformed)));
    let mut all = bearers.chain(keys);
    let first = all.next().ok_or(Refusal::MissingCredential)?;
    let is_one = |other: &Result<&str, Refusal>| match (&first, other) {
        (Ok(first), Ok(other)) => first == other,
        _ => false,
    };
    let are_one = if first.is_ok() { all.all(|other| is_one(&other)) } else { is_repeated(headers) };
    if !are_one {
        return Err(Refusal::AmbiguousCredentials);
    }
    let first = first?;
    if lines(headers, BEARER).next().is_none() && !key_text::is_meant(first) {
        return Err(faulty(TokenFault::NoApiKey));
    }
    Ok(first)
}

/// Whether all lines that may be a credential are byte for byte the same.
fn is_repeated(headers: &HeaderMap) -> bool {
    let mut lines = lines(headers, BEARER).chain(lines(headers, API_KEY));
    let first = lines.next();
    lines.all(|line| Some(line) == first)
}

/// The credential among the protocols that a WebSocket offers, where browsers have it, which can set no header.
fn credential_of_protocols(headers: &HeaderMap) -> Result<&str, Refusal> {
    let protocols = members(headers, SEC_WEBSOCKET_PROTOCOL);
    let mut keys = protocols.filter_map(|protocol| protocol.strip_prefix(PROTOCOL_WITH_KEY.as_bytes()));
    let first = keys.next().filter(|key| !key.is_empty()).ok_or(Refusal::MissingCredential)?;
    if keys.any(|key| key != first) {
        return Err(Refusal::AmbiguousCredentials);
    }
    std::str::from_utf8(first).map_err(|_| faulty(TokenFault::Malformed))
}

/// The token of a bearer credential (RFC 6750 §2.1); the scheme's name has no case, and any number of spaces follows it
/// (RFC 9110 §11.1 and §11.4).
fn bearer(value: &HeaderValue) -> Result<&str, Refusal> {
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| faulty(TokenFault::Malformed))?;
    let (scheme, token) = text.split_once(' ').ok_or(faulty(TokenFault::UnknownScheme))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(faulty(TokenFault::UnknownScheme));
    }
    Ok(token.trim_start_matches(' '))
}

const fn faulty(fault: TokenFault) -> Refusal {
    Refusal::InvalidToken(fault)
}

impl Identity {
    /// Whether a caller who was admitted still would be: for an answer that lasts. A token's own end cuts no answer.
    #[must_use]
    pub fn still_admits(&self, caller: &Principal, now: Timestamp) -> bool {
        let directory = self.directory.read();
        let Some(account) = directory.find(caller.account.id) else { return false };
        let is_key = caller.credential.kind == CredentialKind::ApiKey;
        let is_same = account.status == UserStatus::Active
            && account.role == caller.account.role
            && (is_key || account.tokens_not_before == caller.account.tokens_not_before);
        is_same
            && caller.session.is_none_or(|session| !self.revocations.read().contains(session))
            && caller.secret_hash.is_none_or(|hash| self.keys.is_live(&caller.credential.id, &hash, now))
    }

    /// Whether a caller may still have an answer of this route, as the route, the API key and the caller's team are now: for an answer
    /// that lasts.
    #[must_use]
    pub fn still_allows(&self, caller: &Principal, route: &Route) -> bool {
        let directory = self.directory.read();
        let Some(account) = directory.find(caller.account.id) else { return false };
        let now = Principal { account: Arc::clone(account), team: directory.team_of(account), ..caller.clone() };
        let is_key = caller.credential.kind == CredentialKind::ApiKey;
        let is_of_key = !is_key || self.keys.is_for(&caller.credential.id, &route.name);
        is_of_key && route.roles.contains(&caller.role) && route.only.admits(&now).is_ok()
    }

    /// What a token says, and that its time is not over.
    fn verify(&self, tokens: &OwnTokens, token: &str, now_s: i64) -> Result<Verified, Rejection> {
        let ring = self.verifier.read();
        let verified = tokens.get_or_verify(&ring, token, || ring.verify(token, now_s))?;
        verified.check(now_s).map(|()| verified)
    }

    /// The user that a verified token names, as the directory has them now.
    async fn principal(&self, verified: &Verified, now: Timestamp) -> Result<Principal, Refusal> {
        let bounds = match verified.key {
            Some(key) => Some(self.keys.bounds(key, now).await?),
            None => None,
        };
        let look = || self.account(verified, bounds.as_deref());
        let (account, team) = if let Ok(account) = look() {
            account
        } else {
            // The user may have been made or changed a moment ago on another replica.
            let asked = self.users.catch_up().await;
            look().map_err(|revocation| match (asked, revocation) {
                (Err(NotRead), Revocation::UserDeleted | Revocation::RoleChanged) => NOT_ASKED,
                (_, revocation) => Refusal::RevokedToken(revocation),
            })?
        };
        if self.revocations.read().contains(verified.session) {
            return Err(Refusal::RevokedToken(Revocation::Session));
        }
        // A token that an API key was exchanged for is a call with that key: its limits and budgets count, and the session says
        // which token it was.
        let of_token = || Credential { kind: CredentialKind::AccessToken, id: verified.token.text() };
        let credential = verified.key.map_or_else(of_token, api_key::credential);
        let (role, session) = (verified.role, Some(verified.session));
        Ok(Principal { role, account, team, bounds, session, credential, secret_hash: None })
    }

    /// The user as a token has them, and their team.
    fn account(&self, verified: &Verified, bounds: Option<&KeyBounds>) -> Result<Member, Revocation> {
        let directory = self.directory.read();
        let account = directory.find(verified.user).ok_or(Revocation::UserDeleted)?;
        if account.status != UserStatus::Active {
            return Err(Revocation::UserDisabled);
        }
        if bounds.map_or(Some(account.role), |bounds| bounds.role_of(account.role)) != Some(verified.role) {
            return Err(Revocation::RoleChanged);
        }
        Ok((Arc::clone(account), directory.team_of(account)))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn read(headers: &[(&'static str, &str)]) -> Result<String, &'static str> {
        let mut request = TestRequest::get();
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        let request = request.to_http_request();
        credential(request.headers()).map(str::to_owned).map_err(|refusal| refusal.code())
    }

    #[test]
    fn there_is_exactly_one_credential() {
        let (a, b) = (("authorization", "Bearer a"), ("authorization", "Bearer b"));
        assert_eq!(read(&[a]), Ok("a".into()));
        for scheme in ["bearer ", "BEARER ", "Bearer  ", "bEARER      "] {
            assert_eq!(read(&[("authorization", &format!("{scheme}a"))]), Ok("a".into()), "{scheme}");
        }
        assert_eq!(read(&[("x-api-key", "tg_a")]), Ok("tg_a".into()));
        assert_eq!(read(&[("x-api-key", "a")]), Err("invalid-token"));
        assert_eq!(read(&[a, ("x-api-key", "a")]), Ok("a".into()));
        assert_eq!(read(&[]), Err("missing-credential"));
        assert_eq!(read(&[a, b]), Err("ambiguous-credentials"));
        assert_eq!(read(&[a, ("x-api-key", "b")]), Err("ambiguous-credentials"));
        assert_eq!(read(&[("authorization", "Basic YTpi")]), Err("invalid-token"));
        for other in ["Basic YTpi", "Negotiate abc", "Bearer", "b"] {
            let other = ("authorization", other);
            for both in [[a, other], [other, a], [other, ("x-api-key", "tg_a")], [("x-api-key", "tg_a"), other]] {
                assert_eq!(read(&both), Err("ambiguous-credentials"), "{both:?}");
            }
            assert_eq!(read(&[other, other]), Err("invalid-token"), "{other:?}");
        }
        // A field without a value says nothing (a proxy that clears it, a client whose variable is not set).
        let (no_bearer, no_key) = (("authorization", ""), ("x-api-key", " "));
        for (lines, expected) in [
            (vec![no_bearer, ("x-api-key", "tg_a")], Ok("tg_a")),
            (vec![a, no_key], Ok("a")),
            (vec![no_bearer, a], Ok("a")),
            (vec![no_bearer, no_key], Err("missing-credential")),
            (vec![no_bearer, ("x-api-key", "a")], Err("invalid-token")),
        ] {
            assert_eq!(read(&lines), expected.map(str::to_owned), "{lines:?}");
        }
        assert_eq!(read(&[("authorization", "Bearer")]), Err("invalid-token"));
    }

    #[test]
    fn the_protocols_of_a_websocket_have_one_credential() {
        for (lines, expected) in [
            (vec!["realtime, openai-insecure-api-key.tg_a"], Ok("tg_a")),
            (vec!["openai-insecure-api-key.tg_a", "realtime,openai-insecure-api-key.tg_a"], Ok("tg_a")),
            (vec!["openai-insecure-api-key.tg_a, openai-insecure-api-key.tg_b"], Err("ambiguous-credentials")),
            (vec!["realtime"], Err("missing-credential")),
            (vec!["openai-insecure-api-key."], Err("missing-credential")),
            (vec!["x.openai-insecure-api-key.tg_a"], Err("missing-credential")),
        ] {
            let mut request = TestRequest::get();
            for line in &lines {
                request = request.append_header(("sec-websocket-protocol", *line));
            }
            let request = request.to_http_request();
            let found = credential_of_protocols(request.headers()).map_err(|refusal| refusal.code());
            assert_eq!(found, expected, "{lines:?}");
        }
    }
}
