//! Header fields that vouch for the bytes of a body, which is not the same any more.

use http::{HeaderMap, HeaderValue, header::ETAG};

/// RFC 9530 §2 and §3, and their predecessors (RFC 3230; RFC 1864).
const DIGESTS: [&str; 5] = ["content-digest", "content-md5", "digest", "repr-digest", "unencoded-digest"];

/// Takes out what is true of other bytes. An `ETag` stays for comparisons that allow for that (RFC 9110 §8.8.1).
pub fn remove_digests(headers: &mut HeaderMap) {
    for name in DIGESTS {
        headers.remove(name);
    }
    let strong = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""));
    let weak = strong.and_then(|tag| HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok());
    if let Some(weak) = weak {
        headers.insert(ETAG, weak);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_body_has_no_digest_and_a_weak_tag() {
        for (tag, left) in [("\"a\"", "W/\"a\""), ("W/\"a\"", "W/\"a\"")] {
            let mut headers = HeaderMap::new();
            for name in DIGESTS {
                headers.insert(name, HeaderValue::from_static("sha-256=:AA==:"));
            }
            headers.insert(ETAG, HeaderValue::from_static(tag));
            remove_digests(&mut headers);
            assert_eq!((headers.len(), headers.get(ETAG).unwrap()), (1, &HeaderValue::from_static(left)));
        }
    }
}
