//! What ordinary clients send, in their own shape: each must be served, with a hold that is no larger than its bytes allow.

use serde_json::{Value, json};

use super::{Asked, Ways, format, test_price};
use crate::domain::{price::Price, route::Meter};

fn price() -> Price {
    test_price::price(1_000_000, 32_000)
}

fn function(name: &str) -> Value {
    json!({ "type": "function", "name": name, "description": "Runs it.", "strict": false,
        "parameters": { "type": "object", "properties": { "type": { "type": "string" }, "ttl": { "type": "number" } } } })
}

fn codex() -> Value {
    json!({
        "model": "m", "instructions": "You are Codex.", "stream": true, "store": false, "parallel_tool_calls": true,
        "tool_choice": "auto", "include": ["reasoning.encrypted_content"], "prompt_cache_key": "0190",
        "client_metadata": { "session": "0190" }, "service_tier": null, "prompt_cache_retention": "24h",
        "reasoning": { "effort": "medium", "summary": "auto" }, "text": { "verbosity": "medium" },
        "tools": [
            function("shell"), { "type": "local_shell" }, { "type": "tool_search", "execution": "client" },
            { "type": "custom", "name": "apply_patch", "format": { "type": "grammar", "syntax": "lark", "definition": "s: x" } },
            { "type": "namespace", "name": "mcp", "tools": [function("read"), function("write")] },
        ],
        "input": [
            { "type": "additional_tools", "role": "developer", "tools": [function("late")] },
            { "type": "message", "role": "developer", "content": [{ "type": "input_text", "text": "permissions" }] },
            { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "Mend it" }] },
            { "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA", "content": null },
            { "type": "function_call", "name": "shell", "arguments": "{\"command\":[\"ls\"]}", "call_id": "c1" },
            { "type": "function_call_output", "call_id": "c1", "output": "file" },
            { "type": "custom_tool_call", "name": "apply_patch", "input": "*** Begin", "call_id": "c2" },
            { "type": "custom_tool_call_output", "call_id": "c2", "output": "done" },
            { "type": "local_shell_call", "call_id": "c3", "status": "completed", "action": { "type": "exec", "command": ["ls"] } },
            { "type": "tool_search_call", "call_id": "c4", "execution": "client", "arguments": { "query": "read" } },
            { "type": "tool_search_output", "call_id": "c4", "execution": "client", "tools": [function("found")] },
            { "type": "function_call_output", "call_id": "c5", "output": [{ "type": "input_text", "text": "1" }] },
            { "type": "compaction", "encrypted_content": "gAAAA" },
            { "type": "message", "role": "assistant", "phase": "final_answer", "content": [{ "type": "output_text", "text": "Done" }] },
        ],
    })
}

fn claude_code() -> Value {
    let cached = json!({ "type": "ephemeral", "ttl": "1h" });
    json!({
        "model": "m", "max_tokens": 32000, "stream": true, "metadata": { "user_id": "user_0" },
        "system": [
            { "type": "text", "text": "You are Claude Code.", "cache_control": cached },
            { "type": "text", "text": "Environment", "cache_control": { "type": "ephemeral", "scope": "global" } },
        ],
        "thinking": { "type": "adaptive" }, "output_config": { "effort": "high" },
        "context_management": { "edits": [{ "type": "clear_thinking_20251015", "keep": "all" }, { "type": "clear_tool_uses_20250919" }] },
        "tools": [
            { "name": "Bash", "description": "Runs", "input_schema": { "type": "object", "properties": {} } },
            { "type": "bash_20250124", "name": "bash" },
            { "type": "text_editor_20250728", "name": "str_replace_based_edit_tool", "max_characters": 10_000 },
            { "type": "custom", "name": "Late", "input_schema": {}, "defer_loading": true, "cache_control": cached },
            { "type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex" },
            { "name": "mcp__files__read", "input_schema": { "type": "object" }, "strict": true,
              "input_examples": [{ "path": "a" }], "eager_input_streaming": true, "allowed_callers": ["direct"] },
        ],
        "tool_choice": { "type": "auto", "disable_parallel_tool_use": false }, "stop_sequences": ["</end>"],
        "service_tier": null, "container": null, "temperature": 1,
        "messages": [
            { "role": "user", "content": [{ "type": "text", "text": "Mend it" }] },
            { "role": "assistant", "content": [
                { "type": "thinking", "thinking": "Well", "signature": "EqQB" },
                { "type": "tool_use", "id": "t1", "name": "Bash", "input": { "type": "image", "ttl": "x", "tools": [1] } },
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "t1", "content": [{ "type": "text", "text": "ok" }], "is_error": false },
                { "type": "text", "text": "Go on", "cache_control": { "type": "ephemeral" } },
            ] },
            { "role": "assistant", "content": [
                { "type": "redacted_thinking", "data": "EqQB" },
                { "type": "tool_use", "id": "t2", "name": "tool_search_tool_regex", "input": { "pattern": "read" }, "caller": { "type": "direct" } },
            ] },
            { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "t2", "content": [
                { "type": "tool_reference", "tool_name": "mcp__files__read" }] }] },
            { "role": "system", "content": "The time has changed." },
        ],
    })
}

fn cursor() -> Value {
    json!({
        "model": "m", "stream": true, "stream_options": { "include_usage": true }, "temperature": 0, "user": "x",
        "store": true, "metadata": { "models": "x" }, "reasoning_effort": "high", "verbosity": "low", "prompt_cache_key": "k",
        "safety_identifier": "s", "web_search_options": null, "prediction": null, "modalities": ["text"], "audio": null,
        "tool_choice": { "type": "allowed_tools", "allowed_tools": { "mode": "auto", "tools": [
            { "type": "function", "function": { "name": "read" } }] } },
        "messages": [
            { "role": "system", "content": "You are a pair programmer." },
            { "role": "user", "content": [{ "type": "text", "text": "Mend it", "cache_control": { "type": "ephemeral" } }] },
            { "role": "assistant", "content": null, "tool_calls": [
                { "id": "c1", "type": "function", "function": { "name": "read", "arguments": "{}" } }] },
            { "role": "tool", "tool_call_id": "c1", "content": "text" },
        ],
        "tools": [{ "type": "function", "function": { "name": "read", "parameters": { "type": "object" } } }],
    })
}

/// Of the Vercel AI SDK for Anthropic.
fn vercel_ai_messages() -> Value {
    json!({
        "model": "m", "max_tokens": 64_000, "stream": true, "thinking": { "type": "enabled", "budget_tokens": 10_000 },
        "system": [{ "type": "text", "text": "Help" }], "top_k": 4,
        "tools": [{ "name": "f", "description": "Runs", "input_schema": { "type": "object" }, "cache_control": { "type": "ephemeral", "ttl": "1h" } }],
        "context_management": { "edits": [{ "type": "clear_tool_uses_20250919", "trigger": { "type": "input_tokens", "value": 100_000 },
            "keep": { "type": "tool_uses", "value": 3 }, "clear_at_least": { "type": "input_tokens", "value": 5_000 } }] },
        "output_config": { "format": { "type": "json_schema", "schema": { "type": "object" } } }, "mcp_servers": [],
        "messages": [{ "role": "user", "content": [{ "type": "search_result", "source": "https://a.example", "title": "A",
            "content": [{ "type": "text", "text": "found" }], "citations": { "enabled": true } }] }],
    })
}

fn gemini_cli() -> Value {
    json!({
        "contents": [
            { "role": "user", "parts": [{ "text": "Mend it" }] },
            { "role": "model", "parts": [{ "functionCall": { "name": "read", "args": { "path": "a" } }, "thoughtSignature": "CiQB" }] },
            { "role": "user", "parts": [{ "functionResponse": { "name": "read", "response": { "output": "text" } } }] },
        ],
        "systemInstruction": { "role": "user", "parts": [{ "text": "You are an agent." }] },
        "tools": [{ "functionDeclarations": [{ "name": "read", "description": "Reads", "parametersJsonSchema": { "type": "object" } }] }],
        "toolConfig": { "functionCallingConfig": { "mode": "AUTO" } }, "safetySettings": [], "labels": { "a": "b" },
        "generationConfig": { "temperature": 0, "topP": 1, "maxOutputTokens": 8_192, "candidateCount": 1,
            "thinkingConfig": { "includeThoughts": true, "thinkingBudget": 8_192 }, "responseModalities": ["TEXT"] },
    })
}

fn aider() -> Value {
    json!({
        "model": "m", "temperature": 0, "stream": true,
        "messages": [
            { "role": "system", "content": [{ "type": "text", "text": "Act as an expert", "cache_control": { "type": "ephemeral" } }] },
            { "role": "user", "content": "I have added these files" }, { "role": "assistant", "content": "Ok." },
        ],
    })
}

fn agents_sdk() -> Value {
    json!({
        "model": "m", "instructions": "Help", "input": [{ "role": "user", "content": "Hi" },
            { "id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
              "content": [{ "type": "output_text", "text": "Hello", "annotations": [], "logprobs": [] }] }],
        "include": [], "tools": [function("weather")], "tool_choice": "auto", "stream": true, "store": null,
        "previous_response_id": null, "conversation": null, "prompt": null, "truncation": null, "text": null,
        "max_output_tokens": null, "prompt_cache_retention": "24h", "metadata": null,
    })
}

fn langchain() -> Value {
    json!({
        "model": "m", "stream": false, "temperature": 0.7, "n": 1, "parallel_tool_calls": false, "seed": null,
        "messages": [{ "role": "user", "content": [{ "type": "text", "text": "Hi" }], "name": "u" }],
        "response_format": { "type": "json_schema", "json_schema": { "name": "A", "schema": { "type": "object" }, "strict": true } },
        "tool_choice": { "type": "function", "function": { "name": "A" } }, "logit_bias": { "50256": -100 },
    })
}

fn vercel_ai() -> Value {
    json!({
        "model": "m", "input": [{ "role": "system", "content": "Help" },
            { "role": "user", "content": [{ "type": "input_text", "text": "Hi" }] },
            { "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}" },
            { "type": "function_call_output", "call_id": "c", "output": [{ "type": "input_text", "text": "1" }] }],
        "text": { "format": { "type": "json_schema", "strict": true, "name": "response", "schema": { "type": "object" } } },
        "tools": [function("f")], "stream": true, "service_tier": "auto",
    })
}

#[test]
fn ordinary_clients_are_served_and_held_by_their_bytes() {
    use Meter::{AnthropicMessages, GeminiGenerate, OpenaiChat, OpenaiResponses};
    for (name, meter, body) in [
        ("Codex", OpenaiResponses, codex()),
        ("Claude Code", AnthropicMessages, claude_code()),
        ("Cursor", OpenaiChat, cursor()),
        ("aider", OpenaiChat, aider()),
        ("the OpenAI Agents SDK", OpenaiResponses, agents_sdk()),
        ("LangChain", OpenaiChat, langchain()),
        ("the Vercel AI SDK", OpenaiResponses, vercel_ai()),
        ("the Vercel AI SDK for Anthropic", AnthropicMessages, vercel_ai_messages()),
        ("Gemini CLI", GeminiGenerate, gemini_cli()),
    ] {
        let body = body.to_string();
        let bytes = u64::try_from(body.len()).unwrap();
        let path = "/v1beta/models/m:streamGenerateContent";
        let asked = Asked::read(format(meter).unwrap(), path, body.into(), &|_| false);
        let asked = asked.unwrap_or_else(|faults| panic!("{name}: {faults:?}"));
        let estimate = asked.estimated_tokens();
        let bound = asked.bound(&[&price()], Ways::default()).unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
        assert!(bound.input_tokens <= bytes + 1_100, "{name}: {} for {bytes}", bound.input_tokens);
        assert!(estimate >= 5, "{name}: {estimate}");
        let has_long = ["Claude Code", "the Vercel AI SDK for Anthropic"].contains(&name);
        assert_eq!(bound.has_long_cache, has_long, "{name}");
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
        let body = format!(r#"{{"model":"m","max_tokens":100,{members}}}"#);
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
