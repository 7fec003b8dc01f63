//! `tollgate apply`: brings teams, users, API keys, upstreams, models, routes, limits and budgets to what a file says.
//!
//! It asks a running gateway, as an administrator, by the endpoints under `/admin`: so every change is judged, recorded and
//! in force on all replicas as if it had been made by hand. What the file does not name stays as it is, and so does each
//! field that it does not give. Run twice, it changes nothing the second time; cut off, it goes on where it was.

mod document;
mod gateway;
mod keys;
mod plan;

use std::path::{Path, PathBuf};

use clap::Args;

use self::{document::Document, gateway::Gateway, keys::Keys, plan::Plan};
use super::{Failure, consent::Question, load, print};

#[derive(Args)]
pub(super) struct Apply {
    /// TOML with `[[teams]]`, `[[users]]`, `[[api_keys]]`, `[[upstreams]]`, `[[models]]`, `[[routes]]`, `[[limits]]` and
    /// `[[budgets]]`, whose fields are those of the admin endpoints, with names in place of ids.
    file: PathBuf,
    /// The gateway, such as `https://gateway.example`; unless given, the one that this configuration starts.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A file with an API key or access token of an administrator; unless given, the variable `TOLLGATE_TOKEN` has it.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Where the secrets of new API keys are written, a line each, for nobody else to read. Needed where there are any.
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    question: Question,
}

impl Apply {
    pub(super) fn run(self, config: Option<&Path>) -> Result<(), Failure> {
        let document = Document::read(&self.file)?;
        let token = gateway::token(self.token_file.as_deref())?;
        let url = match self.url {
            Some(url) => url,
            None => gateway::own_url(&load(config)?),
        };
        actix::System::new().block_on(async {
            let gateway = Gateway::new(&url, &token)?;
            let plan = Plan::make(&gateway, &document).await?;
            if plan.is_empty() {
                print(&format!("{} as the file says: nothing to change\n", plan.counted()));
                return Ok(());
            }
            let keys = Keys::open(self.keys.as_deref(), plan.makes_keys() && !self.question.is_dry_run())?;
            if !self.question.answered(&plan.text())? {
                return Ok(());
            }
            let done = plan.carry_out(&gateway, keys).await?;
            print(&format!("{done} done, {}\n", plan.counted()));
            Ok(())
        })
    }
}
