//! A request's body on its way in, bounded in its pauses and its rate. Whoever reads it, a handler or the forwarder, reads
//! it through this.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{dev::Payload, error::PayloadError};
use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    pace::Pace,
    state::{Connection, Content},
};

/// The body of one request. Its error for a body that is too slow is an [`io::ErrorKind::TimedOut`].
pub(super) struct Incoming {
    /// `None` after the end or an error.
    payload: Option<Payload>,
    connection: Connection,
    pace: Pace,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Incoming {
    /// The body of a request on `connection`, read under its bounds.
    pub fn new(payload: Payload, connection: Connection) -> Self {
        Self { payload: Some(payload), connection, pace: Pace::default(), timer: None }
    }

    fn note(&self, content: Content) {
        self.connection.0.content.set(content);
    }

    fn came(&mut self, bytes: usize) {
        self.pace.came(Instant::now(), bytes);
        self.connection.0.body_awaited.set(None);
    }

    fn poll_too_slow(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.connection.is_tunnel() {
            // Its reader has its own bound for silence.
            return Poll::Pending;
        }
        self.connection.interim().wants_continue();
        let (bounds, now) = (self.connection.bounds(), Instant::now());
        let due = self.pace.waits(now, bounds.body_pause, bounds.body_bytes_per_s);
        let awaited = &self.connection.0.body_awaited;
        awaited.set(awaited.get().or(Some(now)));
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
        timer.as_mut().poll(cx)
    }
}

impl Stream for Incoming {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(payload) = &mut self.payload else { return Poll::Ready(None) };
        match Pin::new(payload).poll_next(cx) {
            Poll::Ready(Some(Ok(piece))) => {
                self.came(piece.len());
                Poll::Ready(Some(Ok(piece)))
            }
            // The layer below has ended a body that is not well-formed.
            Poll::Ready(Some(Err(_))) if self.connection.0.content.get() == Content::Broken => {
                self.came(0);
                self.payload = None;
                Poll::Ready(Some(Err(PayloadError::EncodingCorrupted)))
            }
            Poll::Ready(end) => {
                self.came(0);
                self.note(if end.is_some() { Content::Broken } else { Content::Ended });
                self.payload = None;
                Poll::Ready(end)
            }
            Poll::Pending if self.poll_too_slow(cx).is_pending() => Poll::Pending,
            Poll::Pending => {
                self.connection.0.body_awaited.set(None);
                // It stays with the connection, which takes no more of it.
                let rest = self.payload.take();
                self.connection.0.rest.replace(rest);
                Poll::Ready(Some(Err(PayloadError::Io(io::ErrorKind::TimedOut.into()))))
            }
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(payload) = self.payload.take() {
            self.connection.0.body_awaited.set(None);
            self.connection.0.rest.replace(Some(payload));
        }
    }
}
