//! The table of cases: what is asked, what is answered, what that took and what it costs, to the pico-USD.

mod attacked;
mod bare;
mod delivered;
mod dialects;
mod elsewhere;
mod foreign;
mod found;
mod kept;
mod later;
mod misread;
mod named;
mod reported;
mod retold;
mod served;
mod shown;
mod stated;

use bytes::Bytes;

use super::{Asked, Reading, Taken, Ways, format};
use crate::domain::{
    price::{Most, Price, PriceSpec},
    route::Meter,
};

/// One call.
struct Case {
    name: &'static str,
    meter: Meter,
    /// Members of the request besides the model.
    asked: String,
    answer: String,
    label: Option<&'static str>,
    /// Input, cached, cache writes, output.
    counts: [u64; 4],
    /// Pico-USD at the prices of `m1`; of an estimate it is not looked at.
    cost: i64,
    estimated: bool,
}

/// USD a million tokens: 1 in, 10 out, 0.1 cached, 1.25 cache write; sound 4 in and 40 out, images 2 in and 20 out; 1,000 out,
/// 100,000 in.
fn m1() -> Price {
    let spec = PriceSpec {
        model: "m1".into(),
        input_usd: "1".into(),
        output_usd: "10".into(),
        cached_input_usd: Some("0.1".into()),
        cache_write_usd: Some("1.25".into()),
        audio_input_usd: Some("4".into()),
        audio_output_usd: Some("40".into()),
        image_input_usd: Some("2".into()),
        image_output_usd: Some("20".into()),
        max_output_tokens: 1_000,
        max_input_tokens: Some(100_000),
        ..PriceSpec::default()
    };
    spec.price().unwrap()
}

const SSE: Option<&str> = Some("text/event-stream");
const JSON: Option<&str> = Some("application/json");

fn whole(name: &'static str, meter: Meter, usage: &str, counts: [u64; 4], cost: i64) -> Case {
    let answer = format!(r#"{{"id":"x","model":"m1","choices":[{{"message":{{"content":""}}}}],"usage":{usage}}}"#);
    Case { name, meter, asked: String::new(), answer, label: JSON, counts, cost, estimated: false }
}

fn stream(name: &'static str, meter: Meter, events: &[&str], counts: [u64; 4], cost: i64) -> Case {
    let answer = events.iter().flat_map(|event| ["data: ", event, "\n\n"]).collect();
    Case { name, meter, asked: r#","stream":true"#.into(), answer, label: SSE, counts, cost, estimated: false }
}

fn answer(answer: impl Into<String>, case: Case) -> Case {
    Case { answer: answer.into(), ..case }
}

fn estimated(case: Case) -> Case {
    Case { estimated: true, ..case }
}

fn labelled(label: Option<&'static str>, case: Case) -> Case {
    Case { label, ..case }
}

fn asking(asked: &str, case: Case) -> Case {
    Case { asked: asked.to_owned(), ..case }
}

fn cases() -> Vec<Case> {
    [
        stated::thoughts(),
        stated::caches(),
        stated::names(),
        stated::messages(),
        stated::streams(),
        stated::formats(),
        stated::media(),
        reported::answers(),
        reported::streams(),
        delivered::texts(),
        delivered::forms(),
        delivered::no_counts(),
        found::counts(),
        found::streams(),
        found::texts(),
        found::nothing(),
        later::answers(),
        later::of_clouds(),
        later::streams(),
        later::other_streams(),
        dialects::loose(),
        dialects::words(),
        dialects::others(),
        dialects::empty(),
        kept::counts(),
        kept::streams(),
        kept::texts(),
        kept::cut(),
        misread::counts(),
        misread::other_counts(),
        misread::behind(),
        misread::failures(),
        misread::cut(),
        attacked::delivered(),
        attacked::failed(),
        attacked::names(),
        attacked::places(),
        shown::without_usage(),
        shown::with_usage(),
        elsewhere::of_cohere(),
        elsewhere::of_bedrock(),
        elsewhere::of_google(),
        foreign::broken_off(),
        foreign::beside(),
        foreign::short(),
        foreign::failed(),
        foreign::pages(),
        bare::transcripts(),
        bare::data(),
        bare::usage(),
        retold::names(),
        retold::providers(),
        retold::streams(),
        served::by_tools(),
        served::failed(),
        served::interactions(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn read(case: &Case, pieces: &[&[u8]]) -> (Vec<u8>, Taken) {
    let prompt = if case.meter == Meter::OpenaiResponses { "input" } else { "messages" };
    let body = format!(
        r#"{{"model":"m1","{prompt}":[{{"role":"user","content":"How long is it, and why?"}}]{}}}"#,
        case.asked
    );
    let path = "/v1beta/models/m1:generateContent";
    let asked = Asked::read(format(case.meter).unwrap(), path, body.into(), &|_| false).unwrap();
    let bound = asked.bound(&[&m1()], Ways::default()).unwrap();
    let mut reading = Reading::new(bound, case.label, None);
    let mut passed = vec![];
    for piece in pieces {
        passed.extend_from_slice(&reading.pass(Bytes::copy_from_slice(piece)));
    }
    passed.extend_from_slice(&reading.rest());
    (passed, reading.taken())
}

#[test]
fn every_case_of_the_table_is_counted_and_billed_right_wherever_it_is_cut() {
    let cases = cases();
    assert!(cases.len() > 120, "{}", cases.len());
    let is_wrong = |case: &&Case| std::panic::catch_unwind(|| check(case)).is_err();
    let wrong: Vec<&str> = cases.iter().filter(is_wrong).map(|case| case.name).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Panics where the case comes out wrong.
fn check(case: &Case) {
    let answer = case.answer.as_bytes();
    let (passed, taken) = read(case, &[answer]);
    let usage = taken.usage;
    if taken.failed {
        assert_eq!(case.counts, [0; 4], "{}: {taken:?}", case.name);
    } else {
        let counts = [usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens, usage.output_tokens];
        assert_eq!((counts, taken.estimated), (case.counts, case.estimated), "{}", case.name);
        let cost = m1().cost(&usage, &taken.extras, taken.tier.as_deref()).unwrap().pusd();
        assert!(case.estimated || cost == case.cost, "{}: {cost} for {}", case.name, case.cost);
    }
    for at in 0..=answer.len() {
        let (head, tail) = answer.split_at(at);
        assert_eq!(read(case, &[head, tail]), (passed.clone(), taken.clone()), "{} cut at {at}", case.name);
    }
    assert_eq!(read(case, &answer.chunks(1).collect::<Vec<_>>()), (passed, taken), "{}", case.name);
}

#[test]
fn a_hold_covers_the_hour_in_the_cache_and_no_more_where_none_is_asked_for() {
    let hold = |members: &str| {
        let body = format!(r#"{{"model":"m1","max_tokens":10,"system":[{{"type":"text","text":"x"{members}}}]}}"#);
        let asked = Asked::read(format(Meter::AnthropicMessages).unwrap(), "/", body.into(), &|_| false).unwrap();
        let bound = asked.bound(&[&m1()], Ways::default()).unwrap();
        let most = Most {
            input_tokens: 1_000,
            output_tokens: 0,
            has_long_cache: bound.kept.has_long_cache,
            ..Most::default()
        };
        m1().bound(&most).unwrap().pusd()
    };
    assert_eq!(hold(r#","cache_control":{"type":"ephemeral"}"#), 1_250_000_000);
    assert_eq!(hold(r#","cache_control":{"type":"ephemeral","ttl":"1h"}"#), 2_000_000_000);
}
