//! A price as it is written: in configurations, in files to import, and at `/admin/prices`.

mod rates;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::rates::{Reader, Written, with_rates};
use super::{Price, Rates, ServiceTier, Tier};
use crate::domain::{
    money::{InvalidAmount, Money},
    refusal::Fault,
};

pub use self::rates::long_of;

with_rates! {
    /// The price of one model. Amounts are decimal text in USD for a million tokens, with at most six decimal places.
    PriceSpec {
        /// As requests name it.
        #[schemars(length(min = 1))]
        pub model: String,
    } {
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
        /// Other prices for calls that are served at these service tiers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 16))]
        pub service_tiers: Vec<ServiceTierSpec>,
    }
}

with_rates! {
    /// What holds for prompts longer than `above_input_tokens`. What is not given is as `input_usd` and `output_usd` here.
    TierSpec {
        #[schemars(range(min = 1, max = 100_000_000))]
        pub above_input_tokens: u64,
    } {}
}

with_rates! {
    /// What holds for calls that are served at a service tier. What is not given is as `input_usd` and `output_usd` here.
    ServiceTierSpec {
        /// As requests and answers name it: `flex`, `priority`, `batch`; `fast` of the speed of Anthropic.
        #[schemars(length(min = 1, max = 64))]
        pub service_tier: String,
    } {
        /// Other prices for longer prompts, by rising length.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 16))]
        pub tiers: Vec<TierSpec>,
    }
}

/// No model reads or writes more at once.
const MAX_TOKENS: u64 = 100_000_000;

/// The longest name of a model, in bytes.
pub const MAX_MODEL_BYTES: usize = 256;

const MAX_TIERS: usize = 16;
const MAX_SERVICE_TIER_BYTES: usize = 64;

/// Whether a text can be the name of a model.
#[must_use]
pub fn is_model_name(text: &str) -> bool {
    (1..=MAX_MODEL_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

impl PriceSpec {
    /// A price in its shortest form: equal prices of a model are written alike.
    #[must_use]
    pub fn of(model: &str, price: &Price) -> Self {
        let mut spec = Self {
            model: model.to_owned(),
            per_call_usd: (price.per_call != Money::ZERO).then(|| price.per_call.to_string()),
            max_output_tokens: price.max_output_tokens,
            max_input_tokens: price.max_input_tokens,
            tiers: price.tiers.iter().map(TierSpec::of).collect(),
            service_tiers: price.service_tiers.iter().map(ServiceTierSpec::of).collect(),
            ..Self::default()
        };
        spec.set_rates(&price.base);
        spec
    }

    /// The price, or all that is wrong with it.
    pub fn price(&self) -> Result<Price, Vec<Fault>> {
        let mut faults = vec![];
        self.check_numbers(&mut faults);
        let base = self.rates("", &mut faults);
        let tiers = tiers(&self.tiers, "", &mut faults);
        let service_tiers =
            self.service_tiers.iter().enumerate().map(|(i, tier)| tier.service_tier(i, &mut faults)).collect();
        if self
            .service_tiers
            .iter()
            .enumerate()
            .any(|(i, tier)| self.service_tiers.iter().take(i).any(|other| other.service_tier == tier.service_tier))
        {
            faults.push(Fault::new("/service_tiers", "has a service tier twice"));
        }
        let per_call = self.per_call_usd.as_deref().map(str::parse).transpose();
        let per_call = per_call.unwrap_or_else(|error: InvalidAmount| {
            faults.push(Fault::new("/per_call_usd", error.to_string()));
            None
        });
        if !faults.is_empty() {
            return Err(faults);
        }
        let per_call = per_call.unwrap_or_default();
        let (max_output_tokens, max_input_tokens) = (self.max_output_tokens, self.max_input_tokens);
        Ok(Price { base, tiers, service_tiers, per_call, max_output_tokens, max_input_tokens })
    }

    fn check_numbers(&self, faults: &mut Vec<Fault>) {
        let name = format!("must be 1 to {MAX_MODEL_BYTES} bytes without control characters");
        let tokens = format!("must be from 0 to {MAX_TOKENS}");
        let rules = [
            (is_model_name(&self.model), "/model", name),
            (self.max_output_tokens <= MAX_TOKENS, "/max_output_tokens", tokens.clone()),
            (self.max_input_tokens.is_none_or(|max| max <= MAX_TOKENS), "/max_input_tokens", tokens),
            (self.service_tiers.len() <= MAX_TIERS, "/service_tiers", format!("at most {MAX_TIERS} are kept")),
        ];
        faults.extend(rules.into_iter().filter(|(holds, ..)| !holds).map(|(_, at, why)| Fault::new(at, why)));
    }
}

/// The tiers by length of the price that stands at `at`.
fn tiers(specs: &[TierSpec], at: &str, faults: &mut Vec<Fault>) -> Vec<Tier> {
    let rising = specs.is_sorted_by(|a, b| a.above_input_tokens < b.above_input_tokens);
    let positive = specs.iter().all(|tier| (1..=MAX_TOKENS).contains(&tier.above_input_tokens));
    let rules = [
        (rising && positive, format!("must rise in above_input_tokens, from 1 to {MAX_TOKENS}")),
        (specs.len() <= MAX_TIERS, format!("at most {MAX_TIERS} are kept")),
    ];
    let broken = rules.into_iter().filter(|(holds, _)| !holds);
    faults.extend(broken.map(|(_, why)| Fault::new(format!("{at}/tiers"), why)));
    let tier = |(i, spec): (usize, &TierSpec)| Tier {
        above_input_tokens: spec.above_input_tokens,
        rates: spec.rates(&format!("{at}/tiers/{i}"), faults),
    };
    specs.iter().enumerate().map(tier).collect()
}

impl TierSpec {
    fn of(tier: &Tier) -> Self {
        let mut spec = Self { above_input_tokens: tier.above_input_tokens, ..Self::default() };
        spec.set_rates(&tier.rates);
        spec
    }
}

impl ServiceTierSpec {
    fn of(tier: &ServiceTier) -> Self {
        let tiers = tier.tiers.iter().map(TierSpec::of).collect();
        let mut spec = Self { service_tier: tier.name.clone(), tiers, ..Self::default() };
        spec.set_rates(&tier.base);
        spec
    }

    fn service_tier(&self, index: usize, faults: &mut Vec<Fault>) -> ServiceTier {
        let at = format!("/service_tiers/{index}");
        let is_name = (1..=MAX_SERVICE_TIER_BYTES).contains(&self.service_tier.len());
        if !is_name || self.service_tier.chars().any(char::is_control) {
            let why = format!("must be 1 to {MAX_SERVICE_TIER_BYTES} bytes without control characters");
            faults.push(Fault::new(format!("{at}/service_tier"), why));
        }
        let base = self.rates(&at, faults);
        ServiceTier { name: self.service_tier.clone(), base, tiers: tiers(&self.tiers, &at, faults) }
    }
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
            audio_input: None,
            audio_output: None,
            image_input: 3_000_000,
            image_output: 15_000_000,
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
        let media = price(json!({
            "audio_input_usd": "3", "image_output_usd": "30",
            "service_tiers": [{ "service_tier": "flex", "input_usd": "1.5", "output_usd": "7.5" }],
        }));
        let media = media.unwrap();
        assert_eq!(media.base, Rates { audio_input: Some(3_000_000), image_output: 30_000_000, ..rates });
        let flex = media.service_tier("flex").unwrap();
        assert_eq!((flex.base.input, flex.base.reasoning, flex.base.image_input), (1_500_000, 7_500_000, 1_500_000));
    }

    #[test]
    fn a_price_is_written_shortly_and_read_again_as_the_same() {
        let written = json!({
            "model": "m", "input_usd": "3.00", "output_usd": "1.5e1", "cached_input_usd": "03.0",
            "cache_write_usd": "3.75", "reasoning_usd": "0", "per_call_usd": "0.0", "max_output_tokens": 1,
            "audio_input_usd": "3.0", "image_input_usd": "3.0", "image_output_usd": "0.40",
            "tiers": [{ "above_input_tokens": 200_000, "input_usd": "0.000001", "output_usd": "22.50" }],
            "service_tiers": [{
                "service_tier": "priority", "input_usd": "6.0", "output_usd": "3e1",
                "tiers": [{ "above_input_tokens": 9, "input_usd": "7", "output_usd": "70" }],
            }],
        });
        let spec: PriceSpec = serde_json::from_value(written).unwrap();
        let price = spec.price().unwrap();
        let shortest = PriceSpec::of("m", &price);
        let expected = json!({
            "model": "m", "input_usd": "3", "output_usd": "15", "cache_write_usd": "3.75", "reasoning_usd": "0",
            "max_output_tokens": 1, "audio_input_usd": "3", "image_output_usd": "0.4",
            "tiers": [{ "above_input_tokens": 200_000, "input_usd": "0.000001", "output_usd": "22.5" }],
            "service_tiers": [{
                "service_tier": "priority", "input_usd": "6", "output_usd": "30",
                "tiers": [{ "above_input_tokens": 9, "input_usd": "7", "output_usd": "70" }],
            }],
        });
        assert_eq!(serde_json::to_value(&shortest).unwrap(), expected);
        assert_eq!(shortest.price(), Ok(price));
    }

    #[test]
    fn every_fault_of_a_price_is_named_by_its_place() {
        let tier = |above: u64| json!({ "above_input_tokens": above, "input_usd": "1", "output_usd": "1" });
        let service = |name: &str| json!({ "service_tier": name, "input_usd": "1", "output_usd": "1" });
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
            (json!({ "service_tiers": [service("flex"), service("flex")] }), vec!["/service_tiers"]),
            (json!({ "service_tiers": [service("")] }), vec!["/service_tiers/0/service_tier"]),
        ] {
            assert_eq!(price(changes.clone()).unwrap_err(), pointers, "{changes}");
        }
    }
}
