//! The rates of a price as they are written: each field that is left out costs as much as what it is part of.

use super::super::Rates;
use crate::domain::{
    money::{InvalidAmount, decimal, whole},
    refusal::Fault,
};

/// Decimal places of USD for a million tokens that are whole pico-USD for one.
const PLACES: u32 = 6;

/// The dearest token, in pico-USD: a million USD for a million of them.
const MAX_PUSD_A_TOKEN: u64 = 1_000_000_000_000;

/// Makes a type with the amounts that every kind of price has, between fields of its own.
macro_rules! with_rates {
    ($(#[$doc:meta])* $name:ident { $($own:tt)* } { $($more:tt)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($own)*
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
            /// Of tokens written to a cache entry that lives for an hour; 1.6 times `cache_write_usd` unless given, as the
            /// providers have it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(with = "Option<Money>")]
            pub long_cache_write_usd: Option<String>,
            /// Of thoughts; as `output_usd` unless given.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(with = "Option<Money>")]
            pub reasoning_usd: Option<String>,
            /// Of sound in a prompt. Unless it is given for the model, requests with sound are refused.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(with = "Option<Money>")]
            pub audio_input_usd: Option<String>,
            /// Of sound in an answer. Unless it is given for the model, requests for sound are refused.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(with = "Option<Money>")]
            pub audio_output_usd: Option<String>,
            /// Of images in a prompt; as `input_usd` unless given.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(with = "Option<Money>")]
            pub image_input_usd: Option<String>,
            /// Of images in an answer; as `output_usd` unless given.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(with = "Option<Money>")]
            pub image_output_usd: Option<String>,
            $($more)*
        }

        impl $name {
            fn set_rates(&mut self, rates: &Rates) {
                let Written {
                    input, output, cached_input, cache_write, long_cache_write, reasoning, audio_input, audio_output,
                    image_input, image_output,
                } = Written::of(rates);
                self.input_usd = input;
                self.output_usd = output;
                self.cached_input_usd = cached_input;
                self.cache_write_usd = cache_write;
                self.long_cache_write_usd = long_cache_write;
                self.reasoning_usd = reasoning;
                self.audio_input_usd = audio_input;
                self.audio_output_usd = audio_output;
                self.image_input_usd = image_input;
                self.image_output_usd = image_output;
            }

            /// The rates, which stand at `at`. One that cannot be read is 0 and a fault more.
            fn rates(&self, at: &str, faults: &mut Vec<Fault>) -> Rates {
                let mut reader = Reader { at, faults };
                let input = reader.rate("input_usd", &self.input_usd);
                let output = reader.rate("output_usd", &self.output_usd);
                let cache_write = reader.or("cache_write_usd", self.cache_write_usd.as_ref(), input);
                let long = long_of(cache_write);
                Rates {
                    input,
                    output,
                    cache_write,
                    cached_input: reader.or("cached_input_usd", self.cached_input_usd.as_ref(), input),
                    long_cache_write: reader.or("long_cache_write_usd", self.long_cache_write_usd.as_ref(), long),
                    reasoning: reader.or("reasoning_usd", self.reasoning_usd.as_ref(), output),
                    audio_input: reader.if_given("audio_input_usd", self.audio_input_usd.as_ref()),
                    audio_output: reader.if_given("audio_output_usd", self.audio_output_usd.as_ref()),
                    image_input: reader.or("image_input_usd", self.image_input_usd.as_ref(), input),
                    image_output: reader.or("image_output_usd", self.image_output_usd.as_ref(), output),
                }
            }
        }
    };
}

pub(super) use with_rates;

/// Rates as they are written: what costs as much as what it is part of is left out.
pub(super) struct Written {
    pub input: String,
    pub output: String,
    pub cached_input: Option<String>,
    pub cache_write: Option<String>,
    pub long_cache_write: Option<String>,
    pub reasoning: Option<String>,
    pub audio_input: Option<String>,
    pub audio_output: Option<String>,
    pub image_input: Option<String>,
    pub image_output: Option<String>,
}

impl Written {
    /// Of these rates.
    pub fn of(rates: &Rates) -> Self {
        let text = |rate: u64| decimal(rate, PLACES);
        let unless = |rate: u64, like: u64| (rate != like).then(|| text(rate));
        Self {
            input: text(rates.input),
            output: text(rates.output),
            cached_input: unless(rates.cached_input, rates.input),
            cache_write: unless(rates.cache_write, rates.input),
            long_cache_write: unless(rates.long_cache_write, long_of(rates.cache_write)),
            reasoning: unless(rates.reasoning, rates.output),
            audio_input: rates.audio_input.map(text),
            audio_output: rates.audio_output.map(text),
            image_input: unless(rates.image_input, rates.input),
            image_output: unless(rates.image_output, rates.output),
        }
    }
}

/// Reads the amounts of one price.
pub(super) struct Reader<'f> {
    pub at: &'f str,
    pub faults: &'f mut Vec<Fault>,
}

impl Reader<'_> {
    /// An amount that must be there.
    pub fn rate(&mut self, field: &str, text: &str) -> u64 {
        rate(text).unwrap_or_else(|error| {
            self.faults.push(Fault::new(format!("{}/{field}", self.at), error.to_string()));
            0
        })
    }

    /// An amount that may be left out.
    pub fn if_given(&mut self, field: &str, text: Option<&String>) -> Option<u64> {
        text.map(|text| self.rate(field, text))
    }

    /// An amount that is like another one where it is left out.
    pub fn or(&mut self, field: &str, text: Option<&String>, like: u64) -> u64 {
        self.if_given(field, text).unwrap_or(like)
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
