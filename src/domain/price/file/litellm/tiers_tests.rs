//! What tiers of long prompts and service tiers say, and what follows where they do not.

use super::{
    read,
    tests::{file, price},
};
use crate::domain::price::Tier;

#[test]
fn service_tiers_sound_images_and_hours_in_the_cache_are_taken_with_their_lengths() {
    let full = price(
        r#"{ "cache_creation_input_token_cost": 3e-06, "cache_creation_input_token_cost_above_1hr": 5e-06,
             "cache_creation_input_token_cost_above_200k_tokens": 6e-06,
             "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 9e-06,
             "input_cost_per_audio_token": 1e-05, "output_cost_per_audio_token": 2e-05,
             "input_cost_per_image_token": 3e-06, "output_cost_per_image_token": 4e-05,
             "input_cost_per_token_above_200k_tokens": 5e-06,
             "input_cost_per_token_priority": 5e-06, "output_cost_per_token_priority": 2e-05,
             "cache_read_input_token_cost_priority": 1e-06,
             "input_cost_per_token_above_200k_tokens_priority": 1e-05,
             "input_cost_per_token_flex": 1.25e-06, "output_cost_per_token_batches": 5e-06,
             "input_cost_per_token_ultrafast": 3e-05, "output_cost_per_token_ultrafast": 1e-04,
             "input_cost_per_token_batches": 0 }"#,
    );
    let base = full.base;
    assert_eq!(
        (base.long_cache_write, base.audio_input, base.audio_output),
        (5_000_000, Some(10_000_000), Some(20_000_000))
    );
    assert_eq!((base.image_input, base.image_output), (3_000_000, 40_000_000));
    let long = full.tiers[0].rates;
    assert_eq!((long.input, long.long_cache_write, long.audio_input), (5_000_000, 9_000_000, Some(10_000_000)));
    let tiers: Vec<(&str, u64, u64, u64, usize)> = full
        .service_tiers
        .iter()
        .map(|tier| (&*tier.name, tier.base.input, tier.base.output, tier.base.cached_input, tier.tiers.len()))
        .collect();
    assert_eq!(
        tiers,
        [
            ("priority", 5_000_000, 20_000_000, 1_000_000, 1),
            ("flex", 1_250_000, 10_000_000, 1_250_000, 0),
            ("batch", 2_500_000, 5_000_000, 2_500_000, 0),
            ("ultrafast", 30_000_000, 100_000_000, 30_000_000, 0),
        ]
    );
    assert_eq!(full.service_tiers[0].tiers[0].rates.input, 10_000_000);
}

#[test]
fn a_tier_that_says_nothing_of_a_part_leaves_its_price_to_the_whole_as_it_was() {
    // As gemini-2.5-flash: the tier is of sound alone, and a cache costs in it what it costs without.
    let of_sound = price(
        r#"{ "cache_read_input_token_cost": 2.5e-07, "cache_creation_input_token_cost": 3.125e-06,
             "input_cost_per_audio_token": 5e-06, "input_cost_per_audio_token_above_200k_tokens": 5e-06 }"#,
    );
    assert_eq!(of_sound.tiers, [Tier { above_input_tokens: 200_000, rates: of_sound.base }]);
    // As gemini-3-pro-image: an image costs ten times the text, at each service tier, and for longer prompts what it did.
    let of_images = price(
        r#"{ "output_cost_per_image_token": 1e-04, "cache_creation_input_token_cost": 3.125e-06,
             "cache_creation_input_token_cost_above_1hr": 4e-06,
             "input_cost_per_audio_token": 5e-06, "output_cost_per_token_above_200k_tokens": 1.5e-05,
             "input_cost_per_token_flex": 1.25e-06, "output_cost_per_token_flex": 5e-06,
             "input_cost_per_token_priority": 5e-06, "output_cost_per_token_priority": 2e-05,
             "output_cost_per_token_above_200k_tokens_priority": 3e-05 }"#,
    );
    assert_eq!(of_images.tiers[0].rates.image_output, 100_000_000);
    let found: Vec<_> = of_images
        .service_tiers
        .iter()
        .map(|tier| {
            let rates = tier.base;
            (rates.image_output, rates.audio_input, rates.cache_write, rates.long_cache_write)
        })
        .collect();
    assert_eq!(
        found,
        [(200_000_000, Some(10_000_000), 6_250_000, 8_000_000), (50_000_000, Some(2_500_000), 1_562_500, 2_000_000),]
    );
    assert_eq!(of_images.service_tiers[0].tiers[0].rates.image_output, 200_000_000);
}

#[test]
fn costs_with_the_rest_of_float_arithmetic_are_rounded_and_reported() {
    let noise = r#"{ "input_cost_per_token": 1.0000000000000001e-07, "output_cost_per_token": 9.499999999999999E-7 }"#;
    let range = r#"{ "tiered_pricing": [{ "range": [0, 9], "input_cost_per_token": 2.9999900000000002e-06,
                     "output_cost_per_token": 1e-05 }] }"#;
    for (changes, each, rounded) in [
        ("{}", (2_500_000, 10_000_000), 0),
        (noise, (100_000, 950_000), 1),
        (range, (2_999_990, 10_000_000), 1),
        (r#"{ "output_cost_per_token": 1.1428571428571428e-06 }"#, (2_500_000, 1_142_858), 1),
        (r#"{ "input_cost_per_token_above_200k_tokens": 5.0000000000000004e-06 }"#, (2_500_000, 10_000_000), 1),
        // No cost that is read.
        (r#"{ "output_cost_per_token_decisions": 5.0000000000000004e-06 }"#, (2_500_000, 10_000_000), 0),
        // The same price as that of text, up to the rest.
        (r#"{ "input_cost_per_video_token": 2.5000000000000001e-06 }"#, (2_500_000, 10_000_000), 0),
    ] {
        let base = price(changes).base;
        assert_eq!((base.input, base.output), each, "{changes}");
        let report = read(&file(changes)).unwrap().report;
        assert_eq!(report.rounded.len(), rounded, "{changes}");
        assert_eq!(report.text(false).contains("rounded to a pico-USD"), rounded > 0, "{changes}");
    }
    let video = read(&file(r#"{ "input_cost_per_video_token": 2.5000000000000001e-06 }"#)).unwrap();
    assert_eq!(video.report.in_part.len(), 0);
}

#[test]
fn an_answer_that_is_said_to_have_no_tokens_and_costs_nothing_needs_no_bound() {
    // Embeddings that the file calls chat.
    let embedding = price(r#"{ "max_output_tokens": 0, "max_input_tokens": 0, "output_cost_per_token": 0.0 }"#);
    assert_eq!((embedding.max_output_tokens, embedding.base.output), (0, 0));
    for unknown in ["null", "\"\""] {
        let changes = format!(r#"{{ "max_output_tokens": {unknown}, "output_cost_per_token": 0.0 }}"#);
        assert!(read(&file(&changes)).is_err(), "{unknown}");
    }
}
