//! A body that is kept is read as fast as it comes, and handed on: a slow client holds nobody up, and one that leaves
//! takes nothing away from those who wait. Beyond the bound of an entry the client reads alone again, at its own pace.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::plan::Keep;
use crate::{
    domain::caching::Kept,
    upstream::{AnswerStream, Relayed},
};

/// An answer whose body is to come.
pub(super) struct Gathering {
    pub keep: Keep,
    /// The answer without its body.
    pub head: Kept,
    /// What has come of it.
    pub begun: Bytes,
}

/// Reads the body in a task of its own; what is returned is the body as the client gets it, after what has come.
pub(super) fn gather(gathering: Gathering, stream: AnswerStream) -> AnswerStream {
    // It holds no more than an entry may: who sends stops there.
    let (sender, receiver) = unbounded_channel();
    let length = stream.length();
    actix_web::rt::spawn(read(gathering, stream, sender));
    AnswerStream::relayed(receiver, length)
}

async fn read(gathering: Gathering, mut stream: AnswerStream, client: UnboundedSender<Relayed>) {
    let Gathering { mut keep, head, begun } = gathering;
    let mut whole = BytesMut::from(begun.as_ref());
    // That the client has gone is no reason to stop.
    let hand_on = |relayed| drop(client.send(relayed));
    loop {
        match stream.next().await {
            Some(Ok(piece)) => {
                let length = whole.len().saturating_add(piece.len());
                let has_room = keep.has_room(length, piece.len());
                if has_room {
                    whole.extend_from_slice(&piece);
                }
                hand_on(Relayed::Piece(piece));
                if !has_room {
                    keep.part();
                    keep.give_up();
                    return hand_on(Relayed::Rest(stream));
                }
            }
            Some(Err(error)) => {
                keep.give_up();
                return hand_on(Relayed::Error(error));
            }
            None => {
                keep.store(head.with_body(whole.freeze()));
                return hand_on(Relayed::End);
            }
        }
    }
}
