//! What of the counts of an answer is believed.

use super::super::{
    bound::Bound,
    count::Count,
    counts::{Settled, Stated},
};
use crate::domain::usage::Usage;

/// How many calls of a tool are believed in any case, and how many times as many as were held.
const SANE_CALLS: u64 = 100;
const SANE_CALLS_FACTOR: u64 = 4;

/// Lowers counts of calls that no answer to this request can have; whether there were none.
pub(super) fn calls(bound: &Bound, tools: &mut [(String, u64)]) -> bool {
    let mut are_sane = true;
    for (name, calls) in tools {
        let held = bound.tools.iter().filter(|(held, _)| held == name).map(|(_, held)| *held);
        let held = held.fold(0, u64::saturating_add);
        if !is_sane(*calls, held) {
            (*calls, are_sane) = (held, false);
        }
    }
    are_sane
}

/// Whether an answer can have this number of calls of a tool, where `held` calls were paid for in the hold.
pub(super) const fn is_sane(calls: u64, held: u64) -> bool {
    calls <= SANE_CALLS || calls <= held.saturating_mul(SANE_CALLS_FACTOR)
}

/// Of a total that is stated alone.
pub(super) fn total(bound: &Bound, settled: &Settled) -> Option<u64> {
    let is_alone = settled.input == Count::Absent && settled.output == Count::Absent;
    let total = settled.total.plain();
    (is_alone && (1..=bound.sane_output_tokens).contains(&total)).then_some(total)
}

/// The length of the prompt.
pub(super) fn input(bound: &Bound, settled: &Settled) -> Option<u64> {
    // There is no prompt of nothing.
    let is_sane = |input: &u64| (1..=bound.sane_input_tokens).contains(input);
    if let Count::Plain(input) = settled.input { Some(input).filter(is_sane) } else { None }
}

/// The length of the answers.
pub(super) fn output(bound: &Bound, settled: &Settled, written_tokens: u64) -> Option<u64> {
    match settled.output {
        _ if bound.format.output_bound.is_none() => Some(0),
        Count::Absent if bound.output_tokens == 0 => Some(0),
        Count::Plain(0) if written_tokens > 0 => None,
        Count::Plain(output) if output <= bound.sane_output_tokens => Some(output),
        _ => None,
    }
}

/// What other models took, and whether all of it is believed.
pub(super) fn of_others(bound: &Bound, stated: &[(String, Stated)]) -> (Vec<(String, Usage)>, bool) {
    let usage = |stated: &Stated| {
        let settled = bound.counts.settle(stated, true);
        let input_tokens = input(bound, &settled)?;
        let cached_tokens = settled.cached.min(input_tokens);
        Some(Usage {
            input_tokens,
            cached_tokens,
            cache_write_tokens: settled.cache_write.min(input_tokens.saturating_sub(cached_tokens)),
            output_tokens: output(bound, &settled, 0)?,
            reasoning_tokens: 0,
        })
    };
    let all: Vec<_> = stated.iter().filter_map(|(model, stated)| Some((model.clone(), usage(stated)?))).collect();
    let are_sane = all.len() == stated.len();
    (all, are_sane)
}
