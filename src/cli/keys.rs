//! `tollgate keys`: the signing keys and the master key that seals them, straight in the store.

use std::path::Path;

use clap::Subcommand;

use super::{Failure, consent::Recorded, load, print, secrets};
use crate::{
    app::{change_master_key, rotate_signing_key},
    config::secret::without_line_end,
};

/// The variable that gives the new master key.
const NEW_MASTER_KEY: &str = "TOLLGATE_NEW_MASTER_KEY";

#[derive(Subcommand)]
pub(super) enum Keys {
    /// Add a signing key that takes over from the present one. Running gateways read it within a second.
    /// What is done is put on record in the audit log.
    Rotate(Recorded),
    /// Seal every key and secret with `TOLLGATE_NEW_MASTER_KEY` instead of the present master key. Stop the gateways
    /// first, without which it is refused, and give them the new key when it is done. A key in `data_dir/master.key` is replaced there.
    ChangeMasterKey,
}

impl Keys {
    pub(super) fn run(self, file: Option<&Path>) -> Result<(), Failure> {
        let config = load(file)?;
        let text = actix::System::new().block_on(async {
            match self {
                Self::Rotate(recorded) => {
                    let key = rotate_signing_key(&config, &secrets(), recorded.author()).await?;
                    Ok(format!("{} takes over at {}\n", key.kid, key.activates_at))
                }
                Self::ChangeMasterKey => {
                    let new = std::env::var(NEW_MASTER_KEY).map_err(|_| not_set())?;
                    let count = change_master_key(&config, &secrets(), without_line_end(&new)).await?;
                    Ok::<_, Failure>(format!("{count} values are sealed with the new master key\n"))
                }
            }
        })?;
        print(&text);
        Ok(())
    }
}

fn not_set() -> Failure {
    Failure::Configuration(format!("{NEW_MASTER_KEY} is not set (make one: openssl rand -base64 32)"))
}
