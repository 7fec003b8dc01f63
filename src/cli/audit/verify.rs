//! `tollgate audit verify`.

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use clap::Args;
use jiff::Timestamp;

use super::{Failure, failed, files::Files, offline, online, part::Part, report::Inspector, trust};
use crate::{
    app::{audit_store, checkpoint_files},
    cli::{print, progress::Progress},
    clock::Clock,
    config::Config,
    domain::audit::{act::CUSTODY, verify::Keys},
    store::Store,
};

#[derive(Args)]
pub(in crate::cli) struct Verify {
    /// Begin with this record of each chain instead of the first. Nothing is said of those before.
    #[arg(long, value_name = "N", default_value = "1", conflicts_with = "export")]
    from: u64,
    /// Only this chain, and the chain of custody.
    #[arg(long, conflicts_with = "export")]
    chain: Option<String>,
    /// An export, instead of the store.
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// The public keys that are trusted: what `audit keys` prints. Without it the key in the store is, as the master key
    /// opens it.
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Checkpoints that were shipped elsewhere: nothing they vouch for may be missing. Those in `data_dir` are always
    /// compared with a store. Those that are later than an export are told.
    #[arg(long, value_name = "FILE")]
    checkpoints: Option<PathBuf>,
    /// When the export was made (RFC 3339): every checkpoint that was shipped up to then must be in it.
    #[arg(long, value_name = "TIME", requires_all = ["export", "checkpoints"])]
    made_at: Option<Timestamp>,
    /// Fail if the newest checkpoint of a chain is older than this number of seconds. That of a running gateway is at
    /// most 60 s old.
    #[arg(long, value_name = "SECONDS")]
    max_age: Option<u64>,
}

impl Verify {
    pub(super) async fn run(&self, config: &Config) -> Result<(), Failure> {
        let text = match &self.export {
            Some(export) => self.export(export).await?,
            None => self.store(config).await?,
        };
        print(&text);
        Ok(())
    }

    async fn store(&self, config: &Config) -> Result<String, Failure> {
        let store = audit_store(config).await?;
        let keys = match &self.keys {
            Some(file) => trust::of_file(file)?,
            None => trust::of_store(config, &store).await?,
        };
        let keys = Keys::new(keys);
        // What was shipped is read before the log, so that all of it must be there.
        let mut files = Files::default();
        files.at_home(config, &store, &keys).await?;
        if let Some(copy) = &self.checkpoints {
            files.elsewhere(copy, &keys)?;
        }
        let good = std::mem::take(&mut files.good);
        let shipped = good.into_iter().filter(|found| self.chain.as_ref().is_none_or(|chain| *chain == found.chain));
        let mut inspector = Inspector::new(keys, shipped.collect());
        inspector.notes(&mut files.notes);
        if self.checkpoints.is_none() && checkpoint_files(config).is_empty() {
            inspector.note(
                "there is no file of checkpoints in data_dir and none was given: that the store was set back would not show".into(),
            );
        }
        inspector.part = if self.from > 1 { Part::From(self.from) } else { Part::Whole };
        let walked = self.walk(&store, &mut inspector).await;
        files.conclude(walked.and_then(|()| Ok(inspector.verdict(self.max_age())?)))
    }

    async fn walk(&self, store: &Store, inspector: &mut Inspector) -> Result<(), Failure> {
        let chains = self.chains(store).await?;
        let mut progress = Progress::new(total(store, &chains).await?);
        for chain in &chains {
            let walked = online::walk(store, chain, self.from, inspector, &mut progress).await;
            walked.inspect_err(|_| progress.end())?;
        }
        progress.end();
        Ok(())
    }

    /// The chain of custody last, so that it has what was done meanwhile.
    async fn chains(&self, store: &Store) -> Result<Vec<String>, Failure> {
        let mut chains = store.audit_chains().await.map_err(failed)?;
        if let Some(wanted) = &self.chain {
            if !chains.contains(wanted) {
                return Err(Failure::Failed(format!("there is no chain {wanted}")));
            }
            chains.retain(|chain| chain == wanted);
        }
        chains.retain(|chain| chain != CUSTODY);
        chains.push(CUSTODY.to_owned());
        Ok(chains)
    }

    async fn export(&self, export: &Path) -> Result<String, Failure> {
        let open = || {
            let file = File::open(export);
            file.map(BufReader::new).map_err(|error| Failure::Configuration(format!("{}: {error}", export.display())))
        };
        let brought = offline::keys_in(open()?)?;
        let trusted = self.keys.as_deref().map(trust::of_file).transpose()?;
        let is_given = trusted.is_some();
        let keys = Keys::new(trusted.unwrap_or(brought));
        let mut files = Files::default();
        if let Some(copy) = &self.checkpoints {
            files.elsewhere(copy, &keys)?;
        }
        let mut inspector = Inspector::new(keys, std::mem::take(&mut files.good));
        inspector.notes(&mut files.notes);
        (inspector.is_export, inspector.made_at) = (true, self.made_at);
        if !is_given {
            inspector.note(
                "WARNING: the keys are those that the export brought with it, and a forger brings his own; give trusted ones with --keys".into(),
            );
        }
        let bytes = std::fs::metadata(export).map_err(failed)?.len();
        let mut progress = Progress::new(bytes);
        let walked = offline::walk(open()?, &mut inspector, &mut progress).await;
        progress.end();
        files.conclude(walked.and_then(|()| Ok(inspector.verdict(self.max_age())?)))
    }

    fn max_age(&self) -> Option<(Timestamp, u64)> {
        self.max_age.map(|max_s| (Clock::system().now(), max_s))
    }
}

async fn total(store: &Store, chains: &[String]) -> Result<u64, Failure> {
    let mut total: u64 = 0;
    for chain in chains {
        if let Some((first, last)) = store.audit_span(chain, None, None).await.map_err(failed)? {
            total = total.saturating_add(last.saturating_sub(first));
        }
    }
    Ok(total)
}
