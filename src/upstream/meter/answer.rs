//! How many tokens a call took, read off its answer as it passes.
//!
//! A whole answer states its usage once. In a stream of server-sent events (WHATWG HTML, §9.2) any event may: OpenAI
//! chat completions do in the last one, if asked to; OpenAI responses in `response.completed`; Anthropic messages what
//! was read in `message_start`, and in each `message_delta` all that was written so far. So the last count of each kind
//! is the one that holds.

use serde::Deserialize;
use serde_json::Value;

/// The longest answer, or line of a stream, that is looked into.
const MAX_BYTES: usize = 4 << 20;

/// Counts of one call. The names differ by format, and none means two things.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Counts {
    #[serde(rename = "prompt_tokens")]
    prompt: Value,
    #[serde(rename = "completion_tokens")]
    completion: Value,
    #[serde(rename = "input_tokens")]
    input: Value,
    #[serde(rename = "output_tokens")]
    output: Value,
    #[serde(rename = "cache_creation_input_tokens")]
    cache_written: Value,
    #[serde(rename = "cache_read_input_tokens")]
    cache_read: Value,
}

/// An answer, or an event of one, as far as it speaks of usage.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Stated {
    usage: Option<Counts>,
    message: Option<Inner>,
    response: Option<Inner>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Inner {
    usage: Option<Counts>,
}

/// Reads the usage off one answer.
pub struct UsageReader {
    is_stream: bool,
    /// What has come of the answer, or of the line that is not yet whole.
    pending: Vec<u8>,
    /// Whether what is pending has grown too long to be looked into.
    overflown: bool,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

impl UsageReader {
    /// A reader of an answer with this `Content-Type`.
    #[must_use]
    pub fn new(content_type: Option<&str>) -> Self {
        let is_stream = content_type.is_some_and(|kind| kind.trim_start().starts_with("text/event-stream"));
        Self { is_stream, pending: vec![], overflown: false, input_tokens: None, output_tokens: None }
    }

    /// Looks into the next piece.
    pub fn read(&mut self, piece: &[u8]) {
        if !self.is_stream {
            return self.keep(piece);
        }
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.keep(part);
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    /// All tokens of the call, if the answer, which is over, has said so.
    #[must_use]
    pub fn total_tokens(mut self) -> Option<u64> {
        if self.is_stream {
            self.end_line();
        } else {
            let whole = std::mem::take(&mut self.pending);
            self.look(&whole);
        }
        Some(self.input_tokens?.saturating_add(self.output_tokens.unwrap_or(0)))
    }

    fn keep(&mut self, piece: &[u8]) {
        self.overflown |= self.pending.len().saturating_add(piece.len()) > MAX_BYTES;
        if self.overflown {
            self.pending = vec![];
        } else {
            self.pending.extend_from_slice(piece);
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.pending);
        self.overflown = false;
        if let Some(data) = line.strip_prefix(b"data:") {
            self.look(data);
        }
    }

    fn look(&mut self, json: &[u8]) {
        // Most events say nothing of it; a look for the word is cheaper than reading them.
        if !json.windows(USAGE.len()).any(|window| window == USAGE) {
            return;
        }
        let stated: Stated = serde_json::from_slice(json).unwrap_or_default();
        let inner = [stated.message, stated.response].into_iter().flatten().filter_map(|inner| inner.usage);
        inner.chain(stated.usage).for_each(|counts| self.count(&counts));
    }

    fn count(&mut self, counts: &Counts) {
        let input = counts.prompt.as_u64().or_else(|| {
            let cached = [&counts.cache_written, &counts.cache_read];
            let cached = cached.into_iter().filter_map(Value::as_u64).fold(0, u64::saturating_add);
            Some(counts.input.as_u64()?.saturating_add(cached))
        });
        let output = counts.completion.as_u64().or(counts.output.as_u64());
        self.input_tokens = input.or(self.input_tokens);
        self.output_tokens = output.or(self.output_tokens);
    }
}

const USAGE: &[u8] = b"\"usage\"";

#[cfg(test)]
mod tests {
    use super::*;

    /// The same in one piece and byte by byte.
    fn total(content_type: &str, text: &str) -> Option<u64> {
        let (mut whole, mut pieces) = (UsageReader::new(Some(content_type)), UsageReader::new(Some(content_type)));
        whole.read(text.as_bytes());
        text.as_bytes().chunks(1).for_each(|byte| pieces.read(byte));
        let total = whole.total_tokens();
        assert_eq!(total, pieces.total_tokens());
        total
    }

    #[test]
    fn whole_answers_of_every_format_are_read() {
        let json = |text| total("application/json", text);
        assert_eq!(json(r#"{"id":1,"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#), Some(7));
        assert_eq!(json(r#"{"usage":{"prompt_tokens":3,"total_tokens":3}}"#), Some(3));
        assert_eq!(json(r#"{"usage":{"input_tokens":3,"output_tokens":4,"cache_read_input_tokens":5}}"#), Some(12));
        for nothing in [r#"{"usage":null}"#, r#"{"usage":{"prompt_tokens":-3}}"#, "{", r#""usage""#, ""] {
            assert_eq!(json(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn the_last_count_of_a_stream_holds() {
        let stream = |text| total("text/event-stream; charset=utf-8", text);
        let chat = "data: {\"choices\":[],\"usage\":null}\r\n\r\ndata: {\"usage\":{\"prompt_tokens\":3,\
                    \"completion_tokens\":4}}\n\ndata: [DONE]\n\n";
        assert_eq!(stream(chat), Some(7));
        let messages = "event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\n\
                        data: {\"delta\":{\"text\":\"\\\"usage\\\": 5\"}}\n\n\
                        data: {\"usage\":{\"output_tokens\":8}}\n\ndata: {\"usage\":{\"output_tokens\":15}}\n";
        assert_eq!(stream(messages), Some(25));
        let responses = "data: {\"response\":{\"usage\":{\"input_tokens\":2,\"output_tokens\":3}}}";
        assert_eq!(stream(responses), Some(5));
        assert_eq!(stream("data: {\"choices\":[]}\n\ndata: [DONE]\n\n"), None);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_the_next_is_read() {
        let mut reader = UsageReader::new(Some("text/event-stream"));
        reader.read(b"data: ");
        reader.read(&vec![b'x'; MAX_BYTES]);
        assert!(reader.pending.is_empty());
        reader.read(b"\ndata: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n");
        assert_eq!(reader.total_tokens(), Some(2));
    }
}
