//! The lines in which the log leaves the gateway: the file of checkpoints in `data_dir`, and an export.
//!
//! Each line is one JSON object with exactly one spelling, so that a byte that was changed anywhere is a line that is not
//! read, or one that says something else. Signatures and digests are hexadecimal digits.

use std::fmt;

use jiff::Timestamp;
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

/// What an excerpt was asked to hold, as its first line states it: at least one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Only this chain, and the chain of custody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// From the first record of that time or later; without it from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Up to the last record before that time; without it up to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.chain {
            Some(chain) => write!(f, "chain {chain}")?,
            None => f.write_str("all chains")?,
        }
        match self.from {
            Some(from) => write!(f, ", from {from}")?,
            None => f.write_str(", from the beginning")?,
        }
        match self.to {
            Some(to) => write!(f, ", up to {to}"),
            None => f.write_str(", up to when it was made"),
        }
    }
}

/// How much of a log an export was asked to hold. The chain of custody is always whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    Whole,
    /// Leaves out what lies outside its bounds. Excerpts of older versions do not state them.
    Excerpt(Option<Bounds>),
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// The first line of an export.
    Begin {
        version: u32,
        scope: Scope,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bounds: Option<Bounds>,
}

impl Begin {
    fn of(version: u32, scope: &Scope) -> Self {
        let (excerpt, bounds) = match scope {
            Scope::Whole => (false, None),
            Scope::Excerpt(bounds) => (true, bounds.clone()),
        };
        Self { version, excerpt, bounds }
    }

    /// Nothing where bounds bound nothing.
    fn scope(self) -> Option<Scope> {
        match (self.excerpt, self.bounds) {
            (false, None) => Some(Scope::Whole),
            (true, bounds) if bounds != Some(Bounds::default()) => Some(Scope::Excerpt(bounds)),
            _ => None,
        }
    }
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
            Self::Begin { version, scope } => serde_json::to_string(&BeginLine { export: Begin::of(*version, scope) }),
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
                Some(Self::Begin { version: line.export.version, scope: line.export.scope()? })
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
        let statement = Trail::START.next("c \"α\"", head, Timestamp::UNIX_EPOCH, "0123456789abcdef");
        let from = "2026-11-29T09:05:01.000005Z".parse().ok();
        let bounds = Bounds { chain: Some("c".into()), from, to: None };
        vec![
            Line::Begin { version: VERSION, scope: Scope::Whole },
            Line::Begin { version: VERSION, scope: Scope::Excerpt(None) },
            Line::Begin { version: VERSION, scope: Scope::Excerpt(Some(bounds)) },
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
    fn bounds_that_bound_nothing_are_no_line() {
        for (excerpt, bounds) in [("true", "{}"), ("false", r#"{"chain":"c"}"#), ("true", "null")] {
            let text = format!(r#"{{"export":{{"version":1,"excerpt":{excerpt},"bounds":{bounds}}}}}"#);
            assert_eq!(Line::parse(&text), None, "{text}");
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
