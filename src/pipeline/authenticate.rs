//! Who is calling? Answered from snapshots on this thread; the store is asked only about a user this replica has not
//! heard of yet.

pub mod outside;

use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use jiff::Timestamp;

use self::outside::Outside;
use super::{
    authorize::{Find, Managed},
    call::Call,
};
use crate::{
    actors::registrar::Users,
    domain::{
        access::Permission,
        principal::{Account, Credential, CredentialKind, Principal, UserStatus},
        refusal::{Refusal, Revocation, TokenFault},
    },
    jwt::{Claims, Rejection, Verifier},
    snapshot::{Snapshot, directory::Directory, revocations::Revocations},
};

/// What callers are checked against.
#[derive(Clone)]
pub struct Identity {
    pub verifier: Snapshot<Verifier>,
    pub outside: Outside,
    pub directory: Snapshot<Directory>,
    pub revocations: Snapshot<Revocations>,
    pub users: Users,
    /// Whether the documentation asks for a credential.
    pub docs_public: bool,
}

/// Proof that the caller was asked who they are.
#[derive(Debug, Clone)]
pub enum Authenticated {
    /// A public URL was called without a credential, or with one that nobody looked at.
    Anybody,
    Known(Principal),
}

/// Finds out who is calling. Only the public URLs answer to nobody in particular.
pub async fn authenticate(
    identity: &Identity,
    find: Find,
    call: &Call,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Authenticated, Refusal> {
    if let Managed::Found(url) = find(&call.method, &call.path) {
        let public = url.permission == Permission::Public;
        if public || (url.permission == Permission::Docs && identity.docs_public) {
            return Ok(Authenticated::Anybody);
        }
    }
    let token = credential(headers)?;
    let verified = identity.verifier.read().verify(token, now.as_second());
    let principal = match verified {
        Ok(verified) => identity.principal(&verified.claims).await?,
        Err(refused) if identity.outside.may_know(refused) => {
            outside::principal(identity, &outside::verify(identity, token, refused, now).await?).await?
        }
        Err(refused) => return Err(refusal_of(refused)),
    };
    Ok(Authenticated::Known(principal))
}

const fn refusal_of(rejection: Rejection) -> Refusal {
    match rejection {
        Rejection::Expired => Refusal::ExpiredToken,
        Rejection::Faulty(fault) => Refusal::InvalidToken(fault),
    }
}

/// The one credential of a request. The same one given twice is still one.
fn credential(headers: &HeaderMap) -> Result<&str, Refusal> {
    let bearers = headers.get_all(AUTHORIZATION).map(bearer);
    let keys = headers.get_all("x-api-key").map(|value| value.to_str().map_err(|_| faulty(TokenFault::Malformed)));
    let mut all = bearers.chain(keys);
    let first = all.next().ok_or(Refusal::MissingCredential)??;
    for other in all {
        if other? != first {
            return Err(Refusal::AmbiguousCredentials);
        }
    }
    Ok(first)
}

/// The token of a bearer credential (RFC 6750 §2.1); the scheme's name has no case (RFC 9110 §11.1).
fn bearer(value: &HeaderValue) -> Result<&str, Refusal> {
    let text = value.to_str().map_err(|_| faulty(TokenFault::Malformed))?;
    let (scheme, token) = text.split_once(' ').ok_or(faulty(TokenFault::UnknownScheme))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(faulty(TokenFault::UnknownScheme));
    }
    Ok(token)
}

const fn faulty(fault: TokenFault) -> Refusal {
    Refusal::InvalidToken(fault)
}

impl Identity {
    /// The user a verified token speaks of, as they are now.
    async fn principal(&self, claims: &Claims) -> Result<Principal, Refusal> {
        let account = if let Ok(account) = self.account(claims) {
            account
        } else {
            // The user may have been made or changed a moment ago on another replica.
            self.users.catch_up().await;
            self.account(claims).map_err(Refusal::RevokedToken)?
        };
        if self.revocations.read().contains(claims.sid) {
            return Err(Refusal::RevokedToken(Revocation::Session));
        }
        let credential = Credential { kind: CredentialKind::AccessToken, id: claims.jti.to_string() };
        Ok(Principal { role: account.role, account, session: Some(claims.sid), credential })
    }

    fn account(&self, claims: &Claims) -> Result<Arc<Account>, Revocation> {
        let directory = self.directory.read();
        let account = directory.find(claims.sub).ok_or(Revocation::UserDeleted)?;
        if account.status != UserStatus::Active {
            return Err(Revocation::UserDisabled);
        }
        if account.role != claims.role {
            return Err(Revocation::RoleChanged);
        }
        Ok(Arc::clone(account))
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
        assert_eq!(read(&[("authorization", "bearer a")]), Ok("a".into()));
        assert_eq!(read(&[("x-api-key", "a")]), Ok("a".into()));
        assert_eq!(read(&[a, ("x-api-key", "a")]), Ok("a".into()));
        assert_eq!(read(&[]), Err("missing-credential"));
        assert_eq!(read(&[a, b]), Err("ambiguous-credentials"));
        assert_eq!(read(&[a, ("x-api-key", "b")]), Err("ambiguous-credentials"));
        assert_eq!(read(&[("authorization", "Basic YTpi")]), Err("invalid-token"));
        assert_eq!(read(&[("authorization", "Bearer")]), Err("invalid-token"));
    }
}
