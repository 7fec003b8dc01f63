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

/// What the document says that means something here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// The address of the keys.
    pub jwks_uri: String,
    /// Where people sign in, if they can and a secret is enough for a client.
    pub endpoints: Option<Endpoints>,
}

/// Where and how this gateway, as a client of the issuer, has people sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    pub authorization: String,
    pub token: String,
    /// Where claims of the user are that do not stand in the ID token (Core §5.3); `None` where the document names no such place.
    pub userinfo: Option<String>,
    pub secret_goes: SecretGoes,
    /// Whether each answer of the authorization endpoint says who gives it (RFC 9207 §3).
    pub names_issuer: bool,
}

/// Where the secret of a client stands in a request to the token endpoint (RFC 6749 §2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretGoes {
    /// In `Authorization`: `client_secret_basic`.
    InHeader,
    /// In the form: `client_secret_post`.
    InForm,
}

impl Discovered {
    /// Reads the document. Its `issuer` must be the configured one, byte for byte (Discovery §4.3), and an issuer with https
    /// has its keys and endpoints there too.
    pub fn read(json: &[u8], issuer: &str) -> Result<Self, NotDiscovered> {
        let document: Map<String, Value> = serde_json::from_slice(json).map_err(|_| NotDiscovered::NotADocument)?;
        let text = |name| document.get(name).and_then(Value::as_str).ok_or(NotDiscovered::NotADocument);
        let (its_issuer, jwks_uri) = (text("issuer")?, text("jwks_uri")?);
        if its_issuer != issuer {
            return Err(NotDiscovered::OtherIssuer(its_issuer.to_owned()));
        }
        let jwks_uri = safe(jwks_uri, issuer).ok_or(NotDiscovered::Uri)?;
        Ok(Self { jwks_uri, endpoints: endpoints(&document, issuer) })
    }
}

fn endpoints(document: &Map<String, Value>, issuer: &str) -> Option<Endpoints> {
    let url = |name| document.get(name).and_then(Value::as_str).and_then(|url| safe(url, issuer));
    // Without the list it is basic (RFC 8414 §2).
    let takes = |method: &str| match document.get("token_endpoint_auth_methods_supported") {
        None => method == "client_secret_basic",
        Some(methods) => methods.as_array().is_some_and(|all| all.iter().any(|one| one == method)),
    };
    let secret_goes = match (takes("client_secret_basic"), takes("client_secret_post")) {
        (true, _) => SecretGoes::InHeader,
        (false, true) => SecretGoes::InForm,
        (false, false) => return None,
    };
    let names_issuer = document.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true));
    Some(Endpoints {
        authorization: url("authorization_endpoint")?,
        token: url("token_endpoint")?,
        userinfo: url("userinfo_endpoint"),
        secret_goes,
        names_issuer,
    })
}

/// A URL of the issuer's that is as safe as its own, without a fragment (RFC 6749 §3.1).
fn safe(url: &str, issuer: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    let is_safe = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => issuer.starts_with("http://"),
        _ => false,
    };
    (has_host && is_safe && !url.contains('#')).then(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_keys_are_where_the_document_of_this_very_issuer_says() {
        let found = |issuer: &str, named: &str, uri: &str| {
            let document = json!({ "issuer": named, "jwks_uri": uri, "else": 1 }).to_string();
            Discovered::read(document.as_bytes(), issuer).map(|found| found.jwks_uri)
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
        assert_eq!(Discovered::read(b"{}", safe), Err(NotDiscovered::NotADocument));
    }

    #[test]
    fn people_sign_in_where_the_document_says_and_a_secret_goes_as_it_says() {
        let issuer = "https://idp.example";
        let found = |change: Value| {
            let mut document = json!({
                "issuer": issuer,
                "jwks_uri": "https://idp.example/keys",
                "authorization_endpoint": "https://idp.example/authorize?tenant=1",
                "token_endpoint": "https://idp.example/token",
            });
            document.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            Discovered::read(document.to_string().as_bytes(), issuer).unwrap().endpoints
        };
        let plain = found(json!({})).unwrap();
        assert_eq!((plain.secret_goes, plain.names_issuer), (SecretGoes::InHeader, false));
        assert_eq!(plain.authorization, "https://idp.example/authorize?tenant=1");
        let methods = |methods: &[&str]| found(json!({ "token_endpoint_auth_methods_supported": methods }));
        for (listed, goes) in [
            (&["client_secret_post"][..], Some(SecretGoes::InForm)),
            (&["client_secret_post", "client_secret_basic"], Some(SecretGoes::InHeader)),
            (&["private_key_jwt"], None),
            (&[], None),
        ] {
            assert_eq!(methods(listed).map(|found| found.secret_goes), goes, "{listed:?}");
        }
        assert_eq!(plain.userinfo, None);
        for (named, taken) in [("https://idp.example/me?v=1", true), ("http://idp.example/me", false), ("/me", false)] {
            let userinfo = found(json!({ "userinfo_endpoint": named })).unwrap().userinfo;
            assert_eq!(userinfo.as_deref(), taken.then_some(named), "{named}");
        }
        assert!(found(json!({ "authorization_response_iss_parameter_supported": true })).unwrap().names_issuer);
        for wrong in
            [json!(null), json!(1), json!("http://idp.example/"), json!("/token"), json!("https://idp.example/#a")]
        {
            assert_eq!(found(json!({ "token_endpoint": wrong })), None, "{wrong}");
            assert_eq!(found(json!({ "authorization_endpoint": wrong })), None, "{wrong}");
        }
    }
}
