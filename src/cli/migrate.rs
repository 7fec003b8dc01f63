//! `tollgate migrate`: brings the store's schema up to date, or takes it away.

use std::{io::Write, path::Path};

use clap::Args;
use serde_json::json;

use super::{Failure, consent::Consent, load, print};
use crate::{
    app::{Standstill, StartError},
    clock::Clock,
    config::Config,
    store::migrations::{self, Found},
};

#[derive(Args)]
pub(super) struct Migrate {
    /// Drop every table with all that is in it, instead. Refused while a gateway runs on this store.
    #[arg(long)]
    revert_all: bool,
    /// Only name what would be done.
    #[arg(long, conflicts_with = "revert_all")]
    pending: bool,
    #[command(flatten)]
    consent: Consent,
}

impl Migrate {
    pub(super) fn run(self, file: Option<&Path>) -> Result<(), Failure> {
        let config = load(file)?;
        let url = config.store_url()?;
        if self.revert_all {
            return actix::System::new().block_on(self.revert(&config, &url));
        }
        if self.pending || self.consent.is_dry_run() {
            tell("pending", &migrations::pending(&url).map_err(StartError::from)?);
        } else {
            let is_new = migrations::look(&url) == Ok(Found::Nowhere);
            tell("applied", &migrations::run(&url).map_err(StartError::from)?);
            if is_new {
                tell_new(&migrations::shown(&url).map_err(StartError::from)?);
            }
        }
        Ok(())
    }

    async fn revert(&self, config: &Config, url: &str) -> Result<(), Failure> {
        let store = migrations::shown(url).map_err(StartError::from)?;
        if migrations::look(url).map_err(StartError::from)? == Found::Nowhere {
            return Err(StartError::NoStore { place: store, what: "there is no store" }.into());
        }
        let still = Standstill::of(config).await?;
        let names = migrations::applied(url).map_err(StartError::from)?;
        if names.is_empty() {
            tell("reverted", &names);
            return Ok(());
        }
        let author = self.consent.author();
        let mut plan = format!("every table of {store} would be dropped with all that is in it\n");
        for name in names.iter().rev() {
            plan.extend(["would revert: ", name, "\n"]);
        }
        if !self.consent.given(&plan)? {
            return Ok(());
        }
        let act = json!({
            "time": Clock::system().now(),
            "act": "migrate revert-all",
            "by": author,
            "store": store,
            "migrations": names,
        });
        still.note(&act.to_string())?;
        tell("reverted", &migrations::revert_all(url).map_err(StartError::from)?);
        Ok(())
    }
}

/// In another folder than the gateway's, or with another configuration, it is not the store that was meant.
fn tell_new(store: &str) {
    let told = format!("there was no store at {store}: a new one was made there, and no other was changed");
    // Nothing is left to do if standard error is closed.
    drop(writeln!(std::io::stderr(), "{told}"));
}

fn tell(verb: &str, names: &[String]) {
    match names {
        [] => print(&format!("{verb}: nothing\n")),
        names => names.iter().for_each(|name| print(&format!("{verb}: {name}\n"))),
    }
}
