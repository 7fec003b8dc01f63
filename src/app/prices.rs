//! Where prices come from but for `/admin/prices`: the built-in table, the configured file, and files that are imported.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde_json::json;

use super::{StartError, audit::Recorder};
use crate::{
    actors::notary::Deed,
    clock::Clock,
    config::{Config, ConfigError},
    domain::price::{
        file::{self as price_file, BadFile, PriceFile},
        list::MAX_MODELS,
    },
    store::{
        Store,
        prices::{PriceChange, PricesChanged},
    },
};

/// The key of the configured file.
const KEY: &str = "prices.file";

/// The largest file that is read: LiteLLM's has some 4 MB.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// What an import made of the list.
pub struct Imported {
    /// The version now; the one before if the list said all of it already.
    pub version: i64,
    pub added: usize,
    pub changed: usize,
}

/// The configured file as it is now, if there is one.
pub fn configured_prices(config: &Config) -> Result<Option<PriceFile>, ConfigError> {
    let path = &config.prices.file;
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let blame = |bad: BadFile| config.blame(KEY, format!("{}: {bad}", path.display()));
    read_price_file(path).map(Some).map_err(blame)
}

/// Reads a file of prices.
pub fn read_price_file(path: &Path) -> Result<PriceFile, BadFile> {
    let bad = |reason: String| BadFile { place: "file".into(), reason };
    let text = read_text(path).map_err(|error| bad(format!("cannot be read: {error}")))?;
    if u64::try_from(text.len()).is_ok_and(|bytes| bytes > MAX_FILE_BYTES) {
        return Err(bad(format!("has more than {MAX_FILE_BYTES} bytes")));
    }
    price_file::read(&text)
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_FILE_BYTES.saturating_add(1)).read_to_string(&mut text)?;
    Ok(text)
}

/// Before the gateway serves: the built-in prices if there never were any, and over them those of the configured file.
pub(super) async fn start(
    config: &Config,
    file: Option<PriceFile>,
    store: &Store,
    clock: &Clock,
) -> Result<(), StartError> {
    make_first(store, clock).await?;
    if let Some(file) = file {
        report(config, &store.change_prices(change(config, file, clock)).await?)?;
    }
    Ok(())
}

/// What the configured file asks for.
pub(super) fn change(config: &Config, file: PriceFile, clock: &Clock) -> PriceChange {
    let in_part = file.report.in_part.len();
    let skipped: usize = file.report.skipped.values().map(Vec::len).sum();
    tracing::info!(taken = file.report.taken.len(), skipped, in_part, "the configured file of prices was read");
    from_file(file, &config.prices.file, clock)
}

fn from_file(file: PriceFile, path: &Path, clock: &Clock) -> PriceChange {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let date = file.date.map(|date| format!(" of {date}")).unwrap_or_default();
    PriceChange { change: file.change, only_at: None, source: format!("file {name}{date}"), made_at: clock.now() }
}

/// Logs what came of the configured file.
pub(super) fn report(config: &Config, changed: &PricesChanged) -> Result<(), ConfigError> {
    match changed {
        PricesChanged::Done { before, version, .. } if before == version => {}
        PricesChanged::Done { version, .. } => tracing::info!(version, "the prices of the configured file hold"),
        PricesChanged::Stale(_) | PricesChanged::TooMany => return Err(config.blame(KEY, too_many())),
    }
    Ok(())
}

fn too_many() -> String {
    format!("the list would have more than {MAX_MODELS} models")
}

async fn make_first(store: &Store, clock: &Clock) -> Result<(), StartError> {
    if store.price_version(None).await?.is_some() {
        return Ok(());
    }
    let table = price_file::read(price_file::BUILT_IN)?;
    let source = format!("built-in table of {}", table.date.unwrap_or_default());
    let first = PriceChange { change: table.change, only_at: Some(0), source, made_at: clock.now() };
    if let PricesChanged::Done { .. } = store.change_prices(first).await? {
        tracing::info!("the built-in prices are made; from now on the store has them");
    }
    Ok(())
}

/// Sets the prices of a file that was read from `path`, straight in the store, and puts that on record.
pub async fn import_prices(recorder: &Recorder, file: PriceFile, path: &Path) -> Result<Imported, StartError> {
    let Recorder { store, clock, .. } = recorder;
    make_first(store, clock).await?;
    let before = store.price_version(None).await?;
    let models = file.report.taken.len();
    let change = from_file(file, path, clock);
    let change_told = json!({
        "before": before.map(|list| json!({ "version": list.version, "source": list.source })),
        "after": { "source": change.source, "models": models },
    });
    recorder.note(Deed { command: "prices import", about: None, change: change_told }).await?;
    match store.change_prices(change).await? {
        PricesChanged::Done { version, difference, .. } => {
            Ok(Imported { version, added: difference.added.len(), changed: difference.changed.len() })
        }
        PricesChanged::Stale(_) | PricesChanged::TooMany => {
            Err(BadFile { place: "file".into(), reason: too_many() }.into())
        }
    }
}
