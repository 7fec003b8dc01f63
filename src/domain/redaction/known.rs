//! Secrets that the gateway knows, because they are its own: cut wherever they stand, whatever they look like, and in each
//! form that a body may carry them in.

mod decoded;

use std::{borrow::Cow, fmt, ops::Range, sync::Arc};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use memchr::memmem;

use self::decoded::Decoded;
use super::REDACTED;
use crate::domain::{hex, percent};

/// A shorter one would cut ordinary words.
const LEAST_BYTES: usize = 8;

/// How often a text is decoded: JSON within JSON within a URL.
const MAX_LEVELS: usize = 3;

/// The values that upstreams are sent as secrets. Shared by all that put bodies on record; shows none of them.
#[derive(Clone, Default)]
pub struct KnownSecrets(Arc<[Box<str>]>);

impl KnownSecrets {
    /// Of header values such as `Bearer …`, the scheme and the credential are known together and the credential alone.
    pub fn new<'s>(values: impl IntoIterator<Item = &'s str>) -> Self {
        let words = |value: &'s str| [value, value.rsplit(' ').next().unwrap_or(value)];
        let values = values.into_iter().flat_map(words).filter(|secret| secret.len() >= LEAST_BYTES);
        let mut secrets: Vec<Box<str>> = values.flat_map(forms).map(String::into_boxed_str).collect();
        // The longer first, so that no part of it stays.
        secrets.sort_unstable_by(|left, right| right.len().cmp(&left.len()).then(left.cmp(right)));
        secrets.dedup();
        Self(secrets.into())
    }

    /// The text without them: as it stands, and as it reads once or more decoded.
    #[must_use]
    pub fn cut<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let plain = self.0.iter().fold(Cow::Borrowed(text), |text, secret| {
            if text.contains(&**secret) { Cow::Owned(text.replace(&**secret, REDACTED)) } else { text }
        });
        let Some(first) = Decoded::of(&plain).filter(|_| !self.0.is_empty()) else { return plain };
        let levels = std::iter::successors(Some(first), Decoded::again).take(MAX_LEVELS);
        let mut found: Vec<Range<usize>> = levels.flat_map(|level| self.places(&level)).collect();
        if found.is_empty() {
            return plain;
        }
        found.sort_unstable_by_key(|range| range.start);
        let (mut out, mut done) = (String::with_capacity(plain.len()), 0);
        for Range { start, end } in found {
            if start >= done {
                out.push_str(plain.get(done..start).unwrap_or_default());
                out.push_str(REDACTED);
            }
            done = done.max(end);
        }
        out.push_str(plain.get(done..).unwrap_or_default());
        Cow::Owned(out)
    }

    /// Where secrets stand in the text that was decoded.
    fn places(&self, level: &Decoded) -> Vec<Range<usize>> {
        let places = self.0.iter().flat_map(|secret| {
            let found = memmem::find_iter(level.bytes(), secret.as_bytes());
            found.filter_map(|at| level.range(at, secret.len())).collect::<Vec<_>>()
        });
        places.collect()
    }
}

/// A secret as it is, escaped in JSON (also with `\/`, and in JSON within JSON), in a URL or a form and in HTML, and coded in
/// base64 and hexadecimal. Other ways to escape it are found as the text is decoded; these stay, for a secret that itself has
/// what looks like an escape.
fn forms(secret: &str) -> Vec<String> {
    let json = in_json(secret);
    let slashes = json.replace('/', "\\/");
    let in_url = percent::encoded(secret);
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let coded = [false, true]
        .into_iter()
        .flat_map(|url_safe| (0..3).map(move |before| base64_behind(before, secret, url_safe)));
    let mut forms: Vec<String> = coded.collect();
    forms.extend([
        in_json(&json),
        in_json(&slashes),
        in_lower_case(&in_url),
        in_lower_case(&form),
        form,
        html.replace('\'', "&#39;"),
        html.replace('\'', "&#x27;"),
        html,
        in_url,
        slashes,
        json,
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        hex::encode(secret.as_bytes()),
        hex::encode(secret.as_bytes()).to_uppercase(),
        secret.to_owned(),
    ]);
    forms
}

/// The base64 of a secret that stands behind `before` other bytes, without the digits that depend on other bytes too.
fn base64_behind(before: usize, secret: &str, url_safe: bool) -> String {
    let bytes = [vec![0; before].as_slice(), secret.as_bytes()].concat();
    let coded = if url_safe { URL_SAFE_NO_PAD.encode(&bytes) } else { STANDARD_NO_PAD.encode(&bytes) };
    // Each digit has six bits.
    let (begin, end) = (before.saturating_mul(8).div_ceil(6), bytes.len().saturating_mul(8) / 6);
    coded.get(begin..end).unwrap_or_default().to_owned()
}

/// What stands between the quotation marks of a JSON string.
fn in_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

/// Percent-encoded text with the digits of its escapes in lower case.
fn in_lower_case(percent: &str) -> String {
    let mut parts = percent.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        format!("{text}%{}{rest}", digits.to_ascii_lowercase())
    })
}

impl fmt::Debug for KnownSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_secret_is_cut_in_each_form_of_a_body() {
        let secrets = KnownSecrets::new([r#"Bearer q7/Zx+Lm"W~pR4&tK9<vB2=="#]);
        for form in [
            r#"q7/Zx+Lm"W~pR4&tK9<vB2=="#,
            r#"q7/Zx+Lm\"W~pR4&tK9<vB2=="#,
            r#"q7\/Zx+Lm\"W~pR4&tK9<vB2=="#,
            r#"q7/Zx+Lm\\\"W~pR4&tK9<vB2=="#,
            "q7%2FZx%2BLm%22W~pR4%26tK9%3CvB2%3D%3D",
            "q7%2fZx%2bLm%22W~pR4%26tK9%3cvB2%3d%3d",
            "q7%2FZx%2BLm%22W%7EpR4%26tK9%3CvB2%3D%3D",
            "q7/Zx+Lm&quot;W~pR4&amp;tK9&lt;vB2==",
            "cTcvWngrTG0iV35wUjQmdEs5PHZCMj09",
            "71372f5a782b4c6d22577e70523426744b393c7642323d3d",
            // Go, .NET, PHP, Jinja, Handlebars, lodash; JSON in JSON; every sign as an escape.
            r#"q7/Zx+Lm\"W~pR4\u0026tK9\u003cvB2=="#,
            r"q7/Zx\u002BLm\u0022W~pR4\u0026tK9\u003CvB2==",
            r"q7\/Zx+Lm\u0022W~pR4\u0026tK9\u003CvB2\u003d\u003d",
            r"q7\\u002FZx\\u002BLm\\\u0022W~pR4\\u0026tK9\\u003CvB2==",
            "q7/Zx+Lm&#34;W~pR4&amp;tK9&lt;vB2==",
            "q7/Zx+Lm&quot;W~pR4&amp;tK9&lt;vB2&#x3D;&#x3D;",
            "q7&#x2F;Zx&plus;Lm&#x22;W~pR4&amp;tK9&lt;vB2&equals;&#61;",
            "q7%2FZx%2BLm%5C%22W%7EpR4%26tK9%3CvB2%3D%3D",
        ] {
            assert_eq!(secrets.cut(&format!("<{form}>")), "<[redacted]>", "{form}");
        }
    }

    #[test]
    fn a_known_secret_is_cut_in_base64_wherever_it_begins() {
        let secret = r#"q7/Zx+Lm"W~pR4&tK9<vB2=="#;
        let secrets = KnownSecrets::new([secret]);
        for before in ["", "a", "a:", "user:", "Basic user:", "{\"a\":"] {
            let bytes = format!("{before}{secret}, and more");
            for text in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
                let cut = secrets.cut(&text).into_owned();
                let kept = cut.replace(REDACTED, "").len();
                // At each end a digit or two that have bits of something else as well.
                assert!(cut.contains(REDACTED) && kept <= text.len() - secret.len() * 4 / 3 + 2, "{text} {cut}");
                let escaped = text.replace('+', "\\u002b").replace('/', "\\/");
                assert!(secrets.cut(&escaped).contains(REDACTED), "{escaped}");
            }
        }
    }

    #[test]
    fn what_only_looks_like_escapes_stays() {
        let secrets = KnownSecrets::new(["kanarienvogel", "100%25&amp;\\u0041"]);
        for text in [
            "\\u00e9 &eacute; %C3%A9 \\ud83d\\ude00 \\q % &; \\",
            "a\\nb &amp; c",
            "\u{e9}%\u{e9}\\\u{e9}&#\u{e9};&#x110000;",
        ] {
            assert_eq!(secrets.cut(text), text);
        }
        assert_eq!(secrets.cut("x \\u006banarien%76ogel\u{e9}"), "x [redacted]\u{e9}");
        assert_eq!(secrets.cut("x 100%25&amp;\\u0041 y"), "x [redacted] y");
    }

    #[test]
    fn a_known_secret_is_cut_with_its_scheme_and_without_it() {
        let secrets = KnownSecrets::new(["Bearer kanarienvogel", "kanarienvogel-2", "short"]);
        for (text, cut) in [
            ("it is kanarienvogel!", "it is [redacted]!"),
            ("xkanarienvogelx", "x[redacted]x"),
            ("Bearer kanarienvogel kanarienvogel-2", "[redacted] [redacted]"),
            ("Bearer of a short text", "Bearer of a short text"),
        ] {
            assert_eq!(secrets.cut(text), cut);
        }
        assert!(format!("{secrets:?}").ends_with(" secrets"));
    }
}
