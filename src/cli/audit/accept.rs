//! `tollgate audit accept-restore`: puts on record that the store was set back, so that the log goes on verifiable.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, failed, trust};
use crate::{
    app::{checkpoint_file, checkpoint_files, custodian},
    cli::{
        consent::{author, reason},
        print, secrets,
    },
    config::Config,
};

#[derive(Args)]
pub(in crate::cli) struct AcceptRestore {
    /// Why the store was set back, for the record.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    /// Checkpoints that were shipped elsewhere, besides those in `data_dir`.
    #[arg(long, value_name = "FILE")]
    checkpoints: Option<PathBuf>,
}

impl AcceptRestore {
    pub(super) async fn run(self, config: &Config) -> Result<(), Failure> {
        let custodian = custodian(config, &secrets(), author(Some(self.reason))).await?;
        let in_data_dir = trust::checkpoints(&checkpoint_files(config))?;
        let mut shipped = in_data_dir.clone();
        shipped.extend(trust::checkpoints(self.checkpoints.as_slice())?);
        let gaps = custodian.gaps(&shipped).await.map_err(failed)?;
        let mut text = String::new();
        for gap in &gaps {
            text.push_str(&gap.to_string());
            text.push('\n');
        }
        let count = gaps.len();
        custodian.accept(gaps).await.map_err(failed)?;
        for chain in custodian.stuck(&in_data_dir).await.map_err(failed)? {
            custodian.go_on(&chain, checkpoint_file(config)).await.map_err(failed)?;
            text.extend(["chain ", &chain, ": checkpoints go on\n"]);
        }
        text.push_str(if count == 0 { "no further loss is to be put on record\n" } else { "it is on record\n" });
        print(&text);
        Ok(())
    }
}
