//! The most that a call can take, and the request by which it cannot take more.

use bytes::Bytes;

use super::{
    asked::Asked,
    edit::{self, Edit},
    format::{Format, Member},
};
use crate::domain::{
    price::{Most, Price},
    refusal::Fault,
    route::{BoundName, Dialect},
};

/// Tokens that a provider may put around what a request shows: the frame of the conversation, and the words that describe
/// tools to a model (Anthropic states up to 735).
const FRAME_TOKENS: u64 = 100;
const TOOLS_TOKENS: u64 = 1_000;

/// What a call of a tool that the provider runs may bring into the prompt, where the longest prompt is not known.
const TOOL_CALL_TOKENS: u64 = 20_000;

/// Up to here a count is sane whatever the price list says: tables are behind their providers, and a batch or a cache
/// may be longer than a prompt.
const SANE_INPUT_TOKENS: u64 = 4_000_000;
const SANE_OUTPUT_TOKENS: u64 = 1_000_000;

/// By how much a sane count may be above what the price list knows.
const SANE_FACTOR: u64 = 4;

/// What may be written into a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ways {
    pub dialect: Dialect,
    /// The output bound of a request that has none, where it is less than the model's.
    pub default_max_tokens: Option<u64>,
}

/// The bounds of one call.
pub struct Bound {
    /// The request to be sent.
    pub body: Bytes,
    pub input_tokens: u64,
    /// Of all answers together.
    pub output_tokens: u64,
    /// How many answers there may be.
    pub answers: u64,
    /// Whether cache entries may be written that live for an hour.
    pub has_long_cache: bool,
    /// The most calls of each tool that the provider runs.
    pub tools: Vec<(String, u64)>,
    pub(super) format: &'static Format,
    /// About the length of the prompt, where no answer states it.
    pub(super) estimated_input_tokens: u64,
    /// The longest prompt and answers that are believed.
    pub(super) sane_input_tokens: u64,
    pub(super) sane_output_tokens: u64,
    /// Whether the usage of a stream was asked for by the gateway alone.
    pub(super) asks_for_usage: bool,
}

impl Bound {
    /// The most that it can take, as prices know it.
    #[must_use]
    pub const fn most(&self) -> Most {
        let Self { input_tokens, output_tokens, has_long_cache, .. } = *self;
        Most { input_tokens, output_tokens, has_long_cache }
    }

    /// Whether the model writes, so that there is an output to count.
    pub(super) const fn writes(&self) -> bool {
        self.format.output_bound.is_some()
    }
}

impl Asked {
    /// Bounds the call by the prices of all models that may serve it. The error is a request whose cost has no bound.
    pub fn bound(mut self, prices: &[&Price], ways: Ways) -> Result<Bound, Fault> {
        let longest_input = prices.iter().map(|price| price.max_input_tokens).min().flatten();
        let longest_output = prices.iter().map(|price| price.max_output_tokens).min().unwrap_or(0);
        let most_output = prices.iter().map(|price| price.max_output_tokens).max().unwrap_or(0);
        let prompt = self.prompt_tokens(longest_input)?;
        let room = longest_input.map(|longest| longest.saturating_sub(prompt));
        let (each, mut edits) = self.output_tokens(longest_output, room, ways)?;
        let mut output_tokens = each.saturating_mul(self.answers).saturating_add(self.predicted_bytes);
        let mut input_tokens = prompt;
        if self.compacts {
            input_tokens = input_tokens.saturating_mul(2);
            output_tokens = output_tokens.saturating_add(longest_output);
        }
        let wish = self.wish_for_usage.take().filter(|_| ways.dialect.stream_usage);
        let asks_for_usage = wish.is_some();
        edits.extend(wish.into_iter().chain(self.tier.take()));
        let sane = |floor: u64, known: u64, bound: u64| {
            floor.max(known.saturating_mul(SANE_FACTOR)).max(bound.saturating_mul(SANE_FACTOR))
        };
        let known_output = most_output.saturating_mul(self.answers).saturating_add(self.predicted_bytes);
        Ok(Bound {
            body: edit::apply(&self.body, edits),
            input_tokens,
            output_tokens,
            answers: self.answers,
            has_long_cache: self.look.has_long_cache,
            tools: self.look.provider_tools.iter().map(|tool| (tool.name.clone(), tool.calls)).collect(),
            format: self.format,
            estimated_input_tokens: self.look.tokens.clamp(1, input_tokens.max(1)),
            sane_input_tokens: sane(SANE_INPUT_TOKENS, longest_input.unwrap_or(0), input_tokens),
            sane_output_tokens: sane(SANE_OUTPUT_TOKENS, known_output, output_tokens),
            asks_for_usage,
        })
    }

    /// No token of text is shorter than a byte, and images have a bound each. What has neither takes the longest prompt of
    /// the model. That longest prompt lowers no bound: a batch may be longer, and the price list may be behind.
    fn prompt_tokens(&self, longest: Option<u64>) -> Result<u64, Fault> {
        let bytes = u64::try_from(self.body.len()).unwrap_or(u64::MAX).saturating_sub(self.look.data_bytes);
        let images = self.look.images.saturating_mul(self.format.content.image_tokens);
        let around = FRAME_TOKENS.saturating_add(if self.look.has_tools { TOOLS_TOKENS } else { 0 });
        let shown = bytes.saturating_add(images).saturating_add(around);
        if let Some(Fault { pointer, detail }) = &self.without_size {
            let unknown = "so that its length is not known from the request, and the price of this model has no \
                           max_input_tokens. An administrator can add it at /admin/prices";
            let longest = longest.ok_or_else(|| Fault::new(pointer.clone(), format!("{detail}, {unknown}")))?;
            return Ok(shown.max(longest));
        }
        let calls = self.look.provider_tools.iter().map(|tool| tool.calls).fold(0, u64::saturating_add);
        let read = longest.unwrap_or_else(|| shown.saturating_add(calls.saturating_mul(TOOL_CALL_TOKENS)));
        Ok(if calls > 0 { shown.max(read) } else { shown })
    }

    /// The bound of each answer, and the edits that make it one: no bound above the model's own is left, and where there
    /// is none one is written that fits into the model's context.
    fn output_tokens(&self, longest: u64, room: Option<u64>, ways: Ways) -> Result<(u64, Vec<Edit>), Fault> {
        if self.format.output_bound.is_none() {
            return Ok((0, vec![]));
        }
        if longest == 0 {
            return Err(Fault::new("/model", "has no bound on its answers in its price, so that it can give none"));
        }
        let too_long = self.output_bounds.iter().filter(|bound| bound.tokens.is_some_and(|tokens| tokens > longest));
        let mut edits: Vec<Edit> =
            too_long.map(|bound| Edit { at: bound.at.clone(), text: longest.to_string() }).collect();
        if let Some(given) = self.output_bounds.iter().filter_map(|bound| bound.tokens).max() {
            return Ok((given.min(longest), edits));
        }
        let wanted = ways.default_max_tokens.map_or(longest, |tokens| tokens.min(longest));
        let fits = room.map_or(wanted, |room| wanted.min(room));
        // A provider that is given a prediction takes no bound besides it; the model's own holds all the same. And bytes
        // bound a long prompt too loosely: rather than cut the answer to less than half, none is written, and the
        // provider's own bound is the rest of the context.
        let is_loose = fits < wanted.div_ceil(2);
        match self.bound_name(ways).filter(|_| self.predicted_bytes == 0 && !is_loose) {
            None => Ok((longest, edits)),
            Some(name) => {
                edits.push(self.written_bound(name, fits));
                Ok((fits, edits))
            }
        }
    }

    /// Under which name a bound is written.
    fn bound_name(&self, ways: Ways) -> Option<&'static str> {
        let name = self.format.output_bound.filter(|name| !name.is_empty())?;
        let knows = |name: &str| {
            let bounds = self.format.members.iter().filter(|(_, member)| *member == Member::OutputBound);
            bounds.into_iter().any(|(known, _)| *known == name)
        };
        match ways.dialect.output_bound {
            BoundName::MaxCompletionTokens => Some(name),
            BoundName::MaxTokens if knows("max_tokens") => Some("max_tokens"),
            BoundName::MaxTokens => Some(name),
            BoundName::Unwritten => None,
        }
    }

    fn written_bound(&self, name: &str, tokens: u64) -> Edit {
        let value = tokens.to_string();
        if let Some(null) = self.output_bounds.iter().find(|bound| bound.name == name) {
            return Edit { at: null.at.clone(), text: value };
        }
        match (self.format.settings, &self.settings) {
            (None, _) => Edit::append(&self.object, name, &value),
            (Some(_), Some((at, true))) => Edit::append(at, name, &value),
            (Some(_), Some((at, false))) => Edit { at: at.clone(), text: format!("{{\"{name}\":{value}}}") },
            (Some(settings), None) if self.is_empty => {
                Edit { at: self.object.clone(), text: format!("{{\"{settings}\":{{\"{name}\":{value}}}}}") }
            }
            (Some(settings), None) => Edit::append(&self.object, settings, &format!("{{\"{name}\":{value}}}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{money::Money, price::Rates, route::Meter},
        meter::format,
    };

    fn price(max_input_tokens: Option<u64>) -> Price {
        let base = Rates {
            input: 1,
            cached_input: 1,
            cache_write: 1,
            long_cache_write: 1,
            output: 1,
            reasoning: 1,
            audio_input: 1,
            audio_output: 1,
        };
        Price { base, tiers: vec![], per_call: Money::ZERO, max_output_tokens: 1_000, max_input_tokens }
    }

    fn asked(meter: Meter, body: &str) -> Result<Asked, Vec<String>> {
        let asked = Asked::read(format(meter).unwrap(), "/", Bytes::from(body.to_owned()), &|_| false);
        asked.map_err(|faults| faults.into_iter().map(|fault| fault.pointer).collect())
    }

    /// The prompt's bound, the answers', and the request that is sent.
    fn bound(meter: Meter, body: &str) -> (u64, u64, String) {
        let bound = asked(meter, body).unwrap().bound(&[&price(None)], Ways::default()).unwrap();
        (bound.input_tokens, bound.output_tokens, String::from_utf8(bound.body.to_vec()).unwrap())
    }

    #[test]
    fn answers_are_bounded_by_the_request_and_by_the_model() {
        use Meter::{AnthropicMessages, OpenaiChat, OpenaiEmbeddings, OpenaiResponses};
        for (meter, members, output, sent) in [
            (OpenaiChat, r#","max_tokens":7"#, 7, r#","max_tokens":7"#),
            (OpenaiChat, r#","max_tokens":7,"n":3"#, 21, r#","max_tokens":7,"n":3"#),
            (OpenaiChat, r#","max_tokens":7,"n":2,"best_of":4"#, 28, r#","max_tokens":7,"n":2,"best_of":4"#),
            (
                OpenaiChat,
                r#","max_tokens":7,"max_completion_tokens":9"#,
                9,
                r#","max_tokens":7,"max_completion_tokens":9"#,
            ),
            (OpenaiChat, r#","max_tokens":null"#, 1_000, r#","max_tokens":null,"max_completion_tokens":1000"#),
            (
                OpenaiChat,
                r#","max_tokens":null,"max_completion_tokens":5"#,
                5,
                r#","max_tokens":null,"max_completion_tokens":5"#,
            ),
            (OpenaiChat, r#","max_tokens":2000,"n":2"#, 2_000, r#","max_tokens":1000,"n":2"#),
            (OpenaiChat, r#","prediction":{"content":"ab"}"#, 1_016, r#","prediction":{"content":"ab"}"#),
            (
                OpenaiChat,
                r#","prediction":{"type":"content","content":"ab"}"#,
                1_033,
                r#","prediction":{"type":"content","content":"ab"}"#,
            ),
            (OpenaiResponses, "", 1_000, r#","max_output_tokens":1000"#),
            (OpenaiResponses, r#","max_output_tokens":5,"stream":true"#, 5, r#","max_output_tokens":5,"stream":true"#),
            (
                OpenaiChat,
                r#","max_tokens":5,"service_tier" : "auto""#,
                5,
                r#","max_tokens":5,"service_tier" : "default""#,
            ),
            (OpenaiChat, r#","max_tokens":5,"service_tier":"flex""#, 5, r#","max_tokens":5,"service_tier":"flex""#),
            (
                OpenaiResponses,
                r#","service_tier":"auto""#,
                1_000,
                r#","service_tier":"default","max_output_tokens":1000"#,
            ),
            (
                AnthropicMessages,
                r#","max_tokens":5,"service_tier":"auto""#,
                5,
                r#","max_tokens":5,"service_tier":"standard_only""#,
            ),
            (OpenaiEmbeddings, r#","max_tokens":5"#, 0, r#","max_tokens":5"#),
            (AnthropicMessages, r#","max_tokens":5,"stream":true"#, 5, r#","max_tokens":5,"stream":true"#),
            (AnthropicMessages, "", 1_000, r#","max_tokens":1000"#),
        ] {
            let (_, found, body) = bound(meter, &format!(r#"{{"model":"m"{members}}}"#));
            assert_eq!((found, body), (output, format!(r#"{{"model":"m"{sent}}}"#)), "{members}");
        }
    }

    #[test]
    fn usage_is_asked_for_where_a_stream_would_not_state_it() {
        for (members, sent, strips) in [
            (r#""stream":true"#, r#""stream":true,"stream_options":{"include_usage":true}"#, true),
            (
                r#""stream":true,"stream_options":null"#,
                r#""stream":true,"stream_options":{"include_usage":true}"#,
                true,
            ),
            (r#""stream":true,"stream_options":{ }"#, r#""stream":true,"stream_options":{"include_usage":true}"#, true),
            (
                r#""stream":true,"stream_options":{"a":1}"#,
                r#""stream":true,"stream_options":{"a":1,"include_usage":true}"#,
                true,
            ),
            (
                r#""stream":true,"stream_options":{"include_usage": null }"#,
                r#""stream":true,"stream_options":{"include_usage": true }"#,
                true,
            ),
            (
                r#""stream":true,"stream_options":{"include_usage":true}"#,
                r#""stream":true,"stream_options":{"include_usage":true}"#,
                false,
            ),
            (r#""stream":false"#, r#""stream":false"#, false),
            (r#""stream":null,"stream_options":{}"#, r#""stream":null,"stream_options":{}"#, false),
        ] {
            let body = format!(r#"{{"model":"m","max_tokens":1,{members}}}"#);
            let bound = asked(Meter::OpenaiChat, &body).unwrap().bound(&[&price(None)], Ways::default()).unwrap();
            assert_eq!(bound.body, format!(r#"{{"model":"m","max_tokens":1,{sent}}}"#), "{members}");
            assert_eq!(bound.asks_for_usage, strips, "{members}");
        }
    }

    #[test]
    fn a_prompt_is_bounded_by_its_bytes_and_by_no_table() {
        let text = r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"Hello"}]}"#;
        let bytes = u64::try_from(text.len()).unwrap();
        assert_eq!(bound(Meter::OpenaiChat, text).0, bytes + FRAME_TOKENS);
        let with_tools = text.replace(r#""max_tokens""#, r#""tools":[{"type":"function","function":{}}],"max_tokens""#);
        let longer = u64::try_from(with_tools.len()).unwrap();
        assert_eq!(bound(Meter::OpenaiChat, &with_tools).0, longer + FRAME_TOKENS + TOOLS_TOKENS);
        let short = asked(Meter::OpenaiChat, text).unwrap().bound(&[&price(Some(50))], Ways::default()).unwrap();
        assert_eq!((short.input_tokens, short.estimated_input_tokens < 50), (bytes + FRAME_TOKENS, true));
    }

    #[test]
    fn a_prompt_of_unknown_length_needs_a_model_of_known_length() {
        use Meter::{AnthropicMessages, OpenaiChat, OpenaiResponses};
        for (meter, members, pointer) in [
            (OpenaiChat, r#""messages":[{"content":[{"type":"image_url"}]}]"#, "/messages"),
            (OpenaiChat, r#""messages":[{"content":[{"type":"file"}]}]"#, "/messages"),
            (AnthropicMessages, r#""messages":[{"content":[{"type":"document"}]}]"#, "/messages"),
            (AnthropicMessages, r#""system":[{"type":"image"}]"#, "/system"),
            (OpenaiResponses, r#""input":[{"type":"item_reference","id":"x"}]"#, "/input"),
            (OpenaiResponses, r#""previous_response_id":"x""#, "/previous_response_id"),
            (OpenaiResponses, r#""conversation":"x""#, "/conversation"),
            (OpenaiResponses, r#""prompt":{"id":"x"}"#, "/prompt"),
        ] {
            let body = format!(r#"{{"model":"m",{members}}}"#);
            let fault = asked(meter, &body).unwrap().bound(&[&price(None)], Ways::default()).err().unwrap();
            assert_eq!(fault.pointer, pointer);
            assert_eq!(
                asked(meter, &body).unwrap().bound(&[&price(Some(7_777))], Ways::default()).unwrap().input_tokens,
                7_777,
                "{members}"
            );
        }
    }

    #[test]
    fn what_no_price_speaks_of_is_refused_with_its_place() {
        use Meter::{AnthropicMessages, OpenaiChat, OpenaiResponses};
        for (meter, members, pointer) in [
            (OpenaiChat, r#""messages":[{"content":[{"type":"input_audio"}]}]"#, "/messages"),
            (OpenaiChat, r#""tools":[{"type":"web_search"}]"#, "/tools"),
            (OpenaiChat, r#""tools":[{"type":"function","type":"web_search"}]"#, "/tools"),
            (OpenaiChat, r#""tools":[{"type":"function","Type":"web_search"}]"#, "/tools"),
            (OpenaiChat, r#""tools":{}"#, "/tools"),
            (OpenaiChat, r#""audio":{}"#, "/audio"),
            (OpenaiResponses, r#""background":true"#, "/background"),
            (OpenaiResponses, r#""service_tier":"priority""#, "/service_tier"),
            (AnthropicMessages, r#""speed":"fast""#, "/speed"),
            (AnthropicMessages, r#""inference_geo":"us""#, "/inference_geo"),
            (AnthropicMessages, r#""mcp_servers":[{}]"#, "/mcp_servers"),
            (AnthropicMessages, r#""tools":[{"type":"web_search_20250305","name":"x"}]"#, "/tools"),
            (AnthropicMessages, r#""cache_control":{"type":"ephemeral","ttl":"12h"}"#, "/cache_control"),
            (AnthropicMessages, r#""tools":[{"name":"x","cache_control":{"ttl":"2h"}}]"#, "/tools"),
            (OpenaiResponses, r#""prompt_cache_options":{"ttl":"12h"}"#, "/prompt_cache_options"),
        ] {
            let faults = asked(meter, &format!(r#"{{"model":"m",{members}}}"#)).err().unwrap();
            assert_eq!(faults, [pointer], "{members}");
        }
        for (meter, members) in [
            (OpenaiResponses, r#""background":false,"service_tier":"flex","input":"text""#),
            (OpenaiChat, r#""modalities":["text"],"tools":[{"type":"custom","custom":{"format":{"type":"grammar"}}}]"#),
            (AnthropicMessages, r#""speed":null,"tools":[{"name":"x","input_schema":{"type":"object","ttl":{}}}]"#),
        ] {
            assert!(asked(meter, &format!(r#"{{"model":"m",{members}}}"#)).is_ok(), "{members}");
        }
    }

    #[test]
    fn a_model_whose_price_has_no_bound_on_answers_gives_none() {
        let price = Price { max_output_tokens: 0, ..price(None) };
        let body = r#"{"model":"m","input":[[1,2],[3]]}"#;
        assert_eq!(
            asked(Meter::OpenaiChat, body).unwrap().bound(&[&price], Ways::default()).err().unwrap().pointer,
            "/model"
        );
        assert!(asked(Meter::OpenaiEmbeddings, body).unwrap().bound(&[&price], Ways::default()).is_ok());
    }

    #[test]
    fn limits_take_about_the_tokens_of_the_prompt_and_the_bound_of_the_answers() {
        let of = |meter, body: &str| asked(meter, body).unwrap().estimated_tokens();
        let prompt = of(Meter::OpenaiEmbeddings, r#"{"model":"m","max_tokens":50,"n":2}"#);
        assert_eq!(prompt, 1, "there is no prompt");
        assert_eq!(of(Meter::OpenaiChat, r#"{"model":"m","max_tokens":50,"n":2}"#), 100);
        let unbounded = of(Meter::OpenaiChat, r#"{"model":"m"}"#);
        assert!((UNBOUNDED..UNBOUNDED + 20).contains(&unbounded), "{unbounded}");
    }

    const UNBOUNDED: u64 = 1_024;
}
