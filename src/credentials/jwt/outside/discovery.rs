//! Where an issuer publishes its keys, by its own configuration document (`OpenID` Connect Discovery §4, RFC 8414 §3).

use http::Uri;
use serde_json::{Map, Value};

/// Why the document does not say where the keys are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDiscovered {
    #[error("the discovery document is no JSON object with issuer and jwks_uri")]
    NotADocument,
    #[error("the discovery document is of another issuer, {0:?}")]
    OtherIssuer(String),
    #[error("the jwks_uri of the discovery document is no http:// or https:// URL, or less safe than the issuer's")]
    Uri,
}

/// The address of the keys. The document's `issuer` must be the configured one, byte for byte (Discovery §4.3), and an
/// issuer with https has its keys there too.
pub fn jwks_uri(json: &[u8], issuer: &str) -> Result<String, NotDiscovered> {
    let document: Map<String, Value> = serde_json::from_slice(json).map_err(|_| NotDiscovered::NotADocument)?;
    let text = |name| document.get(name).and_then(Value::as_str).ok_or(NotDiscovered::NotADocument);
    let (its_issuer, jwks_uri) = (text("issuer")?, text("jwks_uri")?);
    if its_issuer != issuer {
        return Err(NotDiscovered::OtherIssuer(its_issuer.to_owned()));
    }
    let uri: Uri = jwks_uri.parse().map_err(|_| NotDiscovered::Uri)?;
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    let is_safe = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => issuer.starts_with("http://"),
        _ => false,
    };
    if has_host && is_safe { Ok(jwks_uri.to_owned()) } else { Err(NotDiscovered::Uri) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_keys_are_where_the_document_of_this_very_issuer_says() {
        let found = |issuer: &str, named: &str, uri: &str| {
            jwks_uri(json!({ "issuer": named, "jwks_uri": uri, "else": 1 }).to_string().as_bytes(), issuer)
        };
        let (safe, plain) = ("https://idp.example/realms/x", "http://127.0.0.1:1/");
        assert_eq!(found(safe, safe, "https://keys.example/k?v=1"), Ok("https://keys.example/k?v=1".into()));
        assert_eq!(found(plain, plain, "http://127.0.0.1:1/k"), Ok("http://127.0.0.1:1/k".into()));
        for other in ["https://idp.example/realms/x/", "https://IDP.example/realms/x", ""] {
            assert_eq!(found(safe, other, "https://keys.example/"), Err(NotDiscovered::OtherIssuer(other.into())));
        }
        for uri in ["http://keys.example/", "/keys", "ftp://keys.example/", "file:///etc/passwd", "", "https://"] {
            assert_eq!(found(safe, safe, uri), Err(NotDiscovered::Uri), "{uri}");
        }
        assert_eq!(jwks_uri(b"{}", safe), Err(NotDiscovered::NotADocument));
    }
}
