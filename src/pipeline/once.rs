//! Header fields that stand once in a request (RFC 9110 §5.3). Two that differ could be read one way here and another way
//! behind, so they are refused; the same one repeated is one, and is forwarded once.
//!
//! Not here, because other places decide: `Authorization` and `X-Api-Key` (`authenticate`), `Host` (`call`), `Content-Length`
//! and `Transfer-Encoding` (the HTTP parser), `Traceparent` (several are none, by its standard). Fields that are lists,
//! such as `If-Match`, may stand in any number of lines.

use actix_web::http::header::HeaderMap;

use crate::domain::refusal::{Fault, Refusal};

const ONCE: [&str; 26] = [
    "access-control-request-method",
    "anthropic-version",
    "content-disposition",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "from",
    "idempotency-key",
    "if-modified-since",
    "if-range",
    "if-unmodified-since",
    "last-event-id",
    "max-forwards",
    "origin",
    "proxy-authorization",
    "range",
    "referer",
    "sec-fetch-site",
    "sec-websocket-key",
    "sec-websocket-version",
    "user-agent",
    "x-http-method-override",
    "x-original-url",
    "x-rewrite-url",
];

/// Whether a field, by its name in lower case, stands once.
pub(super) fn stands_once(name: &str) -> bool {
    ONCE.contains(&name)
}

/// Refuses fields that stand once and have several values.
pub(super) fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    // The usual request repeats nothing.
    if headers.len() == headers.len_keys() {
        return Ok(());
    }
    let differs = |name: &&str| {
        let mut values = headers.get_all(*name);
        values.next().is_some_and(|first| values.any(|value| value != first))
    };
    let faults: Vec<Fault> = ONCE
        .into_iter()
        .filter(differs)
        .map(|name| Fault::new(format!("header:{name}"), "stands once (RFC 9110 §5.3), and here it has several values"))
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(Refusal::InvalidRequest(faults)) }
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
    fn every_field_of_the_table_is_one_or_the_same() {
        for name in ONCE {
            assert_eq!(check(&headers(&[(name, "a")])), Ok(()), "{name}");
            assert_eq!(check(&headers(&[(name, "a"), (name, "a")])), Ok(()), "{name}");
            let refused = check(&headers(&[(name, "a"), (name, "a"), (name, "b")])).unwrap_err();
            let Refusal::InvalidRequest(faults) = refused else { panic!("{refused:?}") };
            assert_eq!(
                faults.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(),
                [format!("header:{name}")]
            );
        }
        for name in ["accept", "if-match", "if-none-match", "cookie", "via", "x-anything", "tracestate", "forwarded"] {
            assert_eq!(check(&headers(&[(name, "a"), (name, "b")])), Ok(()), "{name}");
        }
    }

    #[test]
    fn all_faults_are_named_at_once() {
        let lines =
            [("range", "a"), ("range", "b"), ("origin", "a"), ("origin", "b"), ("accept", "a"), ("accept", "b")];
        let Err(Refusal::InvalidRequest(faults)) = check(&headers(&lines)) else { panic!("taken") };
        assert_eq!(faults.len(), 2);
    }
}
