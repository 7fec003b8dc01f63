//! Origins of pages that may call, as operators write them.

use http::Uri;
use serde::{Deserialize, Deserializer, de::Error};

use crate::domain::host::{self, Host};

/// An origin as a browser sends it (RFC 6454 §6.2): scheme, host and port in lower case, without a port that the scheme
/// implies. Written with capitals, with that port, or with a slash at its end, it means the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(pub String);

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.contains('*') || text == "null" {
            return Err(D::Error::custom(format!(
                "{text:?}: each origin must be named; pages of all others may not call"
            )));
        }
        read(&text).map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "{text:?} is no origin, such as \"https://app.example\" or \"http://localhost:5173\""
            ))
        })
    }
}

fn read(text: &str) -> Option<String> {
    let text = text.trim_end_matches('/').to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://")?;
    // Pages of installed applications have schemes of their own, without ports.
    let is_scheme = format!("{scheme}://a").parse::<Uri>().is_ok();
    Host::read(authority).filter(|_| is_scheme)?;
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (name, port.parse::<u16>().ok()),
        _ => (authority, None),
    };
    match port.filter(|port| host::default_port(scheme) != Some(*port)) {
        Some(port) => Some(format!("{scheme}://{name}:{port}")),
        None => Some(format!("{scheme}://{name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_read_as_browsers_write_it() {
        for (text, origin) in [
            ("https://app.example", "https://app.example"),
            ("https://app.example/", "https://app.example"),
            ("HTTPS://APP.example:443", "https://app.example"),
            ("http://localhost:80", "http://localhost"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("https://app.example:80", "https://app.example:80"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://[::1]", "http://[::1]"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ] {
            assert_eq!(read(text).as_deref(), Some(origin), "{text}");
        }
    }

    #[test]
    fn what_no_browser_sends_is_refused_with_its_place() {
        for text in [
            "*",
            "https://*.example",
            "null",
            "",
            "app.example",
            "https://",
            "https://app.example/x",
            "https://app.example?x",
            "https://a b",
            " https://app.example",
            "https://user@app.example",
            "https://app.example:99999",
        ] {
            let file = format!("[cors]\nallowed_origins = [\"https://good.example\", {text:?}]\n");
            let error = crate::config::tests::load(&file, &[]).unwrap_err();
            assert!(error.key.starts_with("cors.allowed_origins"), "{text:?}: {error}");
            assert!(error.reason.contains(&format!("{text:?}")), "{text:?}: {error}");
        }
    }
}
