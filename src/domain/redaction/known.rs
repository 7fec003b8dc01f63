//! Secrets that the gateway knows, because they are its own: cut wherever they stand, whatever they look like, and in each
//! form that a body may carry them in.

use std::{borrow::Cow, fmt, sync::Arc};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

use super::REDACTED;
use crate::domain::{hex, percent};

/// A shorter one would cut ordinary words.
const LEAST_BYTES: usize = 8;

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

    /// The text without them.
    #[must_use]
    pub fn cut<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.0.iter().fold(Cow::Borrowed(text), |text, secret| {
            if text.contains(&**secret) { Cow::Owned(text.replace(&**secret, REDACTED)) } else { text }
        })
    }
}

/// A secret as it is, escaped in JSON (also with `\/`, and in JSON within JSON), in a URL or a form and in HTML, and coded in
/// base64 and hexadecimal.
fn forms(secret: &str) -> Vec<String> {
    let json = in_json(secret);
    let slashes = json.replace('/', "\\/");
    let in_url = percent::encoded(secret);
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    vec![
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
    ]
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
        ] {
            assert_eq!(secrets.cut(&format!("<{form}>")), "<[redacted]>", "{form}");
        }
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
