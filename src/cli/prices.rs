//! `tollgate prices`: the price list, straight in the store. Running gateways bill by it within a second.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{Failure, consent::Recorded, load, print, secrets};
use crate::app::{import_prices, read_price_file, recorder};

#[derive(Subcommand)]
pub(super) enum Prices {
    /// Set the prices of the models that a file names; others stay. The file is TOML as config/prices.toml, or LiteLLM's
    /// `model_prices_and_context_window.json`, of which a report says what was taken and what was not.
    Import {
        file: PathBuf,
        /// Only report what would be taken; nothing is opened but the file.
        #[arg(long)]
        dry_run: bool,
        /// Name every model in the report.
        #[arg(long)]
        verbose: bool,
        #[command(flatten)]
        recorded: Recorded,
    },
}

impl Prices {
    pub(super) fn run(self, config: Option<&Path>) -> Result<(), Failure> {
        let Self::Import { file: path, dry_run, verbose, recorded } = self;
        let config = load(config)?;
        let file = read_price_file(&path);
        let file = file.map_err(|bad| Failure::Configuration(format!("{}: {bad}", path.display())))?;
        let report = file.report.text(verbose);
        if dry_run {
            print(&format!("{report}nothing was changed\n"));
            return Ok(());
        }
        let by = recorded.author();
        let imported = actix::System::new().block_on(async {
            let recorder = recorder(&config, &secrets(), by).await?;
            import_prices(&recorder, file, &path).await
        })?;
        let (version, added, changed) = (imported.version, imported.added, imported.changed);
        print(&format!("{report}version {version} of the price list: {added} added, {changed} changed\n"));
        Ok(())
    }
}
