//! Whether many requests are refused: half or more of those of the last minute, and not only a few.

use std::collections::VecDeque;

use crate::telemetry::Ended;

/// How many looks a minute has.
const LOOKS: usize = 12;

/// Fewer refusals than this in a minute are no wave.
const LEAST: u64 = 50;

/// The requests that had ended at each of the last looks, the oldest first.
#[derive(Debug)]
pub(super) struct Wave {
    looks: VecDeque<Ended>,
    is_on: bool,
}

impl Default for Wave {
    /// As the process begins: nothing has ended.
    fn default() -> Self {
        Self { looks: VecDeque::from([Ended::default()]), is_on: false }
    }
}

impl Wave {
    /// Whether there is a wave, by the requests that have ended since the process began. One that is on is over when less than a
    /// quarter is refused, so that it is not told again and again at the edge.
    pub fn look(&mut self, now: Ended) -> bool {
        let before = self.looks.front().copied().unwrap_or_default();
        self.looks.push_back(now);
        if self.looks.len() > LOOKS {
            self.looks.pop_front();
        }
        let refused = now.refused.saturating_sub(before.refused);
        let all = now.all.saturating_sub(before.all);
        let part = if self.is_on { 4 } else { 2 };
        self.is_on = refused >= LEAST && refused.saturating_mul(part) >= all;
        self.is_on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The looks at which there is a wave, for so many refused and served requests before each.
    fn waves(steps: &[(u64, u64)]) -> Vec<bool> {
        let (mut wave, mut ended) = (Wave::default(), Ended::default());
        let look = |(refused, served): &(u64, u64)| {
            ended = Ended { refused: ended.refused + refused, all: ended.all + refused + served };
            wave.look(ended)
        };
        steps.iter().map(look).collect()
    }

    #[test]
    fn a_wave_begins_with_half_and_is_over_with_less_than_a_quarter() {
        assert_eq!(waves(&[(0, 9), (49, 0)]), [false, false], "a few are no wave");
        assert_eq!(waves(&[(0, 9), (60, 61)]), [false, false], "less than half is none");
        assert_eq!(waves(&[(0, 0), (60, 60), (0, 100), (0, 100)]), [false, true, true, false]);
    }

    #[test]
    fn what_is_older_than_a_minute_does_not_count() {
        let mut steps = vec![(0, 0), (100, 0)];
        steps.extend([(0, 0); LOOKS]);
        let waves = waves(&steps);
        assert!(waves[1] && waves[LOOKS - 1] && !waves[LOOKS + 1], "{waves:?}");
    }
}
