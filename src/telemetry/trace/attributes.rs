//! What is said in a span, in the names of the semantic conventions of OpenTelemetry for HTTP and for models; what they have no
//! name for begins with `tollgate.`.

use std::borrow::Cow;

use jiff::Timestamp;
use opentelemetry::KeyValue;

use super::span::Span;
use crate::domain::{
    audit::{Decision, Draft, Findings},
    route::{Meter, Route},
};

/// The methods that the conventions know; what a client makes up has no place in a name.
const METHODS: [&str; 10] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", "QUERY"];

fn known_method(method: &str) -> Option<&'static str> {
    METHODS.into_iter().find(|known| *known == method)
}

/// The method; one that the conventions do not know is `_OTHER`, beside what was sent.
fn of_method(method: &str) -> Vec<KeyValue> {
    match known_method(method) {
        Some(known) => vec![KeyValue::new("http.request.method", known)],
        None => vec![
            KeyValue::new("http.request.method", "_OTHER"),
            KeyValue::new("http.request.method_original", method.to_owned()),
        ],
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

    /// What a sampler may look at.
    pub(super) fn attributes(&self) -> Vec<KeyValue> {
        let mut attributes = of_method(self.method);
        attributes.push(KeyValue::new("url.scheme", self.scheme));
        attributes
    }
}

/// An attempt to call an upstream.
pub struct Upstream<'a> {
    pub name: &'a str,
    pub method: &'a str,
    /// Where it goes, if that is a URL; only its scheme, its authority and its path are exported.
    pub uri: Option<&'a http::Uri>,
    /// The path as spans name it: without what looks like a credential.
    pub path: &'a str,
}

impl Upstream<'_> {
    /// The name and the attributes of the span. `resent`: how many attempts there were before this one.
    pub(super) fn described(&self, inference: &Inference, resent: i64) -> (Cow<'static, str>, Vec<KeyValue>) {
        let mut attributes = of_method(self.method);
        attributes.push(KeyValue::new("tollgate.upstream", self.name.to_owned()));
        if resent > 0 {
            attributes.push(KeyValue::new("http.request.resend_count", resent));
        }
        if let Some((scheme, authority)) = self.uri.and_then(|uri| Some((uri.scheme_str()?, uri.authority()?))) {
            let implied = if scheme == "https" { 443 } else { 80 };
            attributes.push(KeyValue::new("url.full", format!("{scheme}://{authority}{}", self.path)));
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
    model: Option<String>,
}

impl Inference {
    /// `model`: its name in the request.
    pub fn of(meter: Meter, model: Option<&str>) -> Self {
        let (operation, provider) = inference(meter);
        Self { operation, provider, model: model.map(str::to_owned) }
    }

    /// The name of its span.
    fn name(&self) -> Option<Cow<'static, str>> {
        let operation = self.operation?;
        Some(self.model.as_ref().map_or(operation.into(), |model| format!("{operation} {model}").into()))
    }

    fn attributes(&self) -> impl Iterator<Item = KeyValue> {
        let operation = self.operation.map(|operation| KeyValue::new("gen_ai.operation.name", operation));
        let provider = self.provider.map(|provider| KeyValue::new("gen_ai.provider.name", provider));
        let model = self.model.as_ref().map(|model| KeyValue::new("gen_ai.request.model", model.clone()));
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
    set.text("tollgate.request_id", Some(draft.request_id));
    if let Some(subject) = &draft.subject {
        let template = route.map(Route::template).or(subject.route.as_deref().map(Cow::Borrowed));
        if let Some(template) = &template {
            set.0.name = format!("{} {template}", known_method(&subject.method).unwrap_or("HTTP")).into();
        }
        set.text("http.route", template);
        set.text("tollgate.route", route.map(|route| &route.name));
        set.text("url.path", Some(&subject.path));
        set.text("network.peer.address", subject.peer);
        set.text("enduser.id", subject.user_id);
    }
    let Findings { status, decision, reason, .. } = &draft.findings;
    set.number("http.response.status_code", status.map(u64::from));
    set.text("tollgate.decision", Some(decision.map_or("aborted", Decision::as_str)));
    set.text("tollgate.reason", reason.as_ref());
    set.text("tollgate.upstream", draft.findings.upstream.as_ref());
    set.number("http.request.body.size", draft.findings.request_bytes);
    set.number("http.response.body.size", draft.findings.response_bytes);
    set.cost(&draft.findings);
    if status.is_none_or(|status| status >= 500) {
        set.failed(error_type(&draft.findings, *status));
    }
}

/// What came of an attempt, in its span: the status, or the error in a word. Whether that is a failure.
pub(super) fn of_attempt(span: &mut Span, ended: Result<u16, &'static str>) -> bool {
    let mut set = Setter(span);
    set.number("http.response.status_code", ended.ok().map(u64::from));
    let failure = match ended {
        Ok(status) => (status >= 400).then(|| status.to_string()),
        Err(error) => Some(error.to_owned()),
    };
    let Some(error_type) = failure else { return false };
    set.failed(error_type);
    true
}

/// What the call to a model took, in the span of the attempt that it was served by.
pub(super) fn of_answer(span: &mut Span, findings: &Findings) {
    let mut set = Setter(span);
    set.text("gen_ai.response.model", findings.served_model.as_ref());
    set.number("gen_ai.usage.input_tokens", findings.input_tokens);
    set.number("gen_ai.usage.output_tokens", findings.output_tokens);
    set.cost(findings);
}

/// That the last attempt did not come to its end: its client has left, or its answer broke off.
pub(super) fn of_failure(span: &mut Span, findings: &Findings) {
    Setter(span).failed(error_type(findings, None));
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
    fn text(&mut self, name: &'static str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.0.attributes.push(KeyValue::new(name, value.to_string()));
        }
    }

    fn number(&mut self, name: &'static str, value: Option<u64>) {
        if let Some(value) = value {
            self.0.attributes.push(KeyValue::new(name, i64::try_from(value).unwrap_or(i64::MAX)));
        }
    }

    /// In USD, as a number that can be summed.
    fn cost(&mut self, findings: &Findings) {
        if let Some(cost) = findings.cost_usd.and_then(|cost| cost.to_string().parse::<f64>().ok()) {
            self.0.attributes.push(KeyValue::new("tollgate.cost_usd", cost));
        }
    }

    fn failed(&mut self, error_type: String) {
        self.0.fail(error_type);
    }
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
            assert_eq!(of_method(method), told);
        }
    }

    #[test]
    fn a_call_to_a_model_is_named_by_what_it_does_and_its_model() {
        let upstream = Upstream { name: "far", method: "POST", uri: None, path: "/" };
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
