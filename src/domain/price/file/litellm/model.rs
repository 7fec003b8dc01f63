//! The price of one model.

use std::collections::BTreeSet;

use super::{
    Skipped,
    extras::{self, Unbilled},
    fields::Fields,
    ranges::{self, RANGES},
};
use crate::domain::{
    money::Money,
    price::{Price, Rates, Tier},
};

pub(super) const INPUT: &str = "input_cost_per_token";
pub(super) const OUTPUT: &str = "output_cost_per_token";
pub(super) const CACHED_INPUT: &str = "cache_read_input_token_cost";
/// Another name of the same.
pub(super) const CACHE_HIT: &str = "input_cost_per_token_cache_hit";
pub(super) const CACHE_WRITE: &str = "cache_creation_input_token_cost";
pub(super) const REASONING: &str = "output_cost_per_reasoning_token";
pub(super) const PER_CALL: &str = "input_cost_per_request";

/// Modes whose calls are billed by tokens in and out. Embeddings have no answer to bound.
const GENERATING: [&str; 3] = ["chat", "responses", "completion"];
const EMBEDDING: &str = "embedding";

/// A cent for a token is more than any model asks; what is above it is a price for a thousand or for a million.
const MAX_PUSD_A_TOKEN: u64 = 10_000_000_000;

/// A call that costs more than ten USD whatever it says is a mistake.
const MAX_PUSD_A_CALL: u64 = 10_000_000_000_000;

/// What tokens cost up to some length of the prompt. A part that costs nothing is not said rather than free, so that it
/// is billed as what it is part of.
pub(super) struct Costs {
    pub input: Option<u64>,
    pub output: Option<u64>,
    cached_input: Option<u64>,
    cache_write: Option<u64>,
    reasoning: Option<u64>,
}

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
    Ok((base, tiers(fields, base)?, BTreeSet::new()))
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

/// The tiers that any of the costs has, by rising length. What a tier does not say of input and output is as without it.
fn tiers(fields: &Fields, base: Rates) -> Result<Vec<Tier>, Skipped> {
    let lengths: BTreeSet<u64> = fields.iter().filter_map(|(name, _)| thousands_above(name)).collect();
    let tier = |thousands: u64| {
        let costs = Costs::read(fields, &format!("_above_{thousands}k_tokens"))?;
        let rates = costs.rates(costs.input.unwrap_or(base.input), costs.output.unwrap_or(base.output));
        if rates.input == 0 && base.input > 0 {
            return Err(Skipped::Free);
        }
        Ok(Tier { above_input_tokens: thousands.saturating_mul(1_000), rates })
    };
    lengths.into_iter().map(tier).collect()
}

/// `200` of `input_cost_per_token_above_200k_tokens`, for the costs that a tier can have.
pub(super) fn thousands_above(name: &str) -> Option<u64> {
    let costs = [INPUT, OUTPUT, CACHED_INPUT, CACHE_WRITE, REASONING];
    let behind = costs.iter().find_map(|cost| name.strip_prefix(cost))?;
    behind.strip_prefix("_above_")?.strip_suffix("k_tokens")?.parse().ok()
}

impl Costs {
    pub(super) fn read(fields: &Fields, suffix: &str) -> Result<Self, Skipped> {
        let cost = |name: &str| {
            let name = format!("{name}{suffix}");
            limited(&name, fields.cost_pusd(&name)?, MAX_PUSD_A_TOKEN)
        };
        let cached_input = match (said(cost(CACHED_INPUT)?), said(cost(CACHE_HIT)?)) {
            // Of two that differ the dearer one is never too little.
            (Some(one), Some(other)) => Some(one.max(other)),
            (one, other) => one.or(other),
        };
        Ok(Self {
            input: cost(INPUT)?,
            output: cost(OUTPUT)?,
            cached_input,
            cache_write: said(cost(CACHE_WRITE)?),
            reasoning: said(cost(REASONING)?),
        })
    }

    pub(super) fn rates(&self, input: u64, output: u64) -> Rates {
        Rates {
            input,
            cached_input: self.cached_input.unwrap_or(input),
            cache_write: self.cache_write.unwrap_or(input),
            output,
            reasoning: self.reasoning.unwrap_or(output),
        }
    }
}

fn said(cost: Option<u64>) -> Option<u64> {
    cost.filter(|pusd| *pusd > 0)
}

fn limited(name: &str, cost: Option<u64>, most: u64) -> Result<Option<u64>, Skipped> {
    match cost {
        Some(pusd) if pusd > most => Err(Skipped::TooHigh(name.to_owned())),
        cost => Ok(cost),
    }
}
