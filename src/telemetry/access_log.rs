//! The access log: one flat line a request, in the names of the audit record (`[log] access`).
//!
//! Written at the end of every request by its record, through the queue and the thread of the log. It has no query, no
//! header, no body and no credential; the path is without what looks like one.

use std::io::Write;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::log;
use crate::{
    config::log::{Log, LogFormat},
    domain::{
        audit::{Decision, Draft, Findings, Subject},
        principal::{CredentialKind, Principal, Role},
    },
};

/// About as much as a line takes.
const LINE_BYTES: usize = 512;

/// Where the lines of ended requests go; nowhere if `[log] access` is off.
#[derive(Debug, Clone, Copy)]
pub struct AccessLog(Option<LogFormat>);

impl AccessLog {
    /// As the configuration says.
    #[must_use]
    pub fn new(log: &Log) -> Self {
        Self(log.access.then_some(log.format))
    }

    /// Writes the line of a request that has ended at `now`.
    pub fn request(self, draft: &Draft, principal: Option<&Principal>, now: Timestamp) {
        if let Some(format) = self.0 {
            log::write_line(line(format, draft, principal, now));
        }
    }
}

fn line(format: LogFormat, draft: &Draft, principal: Option<&Principal>, now: Timestamp) -> Vec<u8> {
    let mut line = Line::begin(format, now);
    line.add_id("request_id", Some(draft.request_id.0));
    if let Some(subject) = &draft.subject {
        add_subject(&mut line, subject, principal);
    }
    add_findings(&mut line, &draft.findings);
    line.end()
}

fn add_subject(line: &mut Line, subject: &Subject, principal: Option<&Principal>) {
    let key = subject.credential.as_ref().filter(|credential| credential.kind == CredentialKind::ApiKey);
    line.add("trace_id", subject.trace_id.as_ref());
    line.add_id("user_id", subject.user_id.map(|id| id.0));
    line.add("username", subject.username.as_ref());
    line.add_id("team_id", principal.and_then(|principal| principal.account.team).map(|id| id.0));
    line.add("key_id", key.map(|credential| &credential.id));
    line.add_id("session_id", subject.session_id.map(|id| id.0));
    line.add_word("role", subject.role.map(Role::as_str));
    line.add("peer", subject.peer);
    line.add("method", Some(&subject.method));
    line.add("route", subject.route.as_ref());
    line.add("path", Some(&subject.path));
}

fn add_findings(line: &mut Line, findings: &Findings) {
    line.add("status", findings.status);
    line.add_word("decision", Some(findings.decision.map_or("aborted", Decision::as_str)));
    line.add("reason", findings.reason.as_ref());
    line.add("outcome", findings.outcome);
    line.add("upstream", findings.upstream.as_ref());
    line.add("upstream_status", findings.upstream_status);
    line.add("model", findings.model.as_ref());
    line.add("served_model", findings.served_model.as_ref());
    line.add("input_tokens", findings.input_tokens);
    line.add("output_tokens", findings.output_tokens);
    line.add("cost_usd", findings.cost_usd);
    line.add("request_bytes", findings.request_bytes);
    line.add("response_bytes", findings.response_bytes);
    line.add("duration_us", findings.duration_us);
}

/// A line in the making. As JSON it is one object of texts and numbers. As text it is the time, `INFO access`, and
/// `name=value` for each field; a value with a space, a quote, `=` or a control character is in quotes, as JSON has it.
struct Line {
    format: LogFormat,
    text: Vec<u8>,
}

impl Line {
    fn begin(format: LogFormat, now: Timestamp) -> Self {
        let mut text = Vec::with_capacity(LINE_BYTES);
        // Into memory everything can be written.
        let _ = match format {
            LogFormat::Json => write!(text, r#"{{"time":"{now:.6}","level":"INFO","target":"access""#),
            LogFormat::Text => write!(text, "{now:.6} INFO access"),
        };
        Self { format, text }
    }

    /// Adds a field, if there is one. `value` is a text, a number, or what is written as one.
    fn add(&mut self, name: &str, value: Option<impl Serialize>) {
        let Some(value) = value else { return };
        let before = self.text.len();
        self.begin_field(name);
        let begin = self.text.len();
        if serde_json::to_writer(&mut self.text, &value).is_err() {
            self.text.truncate(before);
        } else if self.format == LogFormat::Text && self.text.get(begin..).is_some_and(is_plain) {
            self.text.remove(begin);
            self.text.pop();
        }
    }

    /// Adds an id, if there is one.
    fn add_id(&mut self, name: &str, id: Option<Uuid>) {
        let Some(id) = id else { return };
        self.add_word(name, Some(&*id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer())));
    }

    /// Adds a word, if there is one, of letters, digits and dashes alone: none of them is ever escaped or in quotes as text.
    fn add_word(&mut self, name: &str, word: Option<&str>) {
        let Some(word) = word else { return };
        self.begin_field(name);
        let quote = if self.format == LogFormat::Json { "\"" } else { "" };
        for part in [quote, word, quote] {
            self.text.extend_from_slice(part.as_bytes());
        }
    }

    fn begin_field(&mut self, name: &str) {
        let (prefix, suffix) = if self.format == LogFormat::Json { (",\"", "\":") } else { (" ", "=") };
        for part in [prefix, name, suffix] {
            self.text.extend_from_slice(part.as_bytes());
        }
    }

    fn end(mut self) -> Vec<u8> {
        self.text.extend_from_slice(if self.format == LogFormat::Json { b"}\n" } else { b"\n" });
        self.text
    }
}

/// Whether a text, as JSON has it, needs no quotes.
fn is_plain(json: &[u8]) -> bool {
    match json {
        [b'"', word @ .., b'"'] => {
            let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'=');
            !word.is_empty() && word.iter().all(is_plain)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::domain::{
        audit::{Outcome, Stage},
        ids::{EntryId, RequestId},
        money::Money,
        principal::Credential,
    };

    fn draft() -> Draft {
        let credential = Credential { kind: CredentialKind::ApiKey, id: "k1".into() };
        let subject = Subject {
            method: "GET".into(),
            path: "/a b\n\"c\"".into(),
            route: Some("a".into()),
            credential: Some(credential),
            peer: Some([127, 0, 0, 1].into()),
            ..Subject::default()
        };
        let findings = Findings {
            decision: Some(Decision::Refused),
            reason: Some("quota-exceeded: per-minute".into()),
            status: Some(429),
            cost_usd: Some(Money::ZERO),
            outcome: Some(Outcome::Complete),
            duration_us: Some(12),
            ..Findings::default()
        };
        Draft {
            id: EntryId(uuid::Uuid::nil()),
            request_id: RequestId(uuid::Uuid::nil()),
            time: Timestamp::UNIX_EPOCH,
            stage: Stage::Whole,
            subject: Some(subject),
            findings,
        }
    }

    #[test]
    fn a_line_is_flat_and_has_the_names_of_the_audit_record() {
        let line: Value =
            serde_json::from_slice(&line(LogFormat::Json, &draft(), None, Timestamp::UNIX_EPOCH)).unwrap();
        let fields = line.as_object().unwrap();
        assert!(fields.values().all(|value| !value.is_object() && !value.is_array()), "{line}");
        for (name, value) in [
            ("time", "1970-01-01T00:00:00.000000Z".into()),
            ("request_id", Value::from("00000000-0000-0000-0000-000000000000")),
            ("key_id", "k1".into()),
            ("peer", "127.0.0.1".into()),
            ("path", "/a b\n\"c\"".into()),
            ("status", 429.into()),
            ("decision", "refused".into()),
            ("reason", "quota-exceeded: per-minute".into()),
            ("cost_usd", "0".into()),
            ("duration_us", 12.into()),
        ] {
            assert_eq!(fields.get(name), Some(&value), "{name} in {line}");
        }
        assert!(!fields.contains_key("model"), "{line}");
    }

    #[test]
    fn a_line_of_text_is_one_line_whatever_a_client_sends() {
        let line = line(LogFormat::Text, &draft(), None, Timestamp::UNIX_EPOCH);
        let line = String::from_utf8(line).unwrap();
        assert!(line.starts_with("1970-01-01T00:00:00.000000Z INFO access request_id="), "{line}");
        assert!(line.contains(r#" path="/a b\n\"c\"" "#) && line.contains(" status=429 "), "{line}");
        assert_eq!(line.matches('\n').count(), 1, "{line}");
    }
}
