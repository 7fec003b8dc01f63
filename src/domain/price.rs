//! What a model costs: exact prices a token, the bound of a call that is not yet made, and the list of all prices.

pub mod file;
pub mod list;
pub mod spec;

use super::{
    money::Money,
    usage::{Extras, Usage},
};

pub use self::spec::PriceSpec;

/// Pico-USD a token, by what the token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    pub input: u64,
    pub cached_input: u64,
    pub cache_write: u64,
    /// Into a cache entry that lives for an hour.
    pub long_cache_write: u64,
    pub output: u64,
    pub reasoning: u64,
    pub audio_input: u64,
    pub audio_output: u64,
}

/// The rates of calls whose prompt is longer than `above_input_tokens`, for every token of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    pub above_input_tokens: u64,
    pub rates: Rates,
}

/// The price of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// Where no tier holds.
    pub base: Rates,
    /// By rising length.
    pub tiers: Vec<Tier>,
    pub per_call: Money,
    /// The longest answer of the model.
    pub max_output_tokens: u64,
    /// The longest prompt of the model, where it is known.
    pub max_input_tokens: Option<u64>,
}

/// The most that a call can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Most {
    pub input_tokens: u64,
    /// Of all answers together.
    pub output_tokens: u64,
    /// Whether cache entries may be written that live for an hour.
    pub has_long_cache: bool,
}

/// A cost that is more than [`Money::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("costs more than can be counted")]
pub struct TooDear;

impl Rates {
    /// Of a prompt of text, whatever of it comes from a cache or goes into one.
    fn dearest_input(self, most: &Most) -> u64 {
        let long = if most.has_long_cache { self.long_cache_write } else { 0 };
        self.input.max(self.cached_input).max(self.cache_write).max(long)
    }

    fn dearest_output(self) -> u64 {
        self.output.max(self.reasoning)
    }
}

impl Price {
    /// The exact cost of what a call took; every price is a whole number of pico-USD a token, so nothing is rounded.
    pub fn cost(&self, usage: &Usage, extras: &Extras) -> Result<Money, TooDear> {
        let rates = self.rates(usage.input_tokens);
        let cached = usage.cached_tokens.min(usage.input_tokens);
        let written = usage.cache_write_tokens.min(usage.input_tokens.saturating_sub(cached));
        let long = extras.long_cache_write_tokens.min(written);
        let fresh = usage.input_tokens.saturating_sub(cached).saturating_sub(written);
        let heard = extras.audio_input_tokens.min(fresh);
        let thought = usage.reasoning_tokens.min(usage.output_tokens);
        let said = usage.output_tokens.saturating_sub(thought);
        let spoken = extras.audio_output_tokens.min(said);
        let parts = [
            (fresh.saturating_sub(heard), rates.input),
            (heard, rates.audio_input),
            (cached, rates.cached_input),
            (written.saturating_sub(long), rates.cache_write),
            (long, rates.long_cache_write),
            (said.saturating_sub(spoken), rates.output),
            (spoken, rates.audio_output),
            (thought, rates.reasoning),
        ];
        self.total(parts)
    }

    /// The most that a call can cost that takes at most this.
    pub fn bound(&self, most: &Most) -> Result<Money, TooDear> {
        let input = self.rates_up_to(most.input_tokens).map(|rates| rates.dearest_input(most)).max().unwrap_or(0);
        self.total([(most.input_tokens, input), (most.output_tokens, self.dearest_output(most))])
    }

    /// The dearest token of an answer to such a call, in pico-USD.
    #[must_use]
    pub fn dearest_output(&self, most: &Most) -> u64 {
        self.rates_up_to(most.input_tokens).map(Rates::dearest_output).max().unwrap_or(0)
    }

    fn rates_up_to(&self, input_tokens: u64) -> impl Iterator<Item = Rates> {
        let within = self.tiers.iter().filter(move |tier| tier.above_input_tokens < input_tokens);
        within.map(|tier| tier.rates).chain([self.base])
    }

    fn rates(&self, input_tokens: u64) -> Rates {
        let tier = self.tiers.iter().rfind(|tier| tier.above_input_tokens < input_tokens);
        tier.map_or(self.base, |tier| tier.rates)
    }

    fn total<const N: usize>(&self, parts: [(u64, u64); N]) -> Result<Money, TooDear> {
        parts
            .into_iter()
            .try_fold(self.per_call, |sum, (tokens, each_pusd)| sum.plus(Money::times(tokens, each_pusd)?))
            .ok_or(TooDear)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rates() -> impl Strategy<Value = Rates> {
        let rate = 0..1_000_000_u64;
        let cache = (rate.clone(), rate.clone(), rate.clone());
        (rate.clone(), cache, rate.clone(), rate).prop_map(
            |(input, (cached_input, cache_write, long_cache_write), output, reasoning)| Rates {
                input,
                cached_input,
                cache_write,
                long_cache_write,
                output,
                reasoning,
                audio_input: input,
                audio_output: output,
            },
        )
    }

    fn price() -> impl Strategy<Value = Price> {
        let tier = (1..5_000_u64, rates()).prop_map(|(above_input_tokens, rates)| Tier { above_input_tokens, rates });
        (rates(), proptest::collection::vec(tier, 0..3), 0..1_000_i64).prop_map(|(base, mut tiers, per_call)| {
            tiers.sort_by_key(|tier| tier.above_input_tokens);
            let per_call = Money::from_pusd(per_call);
            Price { base, tiers, per_call, max_output_tokens: 10_000, max_input_tokens: None }
        })
    }

    proptest! {
        #[test]
        fn no_call_within_its_bounds_costs_more_than_its_hold(
            price in price(),
            bounds in (0..10_000_u64, 0..10_000_u64),
            parts in (0..=100_u64, 0..=100_u64, 0..=100_u64, 0..=100_u64, 0..=100_u64),
            long in 0..=100_u64,
        ) {
            let (input, output) = (bounds.0 * parts.0 / 100, bounds.1 * parts.1 / 100);
            let usage = Usage {
                input_tokens: input,
                cached_tokens: input * parts.2 / 100,
                cache_write_tokens: input * parts.3 / 100,
                output_tokens: output,
                reasoning_tokens: output * parts.4 / 100,
            };
            let extras = Extras { long_cache_write_tokens: usage.cache_write_tokens * long / 100, ..Extras::default() };
            let most = Most { input_tokens: bounds.0, output_tokens: bounds.1, has_long_cache: long > 0 };
            prop_assert!(price.cost(&usage, &extras).unwrap() <= price.bound(&most).unwrap());
        }
    }

    fn flat(input: u64, output: u64) -> Rates {
        Rates {
            input,
            cached_input: input / 10,
            cache_write: input * 5 / 4,
            long_cache_write: input * 2,
            output,
            reasoning: output,
            audio_input: input,
            audio_output: output,
        }
    }

    #[test]
    fn each_token_is_billed_once_at_its_own_price_and_at_the_tier_of_its_prompt() {
        let long = Tier { above_input_tokens: 200_000, rates: flat(6_000_000, 22_500_000) };
        let price = Price {
            base: flat(3_000_000, 15_000_000),
            tiers: vec![long],
            per_call: Money::from_pusd(7),
            max_output_tokens: 64_000,
            max_input_tokens: None,
        };
        let usage = Usage {
            input_tokens: 1_000,
            cached_tokens: 600,
            cache_write_tokens: 100,
            output_tokens: 50,
            reasoning_tokens: 20,
        };
        let expected = 300 * 3_000_000 + 600 * 300_000 + 100 * 3_750_000 + 50 * 15_000_000 + 7;
        assert_eq!(price.cost(&usage, &Extras::default()), Ok(Money::from_pusd(expected)));
        let long = Extras { long_cache_write_tokens: 40, ..Extras::default() };
        assert_eq!(price.cost(&usage, &long), Ok(Money::from_pusd(expected + 40 * 2_250_000)));
        let at =
            |input_tokens| price.cost(&Usage { input_tokens, ..Usage::default() }, &Extras::default()).unwrap().pusd();
        assert_eq!(at(200_000), 200_000 * 3_000_000 + 7);
        assert_eq!(at(200_001), 200_001 * 6_000_000 + 7);
    }

    #[test]
    fn a_cost_beyond_counting_is_an_error_and_no_small_number() {
        let price = Price {
            base: flat(u64::MAX / 16, 1),
            tiers: vec![],
            per_call: Money::ZERO,
            max_output_tokens: 1,
            max_input_tokens: None,
        };
        assert_eq!(price.bound(&Most { input_tokens: 16, ..Most::default() }), Err(TooDear));
        assert_eq!(price.cost(&Usage { input_tokens: u64::MAX, ..Usage::default() }, &Extras::default()), Err(TooDear));
    }
}
