//! The lines in which the log leaves the gateway: the file of checkpoints in `data_dir`, and an export.
//!
//! Each line is one JSON object with exactly one spelling, so that a byte that was changed anywhere is a line that is not
//! read, or one that says something else. Signatures and digests are hexadecimal digits.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Hash, checkpoint::Checkpoint};
use crate::domain::hex;

/// A public key of Ed25519 that checkpoints are verified with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublicKey {
    /// The first 16 digits of the SHA-256 of the key.
    pub kid: String,
    /// 32 bytes in hexadecimal digits.
    pub public_key: String,
}

/// An entry with its links and its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    pub entry: String,
    pub prev_hash: Hash,
    pub hash: Hash,
    pub personal: Option<String>,
    pub change: Option<String>,
}

/// How much of a chain an export holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extent {
    pub chain: String,
    /// The places of its first and last entry; `first` is `last + 1` if there is none.
    pub first: u64,
    pub last: u64,
    pub entries: u64,
    pub checkpoints: u64,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// The first line of an export. An excerpt leaves out what lies before and behind.
    Begin {
        version: u32,
        excerpt: bool,
    },
    Key(PublicKey),
    Entry(Exported),
    Checkpoint(Checkpoint),
    /// The last line of an export.
    End(Vec<Extent>),
}

/// The form of exports.
pub const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BeginLine {
    export: Begin,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Begin {
    version: u32,
    excerpt: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyLine {
    key: PublicKey,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryLine<'a> {
    #[serde(borrow)]
    entry: &'a RawValue,
    prev_hash: &'a str,
    hash: &'a str,
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    personal: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    change: Option<&'a RawValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointLine<'a> {
    #[serde(borrow)]
    checkpoint: &'a RawValue,
    signature: &'a str,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndLine {
    end: End,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    chains: Vec<Extent>,
}

impl Line {
    /// The line without its end.
    ///
    /// # Errors
    /// An entry, a part or a statement that is no JSON cannot be a part of a line.
    pub fn render(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Begin { version, excerpt } => {
                serde_json::to_string(&BeginLine { export: Begin { version: *version, excerpt: *excerpt } })
            }
            Self::Key(key) => serde_json::to_string(&KeyLine { key: key.clone() }),
            Self::Entry(entry) => serde_json::to_string(&EntryLine {
                entry: raw(&entry.entry)?,
                prev_hash: &hex::encode(&entry.prev_hash),
                hash: &hex::encode(&entry.hash),
                personal: entry.personal.as_deref().map(raw).transpose()?,
                change: entry.change.as_deref().map(raw).transpose()?,
            }),
            Self::Checkpoint(checkpoint) => serde_json::to_string(&CheckpointLine {
                checkpoint: raw(&checkpoint.statement)?,
                signature: &hex::encode(&checkpoint.signature),
            }),
            Self::End(chains) => serde_json::to_string(&EndLine { end: End { chains: chains.clone() } }),
        }
    }

    /// Reads a line; nothing if it is none, or one in another spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let line = Self::read(text)?;
        (line.render().ok()? == text).then_some(line)
    }

    fn read(text: &str) -> Option<Self> {
        let kind = text.strip_prefix("{\"")?.split('"').next()?;
        match kind {
            "export" => {
                let line: BeginLine = serde_json::from_str(text).ok()?;
                Some(Self::Begin { version: line.export.version, excerpt: line.export.excerpt })
            }
            "key" => serde_json::from_str(text).ok().map(|line: KeyLine| Self::Key(line.key)),
            "entry" => {
                let line: EntryLine<'_> = serde_json::from_str(text).ok()?;
                Some(Self::Entry(Exported {
                    entry: line.entry.get().to_owned(),
                    prev_hash: hex::decode(line.prev_hash)?,
                    hash: hex::decode(line.hash)?,
                    personal: line.personal.map(|part| part.get().to_owned()),
                    change: line.change.map(|part| part.get().to_owned()),
                }))
            }
            "checkpoint" => {
                let line: CheckpointLine<'_> = serde_json::from_str(text).ok()?;
                Checkpoint::of(line.checkpoint.get(), hex::decode::<64>(line.signature)?.to_vec()).map(Self::Checkpoint)
            }
            "end" => serde_json::from_str(text).ok().map(|line: EndLine| Self::End(line.end.chains)),
            _ => None,
        }
    }
}

fn raw(text: &str) -> Result<&RawValue, serde_json::Error> {
    serde_json::from_str(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::{Head, checkpoint::Trail};

    fn lines() -> Vec<Line> {
        let head = Head { seq: 3, hash: [9; 32] };
        let statement = Trail::START.next("c \"α\"", head, jiff::Timestamp::UNIX_EPOCH, "0123456789abcdef");
        vec![
            Line::Begin { version: VERSION, excerpt: false },
            Line::Key(PublicKey { kid: "0123456789abcdef".into(), public_key: hex::encode(&[1; 32]) }),
            Line::Entry(Exported {
                entry: r#"{"chain":"c","seq":1,"reason":"a\u0000\n😀"}"#.into(),
                prev_hash: [0; 32],
                hash: [255; 32],
                personal: Some(r#"{"salt":"00","path":"/"}"#.into()),
                change: None,
            }),
            Line::Checkpoint(statement.signed(|_| vec![5; 64]).unwrap()),
            Line::End(vec![Extent { chain: "c".into(), first: 1, last: 1, entries: 1, checkpoints: 1 }]),
        ]
    }

    #[test]
    fn a_line_is_read_as_it_was_written() {
        for line in lines() {
            let text = line.render().unwrap();
            assert!(!text.contains('\n'), "{text}");
            assert_eq!(Line::parse(&text), Some(line), "{text}");
        }
    }

    #[test]
    fn a_line_with_another_byte_is_another_line_or_none() {
        for line in lines() {
            let text = line.render().unwrap();
            for at in 0..text.len() {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 0x20;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert_ne!(Line::parse(&changed), Some(line.clone()), "{changed}");
            }
            for other in [format!("{text} "), format!(" {text}"), text.replacen(':', ": ", 1)] {
                assert_eq!(Line::parse(&other), None, "{other}");
            }
        }
    }
}
