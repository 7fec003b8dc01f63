//! What the properties of metering have in common: every format, and prices.

use tollgate::domain::{
    price::{Price, PriceSpec},
    route::Meter,
};

/// The format that a byte chooses.
pub(crate) fn meter(choice: usize) -> Meter {
    Meter::OF_MODELS.get(choice % Meter::OF_MODELS.len()).copied().unwrap_or(Meter::OpenaiChat)
}

/// The price of a model that takes everything, at `input_usd` a million tokens of its prompts.
pub(crate) fn price(input_usd: &str) -> Price {
    let spec = PriceSpec {
        model: "m".into(),
        input_usd: input_usd.into(),
        output_usd: "10".into(),
        audio_input_usd: Some("4".into()),
        audio_output_usd: Some("40".into()),
        image_output_usd: Some("20".into()),
        max_output_tokens: 1_000,
        max_input_tokens: Some(100_000),
        ..PriceSpec::default()
    };
    spec.price().expect("a price")
}
