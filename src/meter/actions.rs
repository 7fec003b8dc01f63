//! What a path asks of the model that it names, and which of it a meter bills.
//!
//! Gemini, Bedrock and Azure name the model in the path, so their routes are prefixes, and a caller picks what stands behind
//! the name. What the meter of the route cannot read would be forwarded and cost nothing: it is refused, and may have a route
//! of its own.

use super::plain::model_in;
use crate::domain::route::Meter;

/// Ends of paths that the meter bills, where the path names a model; nothing where any end will do.
const fn ends_of(meter: Meter) -> &'static [&'static str] {
    match meter {
        Meter::None | Meter::Fixed(_) | Meter::CountTokens | Meter::Rerank => &[],
        Meter::GeminiGenerate => &[
            ":generateContent",
            ":streamGenerateContent",
            ":countTokens",
            ":computeTokens",
            ":embedContent",
            ":batchEmbedContents",
        ],
        Meter::BedrockConverse => &["/converse", "/converse-stream", "/count-tokens"],
        Meter::AnthropicMessages => &[
            "/messages",
            "/messages/count_tokens",
            "/invoke",
            "/invoke-with-response-stream",
            ":rawPredict",
            ":streamRawPredict",
        ],
        // Mistral's models at Vertex have an end of their own, and so has Databricks.
        Meter::OpenaiChat => &["/chat/completions", ":rawPredict", ":streamRawPredict", SERVED],
        Meter::OpenaiCompletions => &["/completions", ":rawPredict", ":streamRawPredict", SERVED],
        Meter::OpenaiResponses => &["/responses", "/responses/input_tokens", "/responses/compact"],
        Meter::OpenaiEmbeddings => &["/embeddings", SERVED],
        Meter::OpenaiImages => &["/images/generations", "/images/edits", "/images/variations"],
        Meter::OpenaiTranscriptions => &["/audio/transcriptions", "/audio/translations"],
        Meter::OpenaiSpeech => &["/audio/speech"],
    }
}

/// Of Databricks.
const SERVED: &str = "/invocations";

/// Parameters of Google's APIs that leave parts of an answer out, its usage among them, change its form, or stand for a body or
/// header fields. Each may begin with `$`, and their case does not matter to all of its services.
const HIDING: [&str; 6] = ["callback", "ct", "fields", "httpheaders", "httpmethod", "req"];

/// The one that names the form of an answer, and the forms that are read: `json;enum-encoding=int` is of Google's own clients.
const FORM: &str = "alt";
const FORMS: [&str; 2] = ["json", "sse"];

/// The same as a header.
pub const HIDING_HEADER: &str = "x-goog-fieldmask";

/// Why a call with this path and query cannot be billed by the meter; nothing where it can.
#[must_use]
pub fn unbilled(meter: Meter, path: &str, query: Option<&str>) -> Option<String> {
    let ends = ends_of(meter);
    if !ends.is_empty() && model_in(path).is_some() && !ends.iter().any(|end| is_end(path, end)) {
        return Some(format!(
            "the meter of this route does not bill what the path asks of its model; it bills paths that end with {}: give \
             others a route of their own",
            ends.join(", ")
        ));
    }
    let query = query.filter(|_| meter == Meter::GeminiGenerate)?;
    let name = form_urlencoded::parse(query.as_bytes()).find(|(name, value)| is_hiding(name, value))?.0;
    Some(format!(
        "the parameter {} of the query leaves the usage out of the answer, or puts it where it is not read; leave it out, or \
         write alt=json or alt=sse",
        name.escape_debug()
    ))
}

/// Whether a parameter of the query keeps the usage from being read.
fn is_hiding(name: &str, value: &str) -> bool {
    let name = name.strip_prefix('$').unwrap_or(name).to_ascii_lowercase();
    let form = value.split(';').next().unwrap_or_default().to_ascii_lowercase();
    HIDING.contains(&&*name) || (name == FORM && !form.is_empty() && !FORMS.contains(&&*form))
}

/// A colon may be coded. `/completions` is no end of `/chat/completions`, which is another action.
fn is_end(path: &str, end: &str) -> bool {
    let is_other = end == "/completions" && path.ends_with("/chat/completions");
    let coded = |code: &str| end.strip_prefix(':').is_some_and(|action| path.ends_with(&format!("{code}{action}")));
    !is_other && (path.ends_with(end) || coded("%3A") || coded("%3a"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_meter_cannot_read_is_not_billed_by_it() {
        use Meter::{
            AnthropicMessages, BedrockConverse, GeminiGenerate, OpenaiChat, OpenaiCompletions, OpenaiEmbeddings,
            OpenaiImages,
        };
        for (meter, path, is_billed) in [
            (GeminiGenerate, "/v1beta/models/m:generateContent", true),
            (GeminiGenerate, "/v1beta/models/m%3AstreamGenerateContent", true),
            (GeminiGenerate, "/v1beta/models/m:batchEmbedContents", true),
            (GeminiGenerate, "/v1beta/models/m:predict", false),
            (GeminiGenerate, "/v1beta/models/m:predictLongRunning", false),
            (GeminiGenerate, "/v1beta/models/m:batchGenerateContent", false),
            (GeminiGenerate, "/v1beta/models/m%3ApredictLongRunning", false),
            (GeminiGenerate, "/v1/publishers/anthropic/models/m:rawPredict", false),
            (GeminiGenerate, "/v1beta/models/m", false),
            (BedrockConverse, "/model/m:0/converse-stream", true),
            (BedrockConverse, "/model/m:0/invoke", false),
            (BedrockConverse, "/model/m/async-invoke", false),
            (AnthropicMessages, "/model/m/invoke-with-response-stream", true),
            (AnthropicMessages, "/v1/publishers/anthropic/models/m:streamRawPredict", true),
            (AnthropicMessages, "/v1/messages/batches", true),
            (OpenaiChat, "/openai/deployments/d/chat/completions", true),
            (OpenaiChat, "/openai/deployments/d/completions", false),
            (OpenaiChat, "/openai/deployments/d/images/generations", false),
            (OpenaiChat, "/openai/deployments/d/video/generations/jobs", false),
            (OpenaiCompletions, "/openai/deployments/d/completions", true),
            (OpenaiCompletions, "/openai/deployments/d/chat/completions", false),
            (OpenaiEmbeddings, "/openai/deployments/d/embeddings", true),
            (OpenaiImages, "/openai/deployments/d/images/edits", true),
            (OpenaiChat, "/v1/chat/completions", true),
            (OpenaiChat, "/v1/publishers/mistralai/models/m:streamRawPredict", true),
            (OpenaiChat, "/v1/publishers/mistralai/models/m:predict", false),
            (OpenaiChat, "/serving-endpoints/m/invocations", true),
            (OpenaiEmbeddings, "/serving-endpoints/m/invocations", true),
            (OpenaiChat, "/anything", true),
            (Meter::None, "/v1beta/models/m:predict", true),
        ] {
            assert_eq!(unbilled(meter, path, None).is_none(), is_billed, "{meter:?} {path}");
        }
    }

    #[test]
    fn what_leaves_the_usage_out_of_an_answer_is_refused() {
        let path = "/v1beta/models/m:generateContent";
        for (query, is_billed) in [
            ("alt=sse&key=a", true),
            ("fields=candidates", false),
            ("alt=sse&%24fields=a", false),
            ("%66ields=a", false),
            ("callback=f", false),
            ("alt=json&prettyPrint=false&access_token=a", true),
            ("$alt=json;enum-encoding=int", true),
            ("%24alt=json%3Benum-encoding%3Dint", true),
            ("alt=", true),
            ("alt=proto", false),
            ("%24alt=proto", false),
            ("Alt=PROTO", false),
            ("alt=media", false),
            ("alt=sse&alt=proto", false),
            ("Fields=candidates", false),
            ("$ct=application/x-protobuf", false),
            ("$httpHeaders=X-Goog-FieldMask:candidates", false),
            ("$req=x", false),
        ] {
            assert_eq!(unbilled(Meter::GeminiGenerate, path, Some(query)).is_none(), is_billed, "{query}");
        }
        assert_eq!(unbilled(Meter::OpenaiChat, "/v1/chat/completions", Some("fields=a")), None);
    }
}
