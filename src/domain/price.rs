//! What a model costs: exact prices a token, the bound of a call that is not yet made, and the list of all prices.

pub mod book;
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
    /// Of sound in a prompt; nothing where it has no rate of its own, so that requests with sound have no price.
    pub audio_input: Option<u64>,
    /// The same of sound in an answer.
    pub audio_output: Option<u64>,
    pub image_input: u64,
    pub image_output: u64,
}

/// The rates of calls whose prompt is longer than `above_input_tokens`, for every token of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    pub above_input_tokens: u64,
    pub rates: Rates,
}

/// What holds in place of the standard rates where a call is served at a service tier, such as `priority` or `flex`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceTier {
    /// As requests and answers name it.
    pub name: String,
    pub base: Rates,
    pub tiers: Vec<Tier>,
}

/// The price of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// Where no tier holds.
    pub base: Rates,
    /// By rising length.
    pub tiers: Vec<Tier>,
    pub service_tiers: Vec<ServiceTier>,
    pub per_call: Money,
    /// The longest answer of the model.
    pub max_output_tokens: u64,
    /// The longest prompt of the model, where it is known.
    pub max_input_tokens: Option<u64>,
}

/// The most that a call can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Most<'t> {
    pub input_tokens: u64,
    /// Of all answers together.
    pub output_tokens: u64,
    /// Whether cache entries may be written that live for an hour.
    pub has_long_cache: bool,
    pub images: Images,
    /// Whether tokens may be those of sound.
    pub has_sound: bool,
    /// The service tiers that may serve it besides the standard one.
    pub service_tiers: &'t [String],
    /// How many calls it may be billed as; at least 1.
    pub calls: u64,
}

/// Which tokens may be those of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Images {
    #[default]
    None,
    /// Those of the answer alone.
    Drawn,
    Any,
}

/// A cost that is more than [`Money::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("costs more than can be counted")]
pub struct TooDear;

impl Rates {
    /// Of a prompt, whatever of it comes from a cache or goes into one.
    fn dearest_input(&self, most: &Most<'_>) -> u64 {
        let long = if most.has_long_cache { self.long_cache_write } else { 0 };
        let seen = if most.images == Images::Any { self.image_input } else { 0 };
        let heard = self.audio_input.filter(|_| most.has_sound).unwrap_or(0);
        self.input.max(self.cached_input).max(self.cache_write).max(long).max(seen).max(heard)
    }

    fn dearest_output(&self, most: &Most<'_>) -> u64 {
        let drawn = if most.images == Images::None { 0 } else { self.image_output };
        let spoken = self.audio_output.filter(|_| most.has_sound).unwrap_or(0);
        self.output.max(self.reasoning).max(drawn).max(spoken)
    }

    /// The tokens of a call, each once, and what one of them costs.
    fn parts(&self, usage: &Usage, extras: &Extras) -> [(u64, u64); 10] {
        let cached = usage.cached_tokens.min(usage.input_tokens);
        let written = usage.cache_write_tokens.min(usage.input_tokens.saturating_sub(cached));
        let long = extras.long_cache_write_tokens.min(written);
        let fresh = usage.input_tokens.saturating_sub(cached).saturating_sub(written);
        let heard = extras.audio_input_tokens.min(fresh);
        let seen = extras.image_input_tokens.min(fresh.saturating_sub(heard));
        let thought = usage.reasoning_tokens.min(usage.output_tokens);
        let said = usage.output_tokens.saturating_sub(thought);
        let spoken = extras.audio_output_tokens.min(said);
        let drawn = extras.image_output_tokens.min(said.saturating_sub(spoken));
        [
            (fresh.saturating_sub(heard).saturating_sub(seen), self.input),
            (heard, self.audio_input.unwrap_or(self.input)),
            (seen, self.image_input),
            (cached, self.cached_input),
            (written.saturating_sub(long), self.cache_write),
            (long, self.long_cache_write),
            (said.saturating_sub(spoken).saturating_sub(drawn), self.output),
            (spoken, self.audio_output.unwrap_or(self.output)),
            (drawn, self.image_output),
            (thought, self.reasoning),
        ]
    }
}

impl Price {
    /// The exact cost of what a call took that was served at a service tier, or at the standard one; every price is a whole
    /// number of pico-USD a token, so nothing is rounded. A tier without a price of its own costs what the standard one does.
    pub fn cost(&self, usage: &Usage, extras: &Extras, service_tier: Option<&str>) -> Result<Money, TooDear> {
        let tier = service_tier.and_then(|name| self.service_tier(name));
        let (base, tiers) = tier.map_or((&self.base, &self.tiers), |tier| (&tier.base, &tier.tiers));
        let tier = tiers.iter().rfind(|tier| tier.above_input_tokens < usage.input_tokens);
        self.total(extras.calls, tier.map_or(base, |tier| &tier.rates).parts(usage, extras))
    }

    /// The most that a call can cost that takes at most this.
    pub fn bound(&self, most: &Most<'_>) -> Result<Money, TooDear> {
        let input = self.that_can_apply(most).map(|rates| rates.dearest_input(most)).max().unwrap_or(0);
        self.total(most.calls, [(most.input_tokens, input), (most.output_tokens, self.dearest_output(most))])
    }

    /// The dearest token of an answer to such a call, in pico-USD.
    #[must_use]
    pub fn dearest_output(&self, most: &Most<'_>) -> u64 {
        self.that_can_apply(most).map(|rates| rates.dearest_output(most)).max().unwrap_or(0)
    }

    /// The rates of a service tier.
    #[must_use]
    pub fn service_tier(&self, name: &str) -> Option<&ServiceTier> {
        self.service_tiers.iter().find(|tier| tier.name == name)
    }

    /// The rates for prompts up to this length, at the service tiers that may serve.
    fn that_can_apply<'p>(&'p self, most: &Most<'p>) -> impl Iterator<Item = &'p Rates> {
        let (input_tokens, names) = (most.input_tokens, most.service_tiers);
        let others = names.iter().filter_map(|name| self.service_tier(name));
        let all = others.map(|tier| (&tier.base, &tier.tiers)).chain([(&self.base, &self.tiers)]);
        all.flat_map(move |(base, tiers)| {
            let within = tiers.iter().filter(move |tier| tier.above_input_tokens < input_tokens);
            within.map(|tier| &tier.rates).chain([base])
        })
    }

    fn total<const N: usize>(&self, calls: u64, parts: [(u64, u64); N]) -> Result<Money, TooDear> {
        let per_call = u64::try_from(self.per_call.pusd()).map_err(|_| TooDear)?;
        let all = parts.into_iter().chain([(calls.max(1), per_call)]);
        let sum = |sum: Money, (number, each_pusd)| sum.plus(Money::times(number, each_pusd)?);
        all.into_iter().try_fold(Money::ZERO, sum).ok_or(TooDear)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rates() -> impl Strategy<Value = Rates> {
        let rate = 0..1_000_000_u64;
        let all = proptest::array::uniform8(rate.clone());
        (all, proptest::option::of(rate.clone()), proptest::option::of(rate)).prop_map(
            |(all, audio_input, audio_output)| {
                let [input, cached_input, cache_write, long_cache_write, output, reasoning, image_input, image_output] =
                    all;
                Rates {
                    input,
                    cached_input,
                    cache_write,
                    long_cache_write,
                    output,
                    reasoning,
                    audio_input,
                    audio_output,
                    image_input,
                    image_output,
                }
            },
        )
    }

    fn tiers() -> impl Strategy<Value = Vec<Tier>> {
        let tier = (1..5_000_u64, rates()).prop_map(|(above_input_tokens, rates)| Tier { above_input_tokens, rates });
        proptest::collection::vec(tier, 0..3).prop_map(|mut tiers| {
            tiers.sort_by_key(|tier| tier.above_input_tokens);
            tiers
        })
    }

    fn price() -> impl Strategy<Value = Price> {
        let service = (rates(), tiers()).prop_map(|(base, tiers)| ServiceTier { name: "priority".into(), base, tiers });
        (rates(), tiers(), proptest::option::of(service), 0..1_000_i64).prop_map(|(base, tiers, service, per_call)| {
            let (service_tiers, per_call) = (service.into_iter().collect(), Money::from_pusd(per_call));
            Price { base, tiers, service_tiers, per_call, max_output_tokens: 10_000, max_input_tokens: None }
        })
    }

    proptest! {
        #[test]
        fn no_call_within_its_bounds_costs_more_than_its_hold(
            price in price(),
            bounds in (0..10_000_u64, 0..10_000_u64),
            parts in proptest::array::uniform10(0..=100_u64),
            has in proptest::array::uniform4(any::<bool>()),
        ) {
            let [has_long_cache, may_be_images, has_sound, may_be_priority] = has;
            let images = match (may_be_images, has_long_cache) {
                (false, _) => Images::None,
                (true, false) => Images::Any,
                (true, true) => Images::Drawn,
            };
            let (input, output) = (bounds.0 * parts[0] / 100, bounds.1 * parts[1] / 100);
            let usage = Usage {
                input_tokens: input,
                cached_tokens: input * parts[2] / 100,
                cache_write_tokens: input * parts[3] / 100,
                output_tokens: output,
                reasoning_tokens: output * parts[4] / 100,
            };
            let only = |has: bool, tokens: u64, part: u64| if has { tokens * part / 100 } else { 0 };
            let extras = Extras {
                long_cache_write_tokens: only(has_long_cache, usage.cache_write_tokens, parts[5]),
                audio_input_tokens: only(has_sound, input, parts[6]),
                audio_output_tokens: only(has_sound, output, parts[7]),
                image_input_tokens: only(images == Images::Any, input, parts[8]),
                image_output_tokens: only(may_be_images, output, parts[9]),
                calls: u64::from(may_be_images),
            };
            let tiers = ["priority".to_owned()];
            let most = Most {
                input_tokens: bounds.0,
                output_tokens: bounds.1,
                has_long_cache,
                images,
                has_sound,
                service_tiers: if may_be_priority { &tiers } else { &[] },
                calls: u64::from(has_long_cache),
            };
            let served = may_be_priority.then_some("priority");
            let hold = price.bound(&most).unwrap();
            prop_assert!(price.cost(&usage, &extras, served).unwrap() <= hold);
            prop_assert!(price.cost(&usage, &extras, None).unwrap() <= hold);
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
            audio_input: None,
            audio_output: None,
            image_input: input,
            image_output: output,
        }
    }

    #[test]
    fn each_token_is_billed_once_at_its_own_price_and_at_the_tier_of_its_prompt() {
        let long = Tier { above_input_tokens: 200_000, rates: flat(6_000_000, 22_500_000) };
        let price = Price {
            base: flat(3_000_000, 15_000_000),
            tiers: vec![long],
            service_tiers: vec![ServiceTier {
                name: "priority".into(),
                base: flat(30_000_000, 150_000_000),
                tiers: vec![],
            }],
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
        assert_eq!(price.cost(&usage, &Extras::default(), None), Ok(Money::from_pusd(expected)));
        let long = Extras { long_cache_write_tokens: 40, ..Extras::default() };
        assert_eq!(price.cost(&usage, &long, None), Ok(Money::from_pusd(expected + 40 * 2_250_000)));
        let priority = |name| price.cost(&usage, &Extras::default(), Some(name)).unwrap().pusd();
        assert_eq!((priority("priority"), priority("flex")), ((expected - 7) * 10 + 7, expected));
        let images = Extras { image_input_tokens: 1_000, ..Extras::default() };
        let drawn = Price { base: Rates { image_input: 8_000_000, ..price.base }, ..price.clone() };
        assert_eq!(drawn.cost(&usage, &images, None), Ok(Money::from_pusd(expected + 300 * 5_000_000)));
        let at = |input_tokens| {
            price.cost(&Usage { input_tokens, ..Usage::default() }, &Extras::default(), None).unwrap().pusd()
        };
        assert_eq!(at(200_000), 200_000 * 3_000_000 + 7);
        assert_eq!(at(200_001), 200_001 * 6_000_000 + 7);
    }

    #[test]
    fn a_cost_beyond_counting_is_an_error_and_no_small_number() {
        let price = Price {
            base: flat(u64::MAX / 16, 1),
            tiers: vec![],
            service_tiers: vec![],
            per_call: Money::ZERO,
            max_output_tokens: 1,
            max_input_tokens: None,
        };
        assert_eq!(price.bound(&Most { input_tokens: 16, ..Most::default() }), Err(TooDear));
        assert_eq!(
            price.cost(&Usage { input_tokens: u64::MAX, ..Usage::default() }, &Extras::default(), None),
            Err(TooDear)
        );
    }
}
