//! Content codings of requests: none is undone where a body has to be read.

use actix_web::http::header::{CONTENT_ENCODING, HeaderMap};

use super::fields::members;
use crate::domain::refusal::Refusal;

/// Refuses a body with a content coding. `identity` is none (RFC 9110 §8.4.1), and nor is an empty member of a list
/// (RFC 9110 §5.6.1).
pub fn refuse(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_none = |coding: &[u8]| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity");
    if members(headers, CONTENT_ENCODING).all(is_none) { Ok(()) } else { Err(Refusal::ContentCoding) }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn only_a_body_without_a_coding_is_read() {
        for (lines, is_read) in [
            (vec![], true),
            (vec![""], true),
            (vec!["identity"], true),
            (vec![" Identity ,"], true),
            (vec!["", "identity"], true),
            (vec!["gzip"], false),
            (vec!["identity, gzip"], false),
            (vec!["identity", "br"], false),
            (vec!["aws-chunked"], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(CONTENT_ENCODING, HeaderValue::from_static(line));
            }
            assert_eq!(refuse(&headers).is_ok(), is_read, "{lines:?}");
        }
    }
}
