//! The socket of a connection to an upstream, which is looked at before it is used again.
//!
//! What comes on a connection that rests is no answer to anything: the HTTP library ends such a connection, and puts the request
//! that was about to go out on another. But it learns of the bytes from the event loop, which tells of them in its next turn only,
//! and in the same turn the request may have gone out already: what came before would pass for its answer. So a socket that
//! rests is read at once whether or not an event has come, with one system call for each poll of the connection's task.

use std::{
    io::{self, Read as _},
    pin::Pin,
    task::{Context, Poll},
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection, HttpConnector},
    rt::TokioIo,
};
use socket2::SockRef;
use tokio::net::TcpStream;
use tower_service::Service;

use super::polls;

/// As much as is read without an event; the rest comes with one.
const PIECE_BYTES: usize = 512;

/// Makes such sockets.
#[derive(Debug, Clone)]
pub(in crate::upstream) struct TcpConnector(pub HttpConnector);

impl Service<Uri> for TcpConnector {
    type Response = Socket;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Socket, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        <HttpConnector as Service<Uri>>::poll_ready(&mut self.0, cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = <HttpConnector as Service<Uri>>::call(&mut self.0, uri);
        Box::pin(async move { Ok(Socket { inner: connecting.await?, use_of: Use::Written, empty_in: None }) })
    }
}

/// One socket.
#[derive(Debug)]
pub(in crate::upstream) struct Socket {
    inner: TokioIo<TcpStream>,
    use_of: Use,
    /// The poll of the connection's task in which nothing was there to be read.
    empty_in: Option<u64>,
}

/// What was done with a socket last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It was opened or written to: an answer may be long in coming.
    Written,
    /// Something was read.
    Read,
    /// Something was read, and then there was no more.
    Rests,
}

impl Socket {
    /// What is there, put into the buffer; `Pending` where nothing is, or an event will tell.
    fn read_at_once(&self, buffer: &mut ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let mut bytes = [0; PIECE_BYTES];
        let room = bytes.get_mut(..buffer.remaining().min(PIECE_BYTES)).unwrap_or_default();
        if room.is_empty() {
            return Poll::Pending;
        }
        let socket = SockRef::from(self.inner.inner());
        match (&*socket).read(room) {
            Ok(length) => {
                buffer.put_slice(room.get(..length).unwrap_or_default());
                Poll::Ready(Ok(()))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl Connection for Socket {
    fn connected(&self) -> Connected {
        self.inner.connected()
    }
}

impl Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let poll = polls::number();
        let is_looked_at = self.use_of == Use::Rests && self.empty_in != Some(poll);
        let mut read = if is_looked_at { self.read_at_once(&mut buffer) } else { Poll::Pending };
        if read.is_pending() {
            read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        }
        if read.is_pending() {
            self.empty_in = Some(poll);
        }
        self.use_of = match (&read, self.use_of) {
            (Poll::Ready(_), _) => Use::Read,
            (Poll::Pending, Use::Written) => Use::Written,
            (Poll::Pending, _) => Use::Rests,
        };
        read
    }
}

impl Write for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.use_of = Use::Written;
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.use_of = Use::Written;
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
