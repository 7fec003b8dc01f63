//! A connection to an upstream, as the HTTP client sees it.
//!
//! Wraps what a connector makes, for several reasons. An upstream may answer before it has read the whole request, and close
//! (RFC 9112 §9.3): a write then fails although an answer waits to be read, so a failed write is passed over here and the
//! read says what has become of the connection. A name may lead elsewhere after a while: each connection knows its age,
//! and [`Known::is_worn`] says when it is not to be used again. And a connection whose answer could be read in two ways lies in
//! the pool already when that is known: [`Known::end`] closes it there. An upstream may close a connection at the moment
//! when the next request goes out on it: [`Known::has_ended_unused`] tells this from a failed call, and the [`Idle`] clock keeps
//! it rare. And an upstream may answer with a later minor version of HTTP/1, which is put right here ([`StatusLine`]).

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use http::{Extensions, Uri};
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::time::Instant;
use tower_service::Service;

use super::{
    MAX_HEAD_BYTES,
    status_line::{MAX_HELD_BYTES, StatusLine},
};
use crate::upstream::idle::{Idle, Rest, Timer};

/// How long a connection is used for further requests: then the name is resolved again.
const MAX_AGE: Duration = Duration::from_mins(5);

/// As much of an answer as is read at a time until the start of its status line has passed.
const HEAD_BYTES: usize = 8 * 1024;

/// What a response knows of the connection that it came over.
#[derive(Debug, Clone)]
pub(super) struct Known {
    opened: Instant,
    ending: Arc<Ending>,
    idle: Arc<Idle>,
}

/// Whether a connection was ended from this side, and who is to be told; and what an end from the other side means.
#[derive(Debug, Default)]
struct Ending {
    is_ended: AtomicBool,
    reader: AtomicWaker,
    /// An answer has come over it before.
    has_served: AtomicBool,
    /// A byte has come since the last request began.
    is_answered: AtomicBool,
}

impl Known {
    /// The connection that a response came over.
    pub fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get::<Self>().cloned()
    }

    /// Whether the connection is too old for another request.
    pub fn is_worn(&self) -> bool {
        self.opened.elapsed() >= MAX_AGE
    }

    /// An answer came over the connection.
    pub fn served(&self) {
        self.ending.has_served.store(true, Ordering::Relaxed);
    }

    /// Whether a connection that ended had served before and then gave no byte of an answer, so that its end may have had
    /// nothing to do with the last request (RFC 9112 §9.3.1).
    pub fn has_ended_unused(&self) -> bool {
        self.ending.has_served.load(Ordering::Relaxed) && !self.ending.is_answered.load(Ordering::Relaxed)
    }

    /// Once what is given back is dropped, the connection may stand unused for this long.
    pub fn rest(&self, limit: Duration) -> Rest {
        Rest::after(&self.idle, limit)
    }

    /// Closes the connection. A request that was to go over it and was not written yet goes over another.
    pub fn end(&self) {
        self.ending.is_ended.store(true, Ordering::Release);
        self.ending.reader.wake();
    }
}

/// Makes connections with the connector in it.
#[derive(Debug, Clone)]
pub(super) struct Connector<C>(pub C);

impl<C: Service<Uri>> Service<Uri> for Connector<C>
where
    C::Future: Send + 'static,
    C::Response: 'static,
    C::Error: 'static,
{
    type Response = Stream<C::Response>;
    type Error = C::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, C::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move {
            let inner = connecting.await?;
            let known = Known { opened: Instant::now(), ending: Arc::default(), idle: Arc::new(Idle::new()) };
            let status_line = StatusLine::Passed;
            Ok(Stream { inner, known, is_deaf: false, status_line, interim_bytes: 0, timer: Timer::default() })
        })
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Stream<T> {
    inner: T,
    known: Known,
    /// The upstream takes nothing more.
    is_deaf: bool,
    /// What is read next. Where something was written since something was read, that begins with a status line.
    status_line: StatusLine,
    /// How much has come of interim answers since the request.
    interim_bytes: usize,
    /// Runs while the connection is unused and may be so only for a time.
    timer: Timer,
}

impl<T: Connection> Connection for Stream<T> {
    fn connected(&self) -> Connected {
        self.inner.connected().extra(self.known.clone())
    }
}

impl<T: Read + Unpin> Read for Stream<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let ending = &self.known.ending;
        ending.reader.register(cx.waker());
        if ending.is_ended.load(Ordering::Acquire) {
            // As if the upstream had closed.
            return Poll::Ready(Ok(()));
        }
        let read = match self.status_line {
            StatusLine::Passed => Pin::new(&mut self.inner).poll_read(cx, buffer),
            _ => self.poll_read_head(cx, buffer),
        };
        let Self { known, timer, .. } = &mut *self;
        if read.is_pending() && known.idle.poll_over(timer, cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        read
    }
}

impl<T: Read + Unpin> Stream<T> {
    fn poll_read_head(&mut self, cx: &mut Context<'_>, mut buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let mut room = [MaybeUninit::uninit(); HEAD_BYTES];
        let length = buffer.remaining().saturating_sub(MAX_HELD_BYTES).min(HEAD_BYTES);
        if length == 0 {
            return Poll::Ready(Err(io::Error::other("there is no room for the start of an answer")));
        }
        let mut out = Vec::new();
        // Until something is passed on: to read nothing is the end.
        while out.is_empty() {
            let mut read = ReadBuf::uninit(room.get_mut(..length).unwrap_or_default());
            ready!(Pin::new(&mut self.inner).poll_read(cx, read.unfilled()))?;
            if read.filled().is_empty() {
                self.status_line.end(&mut out);
                break;
            }
            self.known.ending.is_answered.store(true, Ordering::Relaxed);
            if self.status_line.passes_whole(read.filled()) {
                buffer.put_slice(read.filled());
                return Poll::Ready(Ok(()));
            }
            self.status_line.pass(read.filled(), &mut out);
            self.count_interim(read.filled().len())?;
        }
        buffer.put_slice(&out);
        Poll::Ready(Ok(()))
    }

    /// Counts a piece that did not come as far as the final answer. The HTTP library bounds each head, and not how many come one
    /// after the other: what an upstream says before the final one may be as long as a head in all.
    fn count_interim(&mut self, length: usize) -> io::Result<()> {
        if self.status_line == StatusLine::Passed {
            return Ok(());
        }
        self.interim_bytes = self.interim_bytes.saturating_add(length);
        if self.interim_bytes > MAX_HEAD_BYTES {
            return Err(io::Error::other("the upstream sent interim answers without end"));
        }
        Ok(())
    }
}

impl<T: Write + Unpin> Write for Stream<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_deaf {
            return Poll::Ready(Ok(bytes.len()));
        }
        self.begin_write();
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.pass_over(written, bytes.len())
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let total = slices.iter().map(|slice| slice.len()).sum();
        if self.is_deaf {
            return Poll::Ready(Ok(total));
        }
        self.begin_write();
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.pass_over(written, total)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_deaf {
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.pass_over(flushed, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<T> Stream<T> {
    /// What is read after this begins with a status line, unless one is under way.
    fn begin_write(&mut self) {
        if self.status_line == StatusLine::Passed {
            self.known.ending.is_answered.store(false, Ordering::Relaxed);
            self.known.idle.used();
            self.interim_bytes = 0;
        }
        self.status_line = self.status_line.awaited();
    }

    /// Takes a write that failed because the upstream has closed for one that was done.
    fn pass_over<W>(&mut self, written: Poll<io::Result<W>>, done: W) -> Poll<io::Result<W>> {
        match written {
            Poll::Ready(Err(error)) if is_close(&error) => {
                self.is_deaf = true;
                Poll::Ready(Ok(done))
            }
            written => written,
        }
    }
}

fn is_close(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset)
}
