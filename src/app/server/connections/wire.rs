//! The socket under the HTTP library: what passes is noted on the [`Connection`], and the library's bare refusals are kept
//! back.
//!
//! The library answers a head that it cannot parse by itself, without a body. Such an answer is always the last thing it
//! writes, and it ends with the parse error in the same poll. So an answer of that form at the end of a write is withheld
//! here: after the error it is dropped and a problem written in its place; without one it was the end of somebody's body,
//! and [`Wire::poll_release`] writes it.

use std::{
    cell::{Cell, RefCell},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::timeout,
};

use super::{inbound::Inbound, socket::Socket};
use crate::pipeline::connection::{CONTINUE, Connection};

/// The longest head of a bare refusal.
const BARE_BYTES: usize = 200;

/// One connection's bytes, both ways. Clones are the same one: the HTTP library has one, the connection layer another.
#[derive(Clone)]
pub(super) struct Wire {
    connection: Connection,
    socket: Rc<RefCell<Socket>>,
    inbound: Rc<RefCell<Inbound>>,
    withheld: Rc<RefCell<Bytes>>,
    /// Whether something of it was written and not flushed.
    is_unflushed: Rc<Cell<bool>>,
}

impl Wire {
    /// The wire of `connection` over `socket`.
    pub fn new(socket: Socket, connection: Connection) -> Self {
        Self {
            connection,
            socket: Rc::new(RefCell::new(socket)),
            inbound: Rc::default(),
            withheld: Rc::default(),
            is_unflushed: Rc::default(),
        }
    }

    /// The state of the connection.
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether bytes wait that could not be read when they were asked for, and now can be. True once for each time.
    pub fn has_become_readable(&self) -> bool {
        self.inbound.borrow_mut().has_become_readable(&self.connection)
    }

    /// Writes what was withheld, and a 100 that is due.
    pub fn poll_release(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.connection.interim().takes_continue() {
            // Nothing else is withheld while a call waits for its body.
            self.withheld.replace(Bytes::from_static(CONTINUE));
        }
        let mut withheld = self.withheld.borrow_mut();
        while !withheld.is_empty() {
            let written = ready!(Pin::new(&mut *self.socket.borrow_mut()).poll_write(cx, &withheld))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            withheld.advance(written);
            self.connection.has_written(written);
            self.is_unflushed.set(true);
        }
        if self.is_unflushed.get() {
            ready!(Pin::new(&mut *self.socket.borrow_mut()).poll_flush(cx))?;
            self.is_unflushed.set(false);
        }
        Poll::Ready(Ok(()))
    }

    /// Writes a last answer, then closes as [`Wire::close`] does. The HTTP library must be gone.
    pub async fn answer(self, bytes: &[u8]) {
        let limit = self.connection.bounds().unread_body;
        if let Some(mut socket) = self.sole_socket() {
            let written = async {
                socket.write_all(bytes).await?;
                socket.flush().await
            };
            if matches!(timeout(limit, written).await, Ok(Ok(()))) {
                close(socket, limit, self.connection.bounds().unread_body_bytes).await;
            }
        }
    }

    /// Ends the connection so that the client gets what was written: no more is written, and what still comes is dropped
    /// within bounds, for a close on top of unread bytes is a reset (RFC 9112 §9.6).
    pub async fn close(self) {
        let bounds = self.connection.bounds();
        if let Some(socket) = self.sole_socket() {
            close(socket, bounds.unread_body, bounds.unread_body_bytes).await;
        }
    }

    /// Ends the connection at once. What the client has not taken is dropped, in the kernel too.
    pub fn reset(self) {
        if let Some(socket) = self.sole_socket() {
            socket.reset();
        }
    }

    fn sole_socket(&self) -> Option<Socket> {
        self.socket.replace(Socket::Gone).into_open()
    }
}

async fn close(mut socket: Socket, limit: Duration, max_bytes: u64) {
    let ending = async {
        socket.shutdown().await?;
        let (mut left, mut buffer) = (max_bytes, [0; 4_096]);
        while left > 0 {
            match socket.read(&mut buffer).await? {
                0 => break,
                read => left = left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX)),
            }
        }
        io::Result::Ok(())
    };
    // A client that goes first, or keeps sending, ends it as well.
    drop(timeout(limit, ending).await);
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.connection.may_read() {
            return Poll::Ready(Ok(()));
        }
        self.inbound.borrow_mut().poll_read(&mut self.socket.borrow_mut(), &self.connection, cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_release(cx))?;
        if let Some(held) = self.connection.interim().holds_back(bytes) {
            return Poll::Ready(Ok(held));
        }
        let before_bare = match bare_refusal(bytes) {
            Some(0) => {
                self.withheld.replace(Bytes::copy_from_slice(bytes));
                return Poll::Ready(Ok(bytes.len()));
            }
            at => at.and_then(|at| bytes.get(..at)).unwrap_or(bytes),
        };
        let written = Pin::new(&mut *self.socket.borrow_mut()).poll_write(cx, before_bare);
        match written {
            Poll::Ready(Ok(written)) => self.connection.has_written(written),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.connection.cannot_write(),
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut *self.socket.borrow_mut()).poll_flush(cx);
        if flushed.is_pending() {
            self.connection.cannot_write();
        }
        self.connection.interim().has_flushed();
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_release(cx))?;
        let ended = Pin::new(&mut *self.socket.borrow_mut()).poll_shutdown(cx);
        if ended.is_pending() {
            self.connection.cannot_write();
        }
        ended
    }
}

/// Where a refusal by the HTTP library begins that these bytes end with. The gateway's own answers carry an
/// `X-Request-Id`.
fn bare_refusal(bytes: &[u8]) -> Option<usize> {
    let from = bytes.len().saturating_sub(BARE_BYTES);
    let tail = bytes.get(from..).filter(|tail| tail.ends_with(b"\r\n\r\n"))?;
    let begin = tail.windows(7).rposition(|window| window == b"HTTP/1.")?;
    let head = tail.get(begin..)?;
    let is_refusal =
        [b" 400 ", b" 431 "].iter().any(|status| head.get(8..).is_some_and(|rest| rest.starts_with(*status)));
    let is_bare = contains(head, b"content-length: 0\r\n") && !contains(head, b"x-request-id");
    (is_refusal && is_bare).then_some(from.saturating_add(begin))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_without_content_and_id_at_the_end_is_a_bare_refusal() {
        let bare =
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\ndate: Thu, 01 Jan 1970\r\n\r\n";
        let before = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        for (bytes, at) in [
            (bare.to_owned(), Some(0)),
            (bare.replace("400", "431").replace("1.1", "1.0"), Some(0)),
            (format!("{before}{bare}"), Some(before.len())),
            (format!("{bare}{before}"), None),
            (bare.replace("date", "x-request-id"), None),
            (bare.replace("length: 0", "length: 2") + "ok", None),
            (bare.replace("400", "404"), None),
            (before.to_owned(), None),
            ("0\r\n\r\n".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(bare_refusal(bytes.as_bytes()), at, "{bytes:?}");
        }
    }
}
