//! A body of an admin endpoint is read, or every fault in it has a place in it and words of the gateway's own.

use serde_json::Value;
use tollgate::{
    domain::{budget, limit, price::PriceSpec, refusal::Refusal},
    http::input,
};

use super::choice;

/// How libraries say that they could not read something.
const WORDS: [&str; 6] = ["expected", "invalid type", "missing field", "unknown field", "at line", "deserialize"];

/// `data` is which body it is meant to be, and the body.
pub fn run(data: &[u8]) {
    let (kind, body) = choice(data);
    let refusal = match kind % 3 {
        0 => input::body::<limit::spec::Spec>(body).err(),
        1 => input::body::<budget::spec::Spec>(body).err(),
        _ => input::body::<PriceSpec>(body).err(),
    };
    let Some(refusal) = refusal else {
        let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        assert!(serde_json::from_slice::<Value>(text).is_ok_and(|value| value.is_object()), "read, and no object");
        return;
    };
    check(&refusal, '/');
}

/// Every fault is at a place that begins with `first`, and in words of the gateway's own.
pub(crate) fn check(refusal: &Refusal, first: char) {
    let Refusal::InvalidRequest(faults) = refusal else { panic!("another refusal: {refusal:?}") };
    assert!(!faults.is_empty(), "refused without a fault");
    for fault in faults {
        assert!(fault.pointer.is_empty() || fault.pointer.starts_with(first), "{fault:?}");
        assert!(!WORDS.iter().any(|word| fault.detail.contains(word)), "{fault:?}");
    }
}
