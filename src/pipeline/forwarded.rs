//! The answer to a call on its way to the client, from an upstream or from what is kept.

use bytes::Bytes;

use super::bill::Open;
use crate::upstream::Answer;

/// Proof that there is an answer.
#[must_use = "an answer that is dropped ends the call"]
pub struct Forwarded {
    pub answer: Answer,
    /// What has come already of a whole answer that is too long to be kept until its end.
    pub begun: Bytes,
    /// Kept until the last byte of the answer.
    pub open: Open,
    /// What the upstream answered, where it was asked and did.
    pub upstream_status: Option<u16>,
}

impl Forwarded {
    /// An upstream's answer of which nothing was read.
    pub fn new(answer: Answer, open: Open) -> Self {
        let upstream_status = Some(answer.status.as_u16());
        Self { answer, begun: Bytes::new(), open, upstream_status }
    }
}
