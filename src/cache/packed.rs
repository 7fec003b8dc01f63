//! An entry as bytes, for Redis. What cannot be read is nothing: another version of the gateway may have written it.

use bytes::{BufMut, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use super::memory::Slot;
use crate::domain::caching::{Kept, Times, Vary};
use std::sync::Arc;

/// What stands before a body. Values of headers may be no UTF-8.
#[derive(Serialize, Deserialize)]
struct Head {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    asked_ms: i64,
    answered_ms: i64,
}

const VARIES: u8 = b'v';
const KEPT: u8 = b'k';

/// The bytes of an entry; nothing of an epoch, which Redis has in another place.
pub(super) fn pack(slot: &Slot) -> Option<Vec<u8>> {
    let mut packed = vec![];
    match slot {
        Slot::Epoch(_) => return None,
        Slot::Varies(vary) => {
            packed.push(VARIES);
            packed.extend(serde_json::to_vec(vary.names()).ok()?);
        }
        Slot::Kept(kept) => {
            let head = serde_json::to_vec(&Head {
                status: kept.status.as_u16(),
                headers: kept.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().into())).collect(),
                asked_ms: kept.times.asked_ms,
                answered_ms: kept.times.answered_ms,
            });
            let head = head.ok()?;
            packed.push(KEPT);
            packed.put_u32(u32::try_from(head.len()).ok()?);
            packed.extend(head);
            packed.extend_from_slice(&kept.body);
        }
    }
    Some(packed)
}

/// `ttl_s` is the route's.
pub(super) fn unpack(packed: &[u8], ttl_s: u32) -> Option<Slot> {
    match packed.split_first()? {
        (&VARIES, names) => Vary::named(serde_json::from_slice(names).ok()?).map(|vary| Slot::Varies(Arc::new(vary))),
        (&KEPT, rest) => {
            let (length, rest) = rest.split_first_chunk::<4>()?;
            let (head, body) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
            let head: Head = serde_json::from_slice(head).ok()?;
            let mut headers = HeaderMap::with_capacity(head.headers.len());
            for (name, value) in head.headers {
                headers.append(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
            }
            let status = StatusCode::from_u16(head.status).ok()?;
            let times = Times { asked_ms: head.asked_ms, answered_ms: head.answered_ms };
            Some(Slot::Kept(Arc::new(Kept::new(status, headers, Bytes::copy_from_slice(body), times, ttl_s))))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("a", b"1".as_slice()), ("a", b"2"), ("b", b"\xff"), ("etag", b"\"x\"")] {
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        let times = Times { asked_ms: 1, answered_ms: 2 };
        let kept = Kept::new(StatusCode::NOT_FOUND, headers, Bytes::from_static(b"\0body"), times, 60);
        let packed = pack(&Slot::Kept(Arc::new(kept.clone()))).unwrap();
        let Some(Slot::Kept(read)) = unpack(&packed, 60) else { panic!("it cannot be read") };
        assert_eq!(*read, kept);
        let vary = Vary::named(vec!["accept".into(), "foo".into()]).unwrap();
        let packed = pack(&Slot::Varies(Arc::new(vary.clone()))).unwrap();
        assert!(matches!(unpack(&packed, 60), Some(Slot::Varies(read)) if *read == vary));
    }

    #[test]
    fn bytes_that_are_cut_or_foreign_are_no_entry() {
        let times = Times { asked_ms: 1, answered_ms: 2 };
        let kept = Kept::new(StatusCode::OK, HeaderMap::new(), Bytes::new(), times, 60);
        let packed = pack(&Slot::Kept(Arc::new(kept))).unwrap();
        for length in 0..packed.len() {
            assert!(unpack(&packed[..length], 60).is_none(), "{length}");
        }
        for foreign in [b"x".as_slice(), b"v", b"v{}", b"v[\"*\"]", b"k\xff\xff\xff\xff", b"k\0\0\0\x02{}"] {
            assert!(unpack(foreign, 60).is_none(), "{foreign:?}");
        }
    }
}
