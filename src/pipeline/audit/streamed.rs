//! An answer's body on its way to the client, whose end is the end of the record.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;

use super::record::Record;
use crate::domain::audit::Outcome;

/// A streamed body whose end is recorded.
pub(super) struct Recorded {
    body: BoxBody,
    record: Record,
}

impl Recorded {
    pub(super) const fn new(body: BoxBody, record: Record) -> Self {
        Self { body, record }
    }
}

impl MessageBody for Recorded {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let next = Pin::new(&mut self.body).poll_next(cx);
        match &next {
            Poll::Ready(Some(Ok(chunk))) => self.record.known.sent(chunk),
            Poll::Ready(Some(Err(error))) => {
                self.record.known.cut();
                tracing::warn!(%error, "an answer was cut");
                self.record.leave(Outcome::Aborted);
            }
            Poll::Ready(None) => self.record.leave(Outcome::Complete),
            Poll::Pending => {}
        }
        next
    }
}
