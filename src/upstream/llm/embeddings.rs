//! The model in the format of OpenAI embeddings: <https://platform.openai.com/docs/api-reference/embeddings>. A vector is made
//! from its text alone; equal texts have equal vectors, and that is all they mean.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Call, Refusal, json as whole,
    model::{self, NAME},
};
use crate::upstream::Answer;

/// The most texts of one request, as the provider has it.
const MAX_TEXTS: usize = 2_048;

const DIMENSIONS: u32 = 16;

#[derive(Deserialize)]
struct Request {
    model: String,
    #[serde(default)]
    input: Value,
    encoding_format: Option<String>,
}

pub(super) fn complete(call: &Call) -> Result<Answer, Refusal> {
    let request: Request = serde_json::from_slice(&call.body)?;
    if request.model != NAME {
        return Err(Refusal::UnknownModel(request.model));
    }
    let texts = match &request.input {
        Value::String(_) => std::slice::from_ref(&request.input),
        Value::Array(items) if items.iter().all(Value::is_u64) && !items.is_empty() => {
            std::slice::from_ref(&request.input)
        }
        Value::Array(items) if (1..=MAX_TEXTS).contains(&items.len()) => items.as_slice(),
        _ => return Err(Refusal::invalid("The input must be a text, or a list of at most 2048.", "input")),
    };
    let is_packed = request.encoding_format.as_deref() == Some("base64");
    let tokens = texts.iter().map(tokens).fold(0, u64::saturating_add);
    let data = texts.iter().zip(0_u64..).map(|(text, index)| {
        let vector = vector(&text.to_string());
        let embedding = if is_packed { Value::String(packed(&vector)) } else { json!(vector) };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    });
    let data: Vec<Value> = data.collect();
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    Ok(whole(StatusCode::OK, &json!({"object": "list", "data": data, "model": NAME, "usage": usage})))
}

/// Of a text, or of a list of tokens.
fn tokens(input: &Value) -> u64 {
    match input {
        Value::String(text) => model::count(text),
        Value::Array(tokens) => u64::try_from(tokens.len()).unwrap_or(u64::MAX),
        _ => 1,
    }
}

/// Numbers from -1 to 1, by the FNV-1a hash of the text and the place.
fn vector(text: &str) -> Vec<f32> {
    let hash = |place: u32| {
        let bytes = text.bytes().chain(place.to_le_bytes());
        bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    };
    let number = |place| u16::try_from(hash(place) >> 16).map_or(0.0, |half| f32::from(half) / 32_767.5 - 1.0);
    (0..DIMENSIONS).map(number).collect()
}

fn packed(vector: &[f32]) -> String {
    STANDARD.encode(vector.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::{super::tests::posted, *};

    #[test]
    fn each_text_has_its_vector_and_usage_is_that_of_all() {
        let asked = json!({"model": "demo", "input": ["Hello you", "Hello you", "x"]});
        let (status, answer) = posted("/v1/embeddings", &asked);
        assert_eq!((status, &answer["usage"]["prompt_tokens"]), (StatusCode::OK, &json!(9)));
        assert_eq!(answer["data"][0]["embedding"], answer["data"][1]["embedding"]);
        assert_ne!(answer["data"][0]["embedding"], answer["data"][2]["embedding"]);
        let (_, packed) =
            posted("/v1/embeddings", &json!({"model": "demo", "input": "x", "encoding_format": "base64"}));
        assert_eq!(STANDARD.decode(packed["data"][0]["embedding"].as_str().unwrap()).unwrap().len(), 64);
        assert_eq!(posted("/v1/embeddings", &json!({"model": "demo"})).0, StatusCode::BAD_REQUEST);
    }
}
