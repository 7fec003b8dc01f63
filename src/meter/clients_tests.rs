//! What ordinary clients send, in their own shape: each must be served, with a hold that is no larger than its bytes allow.

use serde_json::{Value, json};

use super::{Asked, Ways, format, test_price};
use crate::domain::{price::Price, route::Meter};

fn price() -> Price {
    test_price::price(1_000_000, 32_000)
}

/// What they send, as it is on the wire but for its length.
const CLIENTS: [(&str, Meter, &str); 9] = [
    ("Codex", Meter::OpenaiResponses, include_str!("../../tests/fixtures/clients/codex.json")),
    ("Claude Code", Meter::AnthropicMessages, include_str!("../../tests/fixtures/clients/claude-code.json")),
    ("Cursor", Meter::OpenaiChat, include_str!("../../tests/fixtures/clients/cursor.json")),
    ("aider", Meter::OpenaiChat, include_str!("../../tests/fixtures/clients/aider.json")),
    ("the OpenAI Agents SDK", Meter::OpenaiResponses, include_str!("../../tests/fixtures/clients/openai-agents.json")),
    ("LangChain", Meter::OpenaiChat, include_str!("../../tests/fixtures/clients/langchain.json")),
    ("the Vercel AI SDK", Meter::OpenaiResponses, include_str!("../../tests/fixtures/clients/vercel-ai.json")),
    (
        "the Vercel AI SDK for Anthropic",
        Meter::AnthropicMessages,
        include_str!("../../tests/fixtures/clients/vercel-ai-messages.json"),
    ),
    ("Gemini CLI", Meter::GeminiGenerate, include_str!("../../tests/fixtures/clients/gemini-cli.json")),
];

#[test]
fn ordinary_clients_are_served_and_held_by_their_bytes() {
    for (name, meter, fixture) in CLIENTS {
        let body = serde_json::from_str::<Value>(fixture).unwrap().to_string();
        let bytes = u64::try_from(body.len()).unwrap();
        let path = "/v1beta/models/m:streamGenerateContent";
        let asked = Asked::read(format(meter).unwrap(), path, body.into(), &|_| false);
        let asked = asked.unwrap_or_else(|faults| panic!("{name}: {faults:?}"));
        let estimate = asked.estimated_tokens();
        let bound = asked.bound(&[&price()], Ways::default()).unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
        assert!(bound.input_tokens <= bytes + 1_100, "{name}: {} for {bytes}", bound.input_tokens);
        assert!(estimate >= 5, "{name}: {estimate}");
        let has_long = ["Claude Code", "the Vercel AI SDK for Anthropic"].contains(&name);
        assert_eq!(bound.kept.has_long_cache, has_long, "{name}");
    }
}

#[test]
fn tools_of_the_provider_are_found_wherever_they_stand() {
    use Meter::{AnthropicMessages, BedrockConverse, GeminiGenerate, OpenaiChat, OpenaiResponses};
    for (meter, members, name) in [
        (OpenaiResponses, r#""tools":[{"type":"web_search"}]"#, "web_search"),
        (OpenaiResponses, r#""tools":[{"type":"namespace","tools":[{"type":"mcp"}]}]"#, "mcp"),
        (
            OpenaiResponses,
            r#""input":[{"type":"additional_tools","tools":[{"type":"web_search_preview_2025_03_11"}]}]"#,
            "web_search",
        ),
        (OpenaiChat, r#""web_search_options":{}"#, "web_search"),
        (OpenaiChat, r#""plugins":[{"id":"web"}]"#, "web_search"),
        (OpenaiChat, r#""extra_body":{"tools":[{"type":"code_interpreter"}]}"#, "code_interpreter"),
        (AnthropicMessages, r#""tools":[{"type":"web_fetch_20250910","name":"x"}]"#, "web_fetch"),
        (AnthropicMessages, r#""mcp_servers":[{"url":"u"}]"#, "mcp"),
        (GeminiGenerate, r#""tools":[{"functionDeclarations":[]},{"googleSearch":{}}]"#, "google_search"),
        (OpenaiChat, r#""tools":[{"googleSearch":{}}]"#, "google_search"),
        (OpenaiChat, r#""tools":[{"type":"function","function":{"name":"x"},"google_search":{}}]"#, "google_search"),
        (OpenaiChat, r#""enable_search":true"#, "web_search"),
        (OpenaiChat, r#""web_search":{"enable":true}"#, "web_search"),
        (OpenaiChat, r#""connectors":[{"id":"web-search"}]"#, "web_search"),
        (OpenaiChat, r#""compound_custom":{"tools":{"enabled_tools":["web_search"]}}"#, "web_search"),
        (OpenaiResponses, r#""tools":[{"type":"shell","environment":{"type":"container_auto"}}]"#, "shell"),
        (BedrockConverse, r#""toolConfig":{"tools":[{"systemTool":{"name":"nova_grounding"}}]}"#, "nova_grounding"),
    ] {
        let body = || format!(r#"{{"model":"m",{members}}}"#);
        let read = |allows: bool| {
            Asked::read(format(meter).unwrap(), "/v1beta/models/m:generateContent", body().into(), &|tool| {
                allows && tool == name
            })
        };
        let fault = read(false).err().unwrap();
        assert!(fault[0].detail.contains(&format!("tools = {{ {name} = ")), "{members}: {fault:?}");
        let bound = read(true).unwrap().bound(&[&price()], Ways::default()).unwrap();
        assert_eq!(bound.tools, [(name.to_owned(), 10)], "{members}");
        assert!(bound.input_tokens >= 1_000_000, "{members}");
    }
}

#[test]
fn what_clients_run_and_what_is_switched_off_is_no_tool_of_the_provider() {
    use Meter::{AnthropicMessages, BedrockConverse, GeminiGenerate, OpenaiChat, OpenaiResponses};
    for (meter, members) in [
        (
            OpenaiChat,
            r#""enable_search":false,"web_search":{"enable":false},"connectors":[],"search_parameters":{"mode":"off"}"#,
        ),
        (OpenaiChat, r#""tools":[{"function":{"name":"x"}}],"cache":{"ttl":600,"namespace":"x"}"#),
        (OpenaiChat, r#""service_tier":"on_demand""#),
        (OpenaiResponses, r#""tools":[{"type":"shell"},{"type":"shell","environment":{"type":"local"}}]"#),
        (AnthropicMessages, r#""tools":[{"name":"x","input_schema":{},"input_examples":[],"later":1}]"#),
        (
            GeminiGenerate,
            r#""tools":[{"functionDeclarations":[]},{"computerUse":{"environment":"x"}}],"serviceTier":"STANDARD""#,
        ),
        (BedrockConverse, r#""toolConfig":{"tools":[{"toolSpec":{"name":"f"}},{"cachePoint":{"type":"default"}}]}"#),
        (
            BedrockConverse,
            r#""additionalModelRequestFields":{"tools":[{"type":"computer_20250124","name":"c"},{"name":"x","input_schema":{}}]},"serviceTier":{"type":"default"},"performanceConfig":{"latency":"standard"}"#,
        ),
    ] {
        let body = format!(r#"{{"model":"m",{members}}}"#);
        let asked = Asked::read(format(meter).unwrap(), "/v1beta/models/m:generateContent", body.into(), &|_| false);
        let bound = asked.unwrap_or_else(|faults| panic!("{members}: {faults:?}")).bound(&[&price()], Ways::default());
        assert!(bound.unwrap().input_tokens < 3_000, "{members}");
    }
}

#[test]
fn ordinary_history_is_held_by_its_bytes() {
    use Meter::{AnthropicMessages, OpenaiResponses};
    for (meter, members) in [
        (
            OpenaiResponses,
            r#""input":[{"type":"mcp_approval_request","id":"a","name":"f","arguments":"{}"},{"type":"mcp_approval_response","approve":true},
                {"type":"image_generation_call","id":"b","result":null},{"type":"code_interpreter_call","outputs":[{"type":"logs","logs":"1"}]},
                {"type":"computer_call","actions":[{"type":"click","x":1},{"type":"keypress","keys":["a"]}]},{"type":"compaction_trigger"}]"#,
        ),
        (
            AnthropicMessages,
            r#""messages":[{"role":"assistant","content":[{"type":"bash_code_execution_tool_result","content":{"type":"bash_code_execution_result","stdout":"1"}},
                {"type":"web_search_tool_result","content":{"type":"web_search_tool_result_error","error_code":"x"}},
                {"type":"advisor_tool_result","content":{"type":"advisor_result","text":"x"}}]}]"#,
        ),
    ] {
        let body = format!(r#"{{"model":"m",{members}}}"#);
        let bytes = u64::try_from(body.len()).unwrap();
        let asked = Asked::read(format(meter).unwrap(), "/", body.into(), &|_| false).unwrap();
        assert_eq!(asked.bound(&[&price()], Ways::default()).unwrap().input_tokens, bytes + 100, "{members}");
    }
    let pdf = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"document","source":{{"type":"base64","media_type":"application/pdf","data":"{}"}}}}]}}]}}"#,
        "JVBE".repeat(75_000)
    );
    let asked = Asked::read(format(AnthropicMessages).unwrap(), "/", pdf.into(), &|_| false).unwrap();
    assert!((6_000..7_500).contains(&asked.look.tokens), "{}", asked.look.tokens);
}

#[test]
fn every_answer_and_every_model_of_a_request_is_held() {
    use Meter::{GeminiGenerate, OpenaiChat, OpenaiCompletions, Rerank};
    let of = |meter, members: &str| {
        let bound = if meter == GeminiGenerate { "" } else { r#""max_tokens":100,"# };
        let body = format!(r#"{{"model":"m",{bound}{members}}}"#);
        let asked = Asked::read(format(meter).unwrap(), "/v1beta/models/m:generateContent", body.into(), &|_| false);
        let asked = asked.unwrap_or_else(|faults| panic!("{members}: {faults:?}"));
        let models: Vec<String> = asked.models().map(str::to_owned).collect();
        (asked.bound(&[&price()], Ways::default()).unwrap(), models)
    };
    for (meter, members, output) in [
        (OpenaiCompletions, r#""prompt":"a""#, 100),
        (OpenaiCompletions, r#""prompt":["a","b","c"]"#, 300),
        (OpenaiCompletions, r#""prompt":[[1,2,3],[4]],"n":2,"best_of":3"#, 600),
        (OpenaiCompletions, r#""prompt":[1,2,3]"#, 100),
        (GeminiGenerate, r#""generationConfig":{"maxOutputTokens":50,"candidate_count":8}"#, 400),
        (GeminiGenerate, r#""generation_config":{"max_output_tokens":50,"candidateCount":8}"#, 400),
    ] {
        let (bound, _) = of(meter, members);
        assert_eq!(bound.output_tokens, output, "{members}");
        assert!(!bound.letter.body().ends_with(b"32000}}"), "{members}");
    }
    for (members, others) in [
        (r#""fallbacks":["b",{"model":"c"}]"#, vec!["m", "b", "c"]),
        (r#""fallbacks":[{"m":["b","c"]}]"#, vec!["m", "b", "c"]),
        (r#""context_window_fallback_dict":{"m":"b"}"#, vec!["m", "b"]),
        (r#""extra_body":{"model":"b","models":["c"]}"#, vec!["m", "b", "c"]),
    ] {
        let (_, models) = of(OpenaiChat, members);
        assert_eq!(models, others, "{members}");
    }
    let many: Vec<String> = (0..40_000).map(|model| format!("x{model}")).collect();
    let body = json!({ "model": "m", "models": many }).to_string();
    let faults = Asked::read(format(OpenaiChat).unwrap(), "/", body.into(), &|_| false).err().unwrap();
    assert!(faults[0].detail.contains("more than 64 models"), "{faults:?}");
    let query = "long ".repeat(200);
    let (bound, _) = of(Rerank, &format!(r#""query":"{query}","documents":["a","b","c"]"#));
    assert!(bound.input_tokens > 3_000, "{}", bound.input_tokens);
}

#[test]
fn a_path_may_name_the_model() {
    let read = |path: &str, body: &str| {
        let asked = Asked::read(format(Meter::OpenaiChat).unwrap(), path, body.to_owned().into(), &|_| false);
        asked.map(|asked| asked.model().to_owned()).map_err(|faults| faults[0].pointer.clone())
    };
    let azure = "/openai/deployments/d/chat/completions";
    assert_eq!(read(azure, "{}"), Ok("d".into()));
    assert_eq!(read(azure, r#"{"model":null}"#), Ok("d".into()));
    assert_eq!(read(azure, r#"{"model":"m"}"#), Ok("d".into()), "the deployment decides");
    assert_eq!(read("/v1beta/models/m%3AgenerateContent", "{}"), Ok("m".into()));
    assert_eq!(read("/model/a/model/b/converse", "{}"), Err("/model".into()));
    assert_eq!(read("/v1/chat/completions", r#"{"model":null}"#), Err("/model".into()));
    assert_eq!(read("/v1/chat/completions", "{}"), Err("/model".into()));
}

#[test]
fn a_prompt_is_estimated_by_its_text_and_its_images() {
    let estimate = |body: &Value| {
        Asked::read(format(Meter::OpenaiChat).unwrap(), "/", body.to_string().into(), &|_| false).unwrap().look.tokens
    };
    let of = |content: Value| estimate(&json!({ "model": "m", "messages": [{ "role": "user", "content": content }] }));
    let image = format!("data:image/png;base64,{}", "iVBORw0KGgoAAAANSUhEUg".repeat(14_000));
    let with_image =
        of(json!([{ "type": "text", "text": "What is it?" }, { "type": "image_url", "image_url": { "url": image } }]));
    assert!((1_000..1_200).contains(&with_image), "{with_image}");
    let chinese = r#"{"model":"m","messages":[{"role":"user","content":"WORDS"}]}"#
        .replace("WORDS", &"\\u4f60\\u597d".repeat(720));
    let asked = Asked::read(format(Meter::OpenaiChat).unwrap(), "/", chinese.into(), &|_| false).unwrap();
    assert!((1_440..1_460).contains(&asked.look.tokens), "{}", asked.look.tokens);
}
