//! The worst requests and answers that are known: deep, long, crowded and many of everything that is looked into.
//!
//! Used by the benchmark `metering`, which times them, and by the tests of the meters, which count their work.

/// A request of a shape: its name, and its members behind the model's.
pub fn requests(bytes: usize) -> Vec<(&'static str, String)> {
    let many = |item: &str| many(item, bytes);
    let letters = "a".repeat(bytes);
    vec![
        ("a deep list", format!(r#""messages":{}"#, deep(bytes))),
        ("deep lists", format!(r#""messages":[{}]"#, many(&deep(120)))),
        ("empty lists", format!(r#""messages":[{}]"#, many("[]"))),
        ("deep lists of a setting", format!(r#""x":[{}]"#, many(&deep(240)))),
        ("deep lists of a search", format!(r#""x":[{}]"#, many(&format!(r#"{{"web_search":{}}}"#, deep(230))))),
        ("messages", format!(r#""messages":[{}]"#, many(r#"{"role":"user","content":"a"}"#))),
        ("parts", format!(r#""messages":[{{"role":"user","content":[{}]}}]"#, many(r#"{"type":"text","text":"a"}"#))),
        ("unknown parts", format!(r#""messages":[{{"content":[{}]}}]"#, many(r#"{"type":"x","x":{}}"#))),
        (
            "images",
            format!(r#""messages":[{{"content":[{}]}}]"#, many(r#"{"type":"image_url","image_url":{"url":"u"}}"#)),
        ),
        ("types of a part", format!(r#""messages":[{{"content":[{{{}}}]}}]"#, many(r#""type":"image_url""#))),
        (
            "cache rules",
            format!(r#""system":[{}]"#, many(r#"{"type":"text","cache_control":{"type":"ephemeral","ttl":"5m"}}"#)),
        ),
        ("input", format!(r#""input":[{}]"#, many(r#"{"type":"function_call_output","output":"a"}"#))),
        ("contents", format!(r#""contents":[{}]"#, many(r#"{"parts":[{"text":"a"},{"inlineData":{"data":"AA"}}]}"#))),
        (
            "tools",
            format!(
                r#""tools":[{}]"#,
                many(r#"{"type":"function","name":"f","function":{"name":"f","parameters":{}}}"#)
            ),
        ),
        ("tools in tools", format!(r#""tools":[{}]"#, many(r#"{"type":"namespace","tools":[{"type":"function"}]}"#))),
        ("a crowded tool", format!(r#""tools":[{{"type":"function",{}}}]"#, many(r#""a":1"#))),
        ("crowded tools", format!(r#""tools":[{}]"#, many(&format!("{{{}}}", many_of(r#""a":1"#, 900))))),
        ("models", format!(r#""models":[{}]"#, many(r#""m""#))),
        ("fallbacks", format!(r#""fallbacks":[{}]"#, many(r#"{"m":["m","n"]}"#))),
        ("metadata", format!(r#""metadata":{{{}}}"#, many(r#""a":"b""#))),
        ("documents", format!(r#""query":"q","documents":[{}]"#, many(r#""a""#))),
        ("prompts", format!(r#""prompt":[{}]"#, many("[1,2]"))),
        ("numbers", format!(r#""input":[{}]"#, many("1"))),
        ("one line", format!(r#""messages":[{{"content":"{letters}"}}]"#)),
        ("escapes", format!(r#""messages":[{{"content":"{}"}}]"#, r"\u0041".repeat(bytes / 6))),
        ("a long name", format!(r#""messages":[{{"{letters}":1}}],"{letters}":1"#)),
        ("a long escaped name", format!(r#""messages":[{{"{}":1}}]"#, r"\u0041".repeat(bytes / 6))),
        ("crowded settings", format!(r#""extra_body":[{}]"#, many(&format!("{{{}}}", many_of(r#""\u0061":1"#, 900))))),
    ]
}

/// JSON texts of answers by their shapes.
pub fn texts(bytes: usize) -> Vec<(&'static str, String)> {
    let many = |item: &str| many(item, bytes);
    let usage = r#"{"prompt_tokens":9,"completion_tokens":8,"total_tokens":17,"completion_tokens_details":{"reasoning_tokens":2}}"#;
    let crowd = |item: &str, members: usize| format!("{{{}}}", many_of(item, members));
    vec![
        ("a deep list", format!(r#"{{"choices":{}}}"#, deep(bytes))),
        ("deep lists", format!(r#"{{"choices":[{}]}}"#, many(&deep(120)))),
        ("empty lists", format!("[{}]", many("[]"))),
        ("empty objects", format!("[{}]", many("{}"))),
        ("a crowd", format!("{{{}}}", many(r#""a":1"#))),
        ("crowds", format!(r#"{{"choices":[{}]}}"#, many(&crowd(r#""a":1"#, 2_100)))),
        ("deep lists of choices", format!(r#"{{"choices":[{{"message":{}}}]}}"#, many(&deep(240)))),
        ("words that are no values", format!(r#"{{"choices":[{}]}}"#, many("NaN"))),
        ("texts in another dialect", format!(r#"{{"x":[{}]}}"#, many(r#"{"text":"a"}"#))),
        ("one line", format!(r#"{{"choices":[{{"message":{{"content":"{}"}}}}]}}"#, "a".repeat(bytes))),
        ("escapes", format!(r#"{{"choices":[{{"message":{{"content":"{}"}}}}]}}"#, r"\u0041".repeat(bytes / 6))),
        ("blanks", format!(r#"{{"choices":[{}]}}"#, " ".repeat(bytes))),
        ("numbers", format!(r#"{{"data":[{}],"usage":{usage}}}"#, many("0.1"))),
        ("choices", format!(r#"{{"choices":[{}],"usage":{usage}}}"#, many(r#"{"message":{"content":"a"}}"#))),
        ("crowded choices", format!(r#"{{"choices":[{}]}}"#, many(&crowd(r#""a":1"#, 900)))),
        ("usages of choices", format!(r#"{{"choices":[{}]}}"#, many(&format!(r#"{{"usage":{usage}}}"#)))),
        (
            "crowded usages",
            format!(r#"{{"choices":[{}]}}"#, many(&format!(r#"{{"usage":{}}}"#, crowd(r#""a":1"#, 300)))),
        ),
        ("a crowded usage", format!(r#"{{"usage":{{{}}}}}"#, many(r#""a":1"#))),
        ("rounds", format!(r#"{{"usage":{{"iterations":[{}]}}}}"#, many(r#"{"input_tokens":1}"#))),
        ("crowded rounds", format!(r#"{{"usage":{{"iterations":[{}]}}}}"#, many(&crowd(r#""a":1"#, 300)))),
        (
            "modalities",
            format!(
                r#"{{"usageMetadata":{{"promptTokensDetails":[{}]}}}}"#,
                many(r#"{"modality":"AUDIO","tokenCount":1}"#)
            ),
        ),
        ("blocks", format!(r#"{{"type":"message","content":[{}]}}"#, many(r#"{"type":"text","text":"a"}"#))),
        ("tools that ran", format!(r#"{{"content":[{}]}}"#, many(r#"{"type":"server_tool_use","name":"web_search"}"#))),
        ("output", format!(r#"{{"output":[{}]}}"#, many(r#"{"type":"message","content":[{"text":"a"}]}"#))),
        ("calls", format!(r#"{{"response":{{"output":[{}]}}}}"#, many(r#"{"type":"x_call"}"#))),
        (
            "candidates",
            format!(
                r#"{{"candidates":[{}]}}"#,
                many(r#"{"content":{"parts":[{"text":"a"}]},"groundingMetadata":{"webSearchQueries":["a"]}}"#)
            ),
        ),
        ("a long name", format!(r#"{{"{}":1,"usage":{usage}}}"#, "a".repeat(bytes))),
        ("a long escaped name", format!(r#"{{"{}":1,"usage":{usage}}}"#, r"\u0041".repeat(bytes / 6))),
        ("names of models", format!(r#"{{"message":{{{}}}}}"#, many(r#""model":"m""#))),
        ("texts behind each other", many(r#"{"response":"a"}"#).replace("},{", "}\n{")),
        ("what is no JSON", "{\"a\":".repeat(bytes / 5)),
    ]
}

/// Bodies that are events, by their shapes.
pub fn events(bytes: usize) -> Vec<(&'static str, String)> {
    let repeat = |event: &str| event.repeat(bytes.div_ceil(event.len()));
    let usage = r#"{"prompt_tokens":9,"completion_tokens":8,"iterations":[{"input_tokens":1}]}"#;
    let mut events = vec![
        ("deltas", repeat("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n")),
        ("usages", repeat(&format!("data: {{\"choices\":[],\"usage\":{usage}}}\n\n"))),
        ("tiny events", repeat("data:1\n\n")),
        ("empty events", repeat("data: {}\n\n")),
        ("blank lines", repeat("\n")),
        ("ends of lines", repeat("\r")),
        ("comments", repeat(":\n\n")),
        ("an event of short lines", repeat("data: 1\n")),
        ("an event of empty lines", repeat("data\n")),
        ("stray lines", repeat("x\n\n")),
        ("errors", repeat("event: error\ndata: x\n\n")),
    ];
    events.extend(texts(bytes).into_iter().map(|(name, text)| (name, format!("data: {text}\n\n"))));
    events
}

fn deep(bytes: usize) -> String {
    "[".repeat(bytes / 2) + &"]".repeat(bytes / 2)
}

/// A list of this item, of about `bytes` bytes.
fn many(item: &str, bytes: usize) -> String {
    many_of(item, bytes.div_ceil(item.len() + 1).max(1))
}

fn many_of(item: &str, times: usize) -> String {
    vec![item; times].join(",")
}
