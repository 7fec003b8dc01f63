//! A key set is read or refused; a key with a private part is never used, and none counts twice.

use serde_json::Value;
use tollgate::credentials::jwt::outside::{Discovered, KeySet};

/// The most keys of a set that are looked at.
const MAX_KEYS: usize = 100;

/// `data` is what the address of a key set answers with.
pub fn run(data: &[u8]) {
    // What is found must be of the issuer that was asked, and a place that may be asked.
    if let Ok(Discovered { jwks_uri, endpoints }) = Discovered::read(data, "https://issuer.test") {
        let of_people = endpoints.into_iter().flat_map(|endpoints| [endpoints.authorization, endpoints.token]);
        for uri in of_people.chain([jwks_uri]) {
            // A scheme has no case (RFC 3986 §3.1).
            let scheme = uri.split("://").next().unwrap_or_default().to_ascii_lowercase();
            assert_eq!(scheme, "https", "{uri}");
        }
    }
    let read = KeySet::read(data);
    let Ok(mut document) = serde_json::from_slice::<Value>(data) else {
        assert!(read.is_err(), "what is no JSON is read");
        return;
    };
    let Ok(set) = read else { return };
    let keys = document.get_mut("keys").and_then(Value::as_array_mut).expect("a set has keys");
    assert!(set.len() <= keys.len().min(MAX_KEYS));
    for key in keys.iter_mut().filter_map(Value::as_object_mut) {
        key.insert("d".into(), "AQAB".into());
    }
    let private = KeySet::read(document.to_string().as_bytes()).expect("still a set");
    assert!(private.is_empty(), "a key with a private part is used");
}
