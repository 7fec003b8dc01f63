//! The compact serialization (RFC 7515 §7.1): three parts of canonical base64url, and a header of three members.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::domain::refusal::TokenFault;

/// The longest token looked at, in bytes. No longer one can arrive: a request's head has at most as many, and its own
/// bound, `server.max_header_bytes`, is stricter. Ours have about 500; of an issuer that names many groups, 10,000.
const MAX_TOKEN_BYTES: usize = 131_072;

/// A token in its parts, the last two not yet trusted.
pub(super) struct Compact<'t> {
    /// What is signed: header and claims as they were sent.
    pub(super) message: &'t str,
    pub(super) encoded_signature: &'t str,
    pub(super) header: Vec<u8>,
    pub(super) claims: Vec<u8>,
}

/// The header that we write and the only one that we read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) typ: String,
    pub(super) kid: String,
}

impl<'t> Compact<'t> {
    /// Splits and decodes. Padding, white space, other alphabets and loose last bits are no base64url (RFC 4648 §3.5).
    pub(super) fn read(token: &'t str) -> Result<Self, TokenFault> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenFault::Malformed);
        }
        let (message, encoded_signature) = token.rsplit_once('.').ok_or(TokenFault::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(TokenFault::Malformed)?;
        let signature = decode(encoded_signature)?;
        let (header, claims) = (decode(header)?, decode(claims)?);
        if header.is_empty() || claims.is_empty() || signature.is_empty() {
            return Err(TokenFault::Malformed);
        }
        Ok(Self { message, encoded_signature, header, claims })
    }

    pub(super) fn header(&self) -> Result<Header, TokenFault> {
        serde_json::from_slice(&self.header).map_err(|_| match serde_json::from_slice(&self.header) {
            Ok(serde_json::Value::Object(_)) => TokenFault::UnsupportedHeader,
            _ => TokenFault::Malformed,
        })
    }

    /// Whether the header is written exactly as `canonical` is.
    pub(super) fn has_header(&self, canonical: &[u8]) -> bool {
        self.header == canonical
    }
}

/// A dot is in no base64url, so more than three parts do not decode.
fn decode(part: &str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Malformed)
}
