//! The cookies that are read, and how both are set: the refresh token of a page of the gateway itself, and the sign-in that is under way at a
//! provider.
//!
//! Only `/auth/refresh` and `/auth/logout` ask for the first, and take it only from a page of the gateway's own origin:
//! another page can make a browser send the cookie, but cannot say that it is ours. The second is read by
//! `/auth/oidc/callback` alone, to which the provider sends the browser; it is sealed.

use actix_web::http::header::{COOKIE, HeaderMap, ORIGIN};

use crate::{
    domain::{
        host::{self, Host},
        session, sign_in,
    },
    pipeline::{fields, peers::Front},
};

/// The refresh token in its cookie.
#[must_use]
pub fn refresh_token(headers: &HeaderMap) -> Option<&str> {
    value(headers, session::COOKIE)
}

/// The sign-in of this state that is under way at a provider, as it was sealed.
#[must_use]
pub fn sign_in<'h>(headers: &'h HeaderMap, state: &str) -> Option<&'h str> {
    value(headers, &sign_in::cookie_of(state))
}

/// The names of the cookies of all sign-ins that are under way in this browser.
#[must_use]
pub fn sign_ins(headers: &HeaderMap) -> Vec<String> {
    let names = fields::divided(headers, COOKIE, b';').filter_map(|pair| pair.split(|byte| *byte == b'=').next());
    let names = names.filter_map(|name| std::str::from_utf8(name).ok());
    names.filter(|name| sign_in::is_cookie_name(name)).map(str::to_owned).collect()
}

/// How a cookie is set (RFC 6265 §4.1): for how many seconds, below which path, and whether other sites may send it with a link
/// (`Lax`) or not at all (`Strict`). No script reads it, and over https it goes over https alone.
#[must_use]
pub fn line(name: &str, value: &str, (max_age_s, path, same_site): (i64, &str, &str), front: &Front) -> String {
    let secure = if front.scheme == "https" { "; Secure" } else { "" };
    format!("{name}={value}; Max-Age={max_age_s}; Path={path}; HttpOnly; SameSite={same_site}{secure}")
}

/// The value of the cookie of this name. Two that differ are none.
fn value<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let pairs = fields::divided(headers, COOKIE, b';');
    let mut values = pairs.filter_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
    let first = values.next().filter(|value| !value.is_empty())?;
    values.all(|value| value == first).then(|| std::str::from_utf8(first).ok()).flatten()
}

/// Whether a browser says that the page which calls is of the gateway's own origin (Fetch standard, "Origin header";
/// Fetch Metadata, `Sec-Fetch-Site`). Where both are there, both must say so.
#[must_use]
pub fn is_same_origin(headers: &HeaderMap, front: &Front) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let by_origin = text(ORIGIN.as_str()).map(|origin| is_own(origin, front).unwrap_or(false));
    let by_site = text("sec-fetch-site").map(|site| site == "same-origin");
    match (by_origin, by_site) {
        (None, None) => false,
        (origin, site) => origin.unwrap_or(true) && site.unwrap_or(true),
    }
}

/// Whether an origin is that of the gateway. No port is the port that the scheme implies (RFC 6454 §4).
fn is_own(origin: &str, front: &Front) -> Option<bool> {
    let (scheme, host) = origin.split_once("://")?;
    let own = Host::read(front.host.as_deref()?)?;
    let is_same = own.is(&Host::read(host)?, host::default_port(scheme)?);
    Some(is_same && scheme.eq_ignore_ascii_case(front.scheme))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_token_is_found_among_other_cookies_and_only_by_its_whole_name() {
        let token = |line| refresh_token(&headers(&[("cookie", line)])).map(str::to_owned);
        assert_eq!(token("a=b; tollgate_refresh=tgr_x; c=d").as_deref(), Some("tgr_x"));
        assert_eq!(token("tollgate_refresh=x; tollgate_refresh=x").as_deref(), Some("x"));
        let raw = |line: &'static [u8]| {
            let mut headers = HeaderMap::new();
            headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
            refresh_token(&headers).map(str::to_owned)
        };
        for line in [
            &b"theme=d\xfc; tollgate_refresh=x"[..],
            "theme=dü; tollgate_refresh=x".as_bytes(),
            b"tollgate_refresh=x; a=\xff\xfe",
            b"\xe9; tollgate_refresh=x;",
        ] {
            assert_eq!(raw(line).as_deref(), Some("x"), "{line:?}");
        }
        assert_eq!(raw(b"tollgate_refresh=\xfc"), None);
        for none in ["", "tollgate_refresh=", "xtollgate_refresh=a", "tollgate_refresh=a; tollgate_refresh=b", "a=b"] {
            assert_eq!(token(none), None, "{none}");
        }
    }

    #[test]
    fn sign_ins_are_told_apart_by_their_states() {
        let headers = headers(&[(
            "cookie",
            "tollgate_sign_in_a=x; tollgate_refresh=r; tollgate_sign_in_b=y; b=tollgate_sign_in_c",
        )]);
        assert_eq!((sign_in(&headers, "a"), sign_in(&headers, "b")), (Some("x"), Some("y")));
        assert_eq!((sign_in(&headers, "c"), sign_in(&headers, "")), (None, None));
        assert_eq!(sign_ins(&headers), ["tollgate_sign_in_a", "tollgate_sign_in_b"]);
    }

    #[test]
    fn a_page_is_ours_only_where_all_that_the_browser_says_agrees() {
        let front = Front { scheme: "https", host: Some("gate.example".into()) };
        let is_ours = |lines: &[(&'static str, &'static str)]| is_same_origin(&headers(lines), &front);
        assert!(is_ours(&[("origin", "https://gate.example")]));
        assert!(is_ours(&[("sec-fetch-site", "same-origin")]));
        assert!(is_ours(&[("origin", "https://gate.example"), ("sec-fetch-site", "same-origin")]));
        assert!(is_ours(&[("origin", "https://gate.example:443")]));
        assert!(!is_ours(&[]));
        for (scheme, host, origin) in [
            ("https", "gate.example:443", "https://gate.example"),
            ("http", "gate.example:80", "http://GATE.example"),
            ("https", "[::1]:8443", "https://[::1]:8443"),
        ] {
            let front = Front { scheme, host: Some(host.into()) };
            assert!(is_same_origin(&headers(&[("origin", origin)]), &front), "{host} {origin}");
        }
        for origin in ["http://gate.example", "https://gate.example:8443", "https://evil.example", "null", ""] {
            assert!(!is_ours(&[("origin", origin)]), "{origin}");
            assert!(!is_ours(&[("origin", origin), ("sec-fetch-site", "same-origin")]), "{origin}");
        }
        for site in ["same-site", "cross-site", "none"] {
            assert!(!is_ours(&[("sec-fetch-site", site)]), "{site}");
            assert!(!is_ours(&[("origin", "https://gate.example"), ("sec-fetch-site", site)]), "{site}");
        }
    }
}
