//! What can be wrong with the log, and how it is worded.

use std::fmt;

/// Where something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    Record(u64),
    Checkpoint(u64),
    Chain,
}

/// The first thing that is wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("chain {chain}, {position}: {fault}")]
pub struct Finding {
    pub chain: String,
    pub position: Position,
    pub fault: Fault,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(seq) => write!(f, "record {seq}"),
            Self::Checkpoint(number) => write!(f, "checkpoint {number}"),
            Self::Chain => f.write_str("as a whole"),
        }
    }
}

/// How it is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("it cannot be read as an entry of the audit log")]
    UnreadableEntry,
    #[error("it was changed: its hash is not the one of its line")]
    Hash,
    #[error("the column {0} does not say what the entry says")]
    Column(&'static str),
    #[error("it was moved here: its line says that it is record {seq} of chain {chain}")]
    Elsewhere { chain: String, seq: u64 },
    #[error("its personal part is not the one that was written")]
    Personal,
    #[error("its change is not the one that was written")]
    Change,
    #[error("its personal part was removed, and no erasure of it is on record")]
    NotErased,
    #[error("it does not follow the record before it: one of them was replaced, or the chain was computed anew")]
    Link,
    #[error("it is there twice, or out of its order")]
    Order,
    #[error("it is missing (up to record {through}), and nothing on record says that it was dropped")]
    Missing { through: u64 },
    #[error(
        "it is missing (up to record {through}), though checkpoint {checkpoint} vouches for it: the end was cut off"
    )]
    CutOff { through: u64, checkpoint: u64 },
    #[error(
        "it is missing (up to record {through}) behind a record that is there, and a drop takes the beginning of a chain: the chain was begun anew, or records were taken out of it"
    )]
    Torn { through: u64 },
    #[error("it is an outcome without a decision before it")]
    NoDecision,
    #[error("it cannot be read as a checkpoint")]
    UnreadableCheckpoint,
    #[error("it is signed with the key {0}, which is not among the keys that are trusted")]
    UnknownKey(String),
    #[error("its signature is not good: it was forged or changed")]
    Signature,
    #[error("it is missing")]
    MissingCheckpoint,
    #[error("it does not name the checkpoint before it: one of them was replaced")]
    Trail,
    #[error("it goes back in time or in the chain")]
    Backwards,
    #[error(
        "it vouches for another record {seq} than the one that is there: the chain was changed after it was signed"
    )]
    Vouched { seq: u64 },
    #[error("{entries} records lie between it and the checkpoint before it, more than there may be")]
    Apart { entries: u64 },
    #[error("no checkpoint vouches for any of its records")]
    NoCheckpoint,
    #[error("no checkpoint vouches for the last {0} records, more than there may be")]
    Unvouched(u64),
    #[error("its newest checkpoint is {age_s} s old, and {max_s} s are allowed")]
    Stale { age_s: u64, max_s: u64 },
    #[error("the checkpoint that was shipped under this number is another one: it was replaced here")]
    Replaced,
    #[error(
        "it was shipped, and is gone here with what it vouches for (record {seq}): the end was cut off, or the store was set back. If a backup was restored, put that on record with `tollgate audit accept-restore`"
    )]
    Gone { seq: u64 },
}
