//! The price by which tests of meters hold and bill: of a model `m`, a USD a million tokens in and ten out.

use crate::domain::price::{Price, PriceSpec};

pub(super) fn price(max_input_tokens: u64, max_output_tokens: u64) -> Price {
    let spec = PriceSpec {
        model: "m".into(),
        input_usd: "1".into(),
        output_usd: "10".into(),
        max_output_tokens,
        max_input_tokens: Some(max_input_tokens),
        ..PriceSpec::default()
    };
    spec.price().unwrap()
}
