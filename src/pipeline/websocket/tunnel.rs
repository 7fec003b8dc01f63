//! The bytes of a WebSocket, both ways, until either side or the gateway ends it.

use std::{
    cell::Cell,
    io,
    mem::MaybeUninit,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::{
    body::{BodySize, MessageBody},
    dev::Payload,
    rt::task::JoinHandle,
};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::{
    io::{AsyncRead, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf, split},
    time::{Instant, Sleep, sleep_until},
};

use super::frames::{Frames, closing};
use crate::{
    pipeline::{
        audit::Intake,
        bill::Open,
        connection::{Connection, Parting},
    },
    upstream::Switched,
};

/// What is read of the upstream at a time; nothing more is kept of it.
const PIECE_BYTES: usize = 8 * 1024;

/// Why the gateway closes (RFC 6455 §7.4.1).
const GOING_AWAY: u16 = 1001;
const POLICY_VIOLATION: u16 = 1008;

/// When a byte passed last, in either direction.
type Activity = Rc<Cell<Instant>>;

/// A WebSocket on its way: as a body it is what the upstream says.
pub(super) struct Tunnel {
    from_upstream: ReadHalf<Switched>,
    /// Carries what the client says; it ends with this.
    to_upstream: JoinHandle<()>,
    frames: Frames,
    connection: Connection,
    activity: Activity,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
    is_over: bool,
    /// Kept until the end: the call counts as under way.
    open: Open,
}

/// Ended within a frame, or without a closing one.
#[derive(Debug, thiserror::Error)]
#[error("the WebSocket was cut: {0}")]
pub(super) struct Cut(&'static str);

impl Tunnel {
    /// Carries what `client` says to the upstream, and ends after `idle` without a byte in either direction.
    pub fn begin(
        switched: Switched,
        client: Payload,
        intake: Intake,
        open: Open,
        kept: (&Connection, Duration),
    ) -> Self {
        let (connection, idle) = kept;
        connection.becomes_tunnel();
        let (from_upstream, writer) = split(switched);
        let activity: Activity = Rc::new(Cell::new(Instant::now()));
        let to_upstream = actix_web::rt::spawn(carry(client, writer, intake, Rc::clone(&activity)));
        Self {
            from_upstream,
            to_upstream,
            frames: Frames::default(),
            connection: connection.clone(),
            timer: Box::pin(sleep_until(activity.get() + idle)),
            activity,
            idle,
            is_over: false,
            open,
        }
    }

    fn end(&mut self) {
        self.is_over = true;
        self.to_upstream.abort();
        self.open.end();
    }

    /// Ends with a closing frame where one may stand.
    fn close(&mut self, code: u16, why: &'static str) -> Poll<Option<Result<Bytes, Cut>>> {
        self.end();
        Poll::Ready(match (self.frames.have_closed(), self.frames.are_whole()) {
            (true, true) => None,
            (false, true) => Some(Ok(Bytes::copy_from_slice(&closing(code)))),
            (_, false) => Some(Err(Cut(why))),
        })
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let due = self.activity.get() + self.idle;
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(due);
        }
    }
}

impl MessageBody for Tunnel {
    type Error = Cut;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(None);
        }
        match this.connection.parting(cx.waker()) {
            Some(Parting::Revoked) => return this.close(POLICY_VIOLATION, "its caller was revoked"),
            Some(Parting::Stopping) => return this.close(GOING_AWAY, "the gateway stops"),
            None => {}
        }
        let mut bytes = [MaybeUninit::uninit(); PIECE_BYTES];
        let mut buffer = ReadBuf::uninit(&mut bytes);
        match Pin::new(&mut this.from_upstream).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) => {
                let piece = buffer.filled();
                if piece.is_empty() {
                    this.end();
                    let cut = (!this.frames.are_whole()).then_some(Err(Cut("the upstream closed within a frame")));
                    return Poll::Ready(cut);
                }
                this.activity.set(Instant::now());
                this.frames.pass(piece);
                Poll::Ready(Some(Ok(Bytes::copy_from_slice(piece))))
            }
            Poll::Ready(Err(_)) => {
                this.end();
                Poll::Ready(Some(Err(Cut("the upstream broke off"))))
            }
            Poll::Pending => {
                ready!(this.poll_idle(cx));
                this.close(GOING_AWAY, "nothing passed for too long")
            }
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.to_upstream.abort();
    }
}

/// One piece at a time: the client is read only when the upstream has taken what came before.
async fn carry(mut client: Payload, mut writer: WriteHalf<Switched>, intake: Intake, activity: Activity) {
    while let Some(Ok(piece)) = client.next().await {
        intake.add(&piece);
        activity.set(Instant::now());
        let written: io::Result<()> = async {
            writer.write_all(&piece).await?;
            writer.flush().await
        }
        .await;
        if written.is_err() {
            break;
        }
        activity.set(Instant::now());
    }
    // Where the upstream has gone, there is nothing to be said any more.
    drop(writer.shutdown().await);
}
