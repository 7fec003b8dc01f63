//! What is held of requests that say less, or more, than a number: no bound, thoughts, images by the image, other models that
//! are asked; and of those that are free.

use super::{
    Asked, Reading, Ways, format_at,
    requests_tests::{asked, asked_at, bound, sent},
    test_price,
};
use crate::domain::{price::PriceSpec, route::Meter};

#[test]
fn images_are_held_and_billed_one_by_one_where_they_have_a_price_each() {
    let each = PriceSpec { model: "m".into(), per_call_usd: Some("0.04".into()), ..PriceSpec::default() };
    let each = PriceSpec { input_usd: "0".into(), output_usd: "0".into(), ..each }.price().unwrap();
    let asked = asked(Meter::OpenaiImages, r#""prompt":"a fox","n":3"#);
    let bound = asked.bound(&[&each], Ways::default()).unwrap();
    assert_eq!((each.bound(&bound.most()).unwrap().pusd(), sent(&bound).contains("max")), (120_000_000_000, false));
    let long = "A".repeat(600_000);
    for (data, images) in [
        (r#"{"url":"u"}"#.into(), 1),
        (r#"{"b64_json":"AA"},{},{}"#.into(), 3),
        (format!(r#"{{"b64_json":"{long}"}}"#), 1),
        (format!(r#"{{"b64_json":"{long}"}},{{"b64_json":"{long}"}}"#), 2),
    ] {
        let mut reading = Reading::new(bound.clone(), Some("application/json"), None);
        drop((reading.pass(format!(r#"{{"created":1,"data":[{data}]}}"#).into()), reading.rest()));
        let taken = reading.taken();
        let cost = each.cost(&taken.usage, &taken.extras, None).unwrap();
        assert_eq!((cost.pusd(), taken.failed), (images * 40_000_000_000, false));
    }
}

#[test]
fn a_bound_that_is_none_becomes_the_models() {
    use Meter::{OpenaiChat, OpenaiCompletions};
    for (meter, members, output, expected) in [
        (OpenaiChat, r#""max_tokens":-1"#, 1_000, r#""max_tokens":1000"#),
        (OpenaiChat, r#""max_tokens":-1,"max_completion_tokens":7"#, 7, r#""max_tokens":-1,"max_completion_tokens":7"#),
        (
            OpenaiChat,
            r#""max_completion_tokens":null,"max_tokens":-1"#,
            1_000,
            r#""max_completion_tokens":null,"max_tokens":1000"#,
        ),
        (OpenaiCompletions, r#""prompt":"a","max_tokens":-1"#, 1_000, r#""prompt":"a","max_tokens":1000"#),
        (OpenaiCompletions, r#""prompt":"a","max_tokens":null"#, 16, r#""prompt":"a","max_tokens":16"#),
    ] {
        let bound = bound(meter, members);
        assert_eq!((bound.output_tokens, sent(&bound)), (output, format!(r#"{{"model":"m",{expected}}}"#)));
    }
    for members in [r#""max_tokens":-2"#, r#""max_tokens":0"#, r#""max_tokens":-1.0"#] {
        assert!(asked_at(OpenaiChat, "/v1", members, false).is_err(), "{members}");
    }
}

#[test]
fn a_bound_leaves_room_for_the_thoughts() {
    use Meter::{AnthropicMessages, OpenaiChat};
    let thinking = |budget: u64| format!(r#""thinking":{{"type":"enabled","budget_tokens":{budget}}}"#);
    for (meter, members, output, sent_as) in [
        // The price list is behind what the model can: a clamped bound would be refused.
        (AnthropicMessages, format!(r#""max_tokens":5000,{}"#, thinking(4_000)), 5_000, "5000"),
        (AnthropicMessages, format!(r#""max_tokens":5000,{}"#, thinking(900)), 1_000, "1000"),
        (OpenaiChat, format!(r#""max_tokens":5000,{}"#, thinking(1_000)), 5_000, "5000"),
        (OpenaiChat, thinking(4_000), 5_000, ""),
        (OpenaiChat, thinking(10), 1_000, "1000"),
    ] {
        let bound = bound(meter, &members);
        let body: serde_json::Value = serde_json::from_str(&sent(&bound)).unwrap();
        let written = body.get("max_tokens").or_else(|| body.get("max_completion_tokens"));
        assert_eq!(
            (bound.output_tokens, written.map_or(String::new(), ToString::to_string)),
            (output, sent_as.into()),
            "{members}"
        );
    }
}

#[test]
fn a_call_that_is_free_has_its_models_name_and_nothing_else_changed() {
    use Meter::{AnthropicMessages, CountTokens, OpenaiResponses};
    let read = |meter, path: &str, body: &str| {
        Asked::read(format_at(meter, path).unwrap(), path, body.to_owned().into(), &|_| false)
    };
    let body =
        r#"{"model":"fast","tools":[{"type":"web_search_20250305","name":"w"}],"container":"c","max_tokens":"x"}"#;
    for (meter, path) in [(AnthropicMessages, "/v1/messages/count_tokens"), (CountTokens, "/x")] {
        let asked = read(meter, path, body).unwrap();
        assert!(asked.is_free() && asked.models().eq(["fast"]));
        assert_eq!(asked.renamed(Some("m1")).body(), body.replace("fast", "m1"));
        assert_eq!(asked.renamed(None).body(), body);
    }
    let gemini = read(Meter::GeminiGenerate, "/v1beta/models/fast:countTokens", r#"{"contents":[]}"#).unwrap();
    assert_eq!(gemini.renamed(Some("m1")).path("/v1beta/models/fast:countTokens"), "/v1beta/models/m1:countTokens");
    assert_eq!(read(OpenaiResponses, "/v1/responses/input_tokens", "{}").unwrap().model(), "");
}

#[test]
fn what_clients_began_to_send_passes() {
    use Meter::{AnthropicMessages, OpenaiResponses};
    for (meter, members) in [
        // coder/coder#28656, theopenco/llmgateway#3613: Codex.
        (OpenaiResponses, r#""tools":[{"type":"namespace","name":"multi_agent_v1"}]"#),
        (
            OpenaiResponses,
            r#""input":[{"type":"additional_tools","role":"developer","tools":[{"type":"namespace","name":"functions","tools":[{"type":"custom","name":"exec"},{"type":"function","name":"wait","parameters":{}}]}]}]"#,
        ),
        // raine/claude-code-proxy#56: Claude Code.
        (
            AnthropicMessages,
            r#""max_tokens":9,"diagnostics":{"previous_message_id":"x"},"system":[{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"1h","scope":"global"}}]"#,
        ),
        (
            AnthropicMessages,
            r#""max_tokens":9,"tools":[{"name":"f","input_schema":{},"eager_input_streaming":true}],"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"tool_reference","tool_name":"f"}]}]}]"#,
        ),
    ] {
        assert!(bound(meter, members).input_tokens < 3_000, "{members}");
    }
}

#[test]
fn a_place_that_served_is_named_as_a_tier() {
    let taken = |usage: &str| {
        let bound = bound(Meter::AnthropicMessages, r#""max_tokens":10"#);
        let mut reading = Reading::new(bound, Some("application/json"), None);
        let answer = format!(
            r#"{{"content":[{{"type":"text","text":"a"}}],"usage":{{"input_tokens":9,"output_tokens":8{usage}}}}}"#
        );
        drop((reading.pass(answer.into()), reading.rest()));
        reading.taken().tier
    };
    assert_eq!(taken(r#","inference_geo":"us","service_tier":"standard""#).as_deref(), Some("us"));
    assert_eq!(taken(r#","inference_geo":"global","service_tier":"standard""#).as_deref(), Some("standard"));
    assert_eq!(taken(r#","inference_geo":"not_available""#), None);
}

#[test]
fn a_model_that_the_model_may_ask_is_named_held_and_counted_apart() {
    let tool = r#""max_tokens":10,"tools":[{"type":"advisor_20260301","name":"advisor","model":"wise","max_uses":2}]"#;
    let refused = asked_at(Meter::AnthropicMessages, "/v1", tool, false).err().unwrap();
    assert!(refused.contains("tools = { advisor = "), "{refused}");
    let asked = asked_at(Meter::AnthropicMessages, "/v1", tool, true).unwrap();
    assert!(asked.models().eq(["m", "wise"]));
    let prices = [&test_price::price(1_000, 100), &test_price::price(1_000, 300)];
    let bound = asked.bound(&prices, Ways::default()).unwrap();
    assert_eq!((bound.output_tokens, bound.input_tokens / 3 >= 1_000), (10 + 2 * 300, true));
    let usage = r#"{"input_tokens":20,"output_tokens":50,"iterations":[{"type":"message","input_tokens":10,"output_tokens":20},
        {"type":"advisor_message","model":"wise","input_tokens":823,"output_tokens":61,"cache_read_input_tokens":7},
        {"type":"message","input_tokens":10,"output_tokens":30}]}"#;
    let answer = format!(r#"{{"model":"m","content":[{{"type":"text","text":"a"}}],"usage":{usage}}}"#);
    let mut reading = Reading::new(bound, Some("application/json"), None);
    drop((reading.pass(answer.into()), reading.rest()));
    let taken = reading.taken();
    assert_eq!((taken.usage.input_tokens, taken.usage.output_tokens, taken.estimated), (20, 50, false));
    let [(model, usage)] = &taken.of_others[..] else { panic!("{taken:?}") };
    assert_eq!((model.as_str(), usage.input_tokens, usage.cached_tokens, usage.output_tokens), ("wise", 830, 7, 61));
}

#[test]
fn models_that_the_tools_of_a_gateway_ask_are_named_and_held() {
    for (tool, models) in [
        (r#"{"type":"openrouter:advisor","parameters":{"model":"wise"}}"#, &["m", "wise"][..]),
        (r#"{"type":"openrouter:subagent","parameters":{"model":"wise"}}"#, &["m", "wise"]),
        (r#"{"type":"openrouter:fusion","parameters":{"analysis_models":["a","b"]}}"#, &["m", "a", "b"]),
        (r#"{"type":"openrouter:datetime","parameters":{"model":"wise"}}"#, &["m"]),
    ] {
        let asked = asked_at(Meter::OpenaiChat, "/v1", &format!(r#""max_tokens":10,"tools":[{tool}]"#), true).unwrap();
        assert!(asked.models().eq(models.iter().copied()), "{tool}");
        let output = asked.bound(&[&test_price::price(1_000, 100)], Ways::default()).unwrap().output_tokens;
        assert_eq!(output > 10, models.len() > 1, "{tool}");
    }
}

#[test]
fn an_image_is_held_as_one_under_every_name_that_embeddings_take_it_by() {
    let url = "https://a/x.png";
    for members in [
        format!(r#""inputs":[{{"content":[{{"type":"image_url","image_url":"{url}"}}]}}]"#),
        format!(r#""inputs":[{{"content":[{{"type":"image_url","image_url":{{"url":"{url}"}}}}]}}]"#),
        r#""inputs":[{"content":[{"type":"image_base64","image_base64":"data:image/png;base64,iVBO"}]}]"#.into(),
        format!(r#""images":["{url}"]"#),
        format!(r#""image":"{url}""#),
        format!(r#""urls":["{url}"]"#),
        format!(r#""input":["{url}"]"#),
        format!(r#""input":"{url}?size=2""#),
        format!(r#""input":[{{"image":"{url}"}}]"#),
        format!(r#""messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"{url}"}}}}]}}]"#),
    ] {
        let held = bound(Meter::OpenaiEmbeddings, &members).input_tokens;
        assert!((40_000..80_000).contains(&held), "{held}: {members}");
    }
    for members in [r#""input":["https://a/x","see https://a/x.png","x.png"]"#, r#""input":"https://a/x.pdf""#] {
        assert!(bound(Meter::OpenaiEmbeddings, members).input_tokens < 1_000, "{members}");
    }
}

#[test]
fn answers_are_held_that_a_further_body_asks_for() {
    for (members, output) in [
        (r#""max_tokens":10,"extra_body":{"n":5}"#, 50),
        (r#""max_tokens":10,"n":2,"extra_body":{"best_of":3,"n":null}"#, 30),
        (r#""max_tokens":10,"extra_body":{"n":"5"}"#, 10),
    ] {
        assert_eq!(bound(Meter::OpenaiChat, members).output_tokens, output, "{members}");
    }
}

#[test]
fn a_film_by_its_mere_address_is_held_with_its_sound() {
    let part = |data: &str| format!(r#""contents":[{{"parts":[{{"fileData":{{{data}}}}}]}}]"#);
    for (data, has_sound) in [
        (r#""fileUri":"https://www.youtube.com/watch?v=x""#, true),
        (r#""fileUri":"gs://a/b","mimeType":"video/mp4""#, true),
        (r#""fileUri":"gs://a/b","mimeType":"application/pdf""#, false),
        (r#""fileUri":"gs://a/b.pdf""#, false),
    ] {
        assert_eq!(bound(Meter::GeminiGenerate, &part(data)).most().has_sound, has_sound, "{data}");
    }
}

#[test]
fn a_prompt_is_one_under_the_names_of_other_services() {
    use Meter::{OpenaiChat, OpenaiEmbeddings, OpenaiSpeech, Rerank};
    let words = "word ".repeat(400);
    let named = |meter, names: &[&'static str]| names.iter().map(|name| (meter, *name)).collect::<Vec<_>>();
    for (meter, name) in [
        named(
            OpenaiEmbeddings,
            &["inputs", "inputText", "texts", "text", "content", "sentences", "documents", "queries"],
        ),
        named(OpenaiChat, &["message", "inputs", "text", "query", "question", "preamble"]),
        named(Rerank, &["records", "docs", "inputs", "sentences"]),
        named(OpenaiSpeech, &["text", "transcript", "ssml"]),
    ]
    .concat()
    {
        let look = asked(meter, &format!(r#""{name}":"{words}""#)).look;
        assert!((400..420).contains(&look.tokens), "{name}: {}", look.tokens);
        assert_eq!(look.characters, if meter == OpenaiSpeech { 2_000 } else { 0 }, "{name}");
    }
    for members in [
        format!(r#""chat_history":[{{"role":"USER","message":"{words}"}}]"#),
        format!(r#""contents":[{{"role":"user","parts":[{{"text":"{words}"}}]}}]"#),
    ] {
        let tokens = asked(OpenaiChat, &members).look.tokens;
        assert!((400..420).contains(&tokens), "{tokens}");
    }
    // Settings of the same names are none.
    assert_eq!(asked(OpenaiChat, r#""text":{"format":{"type":"regex"},"verbosity":"low"}"#).look.tokens, 0);
    let both = asked(OpenaiSpeech, r#""input":"long words","text":"a""#);
    assert_eq!(both.look.characters, 10, "the longer one");
}

#[test]
fn what_asks_for_no_tool_of_the_provider_passes() {
    use Meter::{AnthropicMessages, OpenaiChat};
    for (meter, members) in [
        (OpenaiChat, r#""venice_parameters":{"enable_web_search":"off"}"#),
        (OpenaiChat, r#""web_search":"off""#),
        (OpenaiChat, r#""agent":{"tools":["a","my_search"]}"#),
        (OpenaiChat, r#""cacheOptions":{"ttl":3600}"#),
        (AnthropicMessages, r#""max_tokens":9,"container":null"#),
    ] {
        assert!(bound(meter, members).tools.is_empty(), "{members}");
    }
    for (members, tool) in [
        (r#""venice_parameters":{"enable_web_search":"auto"}"#, "web_search"),
        (r#""agent":{"tools":["a","web_search"]}"#, "web_search"),
        (r#""max_tokens":9,"container":"c""#, "code_execution"),
    ] {
        let meter = if tool == "web_search" { OpenaiChat } else { AnthropicMessages };
        let refused = asked_at(meter, "/v1", members, false).err().unwrap();
        assert!(refused.contains(&format!("tools = {{ {tool} = ")), "{members}: {refused}");
    }
    assert!(bound(OpenaiChat, r#""cacheOptions":{"ttl":3600}"#).kept.has_long_cache);
}

#[test]
fn a_container_from_before_is_taken_where_code_may_run_and_skills_are_not() {
    let ask = |container: &str| {
        let tool = r#"{"type":"code_execution_20250825","name":"code_execution"}"#;
        let members = format!(r#""max_tokens":9,"container":{container},"tools":[{tool}]"#);
        asked_at(Meter::AnthropicMessages, "/v1", &members, true)
    };
    let bound = ask(r#""container_011""#).unwrap().bound(&[&test_price::price(1_000, 100)], Ways::default()).unwrap();
    let calls: u64 = bound.tools.iter().filter(|(name, _)| name == "code_execution").map(|(_, calls)| *calls).sum();
    assert_eq!(calls, 10, "those of the tool");
    assert!(ask(r#"{"skills":[{"skill_id":"pptx"}]}"#).err().unwrap().contains("skills"));
}

#[test]
fn a_model_is_found_under_the_name_that_watsonx_has_for_it() {
    let format = format_at(Meter::OpenaiChat, "/ml/v1/text/chat").unwrap();
    let body = r#"{"model_id":"fast","messages":[]}"#;
    let asked = Asked::read(format, "/ml/v1/text/chat", body.into(), &|_| false).unwrap();
    assert!(asked.models().eq(["fast"]));
    assert_eq!(asked.renamed(Some("m1")).body(), body.replace("fast", "m1"));
}
