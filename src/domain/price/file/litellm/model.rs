//! The price of one model.

use std::collections::BTreeSet;

use super::{
    Skipped,
    costs::{Costs, limited},
    extras::{self, Unbilled},
    fields::Fields,
    names::{INPUT, OUTPUT, PER_CALL, RANGES, SERVICE_TIERS, when},
    ranges,
};
use crate::domain::{
    money::Money,
    price::{Price, Rates, ServiceTier, Tier},
};

/// Modes whose calls are billed by tokens in and out. Embeddings have no answer to bound.
const GENERATING: [&str; 3] = ["chat", "responses", "completion"];
const EMBEDDING: &str = "embedding";

/// A call that costs more than ten USD whatever it says is a mistake.
const MAX_PUSD_A_CALL: u64 = 10_000_000_000_000;

pub(super) fn price(fields: &Fields) -> Result<(Price, BTreeSet<Unbilled>), Skipped> {
    if !fields.are_all_different() {
        return Err(Skipped::NotAnObject);
    }
    let embeds = embeds(fields)?;
    let (base, tiers, mut unbilled) = match fields.text(RANGES) {
        Some(list) => ranges::read(list)?,
        None => by_length(fields, embeds)?,
    };
    let per_call = limited(PER_CALL, fields.cost_pusd(PER_CALL)?, MAX_PUSD_A_CALL)?.unwrap_or(0);
    if (base.input, base.output, per_call) == (0, 0, 0) {
        return Err(Skipped::Free);
    }
    let price = Price {
        base,
        tiers,
        service_tiers: service_tiers(fields, base)?,
        per_call: Money::from_pusd(i64::try_from(per_call).unwrap_or(i64::MAX)),
        max_output_tokens: if embeds { 0 } else { max_output_tokens(fields)? },
        max_input_tokens: fields.tokens("max_input_tokens")?,
    };
    unbilled.append(&mut extras::unbilled(fields, base)?);
    Ok((price, unbilled))
}

/// The costs that have a field each, and those of longer prompts.
fn by_length(fields: &Fields, embeds: bool) -> Result<(Rates, Vec<Tier>, BTreeSet<Unbilled>), Skipped> {
    let costs = Costs::read(fields, "")?;
    let input = costs.input.ok_or(Skipped::Missing(INPUT))?;
    let output = if embeds { Some(costs.output.unwrap_or(0)) } else { costs.output };
    let base = costs.rates(input, output.ok_or(Skipped::Missing(OUTPUT))?);
    Ok((base, tiers(fields, base, "")?, BTreeSet::new()))
}

/// Whether the model makes embeddings, and no text.
fn embeds(fields: &Fields) -> Result<bool, Skipped> {
    let mode = fields.string("mode").ok_or(Skipped::NoMode)?;
    match mode.as_str() {
        EMBEDDING => Ok(true),
        mode if GENERATING.contains(&mode) => Ok(false),
        mode => Err(Skipped::Mode(super::shortened(mode))),
    }
}

/// `max_tokens` is the older name of `max_output_tokens`; where it means the prompt too it is an upper bound.
fn max_output_tokens(fields: &Fields) -> Result<u64, Skipped> {
    let stated = match fields.tokens("max_output_tokens")? {
        None => fields.tokens("max_tokens")?,
        stated => stated,
    };
    stated.ok_or(Skipped::Missing("max_output_tokens"))
}

/// The tiers by length that any of the costs has at a service tier, by rising length. What a tier does not say of input and
/// output is as without it, and sound is never cheaper than without it.
fn tiers(fields: &Fields, base: Rates, service: &str) -> Result<Vec<Tier>, Skipped> {
    let lengths = fields.iter().filter_map(|(name, _)| when(name)).filter(|when| when.service == service);
    let lengths: BTreeSet<u64> = lengths.filter_map(|when| when.thousands).collect();
    let tier = |thousands: u64| {
        let costs = Costs::read(fields, &format!("_above_{thousands}k_tokens{service}"))?;
        let mut rates = costs.rates(costs.input.unwrap_or(base.input), costs.output.unwrap_or(base.output));
        if rates.input == 0 && base.input > 0 {
            return Err(Skipped::Free);
        }
        rates.audio_input = rates.audio_input.or(base.audio_input.map(|rate| rate.max(rates.input)));
        rates.audio_output = rates.audio_output.or(base.audio_output.map(|rate| rate.max(rates.output)));
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
        let rates = costs.rates(input.unwrap_or(base.input), output.unwrap_or(base.output));
        found.push(ServiceTier { name: name.into(), base: rates, tiers: tiers(fields, rates, end)? });
    }
    Ok(found)
}
