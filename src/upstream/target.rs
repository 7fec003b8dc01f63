//! Where a call goes: an upstream's address, secret and bounds.
//!
//! The composition root builds one [`Target`] per configured upstream, at start and on reload, and shares it over all
//! workers. It never resolves a name and never shows the secret: it is a sensitive header value, which `Debug` hides.

use std::{borrow::Cow, str::FromStr, sync::Arc, time::Duration};

use http::{
    HeaderName, HeaderValue, Uri,
    header::AUTHORIZATION,
    uri::{Authority, Parts, PathAndQuery, Scheme},
};

use super::{
    InFlight, OwnTls,
    headers::{self, Secret},
};

/// One upstream, with everything a call to it needs.
#[derive(Debug, Clone)]
pub struct Target {
    pub name: Arc<str>,
    pub kind: Kind,
    pub secret: Option<Secret>,
    /// For name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// The longest silence: until the head of the answer, then between two chunks of its body.
    pub timeout: Duration,
    pub in_flight: InFlight,
    /// `None`: TLS as to all others.
    pub own_tls: Option<OwnTls>,
}

impl Target {
    /// The host and the port that it is called at; nothing of what is built in.
    pub fn authority(&self) -> Option<&str> {
        match &self.kind {
            Kind::Http(base) => Some(base.authority.as_str()),
            Kind::Echo | Kind::Llm => None,
        }
    }

    /// Whether calls reach the same place as those to the other one, by the same TLS and with the same secret.
    #[must_use]
    pub fn leads_as(&self, other: &Self) -> bool {
        let tls = |target: &Self| target.own_tls.as_ref().map(|tls| tls.digest);
        self.kind == other.kind && self.secret == other.secret && tls(self) == tls(other)
    }
}

/// What answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Http(Base),
    Echo,
    Llm,
}

/// The address of an HTTP upstream, and the path that all its paths begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    scheme: Scheme,
    authority: Authority,
    host: HeaderValue,
    /// Empty, or `/` and no trailing slash.
    path: String,
}

/// A configured upstream that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("the url must be http://…, https://…, builtin:echo or builtin:llm")]
    Url,
    #[error("the url must not carry a user, a query or a fragment")]
    UrlParts,
    #[error("the secret's header must be a header name that the gateway does not set itself")]
    SecretHeader,
    #[error("the secret has characters that a header cannot carry")]
    SecretValue,
}

/// A request that cannot be forwarded as it is; it is refused, never rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unforwardable {
    #[error("the path cannot be sent byte for byte")]
    Path,
    #[error("CONNECT asks for a tunnel, which a gateway does not make")]
    Connect,
}

impl FromStr for Kind {
    type Err = TargetError;

    /// Reads the `url` of the configuration.
    fn from_str(url: &str) -> Result<Self, TargetError> {
        match url {
            "builtin:echo" => Ok(Self::Echo),
            "builtin:llm" => Ok(Self::Llm),
            _ => Base::parse(url).map(Self::Http),
        }
    }
}

impl Base {
    /// Reads an absolute `http` or `https` URL.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        // `Uri` forgets a fragment silently, so it is looked for here.
        if url.contains(['#', '?', '@']) {
            return Err(TargetError::UrlParts);
        }
        let Parts { scheme, authority, path_and_query, .. } =
            Uri::from_str(url).map_err(|_| TargetError::Url)?.into_parts();
        let (Some(scheme), Some(authority)) = (scheme, authority) else { return Err(TargetError::Url) };
        let host = host_header(&scheme, &authority)?;
        let path = path_and_query.map_or_else(String::new, |path| path.as_str().trim_end_matches('/').to_owned());
        Ok(Self { scheme, authority, host, path })
    }

    /// The same with another host in requests.
    #[must_use]
    pub fn with_host(self, host: HeaderValue) -> Self {
        Self { host, ..self }
    }

    /// Whether it is called over TLS.
    pub fn is_tls(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The `Host` header of this upstream (RFC 9110 §7.2).
    pub fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// The base path followed by the given bytes, unchanged: no decoding, no dot segments removed, no slashes merged. Of a
    /// route that is stripped whole nothing or a query is left: then it is the base path itself, `/` where that is empty.
    pub fn uri_for(&self, path_and_query: &str) -> Result<Uri, Unforwardable> {
        let is_stripped = path_and_query.is_empty() || path_and_query.starts_with('?');
        let base = if is_stripped && self.path.is_empty() { "/" } else { &self.path };
        let wanted =
            if base.is_empty() { Cow::from(path_and_query) } else { Cow::from(format!("{base}{path_and_query}")) };
        let path = PathAndQuery::try_from(&*wanted).map_err(|_| Unforwardable::Path)?;
        // The parser drops what follows a `#`; whatever it changes is refused.
        if !(is_stripped || path_and_query.starts_with('/')) || path.as_str() != wanted {
            return Err(Unforwardable::Path);
        }
        let mut parts = Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).map_err(|_| Unforwardable::Path)
    }

    /// The same as a text, with the host that requests have in `Host`.
    pub fn url_for(&self, path_and_query: &str) -> Result<HeaderValue, Unforwardable> {
        let uri = self.uri_for(path_and_query)?;
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let url = [self.scheme.as_str().as_bytes(), b"://", self.host.as_bytes(), path.as_bytes()].concat();
        HeaderValue::from_bytes(&url).map_err(|_| Unforwardable::Path)
    }
}

impl Secret {
    /// `authorization` gets `Bearer <secret>`, unless the secret names its scheme itself (it then has a space); any other
    /// header gets the bare secret.
    pub fn new(header: &str, secret: &str) -> Result<Self, TargetError> {
        let name = HeaderName::from_str(header).map_err(|_| TargetError::SecretHeader)?;
        if headers::is_set_by_the_gateway(name.as_str()) {
            return Err(TargetError::SecretHeader);
        }
        // Blanks around it are no part of a header's value (RFC 9110 §5.5), and a byte order mark is an editor's.
        let secret = secret.trim_start_matches('\u{feff}').trim();
        let needs_scheme = name == AUTHORIZATION && !secret.contains(' ');
        let text = if needs_scheme { format!("Bearer {secret}") } else { secret.to_owned() };
        let mut value = HeaderValue::try_from(text).map_err(|_| TargetError::SecretValue)?;
        value.set_sensitive(true);
        Ok(Self { name, value })
    }
}

/// The authority without a port that the scheme implies anyway (RFC 9110 §4.2.3).
fn host_header(scheme: &Scheme, authority: &Authority) -> Result<HeaderValue, TargetError> {
    let default_port = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        _ => return Err(TargetError::Url),
    };
    let port_is_implied = authority.port_u16() == Some(default_port);
    let host = if port_is_implied { authority.host() } else { authority.as_str() };
    HeaderValue::from_str(host).map_err(|_| TargetError::Url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_into_what_answers() {
        assert!(matches!("builtin:echo".parse(), Ok(Kind::Echo)));
        assert!(matches!("builtin:llm".parse(), Ok(Kind::Llm)));
        assert!(matches!("https://api.example.com/base/".parse(), Ok(Kind::Http(_))));
    }

    #[test]
    fn a_url_that_is_no_upstream_is_refused_with_its_reason() {
        for (url, why) in [
            ("api.example.com", TargetError::Url),
            ("/only/a/path", TargetError::Url),
            ("ftp://host/", TargetError::Url),
            ("builtin:other", TargetError::Url),
            ("http://user:pass@host/", TargetError::UrlParts),
            ("http://host/?q=1", TargetError::UrlParts),
            ("http://host/#f", TargetError::UrlParts),
        ] {
            assert_eq!(url.parse::<Kind>().err(), Some(why), "{url}");
        }
    }

    #[test]
    fn the_host_header_names_the_port_only_when_the_scheme_does_not_imply_it() {
        for (url, host) in [
            ("http://h", "h"),
            ("http://h:80", "h"),
            ("https://h:443/x", "h"),
            ("http://h:443", "h:443"),
            ("http://[::1]:8080/", "[::1]:8080"),
        ] {
            assert_eq!(Base::parse(url).unwrap().host(), host, "{url}");
        }
    }

    #[test]
    fn a_path_is_joined_byte_for_byte_or_refused() {
        let base = Base::parse("http://h/base/").unwrap();
        for path in ["/", "/?", "/%2e%2e/%2F", "//a//b/", "/..;/x", "/a/../b", "/{x}|y~\"z", "/é?é=%zz&&"] {
            assert_eq!(base.uri_for(path).unwrap().path_and_query().unwrap().as_str(), format!("/base{path}"));
        }
        for (url, path, joined) in [
            ("http://h/base", "", "/base"),
            ("http://h/base", "?x=1", "/base?x=1"),
            ("http://h/base/", "/?x=1", "/base/?x=1"),
            ("http://h", "", "/"),
            ("http://h/", "?x=1", "/?x=1"),
        ] {
            let uri = Base::parse(url).unwrap().uri_for(path).unwrap();
            assert_eq!(uri.path_and_query().unwrap().as_str(), joined, "{url} {path}");
            assert_eq!(Base::parse(url).unwrap().url_for(path).unwrap(), format!("http://h{joined}"), "{url} {path}");
        }
        for path in ["x", "*", "/a#b", "/a b", "/a\r\nHost: x", "/a\0", "http://other/"] {
            assert_eq!(base.uri_for(path).err(), Some(Unforwardable::Path), "{path:?}");
        }
    }

    #[test]
    fn a_secret_gets_the_bearer_scheme_only_where_it_names_none() {
        let value = |header, secret| Secret::new(header, secret).unwrap().value;
        assert_eq!(value("authorization", "sk-1"), "Bearer sk-1");
        assert_eq!(value("Authorization", "Basic abc"), "Basic abc");
        assert_eq!(value("x-api-key", "sk-1"), "sk-1");
    }

    #[test]
    fn a_secret_cannot_take_the_place_of_a_header_the_gateway_sets() {
        for header in ["host", "content-length", "connection", "x-forwarded-for", "x-request-id", "no such"] {
            assert_eq!(Secret::new(header, "s").err(), Some(TargetError::SecretHeader), "{header}");
        }
        assert_eq!(Secret::new("x-api-key", "a\nb").err(), Some(TargetError::SecretValue));
    }

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::new("authorization", "sk-hidden").unwrap();
        assert!(!format!("{secret:?} {:?}", secret.value).contains("hidden"));
    }
}
