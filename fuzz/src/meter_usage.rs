//! The counts that an answer states: whole or in a stream they are the same, no part is more than what it is part of, and what
//! is within the bounds of the call costs no more than its hold.

use bytes::Bytes;
use serde_json::value::RawValue;
use tollgate::{
    domain::{
        price::{Images, Most},
        route::Meter,
    },
    meter::{Asked, Format, Reading, Taken, Ways, format},
};

use super::{
    choice,
    metering::{meter, price},
};

/// `data` is the format, and the JSON of a usage.
pub fn run(data: &[u8]) {
    let (kind, usage) = choice(data);
    let meter = meter(kind);
    let (Some(format), Ok(usage)) = (format(meter), std::str::from_utf8(usage)) else { return };
    let name = match meter {
        Meter::GeminiGenerate => "usageMetadata",
        _ => "usage",
    };
    let answer = format!(r#"{{"{name}":{usage}}}"#);
    let whole = taken(format, &answer);
    check(format, &whole);
    // A line end within it would end a line of the event.
    if usage.contains(['\n', '\r']) || serde_json::from_str::<&RawValue>(usage).is_err() {
        return;
    }
    assert_eq!(taken(format, &format!("data: {answer}\n\n")), whole, "{meter:?}: as one event");
    if !whole.estimated {
        assert_eq!(taken(format, &format!("data: {answer}\n\ndata: {answer}\n\n")), whole, "{meter:?}: said twice");
    }
}

fn taken(format: &'static Format, answer: &str) -> Taken {
    let request = br#"{"model":"m","stream":true,"max_tokens":500,"stream_options":{"include_usage":true}}"#;
    let asked = Asked::read(format, "/models/m", Bytes::from_static(request), &|_| false);
    let asked = asked.unwrap_or_else(|_| panic!("a plain request"));
    let bound = asked.bound(&[&price("1")], Ways::default()).unwrap_or_else(|_| panic!("a plain request"));
    // Sound may begin with anything, so that only its label says of it that it is events.
    let label = answer.starts_with("data: ").then_some("text/event-stream");
    let mut reading = Reading::new(bound, label, None);
    let passed = [reading.pass(Bytes::copy_from_slice(answer.as_bytes())), reading.rest()].concat();
    assert!(passed == answer.as_bytes(), "the client's bytes are touched: {passed:?}");
    reading.taken()
}

fn check(format: &'static Format, taken: &Taken) {
    let (usage, extras) = (&taken.usage, &taken.extras);
    assert!(usage.cached_tokens + usage.cache_write_tokens <= usage.input_tokens);
    assert!(usage.reasoning_tokens <= usage.output_tokens);
    assert!(extras.long_cache_write_tokens <= usage.cache_write_tokens);
    assert!(extras.audio_input_tokens.max(extras.image_input_tokens) <= usage.input_tokens);
    assert!(extras.audio_output_tokens.max(extras.image_output_tokens) <= usage.output_tokens);
    let price = price("1");
    let most = Most {
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        has_long_cache: true,
        images: Images::Any,
        has_sound: true,
        service_tiers: &[],
        calls: extras.calls,
    };
    let cost = price.cost(usage, extras, None).expect("a cost that can be counted");
    assert!(cost <= price.bound(&most).expect("a hold that can be counted"), "{format:?}: {taken:?}");
}
