//! The tightest limit that would have refused fewer than a share of the calls: found by narrowing, in a few passes over the log.
//!
//! With a higher limit fewer are refused. In each pass some limits between the highest that refuses too many and the lowest that
//! does not are tried side by side, until the two are next to each other.

use super::{Known, Replay, Report, Rule, Span};
use crate::domain::limit::{Allowance, Policy};

/// A share in millionths.
const ALL_PPM: f64 = 1_000_000.0;

/// How many limits are tried in one pass.
const AT_ONCE: u64 = 16;

/// A search for the tightest limit.
pub struct Search {
    policy: Policy,
    known: Known,
    /// Whether the burst is as large as the limit.
    burst_follows: bool,
    span: Span,
    /// The share of calls that must not be reached, in millionths.
    below_ppm: u64,
    /// The highest limit that refuses too many; zero at first.
    too_tight: u64,
    /// The lowest limit that is known not to; beyond `highest` while there is none.
    fits: u64,
    highest: u64,
    tried: Vec<u64>,
}

impl Search {
    /// A search for limits up to `highest`, in place of that of a policy. Where the burst follows, it is as large as the limit.
    #[must_use]
    pub fn new(
        (policy, known): (Policy, Known),
        burst_follows: bool,
        span: Span,
        (below_ppm, highest): (u64, u64),
    ) -> Self {
        let fits = highest.saturating_add(1);
        Self { policy, known, burst_follows, span, below_ppm, too_tight: 0, fits, highest, tried: vec![] }
    }

    /// Finds the tightest limit; `pass` gives all records to some replays, and is called as often as it takes.
    ///
    /// # Errors
    /// Whatever a pass fails with.
    pub async fn find<E>(
        mut self,
        mut pass: impl AsyncFnMut(Vec<Replay>) -> Result<Vec<Replay>, E>,
    ) -> Result<Option<u64>, E> {
        loop {
            let replays = self.next_pass();
            if replays.is_empty() {
                return Ok(self.tightest());
            }
            let replays = pass(replays).await?;
            self.learn(&replays.into_iter().map(Replay::report).collect::<Vec<Report>>());
        }
    }

    /// The limits to be tried in the next pass over the log; none when the tightest is found.
    pub fn next_pass(&mut self) -> Vec<Replay> {
        let between = self.fits.saturating_sub(self.too_tight);
        let step = between.div_ceil(AT_ONCE.saturating_add(1)).max(1);
        let limits = (1..=AT_ONCE).map(|i| self.too_tight.saturating_add(step.saturating_mul(i)));
        self.tried = limits.take_while(|limit| *limit < self.fits).collect();
        let replay = |limit: &u64| Replay::new(Rule::Limit(self.with(*limit), self.known.clone()), self.span);
        self.tried.iter().map(replay).collect()
    }

    /// Takes in what the limits of the last pass have refused.
    pub fn learn(&mut self, reports: &[Report]) {
        for (limit, report) in self.tried.iter().zip(reports) {
            if is_below(report, self.below_ppm) {
                self.fits = self.fits.min(*limit);
            } else if *limit < self.fits {
                self.too_tight = self.too_tight.max(*limit);
            }
        }
        self.too_tight = self.too_tight.min(self.fits.saturating_sub(1));
    }

    /// The tightest limit that refuses few enough; none where even the highest refuses too many, because of its burst.
    #[must_use]
    pub const fn tightest(&self) -> Option<u64> {
        if self.fits > self.highest { None } else { Some(self.fits) }
    }

    fn with(&self, limit: u64) -> Policy {
        let allowance = match self.policy.allowance {
            Allowance::Rate(rate) => {
                let burst = if self.burst_follows { limit } else { rate.burst() };
                rate.with_limit(limit, burst).map_or(self.policy.allowance, Allowance::Rate)
            }
            Allowance::Concurrent(_) => Allowance::Concurrent(limit),
        };
        Policy { allowance, ..self.policy.clone() }
    }
}

/// A share as millionths; nothing unless it is from one of them to all.
#[must_use]
pub fn share_ppm(share: f64) -> Option<u64> {
    format!("{:.0}", share * ALL_PPM).parse().ok().filter(|ppm| (1..=1_000_000).contains(ppm))
}

/// Whether fewer than this share of the calls were refused.
#[must_use]
pub fn is_below(report: &Report, below_ppm: u64) -> bool {
    let refused = u128::from(report.refused).saturating_mul(1_000_000);
    report.refused == 0 || refused < u128::from(report.requests).saturating_mul(u128::from(below_ppm))
}
