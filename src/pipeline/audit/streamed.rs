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
    /// Until the body is dropped.
    record: Option<Record>,
}

impl Recorded {
    pub(super) const fn new(body: BoxBody, record: Record) -> Self {
        Self { body, record: Some(record) }
    }
}

impl Drop for Recorded {
    /// What the body has open ends first, or says that it goes on: then the record waits for it.
    fn drop(&mut self) {
        self.body = BoxBody::new(());
        if let Some(record) = self.record.take() {
            record.leave_when_paid();
        }
    }
}

impl MessageBody for Recorded {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let next = Pin::new(&mut self.body).poll_next(cx);
        let Some(record) = &mut self.record else { return next };
        match &next {
            Poll::Ready(Some(Ok(chunk))) => record.known.sent(chunk),
            Poll::Ready(Some(Err(error))) => {
                record.cut(error);
                record.leave(Outcome::Aborted);
            }
            Poll::Ready(None) => record.leave(Outcome::Complete),
            Poll::Pending => {}
        }
        next
    }
}
