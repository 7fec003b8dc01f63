//! What is said in a span, in the names of the semantic conventions of OpenTelemetry for HTTP and for models; what they have no
//! name for begins with `tollgate.`.

use std::{borrow::Cow, sync::Arc};

use jiff::Timestamp;
use opentelemetry::{KeyValue, Value};

use super::span::Span;
use crate::domain::{
    audit::{Decision, Draft, Findings},
    money::Money,
    route::{Meter, Route},
};

/// How many attributes the span of a request mostly has at most.
const OF_REQUEST: usize = 16;
/// The same of an attempt.
const OF_ATTEMPT: usize = 8;
/// What there is more in a span that is a call to a model.
const OF_INFERENCE: usize = 7;

/// The methods that the conventions know; what a client makes up has no place in a name.
const METHODS: [&str; 10] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", "QUERY"];

fn known_method(method: &str) -> Option<&'static str> {
    METHODS.into_iter().find(|known| *known == method)
}

/// Adds the method; one that the conventions do not know is `_OTHER`, beside what was sent.
fn add_method(attributes: &mut Vec<KeyValue>, method: &str) {
    attributes.push(KeyValue::new("http.request.method", known_method(method).unwrap_or("_OTHER")));
    if known_method(method).is_none() {
        attributes.push(KeyValue::new("http.request.method_original", method.to_owned()));
    }
}

/// What is known of a request when it begins.
pub struct Start<'a> {
    pub method: &'a str,
    pub scheme: &'static str,
    /// When the head was in hand, by the clock and on the monotonic clock.
    pub time: Timestamp,
    pub started_ns: u64,
}

impl Start<'_> {
    pub(super) fn method_name(&self) -> &'static str {
        known_method(self.method).unwrap_or("HTTP")
    }

    /// What the span of the request says from the first.
    pub(super) fn attributes(&self) -> Vec<KeyValue> {
        let mut attributes = Vec::with_capacity(OF_REQUEST);
        add_method(&mut attributes, self.method);
        attributes.push(KeyValue::new("url.scheme", self.scheme));
        attributes
    }
}

/// An attempt to call an upstream.
pub struct Upstream<'a> {
    pub name: &'a Arc<str>,
    pub method: &'a str,
    /// Where it goes, if that is a URL; only its scheme, its authority and its path are exported.
    pub uri: Option<&'a http::Uri>,
    /// The path as spans name it: without what looks like a credential.
    pub path: &'a str,
}

impl Upstream<'_> {
    /// The name and the attributes of the span. `resent`: how many attempts there were before this one.
    pub(super) fn described(&self, inference: &Inference, resent: i64) -> (Cow<'static, str>, Vec<KeyValue>) {
        let more = if inference.operation.is_some() { OF_INFERENCE } else { 0 };
        let mut attributes = Vec::with_capacity(OF_ATTEMPT.saturating_add(more));
        add_method(&mut attributes, self.method);
        attributes.push(KeyValue::new("tollgate.upstream", Arc::clone(self.name)));
        if resent > 0 {
            attributes.push(KeyValue::new("http.request.resend_count", resent));
        }
        if let Some((scheme, authority)) = self.uri.and_then(|uri| Some((uri.scheme_str()?, uri.authority()?))) {
            let implied = if scheme == "https" { 443 } else { 80 };
            attributes.push(KeyValue::new("url.full", [scheme, "://", authority.as_str(), self.path].concat()));
            attributes.push(KeyValue::new("server.address", authority.host().to_owned()));
            attributes.push(KeyValue::new("server.port", i64::from(authority.port_u16().unwrap_or(implied))));
        }
        attributes.extend(inference.attributes());
        (inference.name().unwrap_or_else(|| known_method(self.method).unwrap_or("HTTP").into()), attributes)
    }
}

/// A call to a model; empty where a call is to none.
pub(super) struct Inference {
    operation: Option<&'static str>,
    provider: Option<&'static str>,
    model: Option<Arc<str>>,
}

impl Inference {
    /// `model`: its name in the request.
    pub fn of(meter: Meter, model: Option<&str>) -> Self {
        let (operation, provider) = inference(meter);
        Self { operation, provider, model: model.map(Arc::from) }
    }

    /// The name of its span.
    fn name(&self) -> Option<Cow<'static, str>> {
        let operation = self.operation?;
        Some(self.model.as_ref().map_or(operation.into(), |model| [operation, " ", model].concat().into()))
    }

    fn attributes(&self) -> impl Iterator<Item = KeyValue> {
        let operation = self.operation.map(|operation| KeyValue::new("gen_ai.operation.name", operation));
        let provider = self.provider.map(|provider| KeyValue::new("gen_ai.provider.name", provider));
        let model = self.model.as_ref().map(|model| KeyValue::new("gen_ai.request.model", Arc::clone(model)));
        operation.into_iter().chain(provider).chain(model)
    }
}

/// What a call to a model does, and in whose words.
const fn inference(meter: Meter) -> (Option<&'static str>, Option<&'static str>) {
    match meter {
        Meter::None | Meter::Fixed(_) | Meter::CountTokens => (None, None),
        Meter::OpenaiChat | Meter::OpenaiResponses => (Some("chat"), Some("openai")),
        Meter::OpenaiCompletions => (Some("text_completion"), Some("openai")),
        Meter::OpenaiEmbeddings => (Some("embeddings"), Some("openai")),
        Meter::OpenaiImages | Meter::OpenaiTranscriptions | Meter::OpenaiSpeech => {
            (Some("generate_content"), Some("openai"))
        }
        Meter::AnthropicMessages => (Some("chat"), Some("anthropic")),
        Meter::GeminiGenerate => (Some("generate_content"), Some("gcp.gemini")),
        Meter::BedrockConverse => (Some("chat"), Some("aws.bedrock")),
        Meter::Rerank => (Some("rerank"), None),
    }
}

/// What the record of a request says, in its span. `route`: that of a call that is forwarded.
pub(super) fn of_request(span: &mut Span, draft: &Draft, route: Option<&Route>) {
    let mut set = Setter(span);
    set.text("tollgate.request_id", Some(draft.request_id.to_string()));
    if let Some(subject) = &draft.subject {
        let template = route.map(Route::template).or(subject.route.as_deref().map(Cow::Borrowed));
        if let Some(template) = template {
            set.0.name = [known_method(&subject.method).unwrap_or("HTTP"), " ", &template].concat().into();
            set.text("http.route", Some(template.into_owned()));
        }
        set.text("tollgate.route", route.map(|route| Arc::clone(&route.name)));
        set.text("url.path", Some(subject.path.clone()));
        set.text("network.peer.address", subject.peer.map(|peer| peer.to_string()));
        set.text("enduser.id", subject.user_id.map(|user| user.to_string()));
    }
    let Findings { status, decision, reason, .. } = &draft.findings;
    set.number("http.response.status_code", status.map(u64::from));
    set.text("tollgate.decision", Some(decision.map_or("aborted", Decision::as_str)));
    set.text("tollgate.reason", reason.clone());
    set.text("tollgate.upstream", draft.findings.upstream.clone());
    set.number("http.request.body.size", draft.findings.request_bytes);
    set.number("http.response.body.size", draft.findings.response_bytes);
    set.cost(&draft.findings);
    if status.is_none_or(|status| status >= 500) {
        set.0.fail(error_type(&draft.findings, *status));
    }
}

/// What came of an attempt, in its span: the status, or the error in a word. Whether that is a failure.
pub(super) fn of_attempt(span: &mut Span, ended: Result<u16, &'static str>) -> bool {
    let mut set = Setter(span);
    set.number("http.response.status_code", ended.ok().map(u64::from));
    match ended {
        Ok(status) if status >= 400 => set.0.fail(status.to_string()),
        Ok(_) => return false,
        Err(error) => set.0.fail(error),
    }
    true
}

/// What the call to a model took, in the span of the attempt that it was served by.
pub(super) fn of_answer(span: &mut Span, findings: &Findings) {
    let mut set = Setter(span);
    set.text("gen_ai.response.model", findings.served_model.clone());
    set.number("gen_ai.usage.input_tokens", findings.input_tokens);
    set.number("gen_ai.usage.output_tokens", findings.output_tokens);
    set.cost(findings);
}

/// That the last attempt did not come to its end: its client has left, or its answer broke off.
pub(super) fn of_failure(span: &mut Span, findings: &Findings) {
    span.fail(error_type(findings, None));
}

/// The status of an answer that is a failure, or the code of the refusal, or that nothing came of it.
fn error_type(findings: &Findings, status: Option<u16>) -> String {
    let code =
        || findings.reason.as_deref().and_then(|reason| reason.split(':').next()).unwrap_or("aborted").to_owned();
    status.map_or_else(code, |status| status.to_string())
}

/// Sets what is known.
struct Setter<'s>(&'s mut Span);

impl Setter<'_> {
    fn text(&mut self, name: &'static str, value: Option<impl Into<Value>>) {
        self.0.attributes.extend(value.map(|value| KeyValue::new(name, value)));
    }

    fn number(&mut self, name: &'static str, value: Option<u64>) {
        if let Some(value) = value {
            self.0.attributes.push(KeyValue::new(name, i64::try_from(value).unwrap_or(i64::MAX)));
        }
    }

    fn cost(&mut self, findings: &Findings) {
        self.0.attributes.extend(findings.cost_usd.map(|cost| KeyValue::new("tollgate.cost_usd", usd(cost))));
    }
}

/// In USD, as a number that can be summed; it is the nearest one where that is less than 9,007 USD.
fn usd(cost: Money) -> f64 {
    let pico_usd = cost.pusd().unsigned_abs();
    let half = |bits: u64| f64::from(u32::try_from(bits).unwrap_or(u32::MAX));
    let usd = (half(pico_usd >> 32) * 4_294_967_296.0 + half(pico_usd & u64::from(u32::MAX))) / 1e12;
    if cost < Money::ZERO { -usd } else { usd }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_that_the_conventions_do_not_know_is_told_as_it_was_sent() {
        for (method, told) in [
            ("GET", &[("http.request.method", "GET")][..]),
            ("get", &[("http.request.method", "_OTHER"), ("http.request.method_original", "get")][..]),
            ("PROPFIND", &[("http.request.method", "_OTHER"), ("http.request.method_original", "PROPFIND")][..]),
        ] {
            let told: Vec<_> = told.iter().map(|(name, value)| KeyValue::new(*name, *value)).collect();
            let mut attributes = vec![];
            add_method(&mut attributes, method);
            assert_eq!(attributes, told);
        }
    }

    #[test]
    fn a_cost_is_the_number_that_its_text_is() {
        for pico_usd in
            [0, 1, 150_000, 999_999_999_999, 1_000_000_000_001, 4_294_967_296, 123_456_789_012_345, -2_500_000]
        {
            let cost = Money::from_pusd(pico_usd);
            assert_eq!(usd(cost).to_bits(), cost.to_string().parse::<f64>().unwrap().to_bits(), "{cost}");
        }
    }

    #[test]
    fn a_call_to_a_model_is_named_by_what_it_does_and_its_model() {
        let upstream = Upstream { name: &"far".into(), method: "POST", uri: None, path: "/" };
        for (meter, model, name) in [
            (Meter::OpenaiChat, Some("gpt-4o"), "chat gpt-4o"),
            (Meter::OpenaiChat, None, "chat"),
            (Meter::CountTokens, Some("gpt-4o"), "POST"),
            (Meter::None, None, "POST"),
        ] {
            assert_eq!(upstream.described(&Inference::of(meter, model), 0).0, name);
        }
    }
}
