//! `tollgate replay`: what a limit or a budget would have refused, from the store or from an export, without a gateway.

mod rules;
mod source;
mod words;

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;

use self::{
    rules::Rules,
    source::{Export, Source},
};
use super::{Failure, load, print, usage::moment};
use crate::{
    clock::Clock,
    domain::replay::{Answer, Replay as Run, Report, Rule, Search, Span},
};

/// A share in millionths.
const ALL_PPM: f64 = 1_000_000.0;

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
        let rules = match (&self.limit, &self.budget) {
            (Some(path), _) => rules::limits(path)?,
            (None, Some(path)) => rules::budgets(path)?,
            (None, None) => return Err(Failure::Configuration("give --limit or --budget".into())),
        };
        if self.tightest.is_some() && rules.is_comparison {
            return Err(Failure::Configuration("--tightest: stands beside one limit only".into()));
        }
        let source = match &self.export {
            Some(path) => Source::Export(Export::open(path)?),
            None => Source::store(&load(file)?)?,
        };
        let mut answer = actix::System::new().block_on(self.answer(&source, rules, span))?;
        print(&if self.json {
            format!("{}\n", serde_json::to_string_pretty(&answer).map_err(|error| Failure::Failed(error.to_string()))?)
        } else {
            words::of(&mut answer)
        });
        Ok(())
    }

    async fn answer(&self, source: &Source, rules: Rules, span: Span) -> Result<Answer, Failure> {
        let Rules { asked: rules, is_comparison, burst_follows } = rules;
        let mut known = vec![];
        for rule in rules {
            known.push(source.subjects_apart(rule).await?);
        }
        let runs = known.iter().map(|rule| Run::new(rule.clone(), span)).collect();
        let runs = source.replay(runs, span).await?;
        let asked = runs.iter().map(Run::asked).max().unwrap_or(0);
        let tightest = match (self.tightest, known.pop()) {
            (Some(below_ppm), Some(Rule::Limit(policy, apart))) => {
                let search = Search::new((policy, apart), burst_follows, span, (below_ppm, asked));
                Some(search_in(source, search, span).await?)
            }
            _ => None,
        };
        let reports = runs.into_iter().map(Run::report).collect();
        let mut answer = Answer::new(span, reports, is_comparison, tightest);
        source.name_subjects(&mut answer).await?;
        Ok(answer)
    }
}

async fn search_in(source: &Source, mut search: Search, span: Span) -> Result<Option<u64>, Failure> {
    loop {
        let runs = search.next_pass();
        if runs.is_empty() {
            return Ok(search.tightest());
        }
        let runs = source.replay(runs, span).await?;
        search.learn(&runs.into_iter().map(Run::report).collect::<Vec<Report>>());
    }
}

/// A share as millionths.
fn share(text: &str) -> Result<u64, String> {
    let share: f64 = text.parse().map_err(|_| "a share such as 0.001")?;
    let ppm = format!("{:.0}", share * ALL_PPM).parse().ok().filter(|ppm| (1..=1_000_000).contains(ppm));
    ppm.ok_or_else(|| "must be from 0.000001 to 1".into())
}
