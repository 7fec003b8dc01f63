//! `Cache-Control`, of answers and of requests (RFC 9111 §5.2).

use http::HeaderMap;

use super::fields::{joined, lower_elements, parted};
use crate::domain::token::is_token;

/// The most seconds that are counted (RFC 9111 §1.2.2).
const MAX_S: u64 = 1 << 31;

/// The directives of a message, their names in lower case.
pub(super) struct Directives(Vec<(String, Option<String>)>);

impl Directives {
    /// Of all lines of the field. Where there is none, `Pragma: no-cache` counts as its directive (RFC 9111 §5.4).
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let Some(list) = joined(headers, "cache-control") else {
            let pragma = lower_elements(headers, "pragma").into_iter().filter(|element| element == "no-cache");
            return Self(pragma.map(|name| (name, None)).collect());
        };
        Self(read(&list))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// The seconds that a directive states. One that is no number counts as zero, and of several the fewest: then an answer
    /// is stale rather than kept too long.
    pub(super) fn seconds(&self, name: &str) -> Option<u64> {
        self.values(name).map(|value| value.and_then(seconds).unwrap_or(0)).min()
    }

    fn values(&self, name: &str) -> impl Iterator<Item = Option<&str>> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_deref())
    }
}

/// What a name counts as that cannot be read: the strictest of all.
const UNREADABLE: &str = "no-store";

/// The directives of a list. Commas stand between them, and by mistake semicolons or blanks: `private; max-age=60` is two directives, not
/// one that nobody knows.
fn read(list: &str) -> Vec<(String, Option<String>)> {
    let words = parted(list, |character| matches!(character, ',' | ';') || character.is_whitespace());
    let mut words = words.into_iter().peekable();
    let mut directives = vec![];
    while let Some(word) = words.next() {
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        // A blank beside the sign is not in the grammar: what is stated then is not known.
        let is_cut = value.is_none() && words.peek().is_some_and(|next| next.starts_with('='));
        let value = if is_cut { Some("") } else { value };
        let name = if is_token(name) { name.to_ascii_lowercase() } else { UNREADABLE.to_owned() };
        directives.push((name, value.map(str::to_owned)));
    }
    directives
}

/// `delta-seconds`, also as a quoted string (RFC 9111 §5.2).
fn seconds(value: &str) -> Option<u64> {
    let digits = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(MAX_S).min(MAX_S))
}

/// What a client wants of the cache (RFC 9111 §5.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wishes {
    /// Nothing of this call may be kept.
    pub no_store: bool,
    /// Nothing may be served before its upstream has confirmed it.
    pub no_cache: bool,
    /// Nothing but what is kept is wanted.
    pub only_if_cached: bool,
    pub(super) max_age_s: Option<u64>,
    pub(super) min_fresh_s: Option<u64>,
    /// How stale an answer may be.
    pub(super) max_stale_s: Option<u64>,
    pub(super) stale_if_error_s: Option<u64>,
}

impl Wishes {
    /// Of a request's headers.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let directives = Directives::of(headers);
        let any_staleness = directives.values("max-stale").any(|value| value.is_none());
        Self {
            no_store: directives.has("no-store"),
            no_cache: directives.has("no-cache"),
            only_if_cached: directives.has("only-if-cached"),
            max_age_s: directives.seconds("max-age"),
            min_fresh_s: directives.seconds("min-fresh"),
            max_stale_s: if any_staleness { Some(u64::MAX) } else { directives.seconds("max-stale") },
            stale_if_error_s: directives.seconds("stale-if-error"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn directives(lines: &[&str]) -> Directives {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("cache-control", HeaderValue::from_str(line).unwrap());
        }
        Directives::of(&headers)
    }

    #[test]
    fn seconds_are_the_fewest_that_are_stated_and_none_where_that_is_no_number() {
        for (lines, expected) in [
            (vec!["max-age=5"], Some(5)),
            (vec!["MaX-AgE=5"], Some(5)),
            (vec!["max-age=\"5\""], Some(5)),
            (vec!["max-age=005"], Some(5)),
            (vec!["public", "max-age=9, max-age=5"], Some(5)),
            (vec!["max-age=9", "max-age=5"], Some(5)),
            (vec![r#"extension="max-age=9", max-age=5"#], Some(5)),
            (vec![r#"extension="max-age=9""#], None),
            (vec!["max-age=99999999999999999999999"], Some(MAX_S)),
            (vec!["max-age=-1"], Some(0)),
            (vec!["max-age=1.5"], Some(0)),
            (vec!["max-age='5'"], Some(0)),
            (vec!["max-age = 5"], Some(0)),
            (vec!["max-age =5"], Some(0)),
            (vec!["max-age= 5"], Some(0)),
            (vec!["max-age"], Some(0)),
            (vec!["max-age="], Some(0)),
            (vec!["maxage=5"], None),
            (vec!["public max-age=5"], Some(5)),
            (vec!["private; max-age=5"], Some(5)),
            (vec!["max-age=5; public"], Some(5)),
            (vec!["extension=\"a; max-age=9 b\""], None),
            (vec![], None),
        ] {
            assert_eq!(directives(&lines).seconds("max-age"), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_directive_is_known_in_any_case_on_any_line_and_with_a_value() {
        for line in ["no-store", "No-Store", "max-age=1, NO-STORE", "no-store=\"x, y\"", "x=\"unclosed, no-store"] {
            assert!(directives(&["public", line]).has("no-store"), "{line}");
        }
        for line in [
            "no-store; max-age=9",
            "no-cache;no-store",
            "max-age=9; no-store",
            "public no-store",
            "max-age=9\tno-store",
        ] {
            assert!(directives(&[line]).has("no-store"), "{line}: not parted by commas");
        }
        for line in ["\"no-store\"", "=no-store", "\"private, max-age=9\"", "max-age=9, {}"] {
            assert!(directives(&[line]).has("no-store"), "{line}: a name that cannot be read");
        }
        assert!(!directives(&["x=\"no-store\""]).has("no-store"));
    }

    #[test]
    fn pragma_counts_only_where_there_is_no_cache_control() {
        let mut headers = HeaderMap::new();
        headers.insert("pragma", HeaderValue::from_static("x, No-Cache"));
        assert!(Wishes::of(&headers).no_cache);
        headers.insert("cache-control", HeaderValue::from_static("max-stale"));
        assert_eq!(Wishes::of(&headers), Wishes { max_stale_s: Some(u64::MAX), ..Wishes::default() });
    }
}
