//! Every reason for which the gateway refuses a request. `answer::problem` gives each its status and its text.

use std::sync::Arc;

use super::{barrier::Barrier, budget::Shortfall, limit::Standing, path::UnsafePath, sign_in::SignInFault};
pub use super::{fault::Fault, token_fault::TokenFault};

/// Why a token that was good is so no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Revocation {
    #[error("session-revoked")]
    Session,
    #[error("api-key-revoked")]
    ApiKey,
    #[error("user-disabled")]
    UserDisabled,
    #[error("user-deleted")]
    UserDeleted,
    #[error("role-changed")]
    RoleChanged,
}

/// What kind of error an OAuth endpoint answers (RFC 6749 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OAuthError {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnsupportedGrantType,
}

impl OAuthError {
    /// The value of `error`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnsupportedGrantType => "unsupported_grant_type",
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid-request",
            Self::InvalidClient => "invalid-client",
            Self::InvalidGrant => "invalid-grant",
            Self::UnsupportedGrantType => "unsupported-grant-type",
        }
    }
}

/// A part of the gateway that cannot do its work now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// A queue or a pool is at its bound, or an actor is being restarted.
    Capacity,
    /// Every upstream of the call has failed so often that none is called for so long.
    LeftAlone {
        /// In whole seconds.
        retry_after_s: u64,
    },
    Ledger,
    /// The audit log cannot take what is to be done, so it is not done.
    Audit,
    /// The audit log cannot take the outcome of what was done.
    Outcome,
}

/// A request that is not served, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    InvalidRequest(Vec<Fault>),
    AmbiguousCredentials,
    UnsafePath(UnsafePath),
    InvalidHost(&'static str),
    MissingCredential,
    InvalidToken(TokenFault),
    ExpiredToken,
    ExpiredApiKey,
    RevokedToken(Revocation),
    /// The error for an OAuth client, and the finest reason known. The client sees the reason only of an invalid request.
    OAuth(OAuthError, String),
    InvalidCredentials,
    /// A sign-in at a provider came to nothing. The browser is led to the console's sign-in page, which says why.
    SignIn(SignInFault),
    Forbidden(Barrier),
    /// The user may do this, but not with this credential.
    NotByThisCredential,
    /// A browser asks for a page of an origin whose pages may not call.
    OriginNotAllowed,
    NotFound,
    /// There is nothing at a path, and at another one that differs as base addresses of clients do.
    NothingHere {
        instead: String,
    },
    /// What was looked for by its name, and the name; and how it may be found all the same.
    NoSuchName {
        noun: &'static str,
        name: String,
        hint: Option<&'static str>,
    },
    MethodNotAllowed(Vec<String>),
    RequestTimeout,
    /// The client closed the connection within its own body; no answer reaches it.
    Disconnected,
    Conflict(String),
    /// What is there is not what `If-Match` or `If-None-Match` asks for (RFC 9110 §13), and what to do.
    PreconditionFailed(String),
    BodyTooLarge {
        limit_bytes: u64,
    },
    /// More header lines, or more bytes of them, than are read.
    HeadTooLarge {
        limit_bytes: u64,
    },
    /// A longer request line than is read.
    TargetTooLong {
        limit_bytes: u64,
    },
    /// A POST of HTTP/1.0 that does not say how long its body is (RFC 1945 §7.2.2).
    LengthRequired,
    /// HTTP of another major version than 1.
    VersionNotSupported,
    UnsupportedMediaType {
        expected: &'static str,
    },
    /// The body has a content coding, and here none is undone (RFC 9110 §12.5.3).
    ContentCoding,
    /// `Expect` has something else than `100-continue` (RFC 9110 §10.1.1).
    ExpectationFailed,
    /// The opening handshake of a WebSocket at a path of models, which are asked over HTTP.
    NoWebSocket,
    /// The opening handshake of a WebSocket has another version than 13 (RFC 6455 §4.4).
    WebSocketVersion,
    /// A limit other than a policy of a route had no room: `limit` in `window_s` seconds.
    Throttled {
        policy: &'static str,
        limit: u64,
        window_s: u64,
        retry_after_ns: u64,
    },
    /// At least one limit policy had no room. All that matched are listed.
    QuotaExceeded(Vec<Standing>),
    /// The name of a model that no route of the path serves.
    ModelNotServed(String),
    /// The name of a model that has no price.
    UnpricedModel(String),
    /// A model that the caller may not call, and whose list does not have it.
    ModelNotAllowed {
        model: String,
        whose: String,
    },
    /// The budgets that have no room for the call.
    BudgetExhausted(Vec<Shortfall>),
    UpstreamFailed,
    UpstreamTimeout,
    /// The request came by gateways of this kind so many times that an upstream must lead back here.
    Loop {
        passes: usize,
    },
    /// The client wants only what is kept, and nothing is.
    NotCached,
    /// The names of limits that cannot be counted now and refuse while they cannot.
    LimitsUnknown(Vec<Arc<str>>),
    Unavailable(Unavailable),
    Internal,
}

impl From<SignInFault> for Refusal {
    fn from(fault: SignInFault) -> Self {
        Self::SignIn(fault)
    }
}

impl Refusal {
    /// One fault at one place.
    #[must_use]
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::InvalidRequest(vec![Fault::new(pointer, detail)])
    }

    /// What is wrong with the request, by its places.
    #[must_use]
    pub fn into_faults(self) -> Vec<Fault> {
        match self {
            Self::InvalidRequest(faults) => faults,
            _ => vec![],
        }
    }

    /// The code of the problem: the last part of its `type`, and the `reason` of the audit record where there is none
    /// finer.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid-request",
            Self::AmbiguousCredentials => "ambiguous-credentials",
            Self::UnsafePath(_) => "unsafe-path",
            Self::InvalidHost(_) => "invalid-host",
            Self::MissingCredential => "missing-credential",
            Self::InvalidToken(_) => "invalid-token",
            Self::ExpiredToken | Self::ExpiredApiKey => "expired-token",
            Self::RevokedToken(_) => "revoked-token",
            Self::OAuth(error, _) => error.code(),
            Self::InvalidCredentials => "invalid-credentials",
            Self::SignIn(_) => "sign-in-failed",
            Self::Forbidden(_) | Self::NotByThisCredential | Self::OriginNotAllowed => "forbidden",
            Self::NotFound | Self::NothingHere { .. } | Self::NoSuchName { .. } | Self::ModelNotServed(_) => {
                "not-found"
            }
            Self::MethodNotAllowed(_) => "method-not-allowed",
            Self::RequestTimeout => "request-timeout",
            Self::Disconnected => "client-disconnected",
            Self::Conflict(_) => "conflict",
            Self::PreconditionFailed(_) => "precondition-failed",
            Self::BodyTooLarge { .. } => "body-too-large",
            Self::HeadTooLarge { .. } => "head-too-large",
            Self::TargetTooLong { .. } => "target-too-long",
            Self::LengthRequired => "length-required",
            Self::VersionNotSupported => "version-not-supported",
            Self::UnsupportedMediaType { .. } | Self::ContentCoding => "unsupported-media-type",
            Self::ExpectationFailed => "expectation-failed",
            Self::NoWebSocket | Self::WebSocketVersion => "websocket-version",
            Self::Throttled { .. } | Self::QuotaExceeded(_) => "quota-exceeded",
            Self::UnpricedModel(_) => "unpriced-model",
            Self::ModelNotAllowed { .. } => "model-not-allowed",
            Self::BudgetExhausted(_) => "budget-exhausted",
            Self::UpstreamFailed => "upstream-failed",
            Self::UpstreamTimeout => "upstream-timeout",
            Self::Loop { .. } => "loop-detected",
            Self::NotCached => "not-cached",
            Self::LimitsUnknown(_) | Self::Unavailable(Unavailable::Capacity | Unavailable::LeftAlone { .. }) => {
                "temporary-reduced-capacity"
            }
            Self::Unavailable(Unavailable::Ledger) => "ledger-unavailable",
            Self::Unavailable(Unavailable::Audit | Unavailable::Outcome) => "audit-unavailable",
            Self::Internal => "internal-error",
        }
    }

    /// The finest reason known, for the audit record.
    pub fn reason(&self) -> String {
        match self {
            Self::InvalidToken(fault) => format!("invalid-token: {fault}"),
            Self::ExpiredApiKey => "expired-token: api-key-expired".into(),
            Self::SignIn(fault) => format!("{}: {fault}", self.code()),
            Self::OAuth(error, reason) => format!("{}: {reason}", error.code()),
            Self::RevokedToken(revocation) => format!("revoked-token: {revocation}"),
            Self::Throttled { .. } | Self::QuotaExceeded(_) => {
                format!("quota-exceeded: {}", self.refusing_policies().collect::<Vec<_>>().join(", "))
            }
            Self::Forbidden(barrier) => format!("{}: {barrier}", self.code()),
            Self::ModelNotAllowed { whose, .. } => format!("{}: {whose}", self.code()),
            Self::BudgetExhausted(shortfalls) => {
                let names: Vec<&str> = shortfalls.iter().map(|short| &*short.budget.name).collect();
                format!("{}: {}", self.code(), names.join(", "))
            }
            Self::LimitsUnknown(names) => format!("{}: {}", self.code(), names.join(", ")),
            _ => self.code().into(),
        }
    }

    /// True where the head itself could be read in two ways: what comes behind it on the connection cannot be
    /// distinguished from another request (RFC 9112 §11.2).
    pub fn doubts_framing(&self) -> bool {
        match self {
            Self::InvalidHost(_) | Self::HeadTooLarge { .. } => true,
            Self::InvalidRequest(faults) => faults.iter().any(|fault| fault.pointer.starts_with("header:")),
            _ => false,
        }
    }

    /// The names of the limit policies that refused.
    pub fn refusing_policies(&self) -> impl Iterator<Item = &str> {
        let (throttle, standings) = match self {
            Self::Throttled { policy, .. } => (Some(*policy), [].as_slice()),
            Self::QuotaExceeded(standings) => (None, standings.as_slice()),
            _ => (None, [].as_slice()),
        };
        let refusing = standings.iter().filter(|standing| standing.retry_after_ns.is_some());
        throttle.into_iter().chain(refusing.map(|standing| &*standing.policy.name))
    }

    /// True where an upstream or the gateway broke down, rather than the call being refused by a rule.
    pub const fn is_failure(&self) -> bool {
        matches!(
            self,
            Self::UpstreamFailed
                | Self::UpstreamTimeout
                | Self::Disconnected
                | Self::SignIn(SignInFault::ProviderUnavailable | SignInFault::Unavailable)
                | Self::Internal
        )
    }
}
