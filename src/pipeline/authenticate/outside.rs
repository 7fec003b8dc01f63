//! Callers with a token of a trusted outside issuer. The tokens are verified with that issuer's published keys, and
//! their subjects are users here: made on first sight, and from then on as our administrators have them.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Identity, NOT_ASKED, OutsideTokens, faulty, refusal_of, seldom::Seldom};
use crate::{
    actors::{key_fetcher::OutsideKeys, registrar::Provision},
    credentials::jwt::{
        Rejection,
        outside::{OutsideRejection, OutsideToken, OutsideVerified, OutsideVerifier},
    },
    domain::{
        barrier::Barrier,
        principal::{Account, Credential, CredentialKind, Principal, UserStatus},
        redaction::redact,
        refusal::{Refusal, Revocation, TokenFault},
    },
    snapshot::{Snapshot, directory::Directory},
};

/// What outside tokens are checked against.
#[derive(Clone)]
pub struct Outside {
    pub verifier: Snapshot<OutsideVerifier>,
    pub keys: OutsideKeys,
}

impl Outside {
    /// Whether a token that our own verifier refused may be another issuer's.
    pub(super) fn may_know(&self, refused: Rejection) -> bool {
        let of_another = matches!(
            refused,
            Rejection::Faulty(TokenFault::UnknownKey | TokenFault::UnsupportedHeader | TokenFault::WrongType)
        );
        of_another && !self.verifier.read().is_empty()
    }
}

/// Verifies a token that our own verifier has `refused`. Waits only for a key that is not known here, and not for long.
pub(super) async fn verify(
    identity: &Identity,
    tokens: &OutsideTokens,
    text: &str,
    refused: Rejection,
    now: Timestamp,
) -> Result<Arc<OutsideVerified>, Refusal> {
    let token = OutsideToken::read(text).map_err(faulty)?;
    if identity.verifier.read().owns(&token) {
        return Err(refusal_of(refused));
    }
    let look = || {
        let verifier = identity.outside.verifier.read();
        let known = tokens.get_or_verify(&verifier, text, || verifier.verify(&token, now.as_second()).map(Arc::new))?;
        if known.ends_s <= now.as_second() { Err(OutsideRejection::Rejected(Rejection::Expired)) } else { Ok(known) }
    };
    let looked = match look() {
        Err(OutsideRejection::NeedsKeys { issuer, fetched, .. }) => {
            identity.outside.keys.look_again(issuer, fetched).await;
            look()
        }
        looked => looked,
    };
    looked.map_err(|rejection| match rejection {
        OutsideRejection::NeedsKeys { fault, .. } => faulty(fault),
        OutsideRejection::Rejected(rejection) => {
            if rejection == Rejection::Faulty(TokenFault::UnknownIssuer) {
                tell_of_issuer(token.issuer());
            }
            refusal_of(rejection)
        }
    })
}

/// The most characters of an issuer's name that are logged: anybody can write anything there.
const MAX_ISSUER_CHARS: usize = 200;

/// Whoever sets up a trusted issuer must see which one the tokens name. It is no part of the record: callers choose it.
fn tell_of_issuer(issuer: Option<&str>) {
    static SELDOM: Seldom = Seldom::new();
    SELDOM.tell(|count| {
        let issuer: String = issuer.unwrap_or_default().chars().take(MAX_ISSUER_CHARS).collect();
        let issuer = redact(&issuer);
        tracing::warn!(count, %issuer, "tokens are refused whose `iss` is no issuer of auth.trusted_issuers");
    });
}

/// The user that a verified outside token is about, as they are now, with the role of this call.
///
/// The issuer decides the role, token by token, until an administrator changes the user here; from then on a call may do
/// what both the user and the token may.
pub(super) async fn principal(identity: &Identity, verified: &OutsideVerified) -> Result<Principal, Refusal> {
    if identity.directory.read().find_outside(&verified.identity).is_none() {
        provision(identity, verified).await?;
        if identity.directory.read().find_outside(&verified.identity).is_none() {
            // Made, and could not be read back.
            return Err(NOT_ASKED);
        }
    }
    let (account, team) = {
        let directory = identity.directory.read();
        let account = account(&directory, verified).map_err(Refusal::RevokedToken)?;
        let team = directory.team_of(&account);
        (account, team)
    };
    let role = match verified.role {
        _ if account.follows_issuer => verified.role.unwrap_or(verified.first_role),
        // What each may that the other may not is nothing that this call may.
        Some(role) => role.lesser(account.role).ok_or(Refusal::Forbidden(Barrier::Roles))?,
        None => account.role,
    };
    let credential = Credential { kind: CredentialKind::OutsideToken, id: verified.token_id.clone() };
    Ok(Principal { account, team, bounds: None, role, session: None, credential, secret_hash: None })
}

/// Has the user made, here or on another replica. It goes on if the caller goes away.
async fn provision(identity: &Identity, verified: &OutsideVerified) -> Result<(), Refusal> {
    let role = verified.role.unwrap_or(verified.first_role);
    if verified.role.is_none() {
        tracing::info!(
            issuer = &*verified.identity.issuer,
            role = role.as_str(),
            "a user is made for a token that names no role of the gateway's in the configured claim"
        );
    }
    let (identity_at_issuer, team) = (verified.identity.clone(), verified.team.clone());
    let provision = Provision { identity: identity_at_issuer, name: None, role, team };
    match identity.users.provision(provision).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => tracing::error!(%error, "a user of an outside issuer was not made"),
        Err(error) => tracing::warn!(%error, "a user of an outside issuer was not made"),
    }
    Err(NOT_ASKED)
}

fn account(directory: &Directory, verified: &OutsideVerified) -> Result<Arc<Account>, Revocation> {
    let known = directory.find_outside(&verified.identity).and_then(|id| directory.find(id));
    let account = known.ok_or(Revocation::UserDeleted)?;
    if account.status != UserStatus::Active {
        return Err(Revocation::UserDisabled);
    }
    // Whole seconds: a token of the very second in which the tokens were ended is dead too.
    if verified.made_s <= account.tokens_not_before.as_second() {
        return Err(Revocation::Session);
    }
    Ok(Arc::clone(account))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{
        allowed::Allowed,
        ids::UserId,
        principal::{OutsideIdentity, Role},
    };

    fn verified(made_s: i64) -> OutsideVerified {
        let identity = OutsideIdentity { issuer: "i".into(), subject: "s".into() };
        let (role, first_role, ends_s) = (None, Role::Readonly, made_s + 60);
        OutsideVerified { identity, role, first_role, team: None, token_id: "t".into(), made_s, ends_s }
    }

    fn directory(status: UserStatus, tokens_not_before_ms: i64) -> Directory {
        let (id, username) = (UserId(Uuid::from_u128(7)), "ada".parse().unwrap());
        let tokens_not_before = Timestamp::from_millisecond(tokens_not_before_ms).unwrap();
        let account = Account {
            id,
            username,
            role: Role::User,
            status,
            team: None,
            models: Allowed::default(),
            tokens_not_before,
            follows_issuer: true,
        };
        Directory::default().with(account).with_outside(&verified(0).identity, id)
    }

    #[test]
    fn a_token_made_before_the_tokens_of_its_user_were_ended_is_dead() {
        let directory = directory(UserStatus::Active, 10_500);
        let at = |iat_s| account(&directory, &verified(iat_s)).map(|account| account.id.0.as_u128());
        assert_eq!((at(9), at(10), at(11)), (Err(Revocation::Session), Err(Revocation::Session), Ok(7)));
    }

    #[test]
    fn a_user_that_is_disabled_deleted_or_unknown_is_refused() {
        let active = directory(UserStatus::Active, 0);
        assert!(account(&active, &verified(6)).is_ok());
        let deleted = active.without(UserId(Uuid::from_u128(7)));
        assert_eq!(account(&deleted, &verified(6)), Err(Revocation::UserDeleted));
        let disabled = directory(UserStatus::Disabled, 0);
        assert_eq!(account(&disabled, &verified(6)), Err(Revocation::UserDisabled));
        assert_eq!(account(&Directory::default(), &verified(6)), Err(Revocation::UserDeleted));
    }
}
