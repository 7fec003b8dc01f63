//! The price of one model.

use std::collections::BTreeSet;

use super::{
    Skipped,
    costs::{self, Costs, in_step, limited},
    extras::{self, Unbilled},
    fields::{self, Fields},
    mode::{self, Mode},
    names::{PER_CALL, RANGES, SERVICE_TIERS, when},
    ranges,
};
use crate::domain::{
    money::{Money, whole},
    price::{Price, Rates, ServiceTier, Tier},
};

/// The longest answer, in tokens.
const LONGEST: &str = "max_output_tokens";

/// A call that costs more than ten USD whatever it says is a mistake.
const MAX_PUSD_A_CALL: u64 = 10_000_000_000_000;

/// What is taken of a model.
pub(super) struct Read {
    pub price: Price,
    /// What else it can cost.
    pub unbilled: BTreeSet<Unbilled>,
    /// Whether one of its costs is finer than the pico-USD that it is taken as.
    pub is_rounded: bool,
}

pub(super) fn read(fields: &Fields) -> Result<Read, Skipped> {
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
        max_output_tokens: max_output_tokens(fields, base.output, mode)?,
        max_input_tokens: fields.tokens("max_input_tokens")?,
    };
    unbilled.append(&mut extras::unbilled(fields, base, |name| mode.knows(name))?);
    Ok(Read { price, unbilled, is_rounded: is_rounded(fields, mode) })
}

/// Whether a cost that is read is rounded, of the model itself or of a range.
fn is_rounded(fields: &Fields, mode: Mode) -> bool {
    let is_read = |name: &str| when(name).is_some() || name == PER_CALL || mode.knows(name);
    let ranges: Vec<Fields> = fields.text(RANGES).and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default();
    let mut costs = ranges.iter().chain([fields]).flat_map(Fields::iter);
    costs.any(|(name, text)| is_read(name) && fields::is_rounded(text))
}

/// The costs that have a field each, and those of longer prompts.
fn by_length(fields: &Fields, costs: &Costs, mode: Mode) -> Result<(Rates, Vec<Tier>, BTreeSet<Unbilled>), Skipped> {
    let (input, output) = mode.each(fields, costs)?;
    let base = costs.rates(input, output);
    Ok((base, tiers(fields, base, "")?, BTreeSet::new()))
}

/// `max_tokens` is the older name of `max_output_tokens`; where it means the prompt too it is an upper bound. 0 where there is
/// no answer: by the mode, or by a bound of 0 of an answer that costs nothing, as embeddings are listed that are called chat.
fn max_output_tokens(fields: &Fields, output: u64, mode: Mode) -> Result<u64, Skipped> {
    let longest = mode.longest(output);
    let is_said_to_be_none = output == 0 && fields.text(LONGEST).is_some_and(|text| whole(text, 0) == Ok(0));
    if longest == Some(0) || is_said_to_be_none {
        return Ok(0);
    }
    let stated = match fields.tokens(LONGEST)? {
        None => fields.tokens("max_tokens")?,
        stated => stated,
    };
    stated.or(longest).ok_or_else(|| Skipped::NoBound(fields.string(mode::FIELD).unwrap_or_default()))
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
