//! The spans of time that traffic is kept in, and which of them make up a time that is asked for.

use jiff::Timestamp;

/// The lengths of the spans, each a whole number of the one before. All begin at whole multiples of their length since
/// 1970-01-01.
pub const LENGTHS_S: [i64; 4] = [60, 900, 3_600, 86_400];

/// The shortest length.
pub const SHORTEST_S: i64 = 60;

/// Some spans of one length, one after the other: from the one that begins at `from_s` up to `to_s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub length_s: i64,
    pub from_s: i64,
    pub to_s: i64,
}

/// Where the span of this length that holds a second begins.
#[must_use]
pub const fn begin(second: i64, length_s: i64) -> i64 {
    match second.checked_rem_euclid(length_s) {
        Some(within) => second.saturating_sub(within),
        None => second,
    }
}

/// The end of the last span of this length that begins before `second`.
#[must_use]
pub const fn end(second: i64, length_s: i64) -> i64 {
    begin(second.saturating_add(length_s.saturating_sub(1)), length_s)
}

/// Steps that are chosen where none is asked for: the first that makes no more than [`CHOSEN_STEPS`] of them.
const STEPS_S: [i64; 8] = [60, 300, 900, 3_600, 10_800, 86_400, 604_800, 2_592_000];
const CHOSEN_STEPS: i64 = 300;

/// Seconds of the steps that show the time from `from` to `to` well: at most about 300 of them.
#[must_use]
pub fn chosen(from: Timestamp, to: Timestamp) -> u32 {
    let fits = |step: &&i64| count(from, to, **step) <= CHOSEN_STEPS;
    let step = STEPS_S.iter().find(fits).or(STEPS_S.last()).copied().unwrap_or(SHORTEST_S);
    u32::try_from(step).unwrap_or(u32::MAX)
}

/// How many steps of this length the time from `from` to `to` touches.
#[must_use]
pub fn count(from: Timestamp, to: Timestamp, step_s: i64) -> i64 {
    let (first, last) = (begin(from.as_second(), step_s), end(to.as_second(), step_s));
    last.saturating_sub(first).checked_div(step_s).unwrap_or(i64::MAX)
}

/// The fewest runs that make up the whole minutes that `from_s` up to `to_s` touches, none of them over the edge of a step
/// of `step_s`, which is a whole number of minutes.
#[must_use]
pub fn cover(from_s: i64, to_s: i64, step_s: i64) -> Vec<Run> {
    let fitting = |length: &&i64| step_s.checked_rem(**length) == Some(0);
    let usable: Vec<i64> = LENGTHS_S.iter().filter(fitting).copied().collect();
    let mut runs = vec![];
    add(&mut runs, begin(from_s, SHORTEST_S), end(to_s, SHORTEST_S), &usable);
    runs
}

fn add(runs: &mut Vec<Run>, from_s: i64, to_s: i64, usable: &[i64]) {
    let Some((length_s, shorter)) = usable.split_last().filter(|_| from_s < to_s) else { return };
    let (first, last) = (end(from_s, *length_s), begin(to_s, *length_s));
    if first >= last {
        return add(runs, from_s, to_s, shorter);
    }
    add(runs, from_s, first, shorter);
    runs.push(Run { length_s: *length_s, from_s: first, to_s: last });
    add(runs, last, to_s, shorter);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_month_by_the_hour_is_hours_and_a_few_minutes() {
        let (from, to) = (1_795_910_000, 1_795_910_000 + 30 * 86_400);
        let runs = cover(from, to, 3_600);
        let spans: i64 = runs.iter().map(|run| (run.to_s - run.from_s) / run.length_s).sum();
        assert!((720..800).contains(&spans), "{spans} spans: {runs:?}");
    }

    proptest! {
        #[test]
        fn the_runs_are_the_minutes_that_were_asked_for_each_once(
            from in -100_000_i64..2_000_000,
            length in 1_i64..1_000_000,
            step in prop::sample::select(vec![60, 120, 900, 1_800, 2_640, 3_600, 86_400, 604_800]),
        ) {
            let to = from + length;
            let runs = cover(from, to, step);
            let mut at = begin(from, 60);
            for run in &runs {
                prop_assert_eq!(run.from_s, at);
                prop_assert!(run.from_s < run.to_s);
                prop_assert_eq!((run.from_s % run.length_s, run.to_s % run.length_s, step % run.length_s), (0, 0, 0));
                at = run.to_s;
            }
            prop_assert_eq!(at, end(to, 60));
        }
    }
}
