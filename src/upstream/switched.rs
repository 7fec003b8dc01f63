//! A connection to an upstream that has switched to another protocol (RFC 9110 §15.2.2).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Answer, Permit};

/// What an upstream says to the offer of another protocol.
#[derive(Debug)]
pub enum Switch {
    /// It stays with HTTP.
    Answered(Answer),
    /// It has switched: its headers, fit for the client, and its connection.
    Done(http::HeaderMap, Switched),
}

/// The connection, in the other protocol. The call's place among those in flight is held as long as this.
#[derive(Debug)]
pub struct Switched {
    io: TokioIo<Upgraded>,
    _permit: Permit,
}

impl Switched {
    pub(super) fn new(upgraded: Upgraded, permit: Permit) -> Self {
        Self { io: TokioIo::new(upgraded), _permit: permit }
    }
}

impl AsyncRead for Switched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Switched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
