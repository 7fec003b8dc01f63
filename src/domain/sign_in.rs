//! Sign-in at a provider, and why it comes to nothing. `answer::problem` leads the browser back to the console's sign-in page with
//! [`SignInFault::told`], which that page puts into words; the audit record has the finer reason.

use super::token_fault::TokenFault;

/// What the names of cookies begin with that hold a sign-in which is under way at a provider.
pub const COOKIE: &str = "tollgate_sign_in";

/// The cookie of the sign-in with this state: each tab has one of its own.
#[must_use]
pub fn cookie_of(state: &str) -> String {
    format!("{COOKIE}_{state}")
}

/// Whether this is the cookie of a sign-in, in any case.
#[must_use]
pub fn is_cookie_name(name: &str) -> bool {
    name.get(..COOKIE.len()).is_some_and(|start| start.eq_ignore_ascii_case(COOKIE))
}

/// The longest `error` of a provider that is told, in bytes.
const MAX_ERROR_BYTES: usize = 64;

/// Whether an `error` of a provider (RFC 6749 §4.1.2.1 and §5.2) is a word as the standards have them, so that it may be logged.
#[must_use]
pub fn is_error_word(error: &str) -> bool {
    error.len() <= MAX_ERROR_BYTES && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// What was wrong with a sign-in at a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignInFault {
    /// No cookie of a sign-in, one that this gateway did not give, or one that is too old.
    #[error("no-sign-in-under-way")]
    NotUnderWay,
    #[error("wrong-state")]
    WrongState,
    /// The same answer of the provider came before.
    #[error("answer-used-before")]
    UsedBefore,
    /// The answer says that another provider gave it (RFC 9207), or does not say who, though the provider always does.
    #[error("answer-of-another-issuer")]
    OtherIssuer,
    /// The answer has neither a code nor an error.
    #[error("no-code")]
    NoCode,
    /// The user or the provider said no: `access_denied` (RFC 6749 §4.1.2.1).
    #[error("denied-at-provider")]
    Denied,
    /// Any other error of the provider, at the authorization, the token or the userinfo endpoint.
    #[error("refused-by-provider")]
    RefusedByProvider,
    /// The provider could not be reached, was too slow, or answered what is no answer.
    #[error("provider-unavailable")]
    ProviderUnavailable,
    #[error("invalid-id-token: {0}")]
    InvalidIdToken(IdTokenFault),
    /// The userinfo endpoint answers for another user than the ID token is of (`OpenID` Connect Core §5.3.2).
    #[error("userinfo-of-another-subject")]
    OtherSubject,
    /// A claim of the mapping lies with another source than the provider's answers (Core §5.6.2).
    #[error("claim-elsewhere")]
    ClaimElsewhere,
    /// The mapping gives the user no role, and there is no default.
    #[error("no-role")]
    NoRole,
    #[error("user-disabled")]
    UserDisabled,
    #[error("user-deleted")]
    UserDeleted,
    /// The mapping takes the role from the last active admin.
    #[error("last-admin")]
    LastAdmin,
    /// Too many sign-ins from this network came to nothing.
    #[error("throttled")]
    Throttled,
    /// A part of the gateway itself gave no answer.
    #[error("unavailable")]
    Unavailable,
}

/// What is wrong with an ID token (`OpenID` Connect Core §3.1.3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenFault {
    /// Its form or its signature.
    #[error("{0}")]
    Token(TokenFault),
    #[error("wrong-issuer")]
    Issuer,
    #[error("wrong-audience")]
    Audience,
    #[error("wrong-authorized-party")]
    AuthorizedParty,
    #[error("wrong-nonce")]
    Nonce,
    /// It was given with another access token than it says.
    #[error("wrong-at-hash")]
    AccessTokenHash,
    #[error("wrong-subject")]
    Subject,
    /// `exp` or `iat` is missing, or a time is none.
    #[error("wrong-times")]
    Times,
    #[error("not-yet-valid")]
    NotYetValid,
    #[error("expired")]
    Expired,
}

impl From<TokenFault> for IdTokenFault {
    fn from(fault: TokenFault) -> Self {
        Self::Token(fault)
    }
}

impl SignInFault {
    /// The word by which the sign-in page of the console is led to what it says of the fault.
    #[must_use]
    pub const fn told(self) -> &'static str {
        match self {
            Self::NotUnderWay | Self::WrongState | Self::UsedBefore => "expired",
            Self::Denied => "denied",
            Self::OtherIssuer
            | Self::NoCode
            | Self::RefusedByProvider
            | Self::InvalidIdToken(_)
            | Self::OtherSubject
            | Self::ClaimElsewhere => "provider",
            Self::ProviderUnavailable => "provider-unavailable",
            Self::NoRole => "no-role",
            Self::UserDisabled | Self::UserDeleted => "user",
            Self::LastAdmin => "last-admin",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
        }
    }
}
