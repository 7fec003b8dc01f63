//! `tollgate audit export`: the log as JSON Lines, in bounded memory and with an end that fits.

use std::{
    fs::OpenOptions,
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Failure, failed, trail::TrailReader, trust};
use crate::{
    app::audit_store,
    config::Config,
    domain::audit::{
        Stage,
        act::CUSTODY,
        fields,
        lines::{Bounds, Exported, Extent, Line, Scope, VERSION},
        ocsf,
    },
    store::{Store, audit::Stored},
};

const PAGE: u32 = 2_000;

#[derive(Args)]
pub(in crate::cli) struct Export {
    /// RFC 3339: from the first record of that time or later, with everything behind it.
    #[arg(long)]
    from: Option<Timestamp>,
    /// RFC 3339: up to the last record before that time, and on to the checkpoint that vouches for it.
    #[arg(long)]
    to: Option<Timestamp>,
    /// Only this chain, and the chain of custody.
    #[arg(long)]
    chain: Option<String>,
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Format,
    /// A new file for its owner only, instead of standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Everything that the offline verifier needs.
    Jsonl,
    /// One event of OCSF API Activity (class 6003) a request, and one for each act in the chain of custody.
    Ocsf,
}

impl Export {
    pub(super) async fn run(&self, config: &Config) -> Result<(), Failure> {
        let store = audit_store(config).await?;
        let Some(path) = &self.output else { return self.write(config, &store, io::stdout().lock()).await };
        let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
        let file = file.map_err(|error| cannot_be_made(path, &error))?;
        let written = self.write(config, &store, &file).await;
        let written = written.and_then(|()| file.sync_all().map_err(failed));
        written.map_err(|failure| {
            drop(std::fs::remove_file(path));
            Failure::Failed(format!(
                "{}: the export could not be made, and nothing is left of it: {failure}",
                path.display()
            ))
        })
    }

    async fn write(&self, config: &Config, store: &Store, out: impl Write) -> Result<(), Failure> {
        let mut out = BufWriter::with_capacity(1 << 20, out);
        match self.format {
            Format::Jsonl => self.lines(config, store, &mut out).await?,
            Format::Ocsf => self.events(store, &mut out).await?,
        }
        out.flush().map_err(unwritten)
    }

    /// The chain of custody comes last, so that it has what was done to the others meanwhile.
    async fn chains(&self, store: &Store) -> Result<Vec<String>, Failure> {
        let mut chains = store.audit_chains().await.map_err(failed)?;
        chains.retain(|chain| chain != CUSTODY && self.chain.as_ref().is_none_or(|wanted| wanted == chain));
        Ok(chains)
    }

    const fn is_excerpt(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    async fn lines(&self, config: &Config, store: &Store, out: &mut impl Write) -> Result<(), Failure> {
        // An export of one chain leaves out others, and checkpoints of theirs that were shipped.
        let bounds = Bounds { chain: self.chain.clone(), from: self.from, to: self.to };
        let scope = if bounds == Bounds::default() { Scope::Whole } else { Scope::Excerpt(Some(bounds)) };
        put(out, &Line::Begin { version: VERSION, scope })?;
        for key in trust::of_store(config, store).await? {
            put(out, &Line::Key(key))?;
        }
        let mut extents = vec![];
        for chain in self.chains(store).await? {
            extents.extend(self.chain_lines(store, &chain, out).await?);
        }
        extents.extend(whole_lines(store, CUSTODY, out).await?);
        put(out, &Line::End(extents))
    }

    async fn chain_lines(&self, store: &Store, chain: &str, out: &mut impl Write) -> Result<Option<Extent>, Failure> {
        if !self.is_excerpt() {
            return whole_lines(store, chain, out).await;
        }
        let Some((first, last)) = store.audit_span(chain, self.from, self.to).await.map_err(failed)? else {
            return Ok(None);
        };
        let vouching = store.checkpoint_of(chain, last).await.map_err(failed)?;
        // From the beginning: with the checkpoints of what was dropped.
        let is_later = self.from.is_some() && first > 1;
        let before = if is_later { store.checkpoints_before(chain, first).await.map_err(failed)? } else { 0 };
        let span = if let Some(vouching) = vouching {
            Span { first, last: vouching.seq, before, newest: vouching.number }
        } else {
            let newest = store.last_checkpoint(chain).await.map_err(failed)?.map_or(0, |newest| newest.number);
            Span { first, last, before, newest }
        };
        span.write(store, chain, out).await
    }

    async fn events(&self, store: &Store, out: &mut impl Write) -> Result<(), Failure> {
        for chain in self.chains(store).await?.into_iter().chain([CUSTODY.to_owned()]) {
            let Some((first, last)) = store.audit_span(&chain, self.from, self.to).await.map_err(failed)? else {
                continue;
            };
            let mut after = first.saturating_sub(1);
            loop {
                let page = store.audit_entries_after(&chain, after, last, PAGE).await.map_err(failed)?;
                let Some((_, columns)) = page.last() else {
                    break;
                };
                after = columns.seq;
                write_events(store, &chain, page, out).await?;
            }
        }
        Ok(())
    }
}

/// The export is a new file, in a folder that is there.
fn cannot_be_made(path: &Path, error: &io::Error) -> Failure {
    let why = match error.kind() {
        io::ErrorKind::AlreadyExists => "there is such a file already".into(),
        io::ErrorKind::NotFound => "the folder for the export is not there; make it first".into(),
        _ => format!("the export cannot be written there: {error}"),
    };
    Failure::Configuration(format!("{}: {why}", path.display()))
}

/// All of a chain, up to its head of now. The newest checkpoint is read first: what it vouches for is there by then.
async fn whole_lines(store: &Store, chain: &str, out: &mut impl Write) -> Result<Option<Extent>, Failure> {
    let newest = store.last_checkpoint(chain).await.map_err(failed)?.map_or(0, |newest| newest.number);
    let last = store.audit_head(chain).await.map_err(failed)?.map_or(0, |head| head.seq);
    Span { first: 1, last, before: 0, newest }.write(store, chain, out).await
}

/// What is written of a chain: entries by place, and checkpoints by number.
struct Span {
    first: u64,
    last: u64,
    /// The number before the first checkpoint.
    before: u64,
    newest: u64,
}

impl Span {
    /// Each checkpoint behind the entry it vouches for.
    async fn write(self, store: &Store, chain: &str, out: &mut impl Write) -> Result<Option<Extent>, Failure> {
        let mut written = Extent { chain: chain.to_owned(), first: 0, last: 0, entries: 0, checkpoints: 0 };
        let mut trail = TrailReader::new(store, chain, self.before, self.newest);
        let mut after = self.first.saturating_sub(1);
        loop {
            let page = store.audit_entries_after(chain, after, self.last, PAGE).await.map_err(failed)?;
            let next = page.first().map_or(self.last.saturating_add(1), |(_, columns)| columns.seq);
            if written.entries > 0 && next > after.saturating_add(1) {
                refuse_overtaken(store, chain, after).await?;
            }
            let Some((_, columns)) = page.last() else {
                break;
            };
            after = columns.seq;
            for (entry, columns) in page {
                vouch(&mut trail, columns.seq, &mut written, out).await?;
                put(out, &Line::Entry(entry))?;
                written.first = if written.entries == 0 { columns.seq } else { written.first };
                written.last = columns.seq;
                written.entries = written.entries.saturating_add(1);
            }
        }
        vouch(&mut trail, u64::MAX, &mut written, out).await?;
        if written.entries == 0 {
            written.first = 1;
        }
        Ok((written.entries > 0 || written.checkpoints > 0).then_some(written))
    }
}

/// Where records are missing behind one that was written: a drop has overtaken the export if that one is gone by now too.
/// What was written looks as if records had been taken out of the chain then.
async fn refuse_overtaken(store: &Store, chain: &str, written: u64) -> Result<(), Failure> {
    if store.audit_link(chain, written).await.map_err(failed)?.is_some() {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "records of chain {chain} were dropped while they were exported, and the export is not whole: make it again"
    )))
}

/// The checkpoints that vouch for less than this place.
async fn vouch(
    trail: &mut TrailReader<'_>,
    seq: u64,
    written: &mut Extent,
    out: &mut impl Write,
) -> Result<(), Failure> {
    while let Some(checkpoint) = trail.next_before(seq).await? {
        put(out, &Line::Checkpoint(checkpoint))?;
        written.checkpoints = written.checkpoints.saturating_add(1);
    }
    Ok(())
}

fn unwritten(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe { Failure::ReaderGone } else { failed(error) }
}

fn put(out: &mut impl Write, line: &Line) -> Result<(), Failure> {
    writeln!(out, "{}", line.render().map_err(failed)?).map_err(unwritten)
}

/// One event for each opening entry of the page, with its outcome laid over it.
async fn write_events(store: &Store, chain: &str, page: Vec<Stored>, out: &mut impl Write) -> Result<(), Failure> {
    let is = |stage: Stage| move |(_, columns): &&Stored| columns.stage == stage.as_str();
    let decided = page.iter().filter(is(Stage::Decision)).map(|(_, columns)| columns.request_id.clone()).collect();
    let mut outcomes = store.audit_outcomes(chain, decided).await.map_err(failed)?;
    for (opening, columns) in page.iter().filter(|(_, columns)| columns.stage != Stage::Outcome.as_str()) {
        let mut record = read(opening)?;
        if let Some(outcome) = outcomes.remove(&columns.request_id) {
            let mut later = read(&outcome)?;
            for place in ["seq", "id", "time"] {
                later.remove(place);
            }
            record.extend(later);
        }
        writeln!(out, "{}", ocsf::event(&record)).map_err(unwritten)?;
    }
    Ok(())
}

fn read(entry: &Exported) -> Result<Map<String, Value>, Failure> {
    fields(&entry.entry, entry.personal.as_deref(), entry.change.as_deref()).map_err(failed)
}
