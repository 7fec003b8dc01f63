//! The content of a request on its way out.
//!
//! The pipeline builds an [`OutgoingBody`] and, when it streams, feeds it through a [`BodySender`]. A streamed body is
//! complete only when its sender said so: a sender that is merely dropped (the client hung up, the handler panicked) cuts
//! the request, so that an upstream never takes a part for the whole. It never holds more than a few chunks.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::{self, Either as First};
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use super::upload::{BodyAborted, Upload, UploadEnd};

/// Chunks read from a client that its upstream has not taken yet; then the client waits.
const CHUNKS_AHEAD: usize = 8;

/// What follows the head of a request.
#[derive(Debug)]
pub enum OutgoingBody {
    Empty,
    Whole(Bytes),
    Stream(BodyStream),
}

/// The receiving end of a [`BodySender`].
#[derive(Debug)]
pub struct BodyStream {
    chunks: mpsc::Receiver<Bytes>,
    /// Bytes still owed, where a length was declared.
    remaining: Option<u64>,
    upload: Arc<Upload>,
}

/// The pipeline's end of a streamed body.
#[derive(Debug)]
pub struct BodySender {
    chunks: mpsc::Sender<Bytes>,
    upload: Arc<Upload>,
}

/// The upstream takes no more of the body, or the call is over: its outcome comes from `Client::send`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the upstream takes no more of the body")]
pub struct UpstreamGone;

/// A body as the HTTP client sends it.
pub(super) type SentBody = Either<Full<Bytes>, BodyStream>;

/// A body that a built-in upstream has read, as far as it stores one.
pub(super) struct Collected {
    pub stored: Bytes,
    /// Bytes received, stored or not.
    pub total: u64,
}

impl OutgoingBody {
    /// A body that arrives in pieces; `length` is the client's `Content-Length`, which is then enforced.
    #[must_use]
    pub fn channel(length: Option<u64>) -> (BodySender, Self) {
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let upload = Arc::new(Upload::new());
        if length == Some(0) {
            upload.taken();
        }
        let stream = BodyStream { chunks, remaining: length, upload: Arc::clone(&upload) };
        (BodySender { chunks: sender, upload }, Self::Stream(stream))
    }

    /// Bytes that will be sent, if known before they are.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Whole(bytes) => u64::try_from(bytes.len()).ok(),
            Self::Stream(stream) => stream.remaining,
        }
    }

    pub(super) fn upload_end(&self) -> Option<UploadEnd> {
        match self {
            Self::Empty | Self::Whole(_) => None,
            Self::Stream(stream) => Some(UploadEnd(Arc::clone(&stream.upload))),
        }
    }

    pub(super) fn into_sent(self) -> SentBody {
        match self {
            Self::Empty => Either::Left(Full::default()),
            Self::Whole(bytes) => Either::Left(Full::new(bytes)),
            Self::Stream(stream) => Either::Right(stream),
        }
    }

    /// Reads to the end, storing the first `max` bytes and counting the others.
    pub(super) async fn collect(self, max: usize) -> Result<Collected, BodyAborted> {
        match self {
            Self::Empty => Ok(Collected { stored: Bytes::new(), total: 0 }),
            Self::Whole(bytes) => {
                let total = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                Ok(Collected { stored: bytes.slice(..bytes.len().min(max)), total })
            }
            Self::Stream(stream) => stream.collect(max).await,
        }
    }
}

impl BodySender {
    /// Hands a chunk over, waiting while the upstream is behind.
    pub async fn send(&self, chunk: Bytes) -> Result<(), UpstreamGone> {
        if self.upload.is_call_over() {
            return Err(UpstreamGone);
        }
        match future::select(pin!(self.chunks.send(chunk)), pin!(self.upload.call_over())).await {
            First::Left((sent, _)) => sent.map_err(|_| UpstreamGone),
            First::Right(_) => Err(UpstreamGone),
        }
    }

    /// The body is complete.
    pub fn finish(self) {
        self.end(Ok(()));
    }

    /// The body will not be completed; the upstream sees a cut request.
    pub fn abort(self, why: BodyAborted) {
        self.end(Err(why));
    }

    /// Said before the channel closes, so the receiver always finds it when it sees the close.
    fn end(self, end: Result<(), BodyAborted>) {
        self.upload.end_with(end);
    }
}

impl BodyStream {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyAborted>>> {
        let received = self.chunks.poll_recv(cx);
        if received.is_ready() {
            self.upload.moved();
        }
        self.upload.waits_for_client(received.is_pending());
        received.map(|chunk| match chunk {
            Some(chunk) => Some(self.take(chunk)),
            None => self.end().err().map(Err),
        })
    }

    fn take(&mut self, chunk: Bytes) -> Result<Bytes, BodyAborted> {
        if let Some(remaining) = &mut self.remaining {
            let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            *remaining = remaining.checked_sub(length).ok_or(BodyAborted::LengthMismatch)?;
        }
        if self.remaining == Some(0) {
            self.upload.taken();
        }
        Ok(chunk)
    }

    fn end(&self) -> Result<(), BodyAborted> {
        self.upload.end()?;
        if self.remaining.is_some_and(|bytes| bytes > 0) {
            return Err(BodyAborted::LengthMismatch);
        }
        self.upload.taken();
        Ok(())
    }

    async fn collect(mut self, max: usize) -> Result<Collected, BodyAborted> {
        let (mut stored, mut total) = (Vec::new(), 0_u64);
        while let Some(chunk) = std::future::poll_fn(|cx| self.poll_chunk(cx)).await {
            let mut chunk = chunk?;
            total = total.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
            chunk.truncate(max.saturating_sub(stored.len()));
            stored.extend_from_slice(&chunk);
        }
        Ok(Collected { stored: stored.into(), total })
    }
}

impl Body for BodyStream {
    type Data = Bytes;
    type Error = BodyAborted;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyAborted>>> {
        self.get_mut().poll_chunk(cx).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::time::Instant;

    use super::*;

    const MAX: usize = 1_000;

    fn chunk() -> Bytes {
        Bytes::from_static(b"12345")
    }

    /// Everything here is ready at once: a test that had to wait would show a bug.
    fn collected(body: OutgoingBody) -> Result<(Bytes, u64), BodyAborted> {
        body.collect(MAX).now_or_never().unwrap().map(|body| (body.stored, body.total))
    }

    fn sent(sender: &BodySender) {
        sender.send(chunk()).now_or_never().unwrap().unwrap();
    }

    #[test]
    fn a_finished_body_is_whole() {
        for length in [None, Some(10)] {
            let (sender, body) = OutgoingBody::channel(length);
            sent(&sender);
            sent(&sender);
            sender.finish();
            assert_eq!(collected(body).unwrap(), (Bytes::from_static(b"1234512345"), 10));
        }
    }

    #[test]
    fn a_body_whose_sender_is_dropped_is_cut_and_not_complete() {
        let (sender, body) = OutgoingBody::channel(None);
        sent(&sender);
        drop(sender);
        assert_eq!(collected(body), Err(BodyAborted::Disconnected));
    }

    #[test]
    fn an_aborted_body_says_why() {
        let (sender, body) = OutgoingBody::channel(None);
        sent(&sender);
        sender.abort(BodyAborted::TimedOut);
        assert_eq!(collected(body), Err(BodyAborted::TimedOut));
    }

    #[test]
    fn a_body_of_another_length_than_declared_is_refused() {
        for length in [4, 6] {
            let (sender, body) = OutgoingBody::channel(Some(length));
            sent(&sender);
            sender.finish();
            assert_eq!(collected(body), Err(BodyAborted::LengthMismatch));
        }
    }

    #[test]
    fn what_exceeds_the_store_is_counted_and_not_kept() {
        let (sender, body) = OutgoingBody::channel(None);
        sent(&sender);
        sent(&sender);
        sender.finish();
        let body = body.collect(7).now_or_never().unwrap().unwrap();
        assert_eq!((body.stored.as_ref(), body.total), (b"1234512".as_slice(), 10));
        let body = OutgoingBody::Whole(chunk()).collect(2).now_or_never().unwrap().unwrap();
        assert_eq!((body.stored.as_ref(), body.total), (b"12".as_slice(), 5));
    }

    #[test]
    fn a_client_waits_when_its_upstream_is_behind() {
        let (sender, body) = OutgoingBody::channel(None);
        (0..CHUNKS_AHEAD).for_each(|_| sent(&sender));
        assert!(sender.send(chunk()).now_or_never().is_none());
        drop(body);
        assert_eq!(sender.send(chunk()).now_or_never(), Some(Err(UpstreamGone)));
    }

    #[test]
    fn an_upload_ends_with_its_call_though_its_body_is_not_read() {
        let (sender, body) = OutgoingBody::channel(None);
        let call = body.upload_end();
        (0..CHUNKS_AHEAD).for_each(|_| sent(&sender));
        let mut waiting = pin!(sender.send(chunk()));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(call);
        assert_eq!(waiting.now_or_never(), Some(Err(UpstreamGone)));
        assert_eq!(sender.send(chunk()).now_or_never(), Some(Err(UpstreamGone)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silence_counts_from_the_last_move_of_the_body_and_not_while_it_waits_for_its_client() {
        let begun = Instant::now();
        let second = Duration::from_secs(1);
        let (sender, body) = OutgoingBody::channel(None);
        let OutgoingBody::Stream(mut stream) = body else { panic!("a channel streams") };
        let upload = Arc::clone(&stream.upload);
        let mut poll = || stream.poll_chunk(&mut Context::from_waker(std::task::Waker::noop()));

        assert!(!upload.is_waiting_for_client(), "the upstream has not asked for the body yet");
        assert!(poll().is_pending());
        assert!(upload.is_waiting_for_client());
        tokio::time::advance(second).await;
        sent(&sender);
        assert!(poll().is_ready());
        assert!(!upload.is_waiting_for_client());
        assert_eq!(upload.moved_at(), begun + second);
        tokio::time::advance(second).await;
        sender.finish();
        assert!(poll().is_ready());
        assert_eq!(upload.moved_at(), begun + 2 * second, "the end of the body is its last move");
    }
}
