//! A body that is kept is read as fast as it comes, and handed on: a slow client holds nobody up, and one that leaves
//! takes nothing away from those who wait. Beyond the bound of an entry the client reads alone again, at its own pace.
//!
//! The pieces that wait for the client are those of which the entry is made at the end, so that they take memory once. They count
//! in `server.max_buffered_bytes` until the client has taken them all or has gone, also where the upstream has long ended.

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::{
    domain::caching::Kept,
    pipeline::buffered::Buffered,
    upstream::{AnswerStream, Relayed},
};

/// What a piece takes of memory besides its bytes: its place here, and in the line to the client.
const OVERHEAD_BYTES: usize = size_of::<Bytes>() + size_of::<Relayed>();

/// Whoever keeps what is gathered.
pub(super) trait Keeper: 'static {
    /// Whether the gathered bytes may be `length`, which takes `more` of memory.
    fn has_room(&mut self, length: usize, more: usize) -> bool;
    /// The memory that was taken, for those who hold the pieces from now on.
    fn hand_over(&mut self) -> Buffered;
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
    // It holds no more than an entry may, and no more than there is room for: who sends stops there.
    let (sender, receiver) = unbounded_channel();
    let length = stream.length();
    actix_web::rt::spawn(read(gathering, stream, sender));
    AnswerStream::relayed(receiver, length)
}

async fn read<K: Keeper>(gathering: Gathering<K>, mut stream: AnswerStream, client: UnboundedSender<Relayed>) {
    let Gathering { mut keep, head, begun } = gathering;
    let (mut length, mut pieces) = (begun.len(), vec![begun]);
    // That the client has gone is no reason to stop.
    let hand_on = |relayed| drop(client.send(relayed));
    let end = |keep: &mut K, last: Relayed| {
        hand_on(Relayed::Held(Box::new(keep.hand_over())));
        hand_on(last);
    };
    loop {
        match stream.next().await {
            Some(Ok(piece)) => {
                length = length.saturating_add(piece.len());
                let has_room = keep.has_room(length, piece.len().saturating_add(OVERHEAD_BYTES));
                if has_room {
                    pieces.push(piece.clone());
                }
                hand_on(Relayed::Piece(piece));
                if !has_room {
                    keep.keep_apart();
                    keep.give_up();
                    return end(&mut keep, Relayed::Rest(stream));
                }
            }
            Some(Err(error)) => {
                keep.give_up();
                return end(&mut keep, Relayed::Error(error));
            }
            None => {
                keep.store(head.with_body(pieces.concat().into()));
                return end(&mut keep, Relayed::End);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::{domain::caching::Times, pipeline::buffered::BufferBound};

    /// Whether something was stored, and how long it is.
    type Stored = Rc<Cell<Option<usize>>>;

    struct Keeping {
        room: Buffered,
        stored: Stored,
    }

    impl Keeper for Keeping {
        fn has_room(&mut self, _: usize, more: usize) -> bool {
            self.room.take(u64::try_from(more).unwrap()).is_ok()
        }

        fn hand_over(&mut self) -> Buffered {
            self.room.hand_over()
        }

        fn store(&mut self, kept: Kept) {
            self.stored.set(Some(kept.body.len()));
        }

        fn keep_apart(&self) {}

        fn give_up(&mut self) {
            self.stored.set(Some(0));
        }
    }

    /// What a client gets of an upstream that has sent this and ended, when that is stored or given up.
    async fn gathered(bound: &BufferBound, pieces: &[&'static [u8]]) -> (AnswerStream, usize) {
        let (upstream, receiver) = unbounded_channel();
        for piece in pieces {
            upstream.send(Relayed::Piece(Bytes::from_static(piece))).unwrap();
        }
        upstream.send(Relayed::End).unwrap();
        let stored = Stored::default();
        let times = Times { asked_ms: 0, answered_ms: 0 };
        let gathering = Gathering {
            keep: Keeping { room: bound.share(), stored: Rc::clone(&stored) },
            head: Kept::new(StatusCode::OK, HeaderMap::new(), Bytes::new(), times, 60),
            begun: Bytes::from_static(b"be"),
        };
        let client = gather(gathering, AnswerStream::relayed(receiver, None));
        let length = loop {
            match stored.get() {
                Some(length) => break length,
                None => tokio::task::yield_now().await,
            }
        };
        (client, length)
    }

    #[actix_web::test]
    async fn what_waits_for_a_slow_client_counts_until_it_is_taken_or_the_client_has_gone() {
        let bytes = 20 + 2 * u64::try_from(OVERHEAD_BYTES).unwrap();
        let bound = BufferBound::new(bytes);
        let is_free = || bound.share().take(bytes).is_ok();
        let pieces: [&'static [u8]; 2] = [b"0123456789", b"9876543210"];
        let (client, stored) = gathered(&bound, &pieces).await;
        assert_eq!(stored, 22);
        assert!(!is_free(), "the upstream has ended, and nothing is taken");
        let taken: Vec<Bytes> = client.map(Result::unwrap).collect().await;
        assert_eq!(taken, pieces);
        assert!(is_free());
        let (client, _) = gathered(&bound, &pieces).await;
        drop(client);
        assert!(is_free(), "nobody takes it any more");
    }

    #[actix_web::test]
    async fn beyond_the_room_the_client_reads_alone_and_gets_all() {
        let bytes = 10 + u64::try_from(OVERHEAD_BYTES).unwrap();
        let bound = BufferBound::new(bytes);
        let (client, stored) = gathered(&bound, &[b"0123456789", b"9", b"8"]).await;
        assert_eq!(stored, 0);
        let taken: Vec<Bytes> = client.map(Result::unwrap).collect().await;
        assert_eq!(taken.concat(), b"012345678998");
        assert!(bound.share().take(bytes).is_ok());
    }
}
