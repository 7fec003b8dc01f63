//! A sign-in that is under way at the provider: what the gateway must know again when the browser comes back. The browser
//! keeps it, sealed, so that any replica can go on with it.

use actix_web::http::header::HeaderMap;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    actors::code_redeemer::SIGN_IN_TTL,
    crypto::{self, CryptoError, MasterKey},
    pipeline::authenticate::cookie,
};

/// What it is sealed for.
const PURPOSE: &str = "oidc-sign-in";
/// The page of the console that is shown where no other was asked for.
const FIRST_PAGE: &str = "/overview";
/// The longest address of a page that is kept, in bytes: a browser keeps 4,096 bytes a cookie.
const MAX_TO_BYTES: usize = 1_024;

/// What is sealed. It has no `Debug`: the verifier is a secret.
#[derive(Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) state: String,
    pub(super) nonce: String,
    /// What `code_challenge` was made of (RFC 7636 §4.1).
    pub(super) verifier: String,
    pub(super) redirect_uri: String,
    /// The page of the console, as its address has it behind `#`.
    pub(super) to: String,
    /// When it began, in seconds since the Unix epoch.
    began_s: i64,
}

impl Pending {
    /// A new one. `to` is heeded where it is the address of a page.
    pub(super) fn begin(redirect_uri: String, to: Option<String>, now: Timestamp) -> Result<Self, CryptoError> {
        let to = to.filter(|to| is_page(to)).unwrap_or_else(|| FIRST_PAGE.into());
        let (state, nonce, verifier) = (secret()?, secret()?, secret()?);
        Ok(Self { state, nonce, verifier, redirect_uri, to, began_s: now.as_second() })
    }

    /// The one of this state in its cookie, if this gateway sealed it and it is not too old.
    pub(super) fn of(headers: &HeaderMap, state: &str, master: &MasterKey, now: Timestamp) -> Option<Self> {
        let sealed = URL_SAFE_NO_PAD.decode(cookie::sign_in(headers, state)?).ok()?;
        let plain = master.open(PURPOSE, &sealed).ok()?;
        let pending: Self = serde_json::from_slice(&plain).ok()?;
        let age_s = now.as_second().saturating_sub(pending.began_s);
        (age_s < i64::try_from(SIGN_IN_TTL.as_secs()).ok()?).then_some(pending)
    }

    /// The value of the cookie.
    pub(super) fn seal(&self, master: &MasterKey) -> Result<String, CryptoError> {
        let plain = serde_json::to_vec(self).map_err(|_| CryptoError::Library)?;
        Ok(URL_SAFE_NO_PAD.encode(master.seal(PURPOSE, &plain)?))
    }

    /// RFC 7636 §4.2, `S256`.
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(crypto::sha256(&[self.verifier.as_bytes()]))
    }
}

/// 256 bits that nobody guesses, in 43 characters of base64url.
fn secret() -> Result<String, CryptoError> {
    Ok(URL_SAFE_NO_PAD.encode(crypto::random::<32>()?))
}

/// Whether a text is what browsers put behind `#` for a page of the console: it stays within the console wherever it is put.
fn is_page(to: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte);
    to.starts_with('/') && to.len() <= MAX_TO_BYTES && to.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{COOKIE, HeaderValue};

    use super::*;
    use crate::domain::sign_in;

    fn master() -> MasterKey {
        MasterKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let pair = format!("other=1; {}={value}", sign_in::cookie_of("s"));
        headers.insert(COOKIE, HeaderValue::from_str(&pair).unwrap());
        headers
    }

    #[test]
    fn what_was_sealed_is_known_again_for_ten_minutes() {
        let pending =
            Pending::begin("https://g/auth/oidc/callback".into(), Some("/usage?from=a".into()), at(1_000)).unwrap();
        let sealed = pending.seal(&master()).unwrap();
        let known = Pending::of(&headers(&sealed), "s", &master(), at(1_599)).unwrap();
        assert_eq!((&known.state, &known.nonce, &known.verifier), (&pending.state, &pending.nonce, &pending.verifier));
        assert_eq!((known.redirect_uri.as_str(), known.to.as_str()), ("https://g/auth/oidc/callback", "/usage?from=a"));
        assert!(Pending::of(&headers(&sealed), "s", &master(), at(1_600)).is_none(), "it is too old");
        for wrong in ["", "x", sealed.get(1..).unwrap(), &sealed.replace(|sign: char| sign.is_ascii_digit(), "A")] {
            assert!(Pending::of(&headers(wrong), "s", &master(), at(1_000)).is_none(), "{wrong}");
        }
        assert!(Pending::of(&headers(&sealed), "t", &master(), at(1_000)).is_none(), "it is another's");
        assert!(Pending::of(&HeaderMap::new(), "s", &master(), at(1_000)).is_none());
    }

    #[test]
    fn every_sign_in_has_secrets_of_its_own() {
        let begin = || Pending::begin("r".into(), None, at(0)).unwrap();
        let (one, other) = (begin(), begin());
        let all = [&one.state, &one.nonce, &one.verifier, &other.state, &other.nonce, &other.verifier];
        assert!(all.iter().enumerate().all(|(i, text)| text.len() == 43 && !all[..i].contains(text)));
    }

    #[test]
    fn the_challenge_is_that_of_the_example_in_rfc_7636() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into();
        let pending = Pending { verifier, ..Pending::begin("r".into(), None, at(0)).unwrap() };
        assert_eq!(pending.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn only_a_page_of_the_console_is_returned_to() {
        for page in ["/usage", "/requests?user=ann&from=2026-01-01", "/users?name=a%20b"] {
            assert!(is_page(page), "{page}");
        }
        for other in
            ["", "usage", "https://evil.example", "javascript:alert(1)", "/a\r\nset-cookie: b", "/<b>", "/a b", "/ä"]
        {
            assert!(!is_page(other), "{other}");
        }
        assert!(!is_page(&format!("/{}", "x".repeat(MAX_TO_BYTES))));
    }
}
