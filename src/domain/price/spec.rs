//! A price as it is written: in configurations, in files to import, and at `/admin/prices`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Price, Rates, Tier};
use crate::domain::{
    money::{InvalidAmount, Money, decimal, whole},
    refusal::Fault,
};

/// The price of one model. Amounts are decimal text in USD for a million tokens, with at most six decimal places.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceSpec {
    /// As requests name it.
    #[schemars(length(min = 1))]
    pub model: String,
    #[schemars(with = "Money")]
    pub input_usd: String,
    #[schemars(with = "Money")]
    pub output_usd: String,
    /// Of tokens read from a cache; as `input_usd` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Money>")]
    pub cached_input_usd: Option<String>,
    /// Of tokens written to a cache; as `input_usd` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Money>")]
    pub cache_write_usd: Option<String>,
    /// Of tokens written to a cache entry that lives for an hour; 1.6 times `cache_write_usd` unless given, as the providers
    /// have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Money>")]
    pub long_cache_write_usd: Option<String>,
    /// Of thoughts; as `output_usd` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Money>")]
    pub reasoning_usd: Option<String>,
    /// Of sound in a prompt; as `input_usd` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Money>")]
    pub audio_input_usd: Option<String>,
    /// Of sound in an answer; as `output_usd` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Money>")]
    pub audio_output_usd: Option<String>,
    /// USD for each call, whatever it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Money>")]
    pub per_call_usd: Option<String>,
    #[schemars(range(min = 0, max = 100_000_000))]
    pub max_output_tokens: u64,
    /// The longest prompt; prompts whose length is not known from the request can be bounded only by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000_000))]
    pub max_input_tokens: Option<u64>,
    /// Other prices for longer prompts, by rising length.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub tiers: Vec<TierSpec>,
}

/// What holds for prompts longer than `above_input_tokens`. What is not given is as `input_usd` and `output_usd` here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TierSpec {
    #[schemars(range(min = 1, max = 100_000_000))]
    pub above_input_tokens: u64,
    #[schemars(with = "Money")]
    pub input_usd: String,
    #[schemars(with = "Money")]
    pub output_usd: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Money>")]
    pub cached_input_usd: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Money>")]
    pub cache_write_usd: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Money>")]
    pub long_cache_write_usd: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Money>")]
    pub reasoning_usd: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Money>")]
    pub audio_input_usd: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Money>")]
    pub audio_output_usd: Option<String>,
}

/// Decimal places of USD for a million tokens that are whole pico-USD for one.
const PLACES: u32 = 6;

/// The dearest token, in pico-USD: a million USD for a million of them.
const MAX_PUSD_A_TOKEN: u64 = 1_000_000_000_000;

/// No model reads or writes more at once.
const MAX_TOKENS: u64 = 100_000_000;

/// The longest name of a model, in bytes.
pub const MAX_MODEL_BYTES: usize = 256;

const MAX_TIERS: usize = 16;

/// Whether a text can be the name of a model.
#[must_use]
pub fn is_model_name(text: &str) -> bool {
    (1..=MAX_MODEL_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

impl PriceSpec {
    /// A price in its shortest form: equal prices of a model are written alike.
    #[must_use]
    pub fn of(model: &str, price: &Price) -> Self {
        let base = Written::of(price.base);
        Self {
            model: model.to_owned(),
            input_usd: base.input,
            output_usd: base.output,
            cached_input_usd: base.cached_input,
            cache_write_usd: base.cache_write,
            long_cache_write_usd: base.long_cache_write,
            reasoning_usd: base.reasoning,
            audio_input_usd: base.audio_input,
            audio_output_usd: base.audio_output,
            per_call_usd: (price.per_call != Money::ZERO).then(|| price.per_call.to_string()),
            max_output_tokens: price.max_output_tokens,
            max_input_tokens: price.max_input_tokens,
            tiers: price.tiers.iter().map(TierSpec::of).collect(),
        }
    }

    /// The price, or all that is wrong with it.
    pub fn price(&self) -> Result<Price, Vec<Fault>> {
        let mut faults = vec![];
        self.check_numbers(&mut faults);
        let base = RatesSpec {
            at: String::new(),
            input: &self.input_usd,
            output: &self.output_usd,
            cached_input: self.cached_input_usd.as_deref(),
            cache_write: self.cache_write_usd.as_deref(),
            long_cache_write: self.long_cache_write_usd.as_deref(),
            reasoning: self.reasoning_usd.as_deref(),
            audio_input: self.audio_input_usd.as_deref(),
            audio_output: self.audio_output_usd.as_deref(),
        };
        let base = base.rates(&mut faults);
        let tiers = self.tiers.iter().enumerate().map(|(i, tier)| tier.tier(i, &mut faults)).collect();
        let per_call = self.per_call_usd.as_deref().map(str::parse).transpose();
        let per_call = per_call.unwrap_or_else(|error: InvalidAmount| {
            faults.push(Fault::new("/per_call_usd", error.to_string()));
            None
        });
        if !faults.is_empty() {
            return Err(faults);
        }
        let (max_output_tokens, max_input_tokens) = (self.max_output_tokens, self.max_input_tokens);
        Ok(Price { base, tiers, per_call: per_call.unwrap_or_default(), max_output_tokens, max_input_tokens })
    }

    fn check_numbers(&self, faults: &mut Vec<Fault>) {
        let rising = self.tiers.is_sorted_by(|a, b| a.above_input_tokens < b.above_input_tokens);
        let positive = self.tiers.iter().all(|tier| (1..=MAX_TOKENS).contains(&tier.above_input_tokens));
        let name = format!("must be 1 to {MAX_MODEL_BYTES} bytes without control characters");
        let tokens = format!("must be from 0 to {MAX_TOKENS}");
        let rules = [
            (is_model_name(&self.model), "/model", name),
            (self.max_output_tokens <= MAX_TOKENS, "/max_output_tokens", tokens.clone()),
            (self.max_input_tokens.is_none_or(|max| max <= MAX_TOKENS), "/max_input_tokens", tokens),
            (rising && positive, "/tiers", format!("must rise in above_input_tokens, from 1 to {MAX_TOKENS}")),
            (self.tiers.len() <= MAX_TIERS, "/tiers", format!("at most {MAX_TIERS} are kept")),
        ];
        faults.extend(rules.into_iter().filter(|(holds, ..)| !holds).map(|(_, at, why)| Fault::new(at, why)));
    }
}

/// Rates as they are written: what costs as much as what it is part of is left out.
struct Written {
    input: String,
    output: String,
    cached_input: Option<String>,
    cache_write: Option<String>,
    long_cache_write: Option<String>,
    reasoning: Option<String>,
    audio_input: Option<String>,
    audio_output: Option<String>,
}

impl Written {
    fn of(rates: Rates) -> Self {
        let unless = |rate: u64, like: u64| (rate != like).then(|| decimal(rate, PLACES));
        Self {
            input: decimal(rates.input, PLACES),
            output: decimal(rates.output, PLACES),
            cached_input: unless(rates.cached_input, rates.input),
            cache_write: unless(rates.cache_write, rates.input),
            long_cache_write: unless(rates.long_cache_write, long_of(rates.cache_write)),
            reasoning: unless(rates.reasoning, rates.output),
            audio_input: unless(rates.audio_input, rates.input),
            audio_output: unless(rates.audio_output, rates.output),
        }
    }
}

impl TierSpec {
    fn of(tier: &Tier) -> Self {
        let rates = Written::of(tier.rates);
        Self {
            above_input_tokens: tier.above_input_tokens,
            input_usd: rates.input,
            output_usd: rates.output,
            cached_input_usd: rates.cached_input,
            cache_write_usd: rates.cache_write,
            long_cache_write_usd: rates.long_cache_write,
            reasoning_usd: rates.reasoning,
            audio_input_usd: rates.audio_input,
            audio_output_usd: rates.audio_output,
        }
    }

    fn tier(&self, index: usize, faults: &mut Vec<Fault>) -> Tier {
        let rates = RatesSpec {
            at: format!("/tiers/{index}"),
            input: &self.input_usd,
            output: &self.output_usd,
            cached_input: self.cached_input_usd.as_deref(),
            cache_write: self.cache_write_usd.as_deref(),
            long_cache_write: self.long_cache_write_usd.as_deref(),
            reasoning: self.reasoning_usd.as_deref(),
            audio_input: self.audio_input_usd.as_deref(),
            audio_output: self.audio_output_usd.as_deref(),
        };
        Tier { above_input_tokens: self.above_input_tokens, rates: rates.rates(faults) }
    }
}

/// The rates of a price or of a tier, and where they are written.
struct RatesSpec<'a> {
    at: String,
    input: &'a str,
    output: &'a str,
    cached_input: Option<&'a str>,
    cache_write: Option<&'a str>,
    long_cache_write: Option<&'a str>,
    reasoning: Option<&'a str>,
    audio_input: Option<&'a str>,
    audio_output: Option<&'a str>,
}

impl RatesSpec<'_> {
    /// A rate that cannot be read is 0 and a fault more.
    fn rates(&self, faults: &mut Vec<Fault>) -> Rates {
        let mut read = |field: &str, text: &str| {
            rate(text).unwrap_or_else(|error| {
                faults.push(Fault::new(format!("{}/{field}", self.at), error.to_string()));
                0
            })
        };
        let (input, output) = (read("input_usd", self.input), read("output_usd", self.output));
        let mut part = |field: &str, text: Option<&str>, like: u64| text.map_or(like, |text| read(field, text));
        let cache_write = part("cache_write_usd", self.cache_write, input);
        Rates {
            input,
            cached_input: part("cached_input_usd", self.cached_input, input),
            cache_write,
            long_cache_write: part("long_cache_write_usd", self.long_cache_write, long_of(cache_write)),
            output,
            reasoning: part("reasoning_usd", self.reasoning, output),
            audio_input: part("audio_input_usd", self.audio_input, input),
            audio_output: part("audio_output_usd", self.audio_output, output),
        }
    }
}

/// What an hour in the cache costs where five minutes cost this: 2 to 1.25.
#[must_use]
pub const fn long_of(cache_write: u64) -> u64 {
    cache_write.saturating_mul(8).div_ceil(5)
}

fn rate(text: &str) -> Result<u64, InvalidAmount> {
    let pusd = whole(text, PLACES)?;
    if pusd <= MAX_PUSD_A_TOKEN { Ok(pusd) } else { Err(InvalidAmount::TooLarge) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn price(changes: Value) -> Result<Price, Vec<String>> {
        let mut spec = json!({ "model": "m", "input_usd": "3", "output_usd": "15", "max_output_tokens": 64_000 });
        for (field, value) in changes.as_object().unwrap() {
            spec[field] = value.clone();
        }
        let spec: PriceSpec = serde_json::from_value(spec).unwrap();
        spec.price().map_err(|faults| faults.into_iter().map(|fault| fault.pointer).collect())
    }

    #[test]
    fn what_is_not_given_costs_as_much_as_what_it_is_part_of() {
        let plain = price(json!({})).unwrap();
        let rates = Rates {
            input: 3_000_000,
            cached_input: 3_000_000,
            cache_write: 3_000_000,
            long_cache_write: 4_800_000,
            output: 15_000_000,
            reasoning: 15_000_000,
            audio_input: 3_000_000,
            audio_output: 15_000_000,
        };
        assert_eq!(plain.base, rates);
        let full = price(json!({
            "cached_input_usd": "0.3", "cache_write_usd": "3.75", "reasoning_usd": "0.000001", "per_call_usd": "0.002",
            "tiers": [{ "above_input_tokens": 200_000, "input_usd": "6", "output_usd": "22.5" }],
        }));
        let full = full.unwrap();
        assert_eq!(
            full.base,
            Rates { cached_input: 300_000, cache_write: 3_750_000, long_cache_write: 6_000_000, reasoning: 1, ..rates }
        );
        assert_eq!(full.per_call, Money::from_pusd(2_000_000_000));
        assert_eq!(full.tiers[0].rates.cache_write, 6_000_000);
    }

    #[test]
    fn a_price_is_written_shortly_and_read_again_as_the_same() {
        let written = json!({
            "model": "m", "input_usd": "3.00", "output_usd": "1.5e1", "cached_input_usd": "03.0",
            "cache_write_usd": "3.75", "reasoning_usd": "0", "per_call_usd": "0.0", "max_output_tokens": 1,
            "tiers": [{ "above_input_tokens": 200_000, "input_usd": "0.000001", "output_usd": "22.50" }],
        });
        let spec: PriceSpec = serde_json::from_value(written).unwrap();
        let price = spec.price().unwrap();
        let shortest = PriceSpec::of("m", &price);
        let expected = json!({
            "model": "m", "input_usd": "3", "output_usd": "15", "cache_write_usd": "3.75", "reasoning_usd": "0",
            "max_output_tokens": 1,
            "tiers": [{ "above_input_tokens": 200_000, "input_usd": "0.000001", "output_usd": "22.5" }],
        });
        assert_eq!(serde_json::to_value(&shortest).unwrap(), expected);
        assert_eq!(shortest.price(), Ok(price));
    }

    #[test]
    fn every_fault_of_a_price_is_named_by_its_place() {
        let tier = |above: u64| json!({ "above_input_tokens": above, "input_usd": "1", "output_usd": "1" });
        for (changes, pointers) in [
            (json!({ "model": "" }), vec!["/model"]),
            (json!({ "model": "a\nb" }), vec!["/model"]),
            (json!({ "input_usd": "-1" }), vec!["/input_usd"]),
            (json!({ "output_usd": "0.0000001", "reasoning_usd": "1" }), vec!["/output_usd"]),
            (json!({ "cached_input_usd": "1e99" }), vec!["/cached_input_usd"]),
            (json!({ "cache_write_usd": "1000000.000001" }), vec!["/cache_write_usd"]),
            (json!({ "per_call_usd": "x" }), vec!["/per_call_usd"]),
            (json!({ "max_output_tokens": 100_000_001 }), vec!["/max_output_tokens"]),
            (json!({ "max_input_tokens": u64::MAX }), vec!["/max_input_tokens"]),
            (json!({ "tiers": [tier(2), tier(2)] }), vec!["/tiers"]),
            (json!({ "tiers": [tier(0)] }), vec!["/tiers"]),
        ] {
            assert_eq!(price(changes.clone()).unwrap_err(), pointers, "{changes}");
        }
    }
}
