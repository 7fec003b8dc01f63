//! Takes out of a stream the usage that the gateway asked for and the client did not: a chunk that has nothing else, or the
//! one member of a chunk that has.

use super::{
    json::{Kind, Node},
    plain,
};

const USAGE: &str = "usage";

/// Members with something that a client reads, whatever else a chunk states: sources, media, text, errors.
const CONTENT: [&str; 32] = [
    "annotations",
    "answer",
    "audio",
    "citations",
    "completion",
    "content",
    "data",
    "delta",
    "documents",
    "error",
    "errors",
    "generated_text",
    "grounding_metadata",
    "images",
    "media",
    "message",
    "news",
    "output",
    "references",
    "related_questions",
    "reply",
    "response",
    "result",
    "search_results",
    "sources",
    "text",
    "token",
    "tool_calls",
    "tool_results",
    "videos",
    "warnings",
    "web_search",
];

/// What of a chunk is for the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ForClient {
    All,
    Nothing,
    /// Its data without the usage.
    Data(Vec<u8>),
}

/// What of a chunk, which is the JSON text `data`, is for a client that has not asked for usage. A chunk with a choice stays
/// as it is, because its upstream would state the usage in it unasked too.
pub(super) fn strip(data: &[u8], chunk: &Node<'_>) -> ForClient {
    let has_usage = chunk.get(USAGE).is_some_and(Node::is_object);
    let has_choice = chunk.get("choices").is_some_and(|choices| !choices.items().is_empty());
    if !has_usage || has_choice {
        return ForClient::All;
    }
    let mut others = chunk.members().iter().filter(|member| !member.is(USAGE));
    if others.any(|member| is_for_client(&member.name(), &member.value)) {
        return ForClient::Data(without_usage(data, chunk));
    }
    ForClient::Nothing
}

/// Whether there is content in a member. Clients take the first choice of a chunk without looking: one that has none must be
/// worth it, and figures about the run (`timings` of llama.cpp, `nvext` of Dynamo, `cost`) are of no more use than the usage
/// that they stand beside. A list is content unless it is empty; an object is where a member of it is.
fn is_for_client(name: &str, value: &Node<'_>) -> bool {
    let is_content = CONTENT.contains(&name);
    match &value.kind {
        Kind::List(_) => !plain::is_empty(value),
        Kind::Object(members) if is_content => !members.is_empty(),
        Kind::Object(members) => members.iter().any(|member| {
            let name = member.name();
            let may_be = CONTENT.contains(&&*name) || member.value.is_object();
            may_be && is_for_client(&name, &member.value)
        }),
        Kind::Text => is_content && !plain::is_empty(value),
        Kind::Null | Kind::Bool(_) | Kind::Number => false,
    }
}

/// Every other byte stays, but for one comma.
fn without_usage(data: &[u8], chunk: &Node<'_>) -> Vec<u8> {
    let members = chunk.members();
    let Some(at) = members.iter().rposition(|member| member.is(USAGE)) else {
        return data.to_vec();
    };
    let place = |at: Option<usize>| at.and_then(|at| members.get(at)).map(|member| member.place(data));
    let own = place(Some(at)).unwrap_or_default();
    let cut = match (place(at.checked_add(1)), place(at.checked_sub(1))) {
        (Some(next), _) => own.start..next.start,
        (None, Some(before)) => before.end..own.end,
        (None, None) => own,
    };
    let (head, tail) = (data.get(..cut.start).unwrap_or_default(), data.get(cut.end..).unwrap_or_default());
    [head, tail].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::json;

    #[test]
    fn only_usage_is_taken_out_of_a_chunk() {
        let data = |text: &str| ForClient::Data(text.as_bytes().to_vec());
        for (chunk, expected) in [
            (r#"{"choices":[ ],"usage":{"a":1}}"#, ForClient::Nothing),
            (r#"{"id":"c","model":"m1","usage":{}}"#, ForClient::Nothing),
            (r#"{"choices":null,"usage":{},"object":"x","citations":[]}"#, ForClient::Nothing),
            (r#"{"choices":[],"usage":{},"cost":0.1,"type":"usage"}"#, ForClient::Nothing),
            (r#"{"choices":[],"usage":null}"#, ForClient::All),
            (r#"{"choices":[]}"#, ForClient::All),
            (r#"{"choices":[{}],"usage":{}}"#, ForClient::All),
            (r"[1]", ForClient::All),
            (r#"{"choices":[], "usage":{"a":{}} ,"citations":["u"]}"#, data(r#"{"choices":[], "citations":["u"]}"#)),
            (r#"{"citations":["u"] , "usage":{}}"#, data(r#"{"citations":["u"]}"#)),
        ] {
            assert_eq!(strip(chunk.as_bytes(), &json::read(chunk.as_bytes()).unwrap()), expected, "{chunk}");
        }
    }

    #[test]
    fn figures_about_the_run_go_with_the_usage_and_content_stays() {
        for (member, stays) in [
            (r#""timings":{"cache_n":36,"prompt_n":64,"prompt_ms":30.9}"#, false),
            (r#""nvext":{"timing":{"total_time_ms":2.0},"worker_id":"w"}"#, false),
            (r#""time_info":{"queue_time":0.1,"total_time":0.2}"#, false),
            (r#""metrics":{"ttft":0.1}"#, false),
            (r#""perf_metrics":{"prompt-tokens":"9"}"#, false),
            (r#""stats":{"tokens_per_second":51.4}"#, false),
            (r#""kv_transfer_params":{"remote_block_ids":[1,2],"remote_host":"h"}"#, false),
            (r#""usage_breakdown":{"models":[{"model":"m","usage":{"total_tokens":9}}]}"#, false),
            (r#""cost":{"total":0.1}"#, false),
            (r#""sglext":{"cached_tokens_details":{"device":9}}"#, false),
            (r#""metadata":{"weight_version":"default"}"#, false),
            (r#""moderation":{"results":[{"flagged":false}]}"#, false),
            (r#""x_groq":{"id":"r","usage":{"total_time":0.1}}"#, false),
            (r#""error":null,"message":"","citations":[],"search_results":{}"#, false),
            (r#""search_results":[{"url":"u"}]"#, true),
            (r#""images":[{"image_url":"u"}]"#, true),
            (r#""error":{"message":"no"}"#, true),
            (r#""error":"no""#, true),
            (r#""search_info":{"search_results":[{"url":"u"}]}"#, true),
            (r#""x_groq":{"error":"over capacity"}"#, true),
            (r#""unknown":["a"]"#, true),
            // Workers AI has its usage beside each word.
            (r#""response":" word","p":"abc""#, true),
        ] {
            let chunk = format!(r#"{{"id":"c","choices":[],"usage":{{"total_tokens":9}},{member}}}"#);
            let expected = if stays {
                ForClient::Data(format!(r#"{{"id":"c","choices":[],{member}}}"#).into_bytes())
            } else {
                ForClient::Nothing
            };
            assert_eq!(strip(chunk.as_bytes(), &json::read(chunk.as_bytes()).unwrap()), expected, "{member}");
        }
    }
}
