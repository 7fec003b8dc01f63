//! The content of an answer on its way to the client.
//!
//! The pipeline polls an [`AnswerStream`] as fast as the client takes it; nothing is read ahead but what the connection
//! buffers. A clean end is the only thing that ends it with `None` first: a body that was cut (RFC 9112 §8) or fell silent
//! ends with an error. The stream holds its call's place among those in flight until then.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::Stream;
use hyper::body::{Body, Incoming};
use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Sleep, sleep},
};

use super::{Cause, Permit, idle::Rest, upload::UploadEnd};

/// A body that arrives in pieces, none of them empty. After an error it yields `None`.
#[derive(Debug)]
pub struct AnswerStream {
    source: Source,
    /// Whether its end is told apart from a connection that was cut.
    is_delimited: bool,
    /// Where the answer is looked into as it passes.
    turns: Option<Turns>,
    /// What lasts as long as the call.
    held: Option<(Permit, Option<UploadEnd>)>,
    /// The connection is in use until then.
    rest: Option<Rest>,
}

/// Why the body of an answer is not complete.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error("the upstream fell silent within its answer")]
    Idle,
    #[error("the upstream's answer was cut")]
    Cut(#[source] Cause),
    #[error("the upstream's answer is not in the content coding that it states")]
    Undecodable,
}

/// How much of an answer that is looked into is given at a time, and how much before the thread gets a chance to serve others:
/// even of the dearest bytes, events of one line end each, that is a few milliseconds.
const TURN_BYTES: usize = 64 << 10;

/// What has come and is not given yet, and how much was given in this turn.
#[derive(Debug, Default)]
struct Turns {
    waiting: Bytes,
    given: usize,
}

#[derive(Debug)]
enum Source {
    Upstream(Received),
    Generated(Generated),
    Relayed(UnboundedReceiver<Relayed>, Option<u64>),
    Failed(Option<StreamError>),
    Ended,
}

/// What somebody else who reads a body hands on of it.
#[derive(Debug)]
pub enum Relayed {
    Piece(Bytes),
    /// What is given back when all before it is taken, or nobody takes it any more.
    Held(Box<dyn fmt::Debug + Send>),
    /// From here on it is not read by anybody else.
    Rest(AnswerStream),
    Error(StreamError),
    /// It came to its end.
    End,
}

#[derive(Debug)]
struct Received {
    incoming: Incoming,
    idle_timeout: Duration,
    /// Runs only while the gateway waits for the upstream, never while it waits for the client.
    silence: Option<Pin<Box<Sleep>>>,
    /// Bytes still to come, where the HTTP library does not count them.
    left: Option<u64>,
}

struct Generated {
    chunks: Box<dyn Iterator<Item = Bytes> + Send>,
    has_just_yielded: bool,
}

type Next = Poll<Option<Result<Bytes, StreamError>>>;

impl AnswerStream {
    /// Without a length a body is delimited where it `is_chunked`.
    pub(super) fn upstream(incoming: Incoming, idle_timeout: Duration, is_chunked: bool) -> Self {
        let is_delimited = is_chunked || incoming.size_hint().exact().is_some();
        let source = Source::Upstream(Received { incoming, idle_timeout, silence: None, left: None });
        Self { source, is_delimited, turns: None, held: None, rest: None }
    }

    /// A body that ends after `length` bytes, where the HTTP library would read on to the end of the connection.
    pub(super) fn ending_after(mut self, length: Option<u64>) -> Self {
        if let (Source::Upstream(received), Some(length)) = (&mut self.source, length) {
            received.left = Some(length);
            self.is_delimited = true;
        }
        self
    }

    /// A body made up chunk by chunk, each only when the client is ready for it.
    pub(super) fn generated(chunks: impl Iterator<Item = Bytes> + Send + 'static) -> Self {
        let generated = Generated { chunks: Box::new(chunks), has_just_yielded: false };
        Self { source: Source::Generated(generated), is_delimited: true, turns: None, held: None, rest: None }
    }

    /// A body that somebody else reads, who may be ahead by what was sent here and not taken yet.
    #[must_use]
    pub const fn relayed(pieces: UnboundedReceiver<Relayed>, length: Option<u64>) -> Self {
        Self { source: Source::Relayed(pieces, length), is_delimited: true, turns: None, held: None, rest: None }
    }

    /// The rest of a body that was cut: this error.
    #[must_use]
    pub const fn failed(error: StreamError) -> Self {
        Self { source: Source::Failed(Some(error)), is_delimited: true, turns: None, held: None, rest: None }
    }

    /// Whether a clean end means that all of it came. A body that ends with its connection may have been cut.
    pub const fn is_delimited(&self) -> bool {
        self.is_delimited
    }

    /// Keeps the call's place, and its upload going, until the last byte or until dropped.
    pub(super) fn hold(&mut self, permit: Permit, upload_end: Option<UploadEnd>) {
        self.held = Some((permit, upload_end));
    }

    /// The connection that it comes over is unused from its last byte on.
    pub(super) fn then_rests(&mut self, rest: Rest) {
        self.rest = Some(rest);
    }

    /// From here on it comes in turns, because whoever takes it looks into every byte.
    pub fn take_turns(&mut self) {
        self.turns.get_or_insert_default();
    }

    /// Bytes still to come, where the upstream stated a length.
    pub fn length(&self) -> Option<u64> {
        let waiting = self.turns.as_ref().map_or(0, |turns| u64::try_from(turns.waiting.len()).unwrap_or(u64::MAX));
        let coming = match &self.source {
            Source::Upstream(received) => received.left.or_else(|| received.incoming.size_hint().exact()),
            Source::Generated(_) | Source::Failed(_) => None,
            Source::Relayed(_, length) => *length,
            Source::Ended => Some(0),
        };
        coming.map(|coming| coming.saturating_add(waiting))
    }

    /// The next part of what has come, or the chance for others.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Next {
        let turns = self.turns.get_or_insert_default();
        if turns.given >= TURN_BYTES {
            turns.given = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if turns.waiting.is_empty() {
            match self.poll_source(cx) {
                Poll::Ready(Some(Ok(chunk))) => self.turns.get_or_insert_default().waiting = chunk,
                Poll::Pending => {
                    self.turns.get_or_insert_default().given = 0;
                    return Poll::Pending;
                }
                end @ Poll::Ready(_) => return end,
            }
        }
        let turns = self.turns.get_or_insert_default();
        let length = turns.waiting.len().min(TURN_BYTES.saturating_sub(turns.given));
        turns.given = turns.given.saturating_add(length);
        Poll::Ready(Some(Ok(turns.waiting.split_to(length))))
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Next {
        match &mut self.source {
            Source::Upstream(received) => received.poll_chunk(cx),
            Source::Generated(generated) => generated.poll_chunk(cx),
            Source::Relayed(pieces, _) => match pieces.poll_recv(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(Relayed::Piece(piece))) => Poll::Ready(Some(Ok(piece))),
                Poll::Ready(Some(Relayed::Held(held))) => {
                    drop(held);
                    self.poll_source(cx)
                }
                Poll::Ready(Some(Relayed::Rest(rest))) => {
                    *self = rest;
                    self.poll_source(cx)
                }
                Poll::Ready(Some(Relayed::Error(error))) => Poll::Ready(Some(Err(error))),
                Poll::Ready(Some(Relayed::End)) => Poll::Ready(None),
                // Whoever read it is gone before its end.
                Poll::Ready(None) => Poll::Ready(Some(Err(StreamError::Cut("its reader is gone".into())))),
            },
            Source::Failed(error) => Poll::Ready(error.take().map(Err)),
            Source::Ended => Poll::Ready(None),
        }
    }
}

impl Stream for AnswerStream {
    type Item = Result<Bytes, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Next {
        let next = if self.turns.is_some() { self.poll_turn(cx) } else { self.poll_source(cx) };
        if matches!(next, Poll::Ready(None | Some(Err(_)))) {
            self.source = Source::Ended;
            self.held = None;
            self.rest = None;
        }
        next
    }
}

impl Received {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Next {
        loop {
            if self.left == Some(0) {
                return Poll::Ready(None);
            }
            let frame = match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => return self.poll_silence(cx),
            };
            self.silence = None;
            match frame {
                None if self.left.is_some() => {
                    return Poll::Ready(Some(Err(StreamError::Cut("it ended before its length".into()))));
                }
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(StreamError::Cut(error.into())))),
                // Trailers are dropped. So is a chunk of nothing: encoded again it would be the last chunk.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) if !chunk.is_empty() => return Poll::Ready(Some(Ok(self.count(chunk)))),
                    _ => {}
                },
            }
        }
    }

    /// As much of a piece as is part of the body.
    fn count(&mut self, mut chunk: Bytes) -> Bytes {
        if let Some(left) = &mut self.left {
            chunk.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left = left.saturating_sub(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        }
        chunk
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Next {
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(self.idle_timeout)));
        silence.as_mut().poll(cx).map(|()| Some(Err(StreamError::Idle)))
    }
}

impl Generated {
    /// Gives way after every chunk, so that each is written by itself and a long answer does not hold its thread.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Next {
        self.has_just_yielded = !self.has_just_yielded;
        if self.has_just_yielded {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.chunks.find(|chunk| !chunk.is_empty()).map(Ok))
    }
}

impl fmt::Debug for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generated").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::{FutureExt, StreamExt};

    use super::*;
    use crate::upstream::InFlight;

    #[tokio::test]
    async fn a_generated_body_is_made_only_as_it_is_read() {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let chunks = (0..3).map(|_| {
            MADE.fetch_add(1, Ordering::Relaxed);
            Bytes::from_static(b"x")
        });
        let mut stream = AnswerStream::generated(chunks);
        assert_eq!(MADE.load(Ordering::Relaxed), 0);
        stream.next().await.unwrap().unwrap();
        assert_eq!(MADE.load(Ordering::Relaxed), 1);
        assert_eq!(stream.count().await, 2);
    }

    #[test]
    fn a_generated_body_gives_way_before_every_chunk() {
        let mut stream = AnswerStream::generated(["a", "b"].into_iter().map(Bytes::from));
        for _ in 0..2 {
            assert!(stream.next().now_or_never().is_none());
            assert!(stream.next().now_or_never().is_some());
        }
    }

    #[tokio::test]
    async fn an_empty_chunk_is_left_out() {
        let stream = AnswerStream::generated(["", "a", "", "b", ""].into_iter().map(Bytes::from));
        let chunks: Vec<_> = stream.map(Result::unwrap).collect().await;
        assert_eq!(chunks, ["a", "b"]);
    }

    #[tokio::test]
    async fn the_place_among_the_calls_in_flight_is_held_to_the_end_and_no_longer() {
        let in_flight = InFlight::new(1);
        let mut stream = AnswerStream::generated([Bytes::from_static(b"x")].into_iter());
        stream.hold(in_flight.try_acquire(crate::domain::importance::Importance::Default).unwrap(), None);
        stream.next().await.unwrap().unwrap();
        assert_eq!(in_flight.count(), 1);
        assert!(stream.next().await.is_none());
        assert_eq!(in_flight.count(), 0, "given back at the end, though the stream still exists");
    }
}
