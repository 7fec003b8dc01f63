//! `tollgate apply`: brings teams, users, API keys, upstreams, models, routes, limits and budgets to what a file says.
//!
//! It asks a running gateway, as an administrator, by the endpoints under `/admin`: so every change is judged, recorded and
//! in force on all replicas as if it had been made by hand. What the file does not name stays as it is, and so does each
//! field that it does not give. All that is wrong with the file is told at once, before anything is changed. Run twice, it changes nothing the second time; cut off, it goes on where it was.

mod document;
mod gateway;
mod mistakes;
mod plan;
mod secrets;

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::Value;

use self::{
    document::{Document, Entry, Kind},
    gateway::{Gateway, list},
    plan::Plan,
    secrets::{Secrets, unwritten},
};
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
    /// The certificate authorities of a gateway whose certificate this machine does not know, in PEM.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Where the secrets of new API keys are written, a line each, for nobody else to read. Unless given, they are printed.
    #[arg(long, value_name = "FILE", alias = "keys")]
    secrets: Option<PathBuf>,
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
            let gateway = Gateway::new(&url, &token, self.ca.as_deref())?;
            let plan = Plan::make(&gateway, &document, &unwritten(self.secrets.as_deref())?).await?;
            if plan.is_empty() {
                let (counted, not_compared) = (plan.counted(), plan.not_compared());
                print(&format!("0 changes: {counted}, all is as the file says\n{not_compared}"));
                return tell_what_is_without_effect(&gateway, &document).await;
            }
            let secrets = Secrets::open(self.secrets.as_deref(), plan.makes_keys() && !self.question.is_dry_run())?;
            if !self.question.answered(&plan.text())? {
                return Ok(());
            }
            let done = plan.carry_out(&gateway, secrets).await?;
            print(&format!("{done} changes, {}\n", plan.counted()));
            tell_what_is_without_effect(&gateway, &document).await
        })
    }
}

/// What the file says to no effect, as the gateway says now.
async fn tell_what_is_without_effect(gateway: &Gateway, document: &Document) -> Result<(), Failure> {
    for entry in &document.entries {
        let told = match entry.kind {
            Kind::Model => unpriced(gateway, entry).await?,
            Kind::Route => nobodys(gateway, entry).await?,
            _ => vec![],
        };
        for what in told {
            // Nothing is left to do if standard error is closed.
            drop(writeln!(std::io::stderr(), "warning: {} {}: {what}", entry.kind.noun(), entry.name));
        }
    }
    Ok(())
}

/// Targets of a name for models that get no call.
async fn unpriced(gateway: &Gateway, entry: &Entry) -> Result<Vec<String>, Failure> {
    let found = gateway.named(list(Kind::Model), &entry.name).await?;
    let unpriced = found.iter().filter_map(|found| found.get("unpriced")?.as_array()).flatten();
    let told = |model: &str| format!("its target \"{model}\" has no price: this target gets no call");
    Ok(unpriced.filter_map(Value::as_str).map(told).collect())
}

/// Teams and users whom a route is for, and who are not there.
async fn nobodys(gateway: &Gateway, entry: &Entry) -> Result<Vec<String>, Failure> {
    let mut told = vec![];
    for (field, kind) in [("teams", Kind::Team), ("users", Kind::User)] {
        let names = entry.fields.get(field).and_then(Value::as_array).into_iter().flatten();
        for name in names.filter_map(Value::as_str) {
            if gateway.named(list(kind), name).await?.is_empty() {
                told.push(format!("is for the {} \"{name}\", and there is none", kind.noun()));
            }
        }
    }
    Ok(told)
}
