//! A body that is kept is read as fast as it comes, and handed on: a slow client holds nobody up, and one that leaves
//! takes nothing away from those who wait. Beyond the bound of an entry the client reads alone again, at its own pace.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::{
    domain::caching::Kept,
    upstream::{AnswerStream, Relayed},
};

/// Whoever keeps what is gathered.
pub(super) trait Keeper: 'static {
    /// Whether the gathered bytes may be `more`, which makes `length` of them.
    fn has_room(&mut self, length: usize, more: usize) -> bool;
    /// It came to its end.
    fn store(&mut self, kept: Kept);
    /// Nobody is to wait for such an answer for a while.
    fn keep_apart(&self);
    /// Nothing is kept after all.
    fn give_up(&mut self);
}

/// An answer whose body is to come.
pub(super) struct Gathering<K> {
    pub keep: K,
    /// The answer without its body.
    pub head: Kept,
    /// What has come of it.
    pub begun: Bytes,
}

/// Reads the body in a task of its own; what is returned is the body as the client gets it, after what has come.
pub(super) fn gather<K: Keeper>(gathering: Gathering<K>, stream: AnswerStream) -> AnswerStream {
    // It holds no more than an entry may: who sends stops there.
    let (sender, receiver) = unbounded_channel();
    let length = stream.length();
    actix_web::rt::spawn(read(gathering, stream, sender));
    AnswerStream::relayed(receiver, length)
}

async fn read<K: Keeper>(gathering: Gathering<K>, mut stream: AnswerStream, client: UnboundedSender<Relayed>) {
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
                    keep.keep_apart();
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
