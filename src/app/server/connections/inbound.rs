//! The bytes that have come on a connection and are not the HTTP library's turn yet.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};

use super::{
    framing::{Framing, Passed},
    socket::Socket,
};
use crate::pipeline::connection::Connection;

/// The most that is read ahead of a call under way: to see that the client has gone, and no more than that.
const AHEAD_BYTES: usize = 16 * 1024;

/// What was read ahead, and where in its messages the connection is.
pub(super) struct Inbound {
    framing: Framing,
    /// What is the library's turn already.
    ready: BytesMut,
    ahead: BytesMut,
    has_ended: bool,
    /// Whether a reader got `Pending` although there are bytes.
    is_awaited: bool,
}

impl Default for Inbound {
    fn default() -> Self {
        Self {
            framing: Framing::new(),
            ready: BytesMut::new(),
            ahead: BytesMut::new(),
            has_ended: false,
            is_awaited: false,
        }
    }
}

impl Inbound {
    /// Reads for the HTTP library: of what is here or comes, only what is its turn.
    pub fn poll_read(
        &mut self,
        socket: &mut Socket,
        connection: &Connection,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.advance(connection);
        if matches!(self.framing, Framing::Broken) {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        loop {
            if !self.ready.is_empty() {
                let length = self.ready.len().min(buffer.remaining());
                buffer.put_slice(&self.ready.split_to(length));
                return Poll::Ready(Ok(()));
            }
            if !self.framing.passes() {
                return self.poll_ahead(socket, cx);
            }
            ready!(self.poll_piece(socket, cx, buffer))?;
            let piece = buffer.filled().get(before..).unwrap_or_default();
            if piece.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let Passed { bytes: passed, instead, .. } = self.pass(piece, connection);
            let rest = piece.get(passed..).unwrap_or_default();
            if !rest.is_empty() {
                let mut ahead = BytesMut::from(rest);
                ahead.extend_from_slice(&self.ahead);
                self.ahead = ahead;
            }
            let Some(instead) = instead else {
                // Nothing passed: the chunk is broken, and an empty read is the end.
                buffer.set_filled(before.saturating_add(passed));
                return Poll::Ready(Ok(()));
            };
            buffer.set_filled(before);
            self.ready.extend_from_slice(&instead);
        }
    }

    /// Fills the buffer with what is here, or comes.
    fn poll_piece(
        &mut self,
        socket: &mut Socket,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let length = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead.split_to(length));
        } else if !self.has_ended {
            return Pin::new(socket).poll_read(cx, buffer);
        }
        Poll::Ready(Ok(()))
    }

    /// Whether a reader that got `Pending` can go on. True once for each time.
    pub fn has_become_readable(&mut self, connection: &Connection) -> bool {
        self.advance(connection);
        let has = self.is_awaited && self.framing.passes();
        self.is_awaited &= !has;
        has
    }

    /// Takes up what the call says of its body, and its end.
    fn advance(&mut self, connection: &Connection) {
        if matches!(self.framing, Framing::AwaitsCall(_))
            && let Some(expected) = connection.take_expected()
        {
            self.framing = Framing::of(expected, connection.bounds().trailer_bytes);
        }
        if matches!(self.framing, Framing::Complete) && !connection.is_in_call() {
            self.framing = Framing::new();
        }
    }

    fn pass(&mut self, piece: &[u8], connection: &Connection) -> Passed {
        let is_head = matches!(self.framing, Framing::Head(_));
        let mut passed = self.framing.pass(piece);
        if is_head {
            let bytes = piece.get(..passed.bytes).unwrap_or_default();
            connection.reads_head(self.framing.line(), bytes, &passed.origin);
            connection.keeps_lines(std::mem::take(&mut passed.further));
        } else {
            connection.reads_body(passed.bytes);
        }
        if matches!(self.framing, Framing::Broken) {
            connection.breaks_body();
        }
        passed
    }

    /// Reads ahead, so that a client that goes is seen to go. The HTTP library waits.
    fn poll_ahead(&mut self, socket: &mut Socket, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.has_ended && self.ahead.len() < AHEAD_BYTES {
            let mut bytes = [MaybeUninit::uninit(); 4_096];
            let mut buffer = ReadBuf::uninit(&mut bytes);
            match Pin::new(&mut *socket).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => self.has_ended = true,
                Poll::Ready(Ok(())) => self.ahead.extend_from_slice(buffer.filled()),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        if self.has_ended && self.ahead.is_empty() && !matches!(self.framing, Framing::AwaitsCall(_)) {
            return Poll::Ready(Ok(()));
        }
        self.is_awaited |= !self.ahead.is_empty() || self.has_ended;
        Poll::Pending
    }
}
