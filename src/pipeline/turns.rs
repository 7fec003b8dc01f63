//! A piece of an answer, looked into in turns between which the thread serves others.

use bytes::{Bytes, BytesMut};

use super::bill::Open;
use crate::meter::MAX_WHOLE_BYTES;

/// What the client gets of a piece that may be long once it is decoded; a call may have more of it left.
pub async fn pass_in_turns(open: &mut Open, piece: Bytes) -> Bytes {
    let first = open.pass(piece);
    if !open.has_more() {
        return first;
    }
    let mut passed = BytesMut::from(&*first);
    while open.has_more() && passed.len() <= MAX_WHOLE_BYTES {
        tokio::task::yield_now().await;
        passed.extend_from_slice(&open.pass(Bytes::new()));
    }
    passed.freeze()
}
