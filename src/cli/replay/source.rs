//! Where the records come from: the store, or an export.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    app::{StartError, existing_store, settle_audit},
    cli::{Failure, progress::Progress},
    config::Config,
    domain::{
        audit::lines::Line,
        limit::Per,
        replay::{Answer, Joiner, Lines, Replay, Request, Rule, Span},
    },
    store::Store,
};

/// How long one statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_mins(10);

/// The most records of an export that are kept: an export is not in the order of time, so each replay keeps its own until the end.
const MOST_RECORDS: u64 = 20_000_000;

/// No record of an export is shorter: ids and hashes alone are longer.
const SHORTEST_RECORD_BYTES: u64 = 400;

/// Where the records come from.
pub(super) enum Source {
    Store(Store),
    Export(Export),
}

/// A file that `tollgate audit export` has written.
pub(super) struct Export {
    path: PathBuf,
    bytes: u64,
}

impl Source {
    /// The store of a configuration, which is there.
    pub(super) async fn store(config: &Config) -> Result<Self, Failure> {
        let store = existing_store(config, STATEMENT_TIMEOUT)?;
        settle_audit(config, &store).await?;
        Ok(Self::Store(store))
    }

    /// Gives the records to the replays.
    pub(super) async fn replay(&self, replays: Vec<Replay>, span: Span) -> Result<Vec<Replay>, Failure> {
        match self {
            Self::Store(store) => {
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

    /// The rule without those who have one of their own; an export does not say who that was.
    pub(super) async fn subjects_apart(&self, rule: Rule) -> Result<Rule, Failure> {
        match self {
            Self::Store(store) => Ok(store.subjects_apart(rule).await.map_err(StartError::from)?),
            Self::Export(_) => Ok(rule),
        }
    }

    /// The id of the subject that a text names, or why it names none. An export does not say whose a name is.
    pub(super) async fn subject_id(&self, per: Per, text: &str) -> Result<Result<String, String>, Failure> {
        match self {
            Self::Store(store) => {
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
            Self::Store(store) => Ok(store.name_subjects(answer).await.map_err(StartError::from)?),
            Self::Export(_) => Ok(()),
        }
    }
}

impl Export {
    /// An export that is there.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let bytes = path.metadata().map_err(|error| bad(path, error))?.len();
        Ok(Self { path: path.to_owned(), bytes })
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
        let (mut joiner, mut kept) = (Joiner::default(), 0_u64);
        let mut progress = Progress::new(self.bytes);
        for (number, line) in (1_u64..).zip(BufReader::with_capacity(1 << 20, file).lines()) {
            let line = line.map_err(|error| bad(&self.path, error))?;
            progress.add(u64::try_from(line.len()).unwrap_or(0).saturating_add(1));
            let unreadable = || {
                progress.end();
                Failure::Failed(format!("{}: line {number} is none of an export", self.path.display()))
            };
            let entry = match Line::parse(&line) {
                Some(Line::Entry(entry)) => entry,
                Some(_) => continue,
                None => return Err(unreadable()),
            };
            if let Some((time, lines)) = joiner.add(entry).map_err(|_| unreadable())? {
                kept = kept.saturating_add(u64::from(time < span.to));
                take(&mut replays, time, &lines);
            }
            if kept > MOST_RECORDS {
                progress.end();
                let reason = format!("more than {MOST_RECORDS} records: ask for a shorter time, or replay the store");
                return Err(bad(&self.path, reason));
            }
        }
        joiner.rest().for_each(|(time, lines)| take(&mut replays, time, &lines));
        progress.end();
        Ok(replays)
    }
}

fn take(replays: &mut [Replay], time: jiff::Timestamp, lines: &Lines) {
    match Request::read(lines) {
        Ok(Some(request)) => replays.iter_mut().for_each(|replay| replay.keep(&request)),
        Ok(None) => {}
        Err(_) => replays.iter_mut().for_each(|replay| replay.take_unreadable(time)),
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
        let at_once = |bytes| Export { path: PathBuf::new(), bytes }.at_once();
        for bytes in [0, 400, 1 << 20, 100 << 20] {
            assert!(at_once(bytes) >= 16, "{bytes}");
        }
        assert_eq!([800_000_000, 8_000_000_000, u64::MAX].map(at_once), [10, 1, 1]);
    }
}
