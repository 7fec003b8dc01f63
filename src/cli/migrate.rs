//! `tollgate migrate`: brings the store's schema up to date, or takes it away.

use std::path::Path;

use clap::Args;

use super::{Failure, load, print};
use crate::store::{StoreError, migrations};

#[derive(Args)]
pub(super) struct Migrate {
    /// Drop every table with all that is in it, instead.
    #[arg(long)]
    revert_all: bool,
    /// Only name what would be done.
    #[arg(long, conflicts_with = "revert_all")]
    pending: bool,
}

impl Migrate {
    pub(super) fn run(self, file: Option<&Path>) -> Result<(), Failure> {
        let url = load(file)?.store_url()?;
        let (verb, done) = match (self.revert_all, self.pending) {
            (true, _) => ("reverted", migrations::revert_all(&url)),
            (_, true) => ("pending", migrations::pending(&url)),
            _ => ("applied", migrations::run(&url)),
        };
        let names = done.map_err(|error| match error {
            StoreError::Invalid(_) => Failure::Configuration(format!("store.url: {error}")),
            _ => Failure::Failed(error.to_string()),
        })?;
        match names.as_slice() {
            [] => print(&format!("{verb}: nothing\n")),
            names => names.iter().for_each(|name| print(&format!("{verb}: {name}\n"))),
        }
        Ok(())
    }
}
