//! What has passed of a body: how much, and what is kept of it.

use std::{cell::Cell, rc::Rc};

use crate::{
    crypto::Sha256,
    domain::{
        audit::body::KeptBody,
        recording::{Bodies, Recording},
        redaction::KnownSecrets,
    },
};

/// What is seen of a body on its way. Of memory it takes the kept beginning at most.
#[derive(Default)]
pub(super) struct Passed {
    bytes: u64,
    /// Nothing where only the bytes are counted.
    keeper: Option<Box<Keeper>>,
}

#[derive(Default)]
struct Keeper {
    sha256: Sha256,
    /// Of the text; nothing where only the hash is kept.
    head: Option<Vec<u8>>,
    max_bytes: usize,
}

impl Passed {
    /// From here on so much of the body is kept.
    pub(super) fn keep(&mut self, bodies: Bodies, recording: &Recording) {
        let head = (bodies == Bodies::Full).then(Vec::new);
        let keeper = || Box::new(Keeper { head, max_bytes: recording.max_body_bytes, ..Keeper::default() });
        self.keeper = (bodies != Bodies::None).then(keeper);
    }

    pub(super) fn add(&mut self, piece: &[u8]) {
        self.bytes = self.bytes.saturating_add(count(piece));
        if let Some(keeper) = &mut self.keeper {
            keeper.sha256.add(piece);
            if let Some(head) = &mut keeper.head {
                let room = keeper.max_bytes.saturating_sub(head.len());
                head.extend_from_slice(piece.get(..room).unwrap_or(piece));
            }
        }
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What is kept, to be asked once, without these secrets; nothing of a body without a byte.
    pub(super) fn take_kept(&mut self, secrets: &KnownSecrets) -> Option<KeptBody> {
        let Keeper { sha256, head, .. } = *self.keeper.take().filter(|_| self.bytes > 0)?;
        let sha256 = sha256.finish();
        Some(match head {
            None => KeptBody::hash(&sha256),
            Some(head) => KeptBody::full(&sha256, &head, count(&head) == self.bytes, secrets),
        })
    }
}

fn count(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// The body of the request. Shared with the task that reads it, on the same thread.
#[derive(Clone, Default)]
pub struct Intake(Rc<Cell<Passed>>);

impl Intake {
    /// Adds what was read, and returns how many bytes that makes.
    pub fn add(&self, piece: &[u8]) -> u64 {
        self.with(|passed| {
            passed.add(piece);
            passed.bytes()
        })
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Passed) -> T) -> T {
        let mut passed = self.0.take();
        let done = work(&mut passed);
        self.0.set(passed);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{crypto::sha256, domain::recording::Durability};

    fn kept(bodies: Bodies, pieces: &[&str]) -> Option<KeptBody> {
        let recording = Recording { durability: Durability::Committed, bodies, max_body_bytes: 8 };
        let mut passed = Passed::default();
        passed.keep(bodies, &recording);
        for piece in pieces {
            passed.add(piece.as_bytes());
        }
        passed.take_kept(&KnownSecrets::default())
    }

    #[test]
    fn a_body_in_pieces_has_the_hash_of_the_whole() {
        let whole = KeptBody::hash(&sha256(&[b"one and two"]));
        assert_eq!(kept(Bodies::Hash, &["one ", "", "and two"]), Some(whole));
    }

    #[test]
    fn no_more_than_the_beginning_of_a_text_is_kept() {
        let full = kept(Bodies::Full, &["one ", "and two"]).unwrap();
        assert_eq!((full.text.as_deref(), full.truncated), (Some("one and "), true));
        assert_eq!(full.sha256, KeptBody::hash(&sha256(&[b"one and two"])).sha256);
        let whole = kept(Bodies::Full, &["one a", "nd"]).unwrap();
        assert_eq!((whole.text.as_deref(), whole.truncated), (Some("one and"), false));
    }

    #[test]
    fn nothing_is_kept_of_nothing_or_where_nothing_is_asked_for() {
        assert_eq!(kept(Bodies::None, &["text"]), None);
        assert_eq!(kept(Bodies::Full, &[""]), None);
    }
}
