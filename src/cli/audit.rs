//! `tollgate audit`: the audit log, straight in the store or in an export.

mod accept;
mod export;
mod files;
mod offline;
mod online;
mod part;
mod read;
mod report;
mod trail;
mod trust;
mod verify;

use std::path::Path;

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};

use super::{Failure, consent::Consent, load, print, secrets};
use crate::{
    app::{audit_store, custodian},
    clock::Clock,
    config::Config,
    domain::{ids::UserId, principal::Username},
    store::Store,
};

#[derive(Subcommand)]
pub(super) enum Audit {
    /// Check every record and every checkpoint of the log: in the store, or offline in an export. Exit status 1 if
    /// anything is wrong.
    Verify(verify::Verify),
    /// Show the newest records, a line each.
    Tail(read::Tail),
    /// Show one record, a line a field.
    Show(read::Show),
    /// Write the log as JSON Lines: whole and ready to be verified, or as events of OCSF.
    Export(export::Export),
    /// Erase the names, addresses, paths and bodies in all records of one person, and what others did about that person. The
    /// chain stays whole.
    Erase {
        /// The id of the user, or the name of one who is not deleted.
        #[arg(long)]
        user: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Drop old records of every chain. Their checkpoints stay.
    Retain {
        #[command(flatten)]
        kept: Kept,
        #[command(flatten)]
        consent: Consent,
    },
    /// Put on record that the store was set back to a backup: the log goes on, and is verifiable with the gap.
    AcceptRestore(accept::AcceptRestore),
    /// Print the public keys that checkpoints are verified with, for `verify --keys`.
    Keys(NoArguments),
}

/// What is kept of every chain. No number of days stands for everything: in the configuration 0 means for ever.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Kept {
    /// Keep the records of this number of days, 1 or more, and drop those that are older.
    #[arg(long, value_name = "N", value_parser = days)]
    days: Option<u32>,
    /// Keep nothing: drop every record that a checkpoint vouches for.
    #[arg(long)]
    all: bool,
}

fn days(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) => {
            Err("0 would keep nothing. In audit.retention_days it means for ever; to drop everything, give --all"
                .into())
        }
        Ok(days) => Ok(days),
        Err(_) => Err("must be a number of days, 1 or more".into()),
    }
}

#[derive(Args)]
pub(super) struct NoArguments {}

impl Audit {
    pub(super) fn run(self, file: Option<&Path>) -> Result<(), Failure> {
        // An export is verified with nothing at hand but its file.
        let config = load(file)?;
        actix::System::new().block_on(async {
            match self {
                Self::Verify(verify) => verify.run(&config).await,
                Self::Tail(tail) => tail.run(&config).await,
                Self::Show(show) => show.run(&config).await,
                Self::Export(export) => export.run(&config).await,
                Self::Erase { user, consent } => erase(&config, &user, &consent).await,
                Self::Retain { kept, consent } => retain(&config, &kept, &consent).await,
                Self::AcceptRestore(accept) => accept.run(&config).await,
                Self::Keys(NoArguments {}) => print_keys(&config).await,
            }
        })
    }
}

async fn erase(config: &Config, user: &str, consent: &Consent) -> Result<(), Failure> {
    let custodian = custodian(config, &secrets(), consent.author()).await?;
    let id = user_id(&custodian.store, user).await?;
    let parts = custodian.store.personal_parts(id).await.map_err(failed)?;
    if !consent.given(&format!("would erase {parts} personal parts of user {id}\n"))? {
        return Ok(());
    }
    let erased = custodian.erase(id).await.map_err(failed)?;
    print(&format!("erased {erased} personal parts of user {id}; what was done is on record\n"));
    Ok(())
}

async fn user_id(store: &Store, user: &str) -> Result<UserId, Failure> {
    if let Ok(id) = user.parse() {
        return Ok(id);
    }
    let name: Username = user.parse().map_err(|error| Failure::Configuration(format!("--user: {error}")))?;
    let found = store.user_by_username(&name).await.map_err(failed)?;
    found
        .map(|row| row.id)
        .ok_or_else(|| Failure::Failed(format!("there is no user {user}; give the id of a deleted one")))
}

async fn retain(config: &Config, kept: &Kept, consent: &Consent) -> Result<(), Failure> {
    let custodian = custodian(config, &secrets(), consent.author()).await?;
    // With --all it is no time at all.
    let kept = SignedDuration::from_hours(i64::from(kept.days.unwrap_or_default()).saturating_mul(24));
    let before = Clock::system().now().saturating_sub(kept).unwrap_or(Timestamp::MIN);
    let chains = custodian.store.audit_chains().await.map_err(failed)?;
    let mut plan = String::new();
    for chain in &chains {
        let line = match custodian.droppable(chain, before).await.map_err(failed)? {
            Some((first, last)) => {
                let entries = last.saturating_sub(first).saturating_add(1);
                format!("chain {chain}: would drop {entries} entries ({first} to {last})\n")
            }
            None => format!("chain {chain}: would drop 0 entries\n"),
        };
        plan.push_str(&line);
    }
    if !consent.given(&plan)? {
        return Ok(());
    }
    for chain in chains {
        let dropped = custodian.drop_before(&chain, before).await.map_err(failed)?;
        print(&format!("chain {chain}: dropped {dropped} entries\n"));
    }
    Ok(())
}

async fn print_keys(config: &Config) -> Result<(), Failure> {
    let store = audit_store(config).await?;
    for key in trust::of_store(config, &store).await? {
        print(&trust::line(key)?);
    }
    Ok(())
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}
