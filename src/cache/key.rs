//! What an answer is kept under.
//!
//! Everything that may make the answer another one is part of it: the route, its upstream and the last purges; who may
//! share the answer; the scheme and the host that are forwarded; the path and the query, byte for byte; the
//! credentials that pass on; and what the answer varies by. Fields are told apart by their lengths.

mod who_asks;

use http::{HeaderMap, HeaderName};

use self::who_asks::says_who_asks;
use crate::crypto::Sha256;

/// A SHA-256.
pub type Digest = [u8; 32];

/// Request fields that make the answer of a model another one.
const OF_POSTS: [&str; 6] =
    ["accept", "accept-language", "content-type", "anthropic-version", "anthropic-beta", "openai-beta"];

/// Where the answers to a request are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// Of the URL alone: what a change of it makes another one.
    pub url: Digest,
    /// Of all else but what answers vary by.
    scope: Digest,
}

/// What of a request and its route tells answers apart.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    pub route: &'a str,
    pub upstream: &'a str,
    /// The last purges that concern the route.
    pub purges: [&'a str; 2],
    /// Who may share the answer.
    pub sharing: &'a str,
    pub scheme: &'a str,
    pub host: &'a str,
    pub path: &'a str,
    pub query: Option<&'a str>,
    /// As they are forwarded.
    pub headers: &'a HeaderMap,
    /// Of a request to a model.
    pub body: Option<&'a [u8]>,
}

impl RequestKey {
    /// Of a request.
    #[must_use]
    pub fn of(parts: &Parts<'_>) -> Self {
        let Parts { route, upstream, purges: [of_all, of_route], sharing, scheme, host, path, query, headers, body } =
            *parts;
        let host = host.to_ascii_lowercase();
        let mut scope = Hasher::default();
        for text in [route, upstream, of_all, of_route, sharing, scheme, &host] {
            scope.add(text.as_bytes());
        }
        add_who_asks(&mut scope, headers);
        if let Some(body) = body {
            add_headers(&mut scope, headers, &OF_POSTS);
            scope.add(body);
        }
        Self { url: url(path, query), scope: scope.finish() }
    }

    pub(super) fn base(&self, epoch: &str) -> Digest {
        let mut hasher = Hasher::default();
        for part in [&self.url, &self.scope, epoch.as_bytes()] {
            hasher.add(part);
        }
        hasher.finish()
    }
}

/// The name of a URL, whoever asks for it. A query that is empty and none are two (RFC 3986 §6.2.2).
#[must_use]
pub fn url(path: &str, query: Option<&str>) -> Digest {
    let mut hasher = Hasher::default();
    hasher.add(path.as_bytes());
    hasher.add_maybe(query.map(str::as_bytes));
    hasher.finish()
}

/// The name of the answer that is selected by this.
pub(super) fn variant(base: &Digest, selecting: &[Option<String>]) -> Digest {
    let mut hasher = Hasher::default();
    hasher.add(base);
    for value in selecting {
        hasher.add_maybe(value.as_ref().map(String::as_bytes));
    }
    hasher.finish()
}

fn add_who_asks(hasher: &mut Hasher, headers: &HeaderMap) {
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).filter(|name| says_who_asks(name)).collect();
    // Clients do not send them in one order.
    names.sort_unstable();
    hasher.add(names.join(" ").as_bytes());
    add_headers(hasher, headers, &names);
}

fn add_headers(hasher: &mut Hasher, headers: &HeaderMap, names: &[&str]) {
    for name in names {
        for value in headers.get_all(*name) {
            hasher.add_maybe(Some(value.as_bytes()));
        }
        hasher.add_maybe(None);
    }
}

#[derive(Default)]
struct Hasher(Sha256);

impl Hasher {
    fn add(&mut self, part: &[u8]) {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        self.0.add(&length.to_le_bytes());
        self.0.add(part);
    }

    /// Nothing, and a part that is empty, are two.
    fn add_maybe(&mut self, part: Option<&[u8]>) {
        self.0.add(&[part.is_some().into()]);
        self.add(part.unwrap_or_default());
    }

    fn finish(self) -> Digest {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn parts(headers: &HeaderMap) -> Parts<'_> {
        Parts {
            route: "r",
            upstream: "u",
            purges: ["", ""],
            sharing: "user:1",
            scheme: "http",
            host: "h",
            path: "/a",
            query: None,
            headers,
            body: None,
        }
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn key_with(lines: &[(&'static str, &'static str)]) -> RequestKey {
        RequestKey::of(&parts(&headers(lines)))
    }

    #[test]
    fn whatever_says_who_asks_makes_another_key() {
        let none = key_with(&[]);
        for name in ["cookie", "x-tenant-id", "stripe-version"] {
            let (one, other) = (key_with(&[(name, "1")]), key_with(&[(name, "2")]));
            assert!(one != none && other != none && one != other, "{name}");
        }
        for name in ["accept", "user-agent", "idempotency-key"] {
            assert_eq!(key_with(&[(name, "1")]), none, "{name}");
        }
    }

    #[test]
    fn fields_are_told_apart_and_in_any_order_they_are_the_same() {
        let all = [
            key_with(&[("cookie", "a")]),
            key_with(&[("token", "a")]),
            key_with(&[("cookie", "a"), ("cookie", "b"), ("token", "c")]),
            key_with(&[("cookie", "a"), ("token", "b"), ("token", "c")]),
            key_with(&[("cookie", "a"), ("cookie", "b")]),
            key_with(&[("cookie", "b"), ("cookie", "a")]),
            key_with(&[("cookie", "")]),
            key_with(&[]),
        ];
        for (at, key) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(key), "{at}");
        }
        assert_eq!(key_with(&[("cookie", "a"), ("token", "b")]), key_with(&[("token", "b"), ("cookie", "a")]));
    }

    #[test]
    fn whatever_may_make_an_answer_another_one_makes_another_key() {
        let cookies = [
            headers(&[("cookie", "a=1")]),
            headers(&[("cookie", "a=2")]),
            headers(&[("cookie", "a=1"), ("cookie", "a=2")]),
        ];
        let key = headers(&[("api-key", "secret")]);
        let none = HeaderMap::new();
        let parts = parts(&none);
        let all = [
            parts,
            Parts { route: "ru", upstream: "", ..parts },
            Parts { upstream: "v", ..parts },
            Parts { purges: ["p", ""], ..parts },
            Parts { purges: ["", "p"], ..parts },
            Parts { sharing: "user:2", ..parts },
            Parts { scheme: "https", ..parts },
            Parts { host: "evil", ..parts },
            Parts { path: "/A", ..parts },
            Parts { query: Some(""), ..parts },
            Parts { query: Some("x=1"), ..parts },
            Parts { headers: &cookies[0], ..parts },
            Parts { headers: &cookies[1], ..parts },
            Parts { headers: &cookies[2], ..parts },
            Parts { headers: &key, ..parts },
            Parts { body: Some(b""), ..parts },
            Parts { body: Some(b"{}"), ..parts },
        ];
        let bases: Vec<Digest> = all.iter().map(|parts| RequestKey::of(parts).base("e")).collect();
        for (at, base) in bases.iter().enumerate() {
            assert!(!bases[at + 1..].contains(base), "{:?}", all[at]);
        }
        assert_ne!(RequestKey::of(&parts).base("e"), RequestKey::of(&parts).base("f"));
        assert_eq!(RequestKey::of(&parts), RequestKey::of(&Parts { host: "H", ..parts }));
        let urls = |parts: &Parts<'_>| RequestKey::of(parts).url;
        assert_eq!(urls(&parts), urls(&Parts { sharing: "user:2", host: "other", ..parts }));
        assert_ne!(urls(&parts), urls(&Parts { query: Some(""), ..parts }));
    }

    #[test]
    fn a_variant_is_told_apart_by_what_is_there_and_by_what_is_not() {
        let base = [0; 32];
        let some = |text: &str| Some(text.to_owned());
        let all = [vec![], vec![None], vec![some("")], vec![some("a"), None], vec![None, some("a")], vec![some("ab")]];
        let keys: Vec<Digest> = all.iter().map(|selecting| variant(&base, selecting)).collect();
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[at + 1..].contains(key), "{:?}", all[at]);
        }
    }
}
