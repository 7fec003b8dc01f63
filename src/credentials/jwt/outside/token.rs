//! An outside token in its parts, read strictly and not yet trusted.

use serde_json::{Map, Value};

use super::{media_type::without_application, unique::UniqueObject};
use crate::{
    credentials::jwt::compact::Compact,
    crypto,
    domain::{hex, refusal::TokenFault},
};

/// Members of a header that change how the token is read (RFC 7515 §4.1.11, RFC 7516 §4.1.3, RFC 7797 §3). `cty` says what is
/// inside: `JWT`, as some issuers write of claims too (RFC 7519 §5.2), means nothing here, and any other is refused.
///
/// Members that say where a key could be found (`jku`, `jwk`, `x5u`, `x5c`) are hints. They are ignored and never followed.
const REFUSED: [&str; 3] = ["crit", "b64", "zip"];

/// How much of a token's digest names it, in bytes.
const NAME_BYTES: usize = 16;

/// A token that another issuer may have given. What it says is to be believed only when it verified.
pub struct OutsideToken<'t> {
    pub(super) compact: Compact<'t>,
    pub(super) claims: Map<String, Value>,
    pub(super) alg: String,
    /// The name of its key, if it names one (RFC 7515 §4.1.4).
    pub(in crate::credentials::jwt) kid: Option<String>,
    /// Its `typ`; empty where it has none.
    pub(super) media_type: String,
    token: &'t str,
}

/// What a header says that means something here.
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) kid: Option<String>,
    media_type: String,
}

impl Header {
    pub(super) fn read(compact: &Compact<'_>) -> Result<Self, TokenFault> {
        let UniqueObject(header) =
            serde_json::from_slice(&compact.header).map_err(|_| TokenFault::UnsupportedHeader)?;
        let is_jwt = |cty: &Value| cty.as_str().is_some_and(|cty| without_application(cty).eq_ignore_ascii_case("JWT"));
        let has_refused = REFUSED.iter().any(|name| header.contains_key(*name));
        if has_refused || header.get("cty").is_some_and(|cty| !is_jwt(cty)) {
            return Err(TokenFault::UnsupportedHeader);
        }
        let text = |name: &str| header.get(name).map(|value| value.as_str().map(str::to_owned));
        let alg = text("alg").flatten().ok_or(TokenFault::UnsupportedHeader)?;
        let kid = text("kid").map(|kid| kid.ok_or(TokenFault::UnsupportedHeader)).transpose()?;
        let media_type = text("typ").map_or(Ok(String::new()), |typ| typ.ok_or(TokenFault::WrongType))?;
        Ok(Self { alg, kid, media_type })
    }
}

impl<'t> OutsideToken<'t> {
    /// Reads the form, the header and the claims.
    pub fn read(token: &'t str) -> Result<Self, TokenFault> {
        let compact = Compact::read(token)?;
        let Header { alg, kid, media_type } = Header::read(&compact)?;
        let UniqueObject(claims) = serde_json::from_slice(&compact.claims).map_err(|_| TokenFault::WrongClaims)?;
        Ok(Self { compact, claims, alg, kid, media_type, token })
    }

    /// Its `iss`, if that is a string.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }

    /// A name for it that gives nothing of it away: the first half of its SHA-256, in hex.
    pub(super) fn digest(&self) -> String {
        let digest = crypto::sha256(&[self.token.as_bytes()]);
        hex::encode(digest.get(..NAME_BYTES).unwrap_or(&digest))
    }
}
