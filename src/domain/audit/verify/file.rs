//! What a file of checkpoints must be: whole lines, good signatures, and numbers without a hole.
//!
//! The file in `data_dir` has every checkpoint of its replica from the first on, but for those that have left with an older
//! file, and for the newest if a kill came between the store and the file. A copy that was shipped elsewhere may begin and
//! end anywhere.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;

use super::{Fault, Keys, Means, check_checkpoint};
use crate::domain::audit::{checkpoint::Checkpoint, lines::Line};

/// A file of checkpoints as its lines read.
#[derive(Debug, Clone)]
pub struct CheckpointFile {
    name: String,
    /// By the number of their line; nothing where a line does not read.
    lines: Vec<(u64, Option<Line>)>,
    /// Its last line was cut by a kill, or by somebody.
    ends_in_half: bool,
}

/// What of a file can be relied on, and the first thing that is wrong with it.
#[derive(Debug, Default)]
pub struct Judged {
    /// Those that are signed by a key that is trusted.
    pub good: Vec<Checkpoint>,
    /// How many are signed with keys that are not among those that are trusted.
    pub strange: u64,
    pub finding: Option<FileFinding>,
}

/// The first thing that is wrong with a file of checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct FileFinding {
    pub file: String,
    /// The line, if it is about one.
    pub line: Option<u64>,
    pub fault: FileFault,
}

/// How it is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileFault {
    /// A line is none of a file of checkpoints.
    Unreadable,
    /// A checkpoint is wrong by itself.
    Checkpoint { chain: String, number: u64, fault: Fault },
    /// A public key is not among those that are trusted.
    Key(String),
    /// Checkpoints are not in it; the one before them is of the time `after`.
    Missing { chain: String, first: u64, last: u64, after: Option<Timestamp> },
    /// There is no checkpoint in it that is signed by a key that is trusted.
    Nothing,
}

impl fmt::Display for FileFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))?;
        write!(f, ": {}", self.fault)
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("the line is none of a file of checkpoints: it was altered"),
            Self::Checkpoint { chain, number, fault } => write!(f, "chain {chain}, checkpoint {number}: {fault}"),
            Self::Key(kid) => write!(f, "the key {kid} is not among the keys that are trusted"),
            Self::Missing { chain, first, last, after } => {
                let which = if first == last {
                    format!("checkpoint {first} is")
                } else {
                    format!("checkpoints {first} to {last} are")
                };
                let since = after.map_or_else(|| "from the first on".to_owned(), |time| format!("signed after {time}"));
                write!(
                    f,
                    "chain {chain}: {which} missing in it ({since}): it was emptied, shortened, altered or deleted"
                )
            }
            Self::Nothing => f.write_str("there is no checkpoint in it that is signed with a key that is trusted"),
        }
    }
}

/// What is known of the file in `data_dir` besides what is in it.
#[derive(Debug)]
pub struct Home<'a> {
    /// The chain of the replica whose `data_dir` it is.
    pub chain: &'a str,
    /// The newest checkpoint of that chain in the store, read before the file.
    pub stored: Option<&'a Checkpoint>,
    /// An older file has grown to its bound, and the ones before it are gone.
    pub begins_later: bool,
    /// When the file was last written; nothing if there is none.
    pub modified: Option<Timestamp>,
}

impl CheckpointFile {
    /// Reads the text of a file. What a kill leaves, the beginning of the line that comes next, is passed over.
    #[must_use]
    pub fn read(name: &str, text: &str) -> Self {
        let ends_in_half = !text.is_empty() && !text.ends_with('\n');
        let mut lines = vec![];
        let mut rest = (1_u64..).zip(text.lines()).peekable();
        while let Some((number, line)) = rest.next() {
            let parsed = Line::parse(line);
            // A loss of power may leave zeros in place of what was written.
            let begun = line.trim_end_matches('\0');
            let goes_on = rest.peek().map_or(ends_in_half, |(_, next)| next.starts_with(begun));
            let is_half = parsed.is_none() && (begun.is_empty() || goes_on);
            if !is_half {
                lines.push((number, parsed));
            }
        }
        Self { name: name.to_owned(), lines, ends_in_half }
    }

    /// Every checkpoint, whether or not it is signed.
    pub fn checkpoints(&self) -> impl Iterator<Item = &Checkpoint> {
        self.lines
            .iter()
            .filter_map(|(_, line)| if let Some(Line::Checkpoint(found)) = line { Some(found) } else { None })
    }

    /// Judges each line by itself. In the file of a gateway's own every key must be trusted.
    #[must_use]
    pub fn judge(&self, keys: &Keys, means: Means, is_own: bool) -> Judged {
        let mut judged = Judged::default();
        for (number, line) in &self.lines {
            let fault = match line {
                Some(Line::Checkpoint(found)) => match check_checkpoint(found, keys, means) {
                    Ok(_) => {
                        judged.good.push(found.clone());
                        continue;
                    }
                    Err(Fault::UnknownKey(_)) if !is_own => {
                        judged.strange = judged.strange.saturating_add(1);
                        continue;
                    }
                    Err(fault) => FileFault::Checkpoint { chain: found.chain.clone(), number: found.number, fault },
                },
                Some(Line::Key(key)) if is_own && !keys.has(key) => FileFault::Key(key.kid.clone()),
                Some(Line::Key(_)) => continue,
                Some(_) | None => FileFault::Unreadable,
            };
            judged.finding.get_or_insert(FileFinding { file: self.name.clone(), line: Some(*number), fault });
        }
        judged
    }

    /// Judges a copy that was shipped elsewhere: it has some, and none is missing between its first and its last.
    #[must_use]
    pub fn judge_copy(&self, keys: &Keys, means: Means) -> Judged {
        let mut judged = self.judge(keys, means, false);
        if judged.finding.is_none() {
            let fault = if judged.good.is_empty() { Some(FileFault::Nothing) } else { hole(&judged.good, None) };
            judged.finding = fault.map(|fault| self.finding(fault));
        }
        judged
    }

    fn finding(&self, fault: FileFault) -> FileFinding {
        FileFinding { file: self.name.clone(), line: None, fault }
    }

    /// Judges by what is in it, and by what the store had, the present file in `data_dir`, with what was `found` in it and
    /// in the older one. The number of the newest checkpoint where only that is not in it, as a kill may leave it.
    ///
    /// # Errors
    /// What is missing.
    pub fn judge_home(&self, found: &[Checkpoint], home: &Home<'_>) -> Result<Option<u64>, FileFinding> {
        match hole(found, Some(home)) {
            None => Ok(None),
            Some(FileFault::Missing { chain, first, .. }) if chain == home.chain && self.may_lack(first, home) => {
                Ok(Some(first))
            }
            Some(fault) => Err(self.finding(fault)),
        }
    }

    /// Whether this is the newest, and the file was not written after it was signed. A gateway begins its file before its
    /// first checkpoint is in the store, so that no kill leaves none, but while a full one is moved aside.
    fn may_lack(&self, number: u64, home: &Home<'_>) -> bool {
        let was_not_written = |newest: &Checkpoint| home.modified.map_or(home.begins_later, |at| at <= newest.time);
        let is_older = |newest: &Checkpoint| self.ends_in_half || was_not_written(newest);
        home.stored.is_some_and(|newest| newest.number == number && is_older(newest))
    }
}

/// The first checkpoints that are missing: between those that were found, and of a file that is at home also before the
/// first and behind the last.
fn hole(found: &[Checkpoint], home: Option<&Home<'_>>) -> Option<FileFault> {
    let mut chains: BTreeMap<&str, BTreeMap<u64, Timestamp>> = BTreeMap::new();
    for checkpoint in found {
        chains.entry(&checkpoint.chain).or_default().insert(checkpoint.number, checkpoint.time);
    }
    if let Some(home) = home {
        chains.entry(home.chain).or_default();
    }
    chains.into_iter().find_map(|(chain, numbers)| {
        let first = numbers.keys().next().copied();
        let from = if home.is_some_and(|home| !home.begins_later) { 1 } else { first.unwrap_or(1) };
        let stored = home.filter(|home| home.chain == chain).and_then(|home| home.stored);
        let (first, last, after) = gap(&numbers, from, stored.map_or(0, |stored| stored.number))?;
        Some(FileFault::Missing { chain: chain.to_owned(), first, last, after })
    })
}

/// The first numbers that are missing from `from` to `through`, and the time of the one before them.
fn gap(numbers: &BTreeMap<u64, Timestamp>, from: u64, through: u64) -> Option<(u64, u64, Option<Timestamp>)> {
    let (mut next, mut after) = (from, None);
    for (number, time) in numbers {
        if *number > next {
            return Some((next, number.saturating_sub(1), after));
        }
        (next, after) = (number.saturating_add(1), Some(*time));
    }
    (next <= through).then_some((next, through, after))
}
