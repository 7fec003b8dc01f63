use serde_json::{Value, json};

use super::*;
use crate::domain::price::{Price, Rates, Tier, list::PriceList};

/// A file of one model: a plain one, with changes; a change to null takes a field away.
pub(super) fn file(changes: &str) -> String {
    let mut model: Value = json!({
        "mode": "chat", "max_output_tokens": 16_384, "max_input_tokens": 128_000,
        "input_cost_per_token": "INPUT", "output_cost_per_token": "OUTPUT",
    });
    // Numbers stay text, as they are in a file.
    let changes: std::collections::BTreeMap<String, &serde_json::value::RawValue> =
        serde_json::from_str(changes).unwrap();
    let mut fields: Vec<String> = vec![];
    for (name, value) in &changes {
        model.as_object_mut().unwrap().remove(name);
        if value.get() != "null" {
            fields.push(format!("{name:?}: {value}"));
        }
    }
    let plain = model.as_object().unwrap().iter().map(|(name, value)| format!("{name:?}: {value}"));
    let plain = plain.collect::<Vec<_>>().join(", ").replace("\"INPUT\"", "2.5e-06").replace("\"OUTPUT\"", "1e-05");
    let fields = [vec![plain], fields].concat();
    format!("{{\"m\": {{{}}}}}", fields.into_iter().filter(|field| !field.is_empty()).collect::<Vec<_>>().join(", "))
}

fn taken(text: &str) -> PriceFile {
    read(text).unwrap_or_else(|bad| panic!("{bad}\n{text}"))
}

pub(super) fn price(changes: &str) -> Price {
    let difference = taken(&file(changes)).change.difference(PriceList::new());
    difference.added[0].price().unwrap()
}

/// Why the model of a file of one is not taken.
fn reason(changes: &str) -> String {
    let bad = read(&file(changes)).expect_err(changes);
    bad.reason.lines().last().unwrap().trim().to_owned()
}

fn not_billed(changes: &str) -> Vec<String> {
    taken(&file(changes)).report.in_part.into_keys().collect()
}

#[test]
fn costs_are_read_to_the_last_pico_usd_from_the_text() {
    let rates = price("{}").base;
    assert_eq!((rates.input, rates.output, rates.cached_input), (2_500_000, 10_000_000, 2_500_000));
    for (text, pusd) in [
        ("1.5e-07", 150_000),
        ("0.000000000001", 1),
        ("1E-12", 1),
        ("1.12497e-06", 1_124_970),
        ("0.00015", 150_000_000),
        ("0.0000100", 10_000_000),
    ] {
        assert_eq!(price(&format!("{{\"input_cost_per_token\": {text}}}")).base.input, pusd, "{text}");
    }
}

#[test]
fn every_part_and_every_tier_of_a_price_is_taken() {
    let full = price(
        r#"{ "cache_read_input_token_cost": 1.25e-06, "cache_creation_input_token_cost": 3.125e-06,
             "output_cost_per_reasoning_token": 2e-05, "input_cost_per_request": 0.005,
             "input_cost_per_token_above_200k_tokens": 5e-06, "output_cost_per_token_above_200k_tokens": 1.5e-05,
             "cache_read_input_token_cost_above_200k_tokens": 2.5e-06,
             "input_cost_per_token_above_32k_tokens": 3e-06 }"#,
    );
    let base = Rates {
        input: 2_500_000,
        cached_input: 1_250_000,
        cache_write: 3_125_000,
        long_cache_write: 5_000_000,
        output: 10_000_000,
        reasoning: 20_000_000,
        audio_input: None,
        audio_output: None,
        image_input: 2_500_000,
        image_output: 10_000_000,
    };
    assert_eq!((full.base, full.per_call.to_string().as_str()), (base, "0.005"));
    assert_eq!((full.max_output_tokens, full.max_input_tokens), (16_384, Some(128_000)));
    // What a tier does not say of a part is the same share of the whole.
    let short = Rates {
        input: 3_000_000,
        cached_input: 1_500_000,
        cache_write: 3_750_000,
        long_cache_write: 6_000_000,
        image_input: 3_000_000,
        ..base
    };
    let long = Rates {
        input: 5_000_000,
        cached_input: 2_500_000,
        cache_write: 6_250_000,
        long_cache_write: 10_000_000,
        output: 15_000_000,
        reasoning: 30_000_000,
        audio_input: None,
        audio_output: None,
        image_input: 5_000_000,
        image_output: 15_000_000,
    };
    let tier = |above_input_tokens, rates| Tier { above_input_tokens, rates };
    assert_eq!(full.tiers, [tier(32_000, short), tier(200_000, long)]);
}

#[test]
fn prices_by_range_are_taken_where_the_ranges_follow_each_other() {
    let ranges = |second: &str| {
        format!(
            r#"{{ "input_cost_per_token": null, "output_cost_per_token": null, "tiered_pricing": [
                {{ "range": [0, 256e3], "input_cost_per_token": 5e-08, "output_cost_per_token": 4e-07 }},
                {{ "range": {second}, "input_cost_per_token": 2.5e-07, "output_cost_per_token": 2e-06,
                   "cache_read_input_token_cost": 5e-08 }}] }}"#
        )
    };
    let price = price(&ranges("[256000.0, 1000000.0]"));
    assert_eq!((price.base.input, price.base.output), (50_000, 400_000));
    let long = Rates {
        input: 250_000,
        cached_input: 50_000,
        cache_write: 250_000,
        long_cache_write: 400_000,
        output: 2_000_000,
        reasoning: 2_000_000,
        audio_input: None,
        audio_output: None,
        image_input: 250_000,
        image_output: 2_000_000,
    };
    assert_eq!(price.tiers, [Tier { above_input_tokens: 256_000, rates: long }]);
    for second in ["[128000, 1000000]", "[256000, 256000]", "[256000]", "256000", "[-1, 1]", "null"] {
        assert!(reason(&ranges(second)).ends_with("cannot bill: tiered_pricing"), "{second}");
    }
    for (list, why) in [
        ("[]", "tiered_pricing"),
        ("0.004", "tiered_pricing"),
        (r#"[{ "range": [0, 9], "input_cost_per_token": 1e-6 }]"#, "output_cost_per_token is missing"),
        (
            r#"[{ "range": [0, 9], "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6,
                  "input_cost_per_query": 0.005 }]"#,
            "cannot bill: input_cost_per_query",
        ),
    ] {
        assert!(reason(&format!("{{ \"tiered_pricing\": {list} }}")).contains(why), "{list}");
    }
}

#[test]
fn a_part_that_costs_nothing_is_billed_as_the_whole() {
    let rates = price(r#"{ "cache_creation_input_token_cost": 0.0, "cache_read_input_token_cost": 0 }"#).base;
    assert_eq!((rates.cache_write, rates.cached_input), (2_500_000, 2_500_000));
    assert_eq!(price(r#"{ "input_cost_per_token_cache_hit": 1e-07 }"#).base.cached_input, 100_000);
}

#[test]
fn the_bound_of_an_answer_is_looked_for_and_an_embedding_needs_none() {
    let older = r#"{ "max_output_tokens": null, "max_tokens": 4096.0 }"#;
    assert_eq!(price(older).max_output_tokens, 4096);
    let embedding = r#"{ "mode": "embedding", "max_output_tokens": null, "output_cost_per_token": null }"#;
    let embedding = price(embedding);
    assert_eq!((embedding.max_output_tokens, embedding.base.output), (0, 0));
    assert_eq!(price(r#"{ "max_input_tokens": 0 }"#).max_input_tokens, None);
}

/// Fields of a model besides a plain one's; then USD a million tokens in, out, of sound in and out, of images in and out, the
/// price of a call, and the longest answer.
#[test]
fn models_of_every_meter_are_taken_in_the_units_that_they_are_billed_by() {
    let none = r#""input_cost_per_token": null, "output_cost_per_token": null, "max_output_tokens": null"#;
    let own = |fields: &str| format!("{{ {none}, {fields} }}");
    let million = |pusd: u64| pusd / 1_000;
    for (changes, [input, output, heard, spoken, seen, drawn, per_call, longest]) in [
        (
            // gpt-image-1
            own(r#""mode": "image_generation", "input_cost_per_token": 5e-06, "input_cost_per_image_token": 1e-05,
                "output_cost_per_image_token": 4e-05, "output_cost_per_image": 0.04 "#)
            .replacen(r#""input_cost_per_token": null, "#, "", 1),
            [5_000, 40_000, 0, 0, 10_000, 40_000, 0, 10_000],
        ),
        (
            // gpt-4o-transcribe
            r#"{ "mode": "audio_transcription", "input_cost_per_audio_token": 6e-06, "input_cost_per_second": 0.0001 }"#
                .into(),
            [2_500, 10_000, 6_000, 0, 2_500, 10_000, 0, 16_384],
        ),
        (
            // whisper-1
            own(r#""mode": "audio_transcription", "input_cost_per_second": 0.0001, "output_cost_per_second": 0.0001"#),
            [100_000, 0, 0, 0, 100_000, 0, 0, 0],
        ),
        (own(r#""mode": "audio_speech", "input_cost_per_character": 1.5e-05"#), [15_000, 0, 0, 0, 15_000, 0, 0, 0]),
        (
            // gpt-4o-mini-tts
            r#"{ "mode": "audio_speech", "output_cost_per_audio_token": 1.2e-05, "output_cost_per_second": 0.00025,
                 "max_output_tokens": null }"#
                .into(),
            [2_500, 10_000, 0, 12_000, 2_500, 10_000, 0, 20_000],
        ),
        (
            // rerank-v3.5
            r#"{ "mode": "rerank", "input_cost_per_query": 0.002, "input_cost_per_token": 0.0, "output_cost_per_token": 0.0 }"#
                .into(),
            [0, 0, 0, 0, 0, 0, 2_000_000, 0],
        ),
        // imagen-4
        (own(r#""mode": "image_generation", "output_cost_per_image": 0.04"#), [0, 0, 0, 0, 0, 0, 40_000_000, 0]),
        // stable-image
        (own(r#""mode": "image_edit", "input_cost_per_image": 0.01, "output_cost_per_image": 0.04"#), [0, 0, 0, 0, 0, 0, 50_000_000, 0]),
        // flash-image
        (r#"{ "mode": "image_generation", "output_cost_per_image": 0.039 }"#.into(), [2_500, 10_000, 0, 0, 2_500, 10_000, 39_000_000, 16_384]),
        (r#"{ "mode": "rerank", "output_cost_per_token": 0.0 }"#.into(), [2_500, 0, 0, 0, 2_500, 0, 0, 0]),
    ] {
        let Price { base, per_call: each, max_output_tokens, .. } = price(&changes);
        let rates = [base.input, base.output, base.audio_input.unwrap_or(0), base.audio_output.unwrap_or(0)];
        let rates = [rates, [base.image_input, base.image_output, 0, 0]].concat();
        let found: Vec<u64> = rates.iter().take(6).map(|rate| million(*rate)).collect();
        assert_eq!(found, [input, output, heard, spoken, seen, drawn], "{changes}");
        assert_eq!((each.pusd() / 1_000, max_output_tokens), (i64::try_from(per_call).unwrap(), longest), "{changes}");
        assert_eq!(not_billed(&changes), Vec::<String>::new(), "{changes}");
    }
}

#[test]
fn each_model_that_is_not_taken_has_its_reason() {
    for (changes, why) in [
        (r#"{ "mode": null }"#, "mode is not said"),
        (r#"{ "mode": 7 }"#, "mode is not said"),
        (r#"{ "mode": "video_generation" }"#, "mode video_generation"),
        (r#"{ "mode": "moderation" }"#, "mode moderation"),
        (r#"{ "mode": "image_generation", "input_cost_per_pixel": 1e-8 }"#, "cannot bill: input_cost_per_pixel"),
        (r#"{ "mode": "image_generation", "output_cost_per_image": 1000 }"#, "is absurdly high"),
        (
            r#"{ "mode": "audio_transcription", "input_cost_per_token": null, "output_cost_per_token": null }"#,
            "input_cost_per_second is missing",
        ),
        (
            r#"{ "mode": "audio_transcription", "output_cost_per_token": null, "input_cost_per_second": 1 }"#,
            "input_cost_per_second is absurdly high",
        ),
        (r#"{ "mode": "rerank", "input_cost_per_query": 1000 }"#, "is absurdly high"),
        (r#"{ "input_cost_per_token": null }"#, "input_cost_per_token is missing"),
        (r#"{ "output_cost_per_token": null }"#, "output_cost_per_token is missing"),
        (r#"{ "input_cost_per_token": -1e-06 }"#, "input_cost_per_token is negative"),
        (r#"{ "output_cost_per_token": "1e-06" }"#, "output_cost_per_token is no number"),
        (r#"{ "output_cost_per_token": [1e-06] }"#, "output_cost_per_token is no number"),
        (r#"{ "input_cost_per_token": 1.41953125e-07 }"#, "finer than a pico-USD"),
        (r#"{ "input_cost_per_token": 1e-400 }"#, "finer than a pico-USD"),
        (r#"{ "input_cost_per_token": 3 }"#, "input_cost_per_token is absurdly high"),
        (r#"{ "input_cost_per_token": 1e300 }"#, "input_cost_per_token is absurdly high"),
        (r#"{ "input_cost_per_token_above_200k_tokens": 0 }"#, "costs nothing"),
        (r#"{ "input_cost_per_token": 0, "output_cost_per_token": 0.0 }"#, "costs nothing"),
        (r#"{ "max_output_tokens": null }"#, "max_output_tokens is missing"),
        (r#"{ "max_output_tokens": 0 }"#, "mode chat: max_output_tokens is missing"),
        (
            r#"{ "mode": "audio_transcription", "max_output_tokens": null }"#,
            "mode audio_transcription: max_output_tokens",
        ),
        (r#"{ "max_output_tokens": "many" }"#, "max_output_tokens is no number"),
        (r#"{ "max_output_tokens": 1.5 }"#, "max_output_tokens is no number"),
        (r#"{ "max_output_tokens": 1000000000 }"#, "not a price: /max_output_tokens"),
        (r#"{ "input_cost_per_request": 1000 }"#, "input_cost_per_request is absurdly high"),
        (
            r#"{ "input_cost_per_token_above_99999999999999999999k_tokens": 1e-6 }"#,
            "cannot bill: input_cost_per_token_above",
        ),
    ] {
        let found = reason(changes);
        assert!(found.contains(why), "{changes}: {found}");
    }
}

#[test]
fn a_cost_that_cannot_be_billed_is_never_dropped_in_silence() {
    for field in [
        "input_cost_per_image",
        "input_cost_per_second",
        "output_cost_per_image",
        "output_cost_per_video_token",
        "input_cost_per_query",
        "citation_cost_per_token",
        "some_new_pricing",
    ] {
        for value in ["0.004", "\"0.004\"", "[{\"input_cost_per_token\": 1e-07}]"] {
            assert!(reason(&format!("{{ \"{field}\": {value} }}")).contains(field), "{field} {value}");
        }
        for value in ["0.0", "0", "null"] {
            assert_eq!(not_billed(&format!("{{ \"{field}\": {value} }}")), Vec::<String>::new(), "{field} {value}");
        }
    }
    for media in ["output_cost_per_audio_token", "input_cost_per_image_token", "output_cost_per_image_token"] {
        assert_eq!(not_billed(&format!("{{ \"{media}\": 5e-05 }}")), Vec::<String>::new());
    }
    for (changes, what) in [
        (r#"{ "input_cost_per_token_decisions": 5e-06 }"#, "service tier"),
        (r#"{ "cache_creation_input_token_cost_above_12hr": 5e-06 }"#, "longer than an hour"),
        (r#"{ "cache_creation_input_token_cost_above_12hr_ultrafast": 5e-06 }"#, "longer than an hour"),
        (r#"{ "input_cost_per_video_token": 5e-06 }"#, "video, or sound"),
        (r#"{ "search_context_cost_per_query": { "search_context_size_low": 0.01 } }"#, "tools"),
        (r#"{ "provider_specific_entry": { "us": 1.1 } }"#, "surcharge"),
    ] {
        let found = not_billed(changes);
        assert!(found.len() == 1 && found[0].contains(what), "{changes}: {found:?}");
    }
    for harmless in [
        r#"{ "input_cost_per_token_batches": 1e-06, "output_cost_per_token_flex": 1e-06 }"#,
        r#"{ "cache_creation_input_token_cost_above_1hr": 2.5e-06 }"#,
        r#"{ "input_cost_per_image_token": 2.5e-06, "input_dbu_cost_per_token": 3e-05 }"#,
        r#"{ "citation_cost_per_token": 2.5e-06, "output_cost_per_reasoning_token": 3e-06 }"#,
        r#"{ "supports_computer_use": true, "litellm_provider": "x1", "source": "https://x/pricing2" }"#,
    ] {
        assert_eq!(not_billed(harmless), Vec::<String>::new(), "{harmless}");
    }
}

#[test]
fn a_file_is_sorted_into_what_is_taken_and_what_is_not() {
    let good = r#"{"mode":"chat","max_tokens":1,"input_cost_per_token":1e-6,"output_cost_per_token":1e-6}"#;
    let twice = good.replace("\"mode\":\"chat\"", "\"mode\":\"chat\",\"mode\":\"chat\"");
    let long = "x".repeat(10 << 20);
    let text = format!(
        r#"{{"sample_spec": {{"mode": "one of"}}, "a": {good}, "b": {good}, "b": {good}, "c": {twice}, "d": 7,
            "": {good}, "{long}": {good}, "e\u0000": {good}, "\u0065-": {good}}}"#
    );
    let file = taken(&text);
    assert_eq!(file.report.taken, ["a", "e-"]);
    let counts: Vec<(&str, usize)> =
        file.report.skipped.iter().map(|(reason, names)| (reason.as_str(), names.len())).collect();
    let expected = [
        ("its name is empty, too long or has control characters", 3),
        ("named more than once in the file", 1),
        ("not an object whose fields are all different", 2),
    ];
    assert_eq!(counts, expected);
    assert!(file.report.text(true).len() < 2_000);
}

#[test]
fn another_name_of_a_model_has_its_price() {
    let real = r#"{"mode":"chat","max_tokens":1,"input_cost_per_token":1e-6,"output_cost_per_token":2e-6}"#;
    let text = format!(
        r#"{{"latest": {{"alias_of": "real"}}, "real": {real}, "later": {{"alias_of": "latest"}},
            "circle": {{"alias_of": "circle"}}, "gone": {{"alias_of": "nobody"}},
            "twice": {real}, "twice": {real}, "of-twice": {{"alias_of": "twice"}}}}"#
    );
    let file = taken(&text);
    assert_eq!(file.report.taken, ["latest", "real", "later"]);
    let skipped = [
        ("another name of nobody, of which the file has nothing".to_owned(), vec!["gone".to_owned()]),
        ("its mode is not said".to_owned(), vec!["circle".to_owned()]),
        ("named more than once in the file".to_owned(), vec!["twice".to_owned(), "of-twice".to_owned()]),
    ];
    assert_eq!(file.report.skipped, std::collections::BTreeMap::from(skipped));
    let added = file.change.difference(PriceList::new()).added;
    assert!(added.len() == 3 && added.iter().all(|spec| spec.output_usd == "2"), "{added:?}");
}

#[test]
fn a_file_that_is_no_json_or_has_nothing_to_take_is_refused() {
    for (text, place, reason) in [
        ("{", "line 1", "EOF"),
        ("{\n\"a\": NaN}", "line 2", "expected value"),
        ("{}", "file", "no price to take"),
        (r#"{"sample_spec": {}}"#, "file", "no price to take"),
        (r#"{"data": [{"id": "m", "pricing": {"prompt": "0.1"}}]}"#, "file", "must be as LiteLLM's"),
        ("{} {}", "line 1", "trailing"),
    ] {
        let bad = read(text).unwrap_err();
        assert!(bad.place == place && bad.reason.contains(reason), "{text}: {bad}");
    }
}
