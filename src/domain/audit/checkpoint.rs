//! Checkpoints: signed statements of how far a chain had come at a time.
//!
//! A chain by itself shows only that somebody has computed its hashes, which the owner of the database can do again. A
//! checkpoint is signed with a key that the database does not hold in the clear, names the one before it, and is kept
//! in a second place. So neither a chain that was computed anew nor one that was cut agrees with it.

use serde::{Deserialize, Serialize};

use super::{Hash, Head, Unwritable};
use crate::domain::hex;

/// The longest time between two checkpoints of a chain that is being written, also when nothing happens.
pub const EVERY_S: u64 = 60;

/// The most entries between two checkpoints.
pub const EVERY_ENTRIES: u64 = 10_000;

/// What is signed: one line of JSON, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    pub chain: String,
    /// 1 for the first of a chain, then without a gap.
    pub number: u64,
    /// The last entry it vouches for, and all before it; 0 if there was none yet.
    pub seq: u64,
    /// The hash of that entry in hexadecimal digits.
    pub hash: String,
    pub time: jiff::Timestamp,
    /// The SHA-256 of the statement before it; zeros for the first.
    pub previous: String,
    /// Which key signed it.
    pub kid: String,
}

/// A statement with its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub chain: String,
    pub number: u64,
    pub seq: u64,
    pub time: jiff::Timestamp,
    /// The line that was signed, byte for byte.
    pub statement: String,
    pub signature: Vec<u8>,
}

/// The end of a trail of checkpoints: what the next one follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trail {
    pub number: u64,
    /// The SHA-256 of the last statement.
    pub digest: Hash,
    /// What it vouches for.
    pub head: Head,
}

impl Trail {
    /// What the first checkpoint follows.
    pub const START: Self = Self { number: 0, digest: [0; 32], head: Head::GENESIS };

    /// The statement that vouches for `head` and follows this trail.
    #[must_use]
    pub fn next(&self, chain: &str, head: Head, time: jiff::Timestamp, kid: &str) -> Statement {
        Statement {
            chain: chain.to_owned(),
            number: self.number.saturating_add(1),
            seq: head.seq,
            hash: hex::encode(&head.hash),
            time,
            previous: hex::encode(&self.digest),
            kid: kid.to_owned(),
        }
    }

    /// Whether a statement for `head` cannot contradict this trail: a chain only grows.
    pub fn admits(&self, head: Head) -> bool {
        head.seq > self.head.seq || head == self.head
    }
}

impl Statement {
    /// What it vouches for; nothing if its hash is none.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        Some(Head { seq: self.seq, hash: hex::decode(&self.hash)? })
    }

    /// The line to be signed, and the checkpoint it becomes with its signature.
    pub fn signed(self, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Result<Checkpoint, Unwritable> {
        let statement = serde_json::to_string(&self)?;
        let signature = sign(statement.as_bytes());
        let Self { chain, number, seq, time, .. } = self;
        Ok(Checkpoint { chain, number, seq, time, statement, signature })
    }
}

impl Checkpoint {
    /// The checkpoint whose line this is; nothing if it is no statement.
    #[must_use]
    pub fn of(statement: &str, signature: Vec<u8>) -> Option<Self> {
        let Statement { chain, number, seq, time, .. } = serde_json::from_str(statement).ok()?;
        Some(Self { chain, number, seq, time, statement: statement.to_owned(), signature })
    }

    /// What its line says, if that is a statement.
    pub fn read(&self) -> Result<Statement, serde_json::Error> {
        serde_json::from_str(&self.statement)
    }

    /// The trail that ends with this checkpoint; nothing if its line is no statement.
    pub fn trail(&self, sha256: impl Fn(&[&[u8]]) -> Hash) -> Option<Trail> {
        let statement = self.read().ok()?;
        Some(Trail { number: statement.number, digest: sha256(&[self.statement.as_bytes()]), head: statement.head()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fake_hash(parts: &[&[u8]]) -> Hash {
        let mut out = [0u8; 32];
        for (i, byte) in parts.iter().copied().flatten().enumerate() {
            out[i % 32] = out[i % 32].wrapping_mul(31).wrapping_add(*byte);
        }
        out
    }

    const HEAD: Head = Head { seq: 7, hash: [7; 32] };

    #[test]
    fn each_checkpoint_names_the_one_before_it() {
        let sign = |line: &[u8]| vec![u8::try_from(line.len() % 256).unwrap()];
        let first = Trail::START.next("c", HEAD, jiff::Timestamp::UNIX_EPOCH, "k").signed(sign).unwrap();
        let trail = first.trail(fake_hash).unwrap();
        assert_eq!((trail.number, trail.head), (1, HEAD));
        let second = trail.next("c", Head { seq: 8, ..HEAD }, jiff::Timestamp::UNIX_EPOCH, "k");
        assert_eq!((second.number, second.previous), (2, hex::encode(&fake_hash(&[first.statement.as_bytes()]))));
    }

    #[test]
    fn a_trail_admits_only_what_its_chain_can_have_become() {
        let trail = Trail { number: 1, digest: [0; 32], head: HEAD };
        assert!(trail.admits(HEAD) && trail.admits(Head { seq: 8, hash: [8; 32] }));
        assert!(!trail.admits(Head { seq: 6, hash: [6; 32] }), "the chain was cut");
        assert!(!trail.admits(Head { seq: 7, hash: [8; 32] }), "the chain was rebuilt");
    }
}
