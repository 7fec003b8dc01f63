//! Secrets that the gateway knows, because they are its own: cut wherever they stand, whatever they look like.

use std::{borrow::Cow, fmt, sync::Arc};

use super::REDACTED;

/// A shorter one would cut ordinary words.
const LEAST_BYTES: usize = 8;

/// The values that upstreams are sent as secrets. Shared by all that put bodies on record; shows none of them.
#[derive(Clone, Default)]
pub struct KnownSecrets(Arc<[Box<str>]>);

impl KnownSecrets {
    /// Of header values such as `Bearer …`, the scheme and the credential are known together and the credential alone.
    pub fn new<'s>(values: impl IntoIterator<Item = &'s str>) -> Self {
        let words = |value: &'s str| [value, value.rsplit(' ').next().unwrap_or(value)];
        let mut secrets: Vec<Box<str>> =
            values.into_iter().flat_map(words).filter(|secret| secret.len() >= LEAST_BYTES).map(Box::from).collect();
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

impl fmt::Debug for KnownSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.0.len())
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
        assert_eq!(format!("{secrets:?}"), "3 secrets");
    }
}
