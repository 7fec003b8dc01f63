//! The table of requests: what each may take, where what it asks for may stand, and what is refused.

use super::{Asked, Bound, Naming, Reading, Ways, format_at, test_price};
use crate::domain::{
    price::{Price, PriceSpec},
    route::Meter,
};

fn price() -> Price {
    test_price::price(1_000_000, 1_000)
}

/// Where a call of this meter goes.
fn path_of(meter: Meter) -> &'static str {
    match meter {
        Meter::GeminiGenerate => "/v1beta/models/m:generateContent",
        Meter::BedrockConverse => "/model/m/converse",
        _ => "/v1",
    }
}

pub(super) fn asked_at(meter: Meter, path: &str, members: &str, allows: bool) -> Result<Asked, String> {
    let body = format!(r#"{{"model":"m",{members}}}"#);
    let asked = Asked::read(format_at(meter, path).unwrap(), path, body.into(), &|_| allows);
    asked.map_err(|faults| faults.into_iter().map(|fault| fault.detail).collect::<Vec<_>>().concat())
}

pub(super) fn asked(meter: Meter, members: &str) -> Asked {
    asked_at(meter, path_of(meter), members, false).unwrap_or_else(|what| panic!("{members}: {what}"))
}

pub(super) fn bound(meter: Meter, members: &str) -> Bound {
    asked(meter, members).bound(&[&price()], Ways::default()).unwrap_or_else(|fault| panic!("{members}: {fault:?}"))
}

pub(super) fn sent(bound: &Bound) -> String {
    String::from_utf8(bound.letter.body().to_vec()).unwrap()
}

#[test]
fn what_the_provider_runs_is_refused_with_what_to_set_wherever_it_is_asked_for() {
    use Meter::{AnthropicMessages, BedrockConverse, GeminiGenerate, OpenaiChat, OpenaiResponses};
    for (meter, members, key) in [
        (OpenaiChat, r#""tools":[{"googleSearch":{}}]"#, "google_search"),
        (OpenaiChat, r#""tools":[{"google_search":{}}]"#, "google_search"),
        (OpenaiChat, r#""tools":[{"type":"function","function":{"name":"f"},"urlContext":{}}]"#, "url_context"),
        (OpenaiChat, r#""extra_body":{"google":{"tools":[{"googleSearch":{}}]}}"#, "google_search"),
        (OpenaiChat, r#""enable_search":true"#, "web_search"),
        (OpenaiChat, r#""extra_body":{"enable_search":true}"#, "web_search"),
        (OpenaiChat, r#""web_search":{"enable":true}"#, "web_search"),
        (OpenaiChat, r#""features":{"web_search":true}"#, "web_search"),
        (OpenaiChat, r#""connectors":[{"id":"web-search"}]"#, "web_search"),
        (OpenaiChat, r#""compound_custom":{"tools":{"enabled_tools":["wolfram_alpha"]}}"#, "wolfram_alpha"),
        (OpenaiChat, r#""tools":[{"type":"builtin_function","function":{"name":"$web_search"}}]"#, "\"$web_search\""),
        (OpenaiChat, r#""tools":[{"type":"openrouter:web_search"}]"#, "\"openrouter:web_search\""),
        (OpenaiResponses, r#""tools":[{"type":"shell","environment":{"type":"container_auto"}}]"#, "shell"),
        (OpenaiResponses, r#""tools":[{"type":"shell","environment":{"type":"container_reference"}}]"#, "shell"),
        (
            OpenaiResponses,
            r#""tools":[{"type":"shell","environment":{"type":"x"},"environment":{"type":"local"}}]"#,
            "shell",
        ),
        (AnthropicMessages, r#""tools":[{"google_search":{}}]"#, "google_search"),
        (GeminiGenerate, r#""tools":[{"functionDeclarations":[],"googleMaps":{}}]"#, "google_maps"),
        (BedrockConverse, r#""toolConfig":{"tools":[{"systemTool":{"name":"nova_grounding"}}]}"#, "nova_grounding"),
        (BedrockConverse, r#""toolConfig":{"tools":[{"newTool":{}}]}"#, "new_tool"),
    ] {
        let refused = asked_at(meter, path_of(meter), members, false).err().unwrap_or_else(|| panic!("{members}"));
        assert!(refused.contains(&format!("tools = {{ {key} = \"0.01\" }}")), "{members}: {refused}");
        let allowed = asked_at(meter, path_of(meter), members, true).unwrap().bound(&[&price()], Ways::default());
        assert!(allowed.unwrap().input_tokens >= 1_000_000, "{members}");
    }
}

#[test]
fn what_clients_run_and_what_is_off_is_served_at_the_hold_of_its_bytes() {
    use Meter::{AnthropicMessages, BedrockConverse, GeminiGenerate, OpenaiChat, OpenaiResponses, Rerank};
    let history = r#""input":[{"type":"mcp_approval_request","id":"a","name":"f","arguments":"{}","server_label":"s"},
        {"type":"mcp_approval_response","approve":true,"approval_request_id":"a"},{"type":"compaction_trigger"},
        {"type":"computer_call","actions":[{"type":"click","x":1}],"call_id":"c"},
        {"type":"file_search_call","queries":["q"],"results":[{"text":"t","attributes":{"type":"pdf"}}]},
        {"type":"code_interpreter_call","code":"1","container_id":"cntr","outputs":[{"type":"logs","logs":"1"}]}]"#;
    let results = r#""messages":[{"role":"user","content":[
        {"type":"bash_code_execution_tool_result","content":{"type":"bash_code_execution_result","stdout":"x","content":[]}},
        {"type":"text_editor_code_execution_tool_result","content":{"type":"text_editor_code_execution_view_result"}},
        {"type":"code_execution_tool_result","content":{"type":"encrypted_code_execution_result"}},
        {"type":"web_search_tool_result","content":{"type":"web_search_tool_result_error","error_code":"x"}},
        {"type":"advisor_tool_result","content":{"type":"advisor_result","text":"x"}},{"type":"fallback"}]}]"#;
    for (meter, members) in [
        (OpenaiChat, r#""enable_search":false,"web_search":{"enable":false},"features":{"web_search":false}"#),
        (OpenaiChat, r#""connectors":[],"data_sources":[],"compound_custom":{"tools":{"enabled_tools":[]}}"#),
        (OpenaiChat, r#""deferred":false,"cache":{"ttl":600,"namespace":"x"},"allow_fallbacks":true"#),
        (OpenaiChat, r#""tools":[{"type":"web_search","web_search":{"enable":false}}]"#),
        (OpenaiChat, r#""tools":[{"function":{"name":"f"},"cache_control":{"type":"ephemeral"}}]"#),
        (OpenaiChat, r#""service_tier":"on_demand""#),
        (OpenaiChat, r#""service_tier":"standard""#),
        (OpenaiResponses, r#""tools":[{"type":"shell","environment":{"type":"local"}},{"type":"shell"}]"#),
        (OpenaiResponses, r#""tools":[{"type":"computer_use_preview","environment":"browser"}]"#),
        (OpenaiResponses, r#""tools":[{"type":"programmatic_tool_calling"}]"#),
        (OpenaiResponses, history),
        (AnthropicMessages, results),
        (
            GeminiGenerate,
            r#""tools":[{"computerUse":{"environment":"ENVIRONMENT_BROWSER"}}],"service_tier":"STANDARD""#,
        ),
        (BedrockConverse, r#""toolConfig":{"tools":[{"toolSpec":{"name":"f"}},{"cachePoint":{"type":"default"}}]}"#),
        (BedrockConverse, r#""additionalModelRequestFields":{"tools":[{"type":"computer_20250124","name":"c"}]}"#),
        (BedrockConverse, r#""serviceTier":{"type":"default"},"performanceConfig":{"latency":"standard"}"#),
        (Rerank, r#""query":"q","documents":["a"]"#),
    ] {
        let bound = bound(meter, members);
        let bytes = u64::try_from(members.len()).unwrap() + 14;
        assert!(bound.input_tokens <= bytes + 1_100, "{members}: {} for {bytes}", bound.input_tokens);
    }
}

#[test]
fn what_is_kept_elsewhere_and_what_is_no_image_holds_the_longest_prompt() {
    use Meter::OpenaiChat;
    let image =
        |url: &str| format!(r#""messages":[{{"content":[{{"type":"image_url","image_url":{{"url":"{url}"}}}}]}}]"#);
    for members in [
        r#""data_sources":[{"type":"azure_search","parameters":{}}]"#.to_owned(),
        r#""extra_body":{"google":{"cached_content":"cachedContents/abc"}}"#.into(),
        r#""previous_response_id":"x""#.into(),
        r#""preset":"x""#.into(),
        r#""prompt_id":"x","inputs":{"a":"b"}"#.into(),
        image("data:application/pdf;base64,AAAA"),
        image("data:video/mp4;base64,AAAA"),
        image("gs://bucket/x.mp4"),
        image("https://a.example/x.PDF?y=z"),
    ] {
        assert_eq!(bound(OpenaiChat, &members).input_tokens, 1_000_000, "{members}");
    }
    for url in ["data:image/png;base64,AAAA", "https://a.example/x", "https://a.example/x.png?y.mp4"] {
        let tokens = bound(OpenaiChat, &image(url)).input_tokens;
        assert!((40_000..41_000).contains(&tokens), "{url}: {tokens}");
    }
    let made = r#""input":[{"type":"image_generation_call","result":"AAAA"},{"type":"image_generation_call","id":"x"},
        {"type":"image_generation_call","id":"x","result":null}]"#;
    assert!((80_000..81_000).contains(&bound(Meter::OpenaiResponses, made).input_tokens));
    let sound = asked_at(OpenaiChat, "/v1", &image("data:audio/wav;base64,AAAA"), false).unwrap();
    assert!(sound.bound(&[&price()], Ways::default()).is_err(), "sound needs a rate");
}

#[test]
fn every_answer_is_held_and_bounded_once() {
    use Meter::{BedrockConverse, GeminiGenerate, OpenaiCompletions};
    for (meter, members, output, written) in [
        (OpenaiCompletions, r#""prompt":["a","b","c","d"],"max_tokens":100"#, 400, ""),
        (OpenaiCompletions, r#""prompt":[[1,2,3],[4,5]],"max_tokens":100,"n":2"#, 400, ""),
        (OpenaiCompletions, r#""n":2,"max_tokens":100,"prompt":["a","b"]"#, 400, ""),
        (OpenaiCompletions, r#""prompt":[1,2,3],"max_tokens":100"#, 100, ""),
        (OpenaiCompletions, r#""prompt":"a","max_tokens":100"#, 100, ""),
        (OpenaiCompletions, r#""prompt":"a","max_tokens":0,"echo":true"#, 0, ""),
        (OpenaiCompletions, r#""prompt":["a","b"]"#, 32, r#","max_tokens":16"#),
        (GeminiGenerate, r#""generationConfig":{"candidate_count":8,"maxOutputTokens":50}"#, 400, ""),
        (GeminiGenerate, r#""generation_config":{"candidateCount":8,"max_output_tokens":50}"#, 400, ""),
        (GeminiGenerate, r#""generation_config":{"MaxOutputTokens":50}"#, 50, ""),
        (BedrockConverse, r#""inferenceConfig":{"maxTokens":50}"#, 50, ""),
    ] {
        let bound = bound(meter, members);
        assert_eq!(bound.output_tokens, output, "{members}");
        assert_eq!(sent(&bound), format!(r#"{{"model":"m",{members}{written}}}"#));
    }
    let empty = bound(GeminiGenerate, r#""generation_config":{}"#);
    assert_eq!(sent(&empty), r#"{"model":"m","generation_config":{"maxOutputTokens":1000}}"#);
    for twice in
        [r#""generation_config":{},"generationConfig":{}"#, r#""generation_config":{"response_modalities":["VIDEO"]}"#]
    {
        assert!(asked_at(GeminiGenerate, path_of(GeminiGenerate), twice, false).is_err(), "{twice}");
    }
    let compact = asked_at(Meter::OpenaiResponses, "/v1/responses/compact", r#""input":"x""#, false).unwrap();
    let compact = compact.bound(&[&price()], Ways::default()).unwrap();
    assert_eq!((compact.output_tokens, sent(&compact).as_str()), (1_000, r#"{"model":"m","input":"x"}"#));
}

#[test]
fn a_tier_of_any_format_needs_a_price() {
    use Meter::{BedrockConverse, GeminiGenerate, OpenaiChat};
    for (meter, members, tier) in [
        (BedrockConverse, r#""serviceTier":{"type":"priority"}"#, "priority"),
        (BedrockConverse, r#""performanceConfig":{"latency":"optimized"}"#, "optimized"),
        (GeminiGenerate, r#""service_tier":"priority""#, "priority"),
        (GeminiGenerate, r#""serviceTier":"SERVICE_TIER_PRIORITY""#, "priority"),
        (OpenaiChat, r#""service_tier":"performance""#, "performance"),
    ] {
        let asked = || asked(meter, members);
        let refused = asked().bound(&[&price()], Ways::default()).err().unwrap();
        assert!(refused.detail.contains(&format!("service_tiers for {tier}")), "{members}: {refused:?}");
        let mut dear = price();
        let base = crate::domain::price::Rates { input: 7_000_000, ..dear.base };
        dear.service_tiers.push(crate::domain::price::ServiceTier { name: tier.into(), base, tiers: vec![] });
        let bound = asked().bound(&[&dear], Ways::default()).unwrap();
        assert_eq!(bound.asked_tier(), Some(tier));
        let most = crate::domain::price::Most { input_tokens: 1_000, output_tokens: 0, ..bound.most() };
        assert_eq!(dear.bound(&most).unwrap().pusd(), 7_000_000_000, "{members}");
    }
    for (header, value, tier) in [
        ("x-vertex-ai-llm-shared-request-type", "priority", Some("priority")),
        ("x-vertex-ai-llm-shared-request-type", "standard", None),
        ("x-vertex-ai-llm-request-type", "shared", None),
        ("x-amzn-bedrock-service-tier", " Priority ", Some("priority")),
        ("x-amzn-bedrock-service-tier", "reserved", None),
        ("x-amzn-bedrock-performanceconfig-latency", "standard, optimized", Some("optimized")),
        ("x-other", "priority", None),
    ] {
        let mut asked = asked(BedrockConverse, r#""messages":[]"#);
        asked.read_tier_header(header, value);
        let refused = asked.bound(&[&price()], Ways::default()).err();
        assert_eq!(
            refused.as_ref().map(|fault| fault.pointer.clone()),
            tier.map(|_| format!("header:{header}")),
            "{value}"
        );
        assert!(tier.is_none_or(|tier| refused.unwrap().detail.contains(tier)), "{header}: {value}");
    }
    let flex = asked(GeminiGenerate, r#""service_tier":"flex""#).bound(&[&price()], Ways::default()).unwrap();
    assert_eq!(flex.asked_tier(), Some("flex"));
}

#[test]
fn a_prompt_is_estimated_by_what_is_text_in_it() {
    use Meter::{AnthropicMessages, OpenaiChat, Rerank};
    let words = "word ".repeat(400);
    let base64 = "JVBERi0xLjcK".repeat(25_000);
    let document =
        |source: &str| format!(r#""messages":[{{"content":[{{"type":"document","source":{{{source}}}}}]}}]"#);
    for (meter, members, tokens) in [
        (
            AnthropicMessages,
            document(&format!(r#""type":"base64","media_type":"application/pdf","data":"{base64}""#)),
            6_700..6_900,
        ),
        (
            AnthropicMessages,
            document(&format!(r#""type":"text","media_type":"text/plain","data":"{words}""#)),
            400..420,
        ),
        (
            AnthropicMessages,
            format!(r#""messages":[{{"content":[{{"type":"redacted_thinking","data":"{base64}"}}]}}]"#),
            0..10,
        ),
        (
            OpenaiChat,
            format!(r#""messages":[{{"role":"assistant","reasoning":"{words}","reasoning_content":"{words}"}}]"#),
            400..420,
        ),
        (
            OpenaiChat,
            format!(r#""messages":[{{"role":"assistant","reasoning":"","reasoning_content":"{words}"}}]"#),
            400..420,
        ),
        (Rerank, format!(r#""query":"{words}","documents":["a","b","c"]"#), 1_200..1_210),
    ] {
        let found = asked(meter, &members).look.tokens;
        assert!(tokens.contains(&found), "{found} for {tokens:?}: {}", members.chars().take(80).collect::<String>());
    }
}

#[test]
fn a_query_is_held_once_for_each_document() {
    let query = "q".repeat(4_000);
    let documents = vec![r#""d""#; 1_000].join(",");
    let bound = bound(Meter::Rerank, &format!(r#""query":"{query}","documents":[{documents}]"#));
    assert!(bound.input_tokens >= 4_000_000, "{}", bound.input_tokens);
    let per_call = PriceSpec { per_call_usd: Some("0.002".into()), ..PriceSpec::of("m", &price()) };
    let per_call = PriceSpec { input_usd: "0".into(), output_usd: "0".into(), ..per_call }.price().unwrap();
    for (documents, units) in [(1, 1), (100, 2), (250, 3)] {
        let documents = vec![r#""d""#; documents].join(",");
        let asked = asked(Meter::Rerank, &format!(r#""query":"q","documents":[{documents}]"#));
        let bound = asked.bound(&[&per_call], Ways::default()).unwrap();
        assert_eq!(per_call.bound(&bound.most()).unwrap().pusd(), units * 2_000_000_000, "{units}");
        for (stated, billed) in [(1, 1), (3, 3), (99_999_999, units)] {
            let mut reading = Reading::new(bound.clone(), Some("application/json"), None);
            let answer =
                format!(r#"{{"results":[{{"index":0}}],"meta":{{"billed_units":{{"search_units":{stated}}}}}}}"#);
            reading.pass(answer.into());
            let taken = reading.taken();
            let cost = per_call.cost(&taken.usage, &taken.extras, None).unwrap();
            assert_eq!((cost.pusd(), taken.failed, taken.tools.len()), (billed * 2_000_000_000, false, 0), "{stated}");
        }
    }
}

#[test]
fn models_are_found_in_every_shape_and_are_bounded_in_number() {
    for (members, models) in [
        (r#""fallbacks":[{"m":["a","b"]},{"model":"c"},"d"]"#, vec!["m", "a", "b", "c", "d"]),
        (r#""context_window_fallback_dict":{"m":"a"}"#, vec!["m", "a"]),
        (r#""extra_body":{"context_window_fallbacks":[{"m":["a"]}]}"#, vec!["m", "a"]),
        (r#""extra_body":{"model":"a","models":["b"]}"#, vec!["m", "a", "b"]),
        (r#""models":["m","m","a"],"allow_fallbacks":true"#, vec!["m", "a"]),
    ] {
        assert_eq!(asked(Meter::OpenaiChat, members).models, models, "{members}");
    }
    let many: Vec<String> = (0..40_000).map(|i| format!(r#""x{i}""#)).collect();
    for members in [format!(r#""models":[{}]"#, many.join(",")), format!(r#""x":{{"fallbacks":[{}]}}"#, many.join(","))]
    {
        let refused = asked_at(Meter::OpenaiChat, "/v1", &members, false).err().unwrap();
        assert!(refused.contains("more than 64 models"), "{refused}");
    }
    let tools: Vec<String> = (0..5_000).map(|i| format!(r#"{{"type":"x{i}"}}"#)).collect();
    let refused = asked_at(Meter::OpenaiChat, "/v1", &format!(r#""tools":[{}]"#, tools.join(",")), true).err().unwrap();
    assert!(refused.contains("more tools of the provider"), "{refused}");
    let types = vec![r#""type":"image_url""#; 40_000].join(",");
    asked_at(Meter::OpenaiChat, "/v1", &format!(r#""messages":[{{"content":[{{{types}}}]}}]"#), false).unwrap();
}

#[test]
fn the_path_says_what_is_asked_and_of_which_model() {
    use Meter::{AnthropicMessages, BedrockConverse, GeminiGenerate, OpenaiChat, OpenaiResponses};
    for (meter, path) in [
        (GeminiGenerate, "/v1beta/models/m:countTokens"),
        (GeminiGenerate, "/v1beta/models/m%3AcountTokens"),
        (BedrockConverse, "/model/m/count-tokens"),
        (AnthropicMessages, "/v1/messages/count_tokens"),
        (OpenaiResponses, "/v1/responses/input_tokens"),
    ] {
        assert!(format_at(meter, path).unwrap().is_free, "{path}");
    }
    for (meter, path) in [(GeminiGenerate, "/v1beta/models/countTokens"), (OpenaiChat, "/v1/count_tokens")] {
        assert!(!format_at(meter, path).unwrap().is_free, "{path}");
    }
    let embed = r#""requests":[{"content":{"parts":[{"text":"How long is it?"}]}}]"#;
    let embed = asked_at(GeminiGenerate, "/v1beta/models/m:batchEmbedContents", embed, false).unwrap();
    let bound = embed.bound(&[&Price { max_output_tokens: 0, ..price() }], Ways::default()).unwrap();
    assert_eq!((bound.output_tokens, sent(&bound).contains("maxOutputTokens")), (0, false));
    for (azure, renamed) in [
        ("/openai/deployments/d/chat/completions", "/openai/deployments/e/chat/completions"),
        // Azure takes the parts of its paths in any case.
        ("/openai/Deployments/d/chat/completions", "/openai/Deployments/e/chat/completions"),
    ] {
        for body in [r#"{"messages":[]}"#, r#"{"model":null}"#, r#"{"model":"cheap"}"#] {
            let format = format_at(OpenaiChat, azure).unwrap();
            let asked = Asked::read(format, azure, body.into(), &|_| false).unwrap();
            assert_eq!((&asked.models[..], asked.naming), (&["d".to_owned()][..], Naming::Path), "{azure} {body}");
            let bound = asked.bound(&[&price()], Ways { model: Some("e"), ..Ways::default() }).unwrap();
            assert_eq!(bound.letter.path(azure), renamed);
            assert!(!sent(&bound).contains(r#""e""#), "{body}");
        }
    }
}

#[test]
fn only_tools_with_a_date_bound_their_own_calls() {
    let asked =
        asked_at(Meter::OpenaiResponses, "/v1", r#""tools":[{"type":"web_search","max_uses":1}]"#, true).unwrap();
    let bound = asked.bound(&[&price()], Ways::default()).unwrap();
    assert_eq!(bound.tools, [("web_search".to_owned(), 10)]);
    let dated = r#""tools":[{"type":"web_search_20250305","name":"web_search","max_uses":1}]"#;
    let asked = asked_at(Meter::AnthropicMessages, "/v1", dated, true).unwrap();
    assert_eq!(asked.bound(&[&price()], Ways::default()).unwrap().tools, [("web_search".to_owned(), 1)]);
}
