//! The price of one model.

use std::collections::BTreeSet;

use super::{
    Skipped,
    costs::{self, Costs, in_step, limited},
    extras::{self, Unbilled},
    fields::Fields,
    mode::Mode,
    names::{PER_CALL, RANGES, SERVICE_TIERS, when},
    ranges,
};
use crate::domain::{
    money::Money,
    price::{Price, Rates, ServiceTier, Tier},
};

/// A call that costs more than ten USD whatever it says is a mistake.
const MAX_PUSD_A_CALL: u64 = 10_000_000_000_000;

pub(super) fn price(fields: &Fields) -> Result<(Price, BTreeSet<Unbilled>), Skipped> {
    if !fields.are_all_different() {
        return Err(Skipped::NotAnObject);
    }
    let mode = Mode::of(fields)?;
    let costs = Costs::read(fields, "")?;
    let (base, tiers, mut unbilled) = match fields.text(RANGES) {
        Some(list) => ranges::read(list)?,
        None => by_length(fields, &costs, mode)?,
    };
    let per_call = fields.cost_pusd(PER_CALL)?.or(mode.per_call(fields, &costs)?);
    let per_call = limited(PER_CALL, per_call, MAX_PUSD_A_CALL)?.unwrap_or(0);
    if (base.input, base.output, per_call) == (0, 0, 0) {
        return Err(Skipped::Free);
    }
    let price = Price {
        base,
        tiers,
        service_tiers: service_tiers(fields, base)?,
        per_call: Money::from_pusd(i64::try_from(per_call).unwrap_or(i64::MAX)),
        max_output_tokens: max_output_tokens(fields, mode.longest(base.output))?,
        max_input_tokens: fields.tokens("max_input_tokens")?,
    };
    unbilled.append(&mut extras::unbilled(fields, base, |name| mode.knows(name))?);
    Ok((price, unbilled))
}

/// The costs that have a field each, and those of longer prompts.
fn by_length(fields: &Fields, costs: &Costs, mode: Mode) -> Result<(Rates, Vec<Tier>, BTreeSet<Unbilled>), Skipped> {
    let (input, output) = mode.each(fields, costs)?;
    let base = costs.rates(input, output);
    Ok((base, tiers(fields, base, "")?, BTreeSet::new()))
}

/// `max_tokens` is the older name of `max_output_tokens`; where it means the prompt too it is an upper bound. `longest` is
/// what holds where neither is said, and 0 where there is no answer.
fn max_output_tokens(fields: &Fields, longest: Option<u64>) -> Result<u64, Skipped> {
    if longest == Some(0) {
        return Ok(0);
    }
    let stated = match fields.tokens("max_output_tokens")? {
        None => fields.tokens("max_tokens")?,
        stated => stated,
    };
    stated.or(longest).ok_or(Skipped::Missing("max_output_tokens"))
}

/// The tiers by length that any of the costs has at a service tier, by rising length. What a tier does not say of input and
/// output is as without it, and sound and images are never cheaper than without it.
fn tiers(fields: &Fields, base: Rates, service: &str) -> Result<Vec<Tier>, Skipped> {
    let lengths = fields.iter().filter_map(|(name, _)| when(name)).filter(|when| when.service == service);
    let lengths: BTreeSet<u64> = lengths.filter_map(|when| when.thousands).collect();
    let tier = |thousands: u64| {
        let costs = Costs::read(fields, &format!("_above_{thousands}k_tokens{service}"))?;
        let each = (costs.input.unwrap_or(base.input), costs.output.unwrap_or(base.output));
        let rates = costs.beside(&base, each, costs::by_length);
        if rates.input == 0 && base.input > 0 {
            return Err(Skipped::Free);
        }
        Ok(Tier { above_input_tokens: thousands.saturating_mul(1_000), rates })
    };
    lengths.into_iter().map(tier).collect()
}

/// The service tiers that state a cost of input or output. A cost of nothing is not said rather than free.
fn service_tiers(fields: &Fields, base: Rates) -> Result<Vec<ServiceTier>, Skipped> {
    let mut found = vec![];
    for (end, name) in SERVICE_TIERS {
        let costs = Costs::read(fields, end)?;
        let said = |cost: Option<u64>, standard: u64| cost.filter(|pusd| *pusd > 0 || standard == 0);
        let (input, output) = (said(costs.input, base.input), said(costs.output, base.output));
        if input.is_none() && output.is_none() {
            continue;
        }
        let rates = costs.beside(&base, (input.unwrap_or(base.input), output.unwrap_or(base.output)), in_step);
        found.push(ServiceTier { name: name.into(), base: rates, tiers: tiers(fields, rates, end)? });
    }
    Ok(found)
}
