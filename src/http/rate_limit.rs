//! `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11), as lists of RFC 9651.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::domain::limit::Standing;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Tells how each policy stands: `q` units a window of `w` seconds; `r` are left, and in `t` seconds all are back.
pub fn add_headers(headers: &mut HeaderMap, standings: &[Standing]) {
    let policy = |s: &Standing| format!("\"{}\";q={};w={}", s.policy, s.limit, s.window_s);
    let standing = |s: &Standing| format!("\"{}\";r={};t={}", s.policy, s.remaining, s.reset_s);
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
            limit: 50,
            window_s: 1,
            remaining,
            reset_s: 2,
            retry_after_ns: None,
        };
        let mut headers = HeaderMap::new();
        add_headers(&mut headers, &[standing("a", 49), standing("b.c", 0)]);
        assert_eq!(headers.get("ratelimit").unwrap(), "\"a\";r=49;t=2, \"b.c\";r=0;t=2");
        assert_eq!(headers.get("ratelimit-policy").unwrap(), "\"a\";q=50;w=1, \"b.c\";q=50;w=1");
    }

    #[test]
    fn a_route_without_policies_has_neither() {
        let mut headers = HeaderMap::new();
        add_headers(&mut headers, &[]);
        assert!(headers.is_empty());
    }
}
