//! What can be wrong with a credential.

/// Why an access token or an API key was not accepted. The caller learns only that it was not; the audit record names the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    #[error("malformed-token")]
    Malformed,
    #[error("wrong-type")]
    WrongType,
    #[error("unsupported-header")]
    UnsupportedHeader,
    #[error("unknown-key")]
    UnknownKey,
    /// Neither this gateway nor an outside issuer that it trusts.
    #[error("unknown-issuer")]
    UnknownIssuer,
    /// Signed after its key had been retired.
    #[error("retired-key")]
    RetiredKey,
    #[error("wrong-algorithm")]
    WrongAlgorithm,
    #[error("bad-signature")]
    BadSignature,
    #[error("wrong-claims")]
    WrongClaims,
    /// This claim of an outside token is missing, or not as it must be.
    #[error("wrong-claims: {0}")]
    WrongClaim(&'static str),
    #[error("not-yet-valid")]
    NotYetValid,
    #[error("unknown-api-key")]
    UnknownApiKey,
    #[error("wrong-api-key-secret")]
    WrongApiKeySecret,
    /// In the field for API keys.
    #[error("no-api-key")]
    NoApiKey,
    #[error("unknown-scheme")]
    UnknownScheme,
    #[error("no-such-refresh-token")]
    UnknownRefreshToken,
    /// The session was revoked for it.
    #[error("refresh-token-reused")]
    RefreshTokenReused,
}
