//! Secrets that the gateway knows, because they are its own: cut wherever they stand, whatever they look like.

use std::{borrow::Cow, fmt, sync::Arc};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

use super::REDACTED;
use crate::domain::hex;

/// A shorter one would cut ordinary words.
const LEAST_BYTES: usize = 8;

/// The values that upstreams are sent as secrets. Shared by all that put bodies on record; shows none of them.
#[derive(Clone, Default)]
pub struct KnownSecrets(Arc<[Box<str>]>);

impl KnownSecrets {
    /// Of header values such as `Bearer …`, the scheme and the credential are known together and the credential alone, each
    /// as it is and in the forms that answers repeat it in.
    pub fn new<'s>(values: impl IntoIterator<Item = &'s str>) -> Self {
        let words = |value: &'s str| [value, value.rsplit(' ').next().unwrap_or(value)];
        let mut secrets: Vec<Box<str>> =
            values.into_iter().flat_map(words).filter(|secret| secret.len() >= LEAST_BYTES).flat_map(forms).collect();
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

/// A secret as it is, in JSON (once and twice, with slashes escaped or not), percent-encoded, in HTML, in base64, and in
/// hexadecimal digits. Most have one form or two.
fn forms(secret: &str) -> Vec<Box<str>> {
    let json = |text: &str| {
        let quoted = serde_json::Value::from(text).to_string();
        quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
    };
    let in_json = json(secret);
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let mut forms = vec![
        secret.to_owned(),
        in_json.replace('/', "\\/"),
        json(&in_json),
        json(&in_json.replace('/', "\\/")),
        in_json,
        form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        form_urlencoded::byte_serialize(secret.as_bytes()).collect::<String>().to_lowercase(),
        html.replace('\'', "&#39;"),
        html.replace('\'', "&#x27;"),
        html,
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        hex::encode(secret.as_bytes()),
        hex::encode(secret.as_bytes()).to_uppercase(),
    ];
    forms.sort_unstable();
    forms.dedup();
    forms.into_iter().map(String::into_boxed_str).collect()
}

impl fmt::Debug for KnownSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} forms of secrets", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(format!("{secrets:?}").ends_with(" forms of secrets"));
    }

    #[test]
    fn a_known_secret_is_cut_in_every_form_that_it_is_repeated_in() {
        let secret = r#"q7/Zx+Lm"W~pR4&tK9<vB2=="#;
        let secrets = KnownSecrets::new([secret]);
        for text in [
            r#"q7/Zx+Lm"W~pR4&tK9<vB2=="#,
            r#"q7/Zx+Lm\"W~pR4&tK9<vB2=="#,
            r#"q7\/Zx+Lm\"W~pR4&tK9<vB2=="#,
            r#"q7/Zx+Lm\\\"W~pR4&tK9<vB2=="#,
            "q7%2FZx%2BLm%22W%7EpR4%26tK9%3CvB2%3D%3D",
            "q7/Zx+Lm&quot;W~pR4&amp;tK9&lt;vB2==",
            "cTcvWngrTG0iV35wUjQmdEs5PHZCMj09",
            "71372f5a782b4c6d22577e70523426744b393c7642323d3d",
        ] {
            assert_eq!(secrets.cut(&format!("is {text} here")), "is [redacted] here", "{text}");
        }
    }
}
