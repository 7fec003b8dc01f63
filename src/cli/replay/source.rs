//! Where the records come from: the store, or an export.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    app::{StartError, existing_store, settle_audit},
    cli::{Failure, progress::Progress},
    config::Config,
    domain::{
        audit::lines::{Line, VERSION},
        entry::EntryKind,
        fault::Fault,
        limit::{Per, Policy, RouteSet},
        replay::{Answer, Joiner, Lines, Replay, Request, Rule, Span},
    },
    store::{Store, revisions::Seen},
};

/// How long one statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_mins(10);

/// The most records of an export that are kept: an export is not in the order of time, so each replay keeps its own until the end.
const MOST_RECORDS: u64 = 20_000_000;

/// No record of an export is shorter: ids and hashes alone are longer.
const SHORTEST_RECORD_BYTES: u64 = 400;

/// Where the records come from.
pub(super) enum Source {
    /// With the names of the routes that there are.
    Store(Store, BTreeSet<String>),
    Export(Export),
}

/// A file that `tollgate audit export` has written.
pub(super) struct Export {
    path: PathBuf,
    bytes: u64,
    /// The routes that are asked about and that no record was of so far.
    unmet: RefCell<BTreeSet<String>>,
}

/// How much of the frame of an export has been read: the line that it begins with, and the one that ends it.
#[derive(Default)]
struct Frame {
    begun: bool,
    ended: bool,
}

impl Frame {
    /// Whether a line belongs where it stands.
    const fn takes(&mut self, line: &Line) -> bool {
        let is_within = self.begun && !self.ended;
        match line {
            Line::Begin { version, .. } => {
                let is_first = !self.begun;
                self.begun = true;
                is_first && *version == VERSION
            }
            Line::End(_) => {
                self.ended = true;
                is_within
            }
            Line::Key(_) | Line::Entry(_) | Line::Checkpoint(_) => is_within,
        }
    }

    /// What is wrong with an export that has no further line.
    const fn lacks(&self) -> Option<&'static str> {
        match (self.begun, self.ended) {
            (_, true) => None,
            (true, false) => Some("the export ends before its end: the rest was cut off"),
            (false, false) => Some("is empty, and no export"),
        }
    }
}

impl Source {
    /// The store of a configuration, which is there.
    pub(super) async fn store(config: &Config) -> Result<Self, Failure> {
        let store = existing_store(config, STATEMENT_TIMEOUT)?;
        settle_audit(config, &store).await?;
        let made = store.entries_since(Seen::default()).await.map_err(StartError::from)?;
        let made = made.into_iter().flat_map(|(_, rows)| rows).map(|row| row.entry.key);
        let made = made.filter(|key| key.kind == EntryKind::Route).map(|key| key.name.to_string());
        let routes = config.routes.iter().map(|route| route.name.clone()).chain(made).collect();
        Ok(Self::Store(store, routes))
    }

    /// Those of a limit's routes that there are not. An export does not say which there are: see [`Self::tell_unmet`].
    pub(super) fn unknown_routes(&self, routes: &[String]) -> Vec<Fault> {
        let Self::Store(_, known) = self else { return vec![] };
        let unknown = routes.iter().enumerate().filter(|(_, name)| *name != "*" && !known.contains(*name));
        let fault = |(i, name): (usize, &String)| {
            Fault::new(format!("/routes/{i}"), format!("{name:?} is not the name of a route"))
        };
        unknown.map(fault).collect()
    }

    /// Warns of a limit that no record of the export could be asked about, once it has been read.
    pub(super) fn tell_unmet(&self, rule: &Rule) {
        if let (Self::Export(export), Rule::Limit(Policy { name, routes: RouteSet::Named(routes), .. }, _)) =
            (self, rule)
            && routes.iter().all(|route| export.unmet.borrow().contains(route))
        {
            let told =
                format!("warning: limit {name}: no record of the export is of its routes: {}", routes.join(", "));
            // Nothing is left to do if standard error is closed.
            drop(writeln!(std::io::stderr(), "{told}"));
        }
    }

    /// Gives the records to the replays.
    pub(super) async fn replay(&self, replays: Vec<Replay>, span: Span) -> Result<Vec<Replay>, Failure> {
        match self {
            Self::Store(store, _) => {
                let from = replays.iter().map(Replay::reads_from).min().unwrap_or(span.from);
                let seconds = |to: jiff::Timestamp| to.as_second().abs_diff(from.as_second());
                let (mut progress, mut done) = (Progress::new(seconds(span.to)), 0);
                let told = |time| {
                    progress.add(seconds(time).saturating_sub(done));
                    done = seconds(time);
                };
                let replayed = store.replay(replays, span.to, told).await;
                progress.end();
                Ok(replayed.map_err(StartError::from)?)
            }
            Self::Export(export) => export.replay(replays, span),
        }
    }

    /// The rule with what the store knows of it: who has one of their own, and since when it is in force. An export says neither.
    pub(super) async fn with_known(&self, rule: Rule) -> Result<Rule, Failure> {
        match self {
            Self::Store(store, _) => Ok(store.with_known(rule).await.map_err(StartError::from)?),
            Self::Export(_) => Ok(rule),
        }
    }

    /// The id of the subject that a text names, or why it names none. An export does not say whose a name is.
    pub(super) async fn subject_id(&self, per: Per, text: &str) -> Result<Result<String, String>, Failure> {
        match self {
            Self::Store(store, _) => {
                let id = store.subject_id(per, text).await.map_err(StartError::from)?;
                Ok(id.map_err(|unknown| unknown.to_string()))
            }
            Self::Export(_) if per.is_name(text) => {
                Ok(Err("must be an id where an export is replayed, which does not say whose a name is".into()))
            }
            Self::Export(_) => Ok(Ok(text.to_owned())),
        }
    }

    /// Names the subjects; an export has only their ids.
    pub(super) async fn name_subjects(&self, answer: &mut Answer) -> Result<(), Failure> {
        match self {
            Self::Store(store, _) => Ok(store.name_subjects(answer).await.map_err(StartError::from)?),
            Self::Export(_) => Ok(()),
        }
    }
}

impl Export {
    /// An export that is there, and the routes that are asked about.
    pub(super) fn open(path: &Path, routes: BTreeSet<String>) -> Result<Self, Failure> {
        let bytes = path.metadata().map_err(|error| bad(path, error))?.len();
        Ok(Self { path: path.to_owned(), bytes, unmet: RefCell::new(routes) })
    }

    /// Reads the export as often as it takes, so that what is kept has room.
    fn replay(&self, mut replays: Vec<Replay>, span: Span) -> Result<Vec<Replay>, Failure> {
        let mut done = vec![];
        while !replays.is_empty() {
            let later = replays.split_off(self.at_once().min(replays.len()));
            done.extend(self.pass(replays, span)?);
            replays = later;
        }
        Ok(done)
    }

    /// How many replays there is room for in one reading.
    fn at_once(&self) -> usize {
        let records = self.bytes.div_euclid(SHORTEST_RECORD_BYTES).max(1);
        usize::try_from(MOST_RECORDS.div_euclid(records)).unwrap_or(usize::MAX).max(1)
    }

    fn pass(&self, mut replays: Vec<Replay>, span: Span) -> Result<Vec<Replay>, Failure> {
        let file = File::open(&self.path).map_err(|error| bad(&self.path, error))?;
        let (mut joiner, mut frame, mut kept) = (Joiner::default(), Frame::default(), 0_u64);
        let mut progress = Progress::new(self.bytes);
        for (number, line) in (1_u64..).zip(BufReader::with_capacity(1 << 20, file).lines()) {
            let line = line.map_err(|error| bad(&self.path, error))?;
            progress.add(u64::try_from(line.len()).unwrap_or(0).saturating_add(1));
            let unreadable = || {
                progress.end();
                let what = "is none of an export, or stands where it does not belong";
                Failure::Failed(format!("{}: line {number} {what}", self.path.display()))
            };
            let entry = match Line::parse(&line).filter(|line| frame.takes(line)) {
                Some(Line::Entry(entry)) => entry,
                Some(_) => continue,
                None => return Err(unreadable()),
            };
            if let Some((time, lines)) = joiner.add(entry).map_err(|_| unreadable())? {
                kept = kept.saturating_add(u64::from(time < span.to));
                self.take(&mut replays, time, &lines);
            }
            if kept > MOST_RECORDS {
                progress.end();
                let reason = format!("more than {MOST_RECORDS} records: ask for a shorter time, or replay the store");
                return Err(bad(&self.path, reason));
            }
        }
        progress.end();
        if let Some(lacks) = frame.lacks() {
            return Err(Failure::Failed(format!("{}: {lacks}", self.path.display())));
        }
        joiner.rest().for_each(|(time, lines)| self.take(&mut replays, time, &lines));
        Ok(replays)
    }

    fn take(&self, replays: &mut [Replay], time: jiff::Timestamp, lines: &Lines) {
        match Request::read(lines) {
            Ok(Some(request)) => {
                if let Some(route) = &request.route {
                    self.unmet.borrow_mut().remove(route);
                }
                for replay in replays {
                    replay.keep(&request);
                }
            }
            Ok(None) => {}
            Err(_) => replays.iter_mut().for_each(|replay| replay.take_unreadable(time)),
        }
    }
}

fn bad(path: &Path, reason: impl std::fmt::Display) -> Failure {
    Failure::Configuration(format!("{}: {reason}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_an_export_may_hold_the_fewer_replays_read_it_at_once() {
        let at_once = |bytes| Export { path: PathBuf::new(), bytes, unmet: RefCell::default() }.at_once();
        for bytes in [0, 400, 1 << 20, 100 << 20] {
            assert!(at_once(bytes) >= 16, "{bytes}");
        }
        assert_eq!([800_000_000, 8_000_000_000, u64::MAX].map(at_once), [10, 1, 1]);
    }
}
