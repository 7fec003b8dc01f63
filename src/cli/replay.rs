//! `tollgate replay`: what a limit or a budget would have refused, from the store or from an export, without a gateway.

mod rules;
mod source;
mod words;

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;

use self::{
    rules::{Rules, Written},
    source::{Export, Source},
};
use super::{Failure, load, print, usage::moment};
use crate::{
    clock::Clock,
    domain::replay::{Answer, Replay as Run, Rule, Search, Span, share_ppm},
};

#[derive(Args)]
pub(super) struct Replay {
    /// TOML: the fields of a limit, or [[limits]] with up to ten of them, which are compared.
    #[arg(long, value_name = "FILE", required_unless_present = "budget", conflicts_with = "budget")]
    limit: Option<PathBuf>,
    /// TOML: the fields of a budget, or [[budgets]] with up to ten of them, which are compared.
    #[arg(long, value_name = "FILE")]
    budget: Option<PathBuf>,
    /// A day of UTC or a time: requests that began then or later.
    #[arg(long, value_parser = moment)]
    from: Timestamp,
    /// A day of UTC or a time: requests that began before; now unless given.
    #[arg(long, value_parser = moment)]
    to: Option<Timestamp>,
    /// What `tollgate audit export` has written, instead of the store.
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Find the lowest `limit` that refuses less than this share of the calls, such as 0.001.
    #[arg(long, value_name = "SHARE", value_parser = share, conflicts_with = "budget")]
    tightest: Option<u64>,
    /// Ask it of the whole time. Without this, what is in force just so and was made within the time says what it did.
    #[arg(long)]
    what_if: bool,
    #[arg(long)]
    json: bool,
}

impl Replay {
    pub(super) fn run(self, file: Option<&Path>) -> Result<(), Failure> {
        let span = Span { from: self.from, to: self.to.unwrap_or_else(|| Clock::system().now()) };
        if span.to <= span.from {
            return Err(Failure::Configuration(
                "--from: must be earlier than --to, which is now unless it is given".into(),
            ));
        }
        let written = match (&self.limit, &self.budget) {
            (Some(path), _) => Written::limits(path)?,
            (None, Some(path)) => Written::budgets(path)?,
            (None, None) => return Err(Failure::Configuration("give --limit or --budget".into())),
        };
        if self.tightest.is_some() && written.len() > 1 {
            let reason = format!("--tightest: stands beside one limit, and the file has {}", written.len());
            return Err(Failure::Configuration(reason));
        }
        let replay = async {
            let source = match &self.export {
                Some(path) => Source::Export(Export::open(path, written.routes())?),
                None => Source::store(&load(file)?).await?,
            };
            self.answer(&source, written, span).await
        };
        let mut answer = actix::System::new().block_on(replay)?;
        print(&if self.json {
            format!("{}\n", serde_json::to_string_pretty(&answer).map_err(|error| Failure::Failed(error.to_string()))?)
        } else {
            words::of(&mut answer)
        });
        Ok(())
    }

    async fn answer(&self, source: &Source, written: Written, span: Span) -> Result<Answer, Failure> {
        let Rules { asked: rules, is_comparison, burst_follows } = written.resolved(source).await?;
        let mut known = vec![];
        for rule in rules {
            let rule = source.with_known(rule).await?;
            known.push(if self.what_if { rule.as_what_if() } else { rule });
        }
        let runs = known.iter().map(|rule| Run::new(rule.clone(), span)).collect();
        let runs = source.replay(runs, span).await?;
        for rule in &known {
            source.tell_unmet(rule);
        }
        let asked = runs.iter().map(Run::asked).max().unwrap_or(0);
        let tightest = match (self.tightest, known.pop()) {
            (Some(below_ppm), Some(Rule::Limit(policy, of_it))) => {
                let search = Search::new((policy, of_it), burst_follows, span, (below_ppm, asked));
                Some(search.find(async |runs| source.replay(runs, span).await).await?)
            }
            _ => None,
        };
        let reports = runs.into_iter().map(Run::report).collect();
        let mut answer = Answer::new(span, reports, is_comparison, tightest);
        source.name_subjects(&mut answer).await?;
        Ok(answer)
    }
}

/// A share as millionths.
fn share(text: &str) -> Result<u64, String> {
    let share: f64 = text.parse().map_err(|_| "a share such as 0.001")?;
    share_ppm(share).ok_or_else(|| "must be from 0.000001 to 1".into())
}
