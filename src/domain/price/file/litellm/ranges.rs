//! Prices by ranges of the prompt's length: a list `tiered_pricing` in place of single costs.

use std::collections::BTreeSet;

use super::{
    Skipped,
    costs::Costs,
    extras::{self, Unbilled},
    fields::Fields,
    names::{INPUT, OUTPUT, RANGES},
};
use crate::domain::{
    money::whole,
    price::{Rates, Tier},
};

/// The price of the shortest prompts, those of longer ones, and what is not billed. The ranges follow each other from 0.
pub(super) fn read(list: &str) -> Result<(Rates, Vec<Tier>, BTreeSet<Unbilled>), Skipped> {
    let ranges: Vec<Fields> = serde_json::from_str(list).map_err(|_| not_understood())?;
    let (mut tiers, mut unbilled, mut reached) = (vec![], BTreeSet::new(), 0);
    for range in &ranges {
        let (from, to) = bounds(range).ok_or_else(not_understood)?;
        if from != reached || to <= from || !range.are_all_different() {
            return Err(not_understood());
        }
        let costs = Costs::read(range, "")?;
        let (input, output) = (costs.input.ok_or(Skipped::Missing(INPUT))?, costs.output);
        let rates = costs.rates(input, output.ok_or(Skipped::Missing(OUTPUT))?);
        unbilled.append(&mut extras::unbilled(range, rates, |_| false)?);
        tiers.push(Tier { above_input_tokens: from, rates });
        reached = to;
    }
    let longer = tiers.split_off(tiers.len().min(1));
    let base = tiers.pop().ok_or_else(not_understood)?;
    Ok((base.rates, longer, unbilled))
}

fn not_understood() -> Skipped {
    Skipped::NotUnderstood(RANGES.into())
}

/// `[0, 256000.0]`: from more than the first to the second.
fn bounds(range: &Fields) -> Option<(u64, u64)> {
    let bounds: [&serde_json::value::RawValue; 2] = serde_json::from_str(range.text("range")?).ok()?;
    let [from, to] = bounds.map(|bound| whole(bound.get(), 0).ok());
    Some((from?, to?))
}
