//! What an entry and a checkpoint must be by themselves.

use std::{borrow::Cow, collections::HashMap};

use serde::Deserialize;
use uuid::Uuid;

use super::Fault;
use crate::domain::{
    audit::{
        Hash, Head, Stage,
        act::Act,
        checkpoint::{Checkpoint, Statement, Trail},
        lines::{Exported, PublicKey},
    },
    hex,
    ids::UserId,
};

/// The computations that a check needs.
#[derive(Clone, Copy)]
pub struct Means {
    /// Of the concatenation of its parts.
    pub sha256: fn(&[&[u8]]) -> Hash,
    /// Whether the holder of an Ed25519 key signed a message: key, message, signature.
    pub is_signed: fn(&[u8], &[u8], &[u8]) -> bool,
}

/// The columns that a row is searched by, as the store has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    pub seq: u64,
    pub id: String,
    pub request_id: String,
    pub stage: String,
    /// Microseconds.
    pub time: i64,
    pub user_id: Option<String>,
    pub route: Option<String>,
    pub decision: Option<String>,
    pub status: Option<i32>,
    pub about: Option<String>,
}

/// What a walk needs to know of an entry that is sound by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub chain: String,
    pub seq: u64,
    pub prev_hash: Hash,
    pub hash: Hash,
    pub request_id: Uuid,
    pub stage: Stage,
    /// Whose part was there and is not: the caller's, or that of the user that the change is about. The inner `None` is
    /// nobody's.
    pub lost: Vec<Option<UserId>>,
    pub act: Option<Act>,
}

/// As much of an entry's line as the verifier looks at; the rest is hashed.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    chain: Cow<'a, str>,
    seq: u64,
    id: &'a str,
    request_id: &'a str,
    time: jiff::Timestamp,
    stage: Stage,
    #[serde(default)]
    user_id: Option<&'a str>,
    #[serde(default)]
    route: Option<String>,
    #[serde(default)]
    decision: Option<&'a str>,
    #[serde(default)]
    status: Option<i32>,
    #[serde(default)]
    about: Option<&'a str>,
    #[serde(default)]
    personal_sha256: Option<&'a str>,
    #[serde(default)]
    change_sha256: Option<&'a str>,
    #[serde(default)]
    act: Option<Act>,
}

/// Checks an entry; with the columns it is stored under, if it comes from a store.
pub fn check_entry(entry: &Exported, columns: Option<&Columns>, means: Means) -> Result<Facts, Fault> {
    if (means.sha256)(&[&entry.prev_hash, entry.entry.as_bytes()]) != entry.hash {
        return Err(Fault::Hash);
    }
    let said: Said<'_> = serde_json::from_str(&entry.entry).map_err(|_| Fault::UnreadableEntry)?;
    if let Some(columns) = columns {
        compare(&said, columns)?;
    }
    let user = |text: Option<&str>| text.map(str::parse::<UserId>).transpose().map_err(|_| Fault::UnreadableEntry);
    let mut lost = vec![];
    for (part, commitment, whose, fault) in [
        (&entry.personal, said.personal_sha256, said.user_id, Fault::Personal),
        (&entry.change, said.change_sha256, said.about, Fault::Change),
    ] {
        match (part, commitment) {
            (None, None) => {}
            (None, Some(_)) => lost.push(user(whose)?),
            (Some(part), Some(commitment)) if is_of(part, commitment, means) => {}
            (Some(_), _) => return Err(fault),
        }
    }
    Ok(Facts {
        chain: said.chain.into_owned(),
        seq: said.seq,
        prev_hash: entry.prev_hash,
        hash: entry.hash,
        request_id: Uuid::try_parse(said.request_id).map_err(|_| Fault::UnreadableEntry)?,
        stage: said.stage,
        lost,
        act: said.act,
    })
}

/// Which entry a line says it is, for the name of one that is wrong.
#[must_use]
pub fn said_place(entry: &str) -> Option<(String, u64)> {
    let said: Said<'_> = serde_json::from_str(entry).ok()?;
    Some((said.chain.into_owned(), said.seq))
}

fn is_of(part: &str, commitment: &str, means: Means) -> bool {
    hex::decode::<32>(commitment).is_some_and(|digest| (means.sha256)(&[part.as_bytes()]) == digest)
}

fn compare(said: &Said<'_>, columns: &Columns) -> Result<(), Fault> {
    let differs = [
        ("seq", said.seq != columns.seq),
        ("id", said.id != columns.id),
        ("request_id", said.request_id != columns.request_id),
        ("stage", said.stage.as_str() != columns.stage),
        ("time", said.time.as_microsecond() != columns.time),
        ("user_id", said.user_id != columns.user_id.as_deref()),
        ("route", said.route != columns.route),
        ("decision", said.decision != columns.decision.as_deref()),
        ("status", said.status != columns.status),
        ("about", said.about != columns.about.as_deref()),
    ];
    match differs.iter().find(|(_, differs)| *differs) {
        Some(("seq", _)) => Err(Fault::Elsewhere { chain: said.chain.clone().into_owned(), seq: said.seq }),
        Some((column, _)) => Err(Fault::Column(column)),
        None => Ok(()),
    }
}

/// The public keys that are trusted, by name.
#[derive(Debug, Clone, Default)]
pub struct Keys(HashMap<String, Vec<u8>>);

impl Keys {
    /// A key that is not 32 bytes in hexadecimal digits signs nothing.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        let read = |key: PublicKey| Some((key.kid, hex::decode::<32>(&key.public_key)?.to_vec()));
        Self(keys.into_iter().filter_map(read).collect())
    }

    /// Whether exactly this key is trusted.
    #[must_use]
    pub fn has(&self, key: &PublicKey) -> bool {
        self.0.get(&key.kid).is_some_and(|known| hex::encode(known) == key.public_key)
    }
}

/// What a walk needs to know of a checkpoint that is sound by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    pub statement: Statement,
    pub head: Head,
    pub digest: Hash,
}

impl Vouched {
    /// The trail that ends with it.
    pub const fn trail(&self) -> Trail {
        Trail { number: self.statement.number, digest: self.digest, head: self.head }
    }
}

/// Checks a checkpoint: its columns, and its signature by a key that is trusted.
pub fn check_checkpoint(checkpoint: &Checkpoint, keys: &Keys, means: Means) -> Result<Vouched, Fault> {
    let statement = checkpoint.read().map_err(|_| Fault::UnreadableCheckpoint)?;
    let hash = hex::decode(&statement.hash).ok_or(Fault::UnreadableCheckpoint)?;
    let columns = [
        ("chain", statement.chain != checkpoint.chain),
        ("number", statement.number != checkpoint.number),
        ("seq", statement.seq != checkpoint.seq),
        ("time", statement.time != checkpoint.time),
    ];
    if let Some((column, _)) = columns.iter().find(|(_, differs)| *differs) {
        return Err(Fault::Column(column));
    }
    let Some(key) = keys.0.get(&statement.kid) else {
        return Err(Fault::UnknownKey(statement.kid));
    };
    if !(means.is_signed)(key, checkpoint.statement.as_bytes(), &checkpoint.signature) {
        return Err(Fault::Signature);
    }
    let digest = (means.sha256)(&[checkpoint.statement.as_bytes()]);
    let head = Head { seq: statement.seq, hash };
    Ok(Vouched { statement, head, digest })
}
