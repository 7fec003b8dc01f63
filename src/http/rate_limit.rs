//! `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11), as lists of RFC 9651.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::domain::limit::{Standing, Unit};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Tells how each policy stands: `q` units a window of `w` seconds; `r` are left, and in `t` seconds all are back.
pub fn add_headers(headers: &mut HeaderMap, standings: &[Standing]) {
    let parameter = |name, value: Option<u64>| value.map(|value| format!(";{name}={value}")).unwrap_or_default();
    let unit = |s: &Standing| if s.unit == Unit::Concurrent { ";qu=\"concurrent-requests\"" } else { "" };
    let policy = |s: &Standing| format!("\"{}\";q={}{}{}", s.policy, s.limit, parameter("w", s.window_s), unit(s));
    let standing = |s: &Standing| format!("\"{}\";r={}{}", s.policy, s.remaining, parameter("t", s.reset_s));
    insert(headers, RATE_LIMIT_POLICY, standings.iter().map(policy));
    insert(headers, RATE_LIMIT, standings.iter().map(standing));
}

/// Names of policies have no character that a string of RFC 9651 would escape.
fn insert(headers: &mut HeaderMap, name: HeaderName, items: impl Iterator<Item = String>) {
    let list = items.collect::<Vec<_>>().join(", ");
    if let (false, Ok(value)) = (list.is_empty(), HeaderValue::from_str(&list)) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_is_an_item_of_both_lists() {
        let standing = |policy: &str, remaining| Standing {
            policy: policy.into(),
            unit: Unit::Requests,
            limit: 50,
            window_s: Some(1),
            remaining,
            reset_s: Some(2),
            retry_after_ns: None,
        };
        let mut headers = HeaderMap::new();
        add_headers(&mut headers, &[standing("a", 49), standing("b.c", 0)]);
        assert_eq!(headers.get("ratelimit").unwrap(), "\"a\";r=49;t=2, \"b.c\";r=0;t=2");
        assert_eq!(headers.get("ratelimit-policy").unwrap(), "\"a\";q=50;w=1, \"b.c\";q=50;w=1");
    }

    #[test]
    fn calls_under_way_have_a_unit_and_no_window() {
        let standing = Standing {
            policy: "c".into(),
            unit: Unit::Concurrent,
            limit: 5,
            window_s: None,
            remaining: 4,
            reset_s: None,
            retry_after_ns: None,
        };
        let mut headers = HeaderMap::new();
        add_headers(&mut headers, &[standing]);
        assert_eq!(headers.get("ratelimit").unwrap(), "\"c\";r=4");
        assert_eq!(headers.get("ratelimit-policy").unwrap(), "\"c\";q=5;qu=\"concurrent-requests\"");
    }

    #[test]
    fn a_route_without_policies_has_neither() {
        let mut headers = HeaderMap::new();
        add_headers(&mut headers, &[]);
        assert!(headers.is_empty());
    }
}
