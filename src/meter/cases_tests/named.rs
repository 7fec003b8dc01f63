//! The examples by which the classes of mistakes were named, at the prices of the built-in table: what they are held at and what
//! they cost.

use bytes::Bytes;

use crate::{
    domain::{
        money::Money,
        price::{
            Price,
            file::{self, BUILT_IN},
            list::PriceList,
        },
        route::Meter,
    },
    meter::{Asked, Reading, Taken, Ways, format},
};

fn built_in(model: &str) -> Option<Price> {
    let all = file::read(BUILT_IN).unwrap().change.difference(PriceList::new()).added;
    all.iter().find(|spec| spec.model == model).map(|spec| spec.price().unwrap())
}

/// What the call is held at, what it took and what it costs.
fn call(meter: Meter, price: &Price, request: String, answer: &str) -> (String, Taken, String) {
    let asked = Asked::read(format(meter).unwrap(), "/", request.into(), &|_| false).unwrap();
    let bound = asked.bound(&[price], Ways::default()).unwrap();
    let hold = price.bound(&bound.most()).unwrap();
    let mut reading = Reading::new(bound, None, None);
    drop(reading.pass(Bytes::copy_from_slice(answer.as_bytes())));
    let taken = reading.taken();
    let cost = price.cost(&taken.usage, &taken.extras, taken.tier.as_deref()).unwrap();
    (hold.to_string(), taken, cost.to_string())
}

#[test]
fn counts_above_the_table_cost_what_they_say() {
    let input = vec!["word ".repeat(1_000); 100];
    let request = serde_json::json!({ "model": "text-embedding-3-small", "input": input }).to_string();
    let bytes = request.len();
    let price = built_in("text-embedding-3-small").unwrap();
    let answer = r#"{"data":[{"embedding":[0]}],"usage":{"prompt_tokens":100000,"total_tokens":100000}}"#;
    let (hold, taken, cost) = call(Meter::OpenaiEmbeddings, &price, request, answer);
    assert_eq!((cost.as_str(), taken.estimated), ("0.002", false));
    let amount: Money = hold.parse().unwrap();
    assert_eq!(amount.pusd(), i64::try_from(bytes + 100).unwrap() * 20_000, "a token a byte, at 0.02 a million");
    let price = built_in("claude-sonnet-4-5").unwrap();
    let request = r#"{"model":"claude-sonnet-4-5","max_tokens":100,"messages":[{"role":"user","content":"Hi"}]}"#;
    let answer =
        r#"{"content":[{"text":"a"}],"usage":{"input_tokens":5,"cache_read_input_tokens":390000,"output_tokens":100}}"#;
    assert_eq!(call(Meter::AnthropicMessages, &price, request.into(), answer).2, "0.118515");
}

#[test]
fn names_that_pin_a_model_have_a_price_and_others_have_none() {
    let pinned = built_in("gpt-4o-mini-2024-07-18").unwrap();
    assert_eq!(pinned, built_in("gpt-4o-mini").unwrap());
    assert_ne!(built_in("gpt-4o-2024-05-13").unwrap().base, built_in("gpt-4o").unwrap().base);
    assert_eq!(built_in("gpt-4o-mini-2099-01-01"), None);
}

#[test]
fn a_stream_that_is_reset_costs_its_words() {
    let price = built_in("demo").unwrap();
    let request = r#"{"model":"demo","stream":true,"messages":[{"role":"user","content":"Hi"}]}"#;
    let filtered = "data: {\"choices\":[{\"content_filter_results\":{\"hate\":{\"filtered\":false,\"severity\":\"safe\"},\"self_harm\":{\"filtered\":false,\"severity\":\"safe\"}},\"delta\":{\"content\":\" word\"},\"index\":0}]}\n\n";
    let taken = call(Meter::OpenaiChat, &price, request.into(), &filtered.repeat(40)).1;
    assert_eq!((taken.usage.output_tokens, taken.estimated), (40, true));
    let cited = "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"citations_delta\",\"citation\":{\"cited_text\":\"some words that are cited\"}}}\n\n";
    let said = "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\" word\"}}\n\n";
    let stream = [cited.repeat(90), said.repeat(30)].concat();
    assert_eq!(call(Meter::AnthropicMessages, &price, request.into(), &stream).1.usage.output_tokens, 30);
}

#[test]
fn a_rule_that_compacts_is_held_with_its_own_call() {
    let price = built_in("claude-sonnet-4-5").unwrap();
    let request = |rules: &str| {
        format!(
            r#"{{"model":"claude-sonnet-4-5","max_tokens":100,"messages":[{{"role":"user","content":"Hi"}}],"pad":"{rules}"}}"#
        )
    };
    let plain = request("compact").replace("\"pad\":\"compact\"", r#""other":{"edits":[{"type":"compact_20260112"}]}"#);
    let compacting = request("compact")
        .replace("\"pad\":\"compact\"", r#""context_management":{"edits":[{"type":"compact_20260112"}]}"#);
    let answer = r#"{"content":[],"usage":{"input_tokens":1,"output_tokens":1}}"#;
    let hold = |request: String| {
        let held: Money = call(Meter::AnthropicMessages, &price, request, answer).0.parse().unwrap();
        held.pusd()
    };
    assert!(hold(compacting) > hold(plain) + 900_000_000_000, "the longest answer of the model comes on top");
}

#[test]
fn a_tier_of_the_built_in_table_costs_what_it_says() {
    let price = built_in("gpt-5.6").unwrap();
    for (tier, cost) in [("default", "0.0008"), ("flex", "0.0004"), ("priority", "0.0016")] {
        let request = format!(r#"{{"model":"gpt-5.6","max_tokens":100,"service_tier":"{tier}","messages":[]}}"#);
        let answer = format!(
            r#"{{"choices":[{{"message":{{"content":"a"}}}}],"service_tier":"{tier}","usage":{{"prompt_tokens":100,"completion_tokens":20}}}}"#
        );
        let (_, taken, found) = call(Meter::OpenaiChat, &price, request, &answer);
        assert_eq!((found.as_str(), taken.estimated), (cost, false), "{tier}");
    }
}
