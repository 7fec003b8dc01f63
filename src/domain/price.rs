//! What a model costs: exact prices a token, the bound of a call that is not yet made, and the list of all prices.

pub mod file;
pub mod list;
pub mod spec;

use super::{money::Money, usage::Usage};

pub use self::spec::PriceSpec;

/// Pico-USD a token, by what the token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    pub input: u64,
    pub cached_input: u64,
    pub cache_write: u64,
    pub output: u64,
    pub reasoning: u64,
}

/// What holds for prompts longer than so many tokens, for every token of the call.
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

/// A cost that is more than [`Money::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("costs more than can be counted")]
pub struct TooDear;

impl Rates {
    fn dearest_input(self) -> u64 {
        self.input.max(self.cached_input).max(self.cache_write)
    }

    fn dearest_output(self) -> u64 {
        self.output.max(self.reasoning)
    }
}

impl Price {
    /// The exact cost of what a call took; every price is a whole number of pico-USD a token, so nothing is rounded.
    pub fn cost(&self, usage: &Usage) -> Result<Money, TooDear> {
        let rates = self.rates(usage.input_tokens);
        let cached = usage.cached_tokens.min(usage.input_tokens);
        let written = usage.cache_write_tokens.min(usage.input_tokens.saturating_sub(cached));
        let fresh = usage.input_tokens.saturating_sub(cached).saturating_sub(written);
        let thought = usage.reasoning_tokens.min(usage.output_tokens);
        let said = usage.output_tokens.saturating_sub(thought);
        let parts = [
            (fresh, rates.input),
            (cached, rates.cached_input),
            (written, rates.cache_write),
            (said, rates.output),
            (thought, rates.reasoning),
        ];
        self.total(parts)
    }

    /// The most that a call can cost whose prompt has at most `input_tokens` and whose answers have together at most
    /// `output_tokens`.
    pub fn bound(&self, input_tokens: u64, output_tokens: u64) -> Result<Money, TooDear> {
        let within = self.tiers.iter().filter(|tier| tier.above_input_tokens < input_tokens);
        let rates: Vec<Rates> = within.map(|tier| tier.rates).chain([self.base]).collect();
        let input = rates.iter().map(|rates| rates.dearest_input()).max().unwrap_or(0);
        let output = rates.iter().map(|rates| rates.dearest_output()).max().unwrap_or(0);
        self.total([(input_tokens, input), (output_tokens, output)])
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
        (rate.clone(), rate.clone(), rate.clone(), rate.clone(), rate).prop_map(
            |(input, cached_input, cache_write, output, reasoning)| Rates {
                input,
                cached_input,
                cache_write,
                output,
                reasoning,
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
        ) {
            let (input, output) = (bounds.0 * parts.0 / 100, bounds.1 * parts.1 / 100);
            let usage = Usage {
                input_tokens: input,
                cached_tokens: input * parts.2 / 100,
                cache_write_tokens: input * parts.3 / 100,
                output_tokens: output,
                reasoning_tokens: output * parts.4 / 100,
            };
            prop_assert!(price.cost(&usage).unwrap() <= price.bound(bounds.0, bounds.1).unwrap());
        }
    }

    fn flat(input: u64, output: u64) -> Rates {
        Rates { input, cached_input: input / 10, cache_write: input * 5 / 4, output, reasoning: output }
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
        assert_eq!(price.cost(&usage), Ok(Money::from_pusd(expected)));
        let at = |input_tokens| price.cost(&Usage { input_tokens, ..Usage::default() }).unwrap().pusd();
        assert_eq!(at(200_000), 200_000 * 3_000_000 + 7);
        assert_eq!(at(200_001), 200_001 * 6_000_000 + 7);
    }

    #[test]
    fn a_cost_beyond_counting_is_an_error_and_no_small_number() {
        let price = Price {
            base: flat(u64::MAX / 8, 1),
            tiers: vec![],
            per_call: Money::ZERO,
            max_output_tokens: 1,
            max_input_tokens: None,
        };
        assert_eq!(price.bound(8, 0), Err(TooDear));
        assert_eq!(price.cost(&Usage { input_tokens: u64::MAX, ..Usage::default() }), Err(TooDear));
    }
}
