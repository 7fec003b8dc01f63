//! How often a request may still be forwarded, as `Max-Forwards` says (RFC 9110 §7.6.2): of OPTIONS it is counted, of other
//! methods passed on as it is.

use actix_web::{
    HttpResponse,
    http::{
        Method,
        header::{self, HeaderMap, HeaderValue},
    },
};

const MAX_FORWARDS: &str = "max-forwards";

/// Whether the gateway is the last recipient of this request.
pub fn is_last(method: &Method, headers: &HeaderMap) -> bool {
    let is_zero = |value: &HeaderValue| number(value.as_bytes()) == Some(0);
    *method == Method::OPTIONS && headers.get(MAX_FORWARDS).is_some_and(is_zero)
}

/// What the last recipient says: which methods the route takes.
pub fn answer(methods: &[String]) -> HttpResponse {
    HttpResponse::NoContent().insert_header((header::ALLOW, methods.join(", "))).finish()
}

/// The headers as they are forwarded: one time less.
pub fn counted(method: &Method, mut headers: http::HeaderMap) -> http::HeaderMap {
    if *method == Method::OPTIONS
        && let Some(left) = headers.get(MAX_FORWARDS).and_then(|left| number(left.as_bytes()))
    {
        headers.insert(MAX_FORWARDS, left.saturating_sub(1).into());
    }
    headers
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName;

    use super::*;

    #[test]
    fn only_options_are_counted() {
        for (method, value, last, left) in [
            (Method::OPTIONS, "0", true, "0"),
            (Method::OPTIONS, "00", true, "0"),
            (Method::OPTIONS, "5", false, "4"),
            (Method::OPTIONS, "+5", false, "+5"),
            (Method::OPTIONS, "", false, ""),
            (Method::GET, "0", false, "0"),
            (Method::GET, "5", false, "5"),
        ] {
            let (mut headers, mut outgoing) = (HeaderMap::new(), http::HeaderMap::new());
            headers.insert(HeaderName::from_static(MAX_FORWARDS), HeaderValue::from_static(value));
            outgoing.insert(MAX_FORWARDS, http::HeaderValue::from_static(value));
            assert_eq!(is_last(&method, &headers), last, "{method} {value}");
            assert_eq!(counted(&method, outgoing)[MAX_FORWARDS], left, "{method} {value}");
        }
    }
}
