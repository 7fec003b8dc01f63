//! Walks through an export, with nothing at hand but its lines and the public keys.

use std::{
    collections::VecDeque,
    io::{self, BufRead},
};

use tokio::task::{JoinHandle, spawn_blocking};

use super::{
    Failure, failed,
    part::Part,
    report::{Inspector, MEANS},
};
use crate::{
    cli::progress::Progress,
    domain::audit::{
        act::CUSTODY,
        checkpoint::Checkpoint,
        lines::{Extent, Line, PublicKey, Scope, VERSION},
        verify::{
            Beginning, Facts, Fault, Finding, Keys, Position, Summary, Vouched, Walk, check_checkpoint, check_entry,
            said_place,
        },
    },
};

/// Lines that are checked together, and how many such pieces at a time.
const PIECE: usize = 5_000;
const IN_HAND: usize = 3;

/// Which entry a faulty line says it is, if it does, and the fault.
type Blame = (Option<(String, u64)>, Fault);

/// A line that was checked by itself.
enum Checked {
    Begin(Scope),
    Key(PublicKey),
    Entry(Box<Result<Facts, Blame>>),
    Checkpoint(Box<(Checkpoint, Result<Vouched, Fault>)>),
    End(Vec<Extent>),
    /// It ends with CR LF, which no export does.
    Recoded,
    Unreadable,
}

/// The keys that an export brings with it.
pub(super) fn keys_in(export: impl BufRead) -> Result<Vec<PublicKey>, Failure> {
    let mut keys = vec![];
    for line in export.lines() {
        match Line::parse(&line.map_err(no_text)?) {
            Some(Line::Begin { .. }) => {}
            Some(Line::Key(key)) => keys.push(key),
            _ => break,
        }
    }
    Ok(keys)
}

/// Walks through the whole export.
pub(super) async fn walk(
    export: impl BufRead,
    inspector: &mut Inspector,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let mut pieces = Pieces { export, keys: inspector.keys.clone(), in_hand: VecDeque::new(), all_read: false };
    let mut reading = Reading::default();
    while let Some(piece) = pieces.next().await? {
        for (checked, bytes) in piece {
            progress.add(bytes);
            reading.line_number = reading.line_number.saturating_add(1);
            reading.take(checked, inspector)?;
        }
    }
    match (reading.ended, reading.line_number) {
        (true, _) => Ok(()),
        (false, 0) => Err(wrong("it is empty")),
        (false, last) => Err(wrong(&format!("it ends at line {last}, before its end: the rest was cut off"))),
    }
}

/// What is said of an excerpt that anything may have been left out of.
const UNBOUNDED: &str = "its first line says that it is an excerpt, and not of which span, so that shipped checkpoints \
     cannot be held against it; make it anew with this version of `tollgate audit export`";

/// Why an export cannot be read as lines.
fn no_text(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::InvalidData => wrong("it is no text in UTF-8: if it is compressed, uncompress it first"),
        _ => failed(error),
    }
}

fn wrong(what: &str) -> Failure {
    Failure::Failed(format!("the export is not sound: {what}"))
}

/// How far the export has been read.
#[derive(Default)]
struct Reading {
    line_number: u64,
    /// Said by the first line.
    scope: Option<Scope>,
    walk: Option<(String, Walk)>,
    ended: bool,
}

impl Reading {
    fn take(&mut self, checked: Checked, inspector: &mut Inspector) -> Result<(), Failure> {
        if self.ended {
            return Err(wrong("something follows its end"));
        }
        let begun = self.scope.is_some();
        match checked {
            Checked::Begin(scope) if !begun => {
                if scope == Scope::Excerpt(None) && inspector.compares() {
                    return Err(wrong(UNBOUNDED));
                }
                inspector.part = Part::of(&scope);
                self.scope = Some(scope);
            }
            Checked::Key(key) if begun && self.walk.is_none() => {
                if !inspector.keys.has(&key) {
                    return Err(wrong(&format!(
                        "it brings the key {}, which is not among those that are trusted",
                        key.kid
                    )));
                }
            }
            Checked::Entry(entry) if begun => {
                let facts = (*entry).map_err(|(position, fault)| self.blame(position, fault))?;
                let walk = self.walk_of(&facts.chain.clone(), inspector)?;
                inspector.entry(walk, facts)?;
            }
            Checked::Checkpoint(found) if begun => {
                let (checkpoint, checked) = *found;
                let chain = checkpoint.chain.clone();
                let walk = self.walk_of(&chain, inspector)?;
                inspector.checkpoint(walk, &checkpoint, checked)?;
            }
            Checked::End(extents) if begun => {
                self.close(inspector)?;
                self.ended = true;
                let found: Vec<Extent> = inspector.summaries().iter().map(extent).collect();
                if found != extents {
                    // A record that is missing is named, which says more than that the numbers differ.
                    inspector.settle()?;
                    return Err(wrong(&differing(&found, &extents)));
                }
            }
            Checked::Recoded => {
                return Err(wrong(
                    "its lines end with CR LF: it was changed on its way, as a copy in text mode does; have it copied byte for byte",
                ));
            }
            _ => {
                return Err(wrong(&format!(
                    "line {} cannot be read, or stands where it does not belong",
                    self.line_number
                )));
            }
        }
        Ok(())
    }

    /// The walk through this chain; that through another is at its end.
    fn walk_of(&mut self, chain: &str, inspector: &mut Inspector) -> Result<&mut Walk, Failure> {
        if self.walk.as_ref().is_none_or(|(name, _)| name != chain) {
            self.close(inspector)?;
            if inspector.summaries().iter().any(|summary| summary.chain == chain) {
                return Err(wrong(&format!("line {}: chain {chain} comes twice", self.line_number)));
            }
            let is_from_the_first = chain == CUSTODY || inspector.part.begins_with_the_first();
            let beginning = if is_from_the_first { Beginning::Chain } else { Beginning::Excerpt };
            self.walk = Some((chain.to_owned(), Walk::new(chain, beginning)));
        }
        self.walk.as_mut().map(|(_, walk)| walk).ok_or_else(|| wrong("there is no chain"))
    }

    fn close(&mut self, inspector: &mut Inspector) -> Result<(), Failure> {
        if let Some((_, walk)) = self.walk.take() {
            inspector.close(walk.end()?);
        }
        Ok(())
    }

    fn blame(&self, position: Option<(String, u64)>, fault: Fault) -> Failure {
        match position {
            Some((chain, seq)) => Finding { chain, position: Position::Record(seq), fault }.into(),
            None => wrong(&format!("line {}: {fault}", self.line_number)),
        }
    }
}

/// What the last line of an export says of the first chain of which something else was found.
fn differing(found: &[Extent], said: &[Extent]) -> String {
    let told = |extent: &Extent| {
        let Extent { first, last, entries, checkpoints, .. } = extent;
        format!("{entries} records ({first} to {last}) and {checkpoints} checkpoints")
    };
    let Some(wanted) = said.iter().find(|extent| !found.contains(extent)) else {
        return "its last line does not name all the chains that are in it, in their order".to_owned();
    };
    let is_same = |other: &&Extent| other.chain == wanted.chain;
    let here = found.iter().find(is_same).map_or_else(|| "nothing".to_owned(), told);
    format!(
        "its last line says that chain {} has {}, and {here} of it is in the export: lines were taken out or put in",
        wanted.chain,
        told(wanted)
    )
}

/// How much of a chain was seen.
pub(super) fn extent(summary: &Summary) -> Extent {
    Extent {
        chain: summary.chain.clone(),
        first: summary.first_seq.unwrap_or_else(|| summary.last_seq.saturating_add(1)),
        last: summary.last_seq,
        entries: summary.entries,
        checkpoints: summary.checkpoints,
    }
}

type Piece = Vec<(Checked, u64)>;

/// The lines of an export, checked each by itself on other threads.
struct Pieces<R> {
    export: R,
    keys: Keys,
    in_hand: VecDeque<JoinHandle<Piece>>,
    all_read: bool,
}

impl<R: BufRead> Pieces<R> {
    async fn next(&mut self) -> Result<Option<Piece>, Failure> {
        while !self.all_read && self.in_hand.len() < IN_HAND {
            let lines = self.read().map_err(failed)?;
            self.all_read = lines.is_empty();
            let keys = self.keys.clone();
            self.in_hand.push_back(spawn_blocking(move || lines.iter().map(|line| check(line, &keys)).collect()));
        }
        match self.in_hand.pop_front() {
            Some(piece) => piece.await.map(Some).map_err(failed),
            None => Ok(None),
        }
    }

    fn read(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut lines = vec![];
        while lines.len() < PIECE {
            let mut line = vec![];
            if self.export.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            lines.push(line);
        }
        Ok(lines)
    }
}

fn check(line: &[u8], keys: &Keys) -> (Checked, u64) {
    let text = line.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok());
    let checked = match text.and_then(Line::parse) {
        Some(Line::Begin { version: VERSION, scope }) => Checked::Begin(scope),
        Some(Line::Key(key)) => Checked::Key(key),
        Some(Line::Entry(entry)) => {
            let checked = check_entry(&entry, None, MEANS);
            Checked::Entry(Box::new(checked.map_err(|fault| (said_place(&entry.entry), fault))))
        }
        Some(Line::Checkpoint(found)) => {
            let checked = check_checkpoint(&found, keys, MEANS);
            Checked::Checkpoint(Box::new((found, checked)))
        }
        Some(Line::End(extents)) => Checked::End(extents),
        Some(Line::Begin { .. }) | None if line.ends_with(b"\r\n") => Checked::Recoded,
        Some(Line::Begin { .. }) | None => Checked::Unreadable,
    };
    (checked, u64::try_from(line.len()).unwrap_or_default())
}

#[cfg(test)]
mod tests;
