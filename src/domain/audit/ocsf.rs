//! A record in the words of the Open Cybersecurity Schema Framework: class API Activity (6003), one event a request.
//!
//! What the class has no attribute for is under `unmapped`, so that nothing is lost.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::act::author;

/// The version of the schema that the events follow.
const SCHEMA: &str = "1.3.0";

const CATEGORY: u64 = 6;
const CLASS: u64 = 6003;

/// The fields that have a place of their own.
const MAPPED: [&str; 22] = [
    "chain",
    "seq",
    "id",
    "time",
    "request_id",
    "trace_id",
    "user_id",
    "username",
    "role",
    "session_id",
    "peer",
    "forwarded_for",
    "method",
    "path",
    "route",
    "decision",
    "reason",
    "status",
    "duration_us",
    "request_bytes",
    "response_bytes",
    "stage",
];

/// The event of a record: its opening with its outcome laid over it.
#[must_use]
pub fn event(record: &Map<String, Value>) -> Value {
    let activity = activity(text(record, "method").unwrap_or_default());
    let (status, severity) = match text(record, "decision") {
        Some("allowed") => (1, 1),
        Some("refused") => (2, 2),
        Some(_) => (2, 3),
        None => (0, 1),
    };
    let unmapped: Map<String, Value> = record
        .iter()
        .filter(|(name, _)| !MAPPED.contains(&name.as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    without_nulls(json!({
        "category_uid": CATEGORY,
        "class_uid": CLASS,
        "activity_id": activity,
        "type_uid": CLASS.saturating_mul(100).saturating_add(activity),
        "time": millis(record),
        "severity_id": severity,
        "status_id": status,
        "status_code": record.get("status").map(ToString::to_string),
        "status_detail": record.get("reason"),
        "duration": record.get("duration_us").and_then(Value::as_u64).map(|us| us / 1_000),
        "metadata": {
            "version": SCHEMA,
            "product": { "name": "Tollgate", "vendor_name": "Tollgate" },
            "uid": record.get("id"),
            "log_name": record.get("chain"),
            "sequence": record.get("seq"),
            "correlation_uid": record.get("request_id"),
            "trace_uid": record.get("trace_id"),
        },
        "actor": {
            "user": { "uid": record.get("user_id"), "name": name(record), "type": record.get("role") },
            "session": { "uid": record.get("session_id") },
        },
        "api": {
            "operation": operation(record),
            "request": { "uid": record.get("request_id") },
            "response": { "code": record.get("status"), "message": record.get("reason") },
        },
        "src_endpoint": { "ip": record.get("peer"), "intermediate_ips": forwarded(record) },
        "http_request": {
            "http_method": record.get("method"),
            "url": { "path": record.get("path") },
            "length": record.get("request_bytes"),
        },
        "http_response": { "code": record.get("status"), "length": record.get("response_bytes") },
        "unmapped": unmapped,
    }))
}

fn text<'a>(record: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    record.get(field).and_then(Value::as_str)
}

/// Create, read, update, delete; other.
fn activity(method: &str) -> u64 {
    match method {
        "POST" => 1,
        "GET" | "HEAD" | "OPTIONS" => 2,
        "PUT" | "PATCH" => 3,
        "DELETE" => 4,
        _ => 99,
    }
}

/// The caller; of an act without a request, the user of the operating system who did it.
fn name(record: &Map<String, Value>) -> Option<&Value> {
    let author = || author(record.get("act")?)?.get("os_user");
    record.get("username").or_else(author)
}

fn operation(record: &Map<String, Value>) -> String {
    if let (true, Some(act)) = (record.contains_key("act"), text(record, "reason")) {
        return act.to_owned();
    }
    let method = text(record, "method").unwrap_or("?");
    format!("{method} {}", text(record, "route").unwrap_or("unknown"))
}

fn millis(record: &Map<String, Value>) -> Option<i64> {
    text(record, "time").and_then(|time| time.parse::<Timestamp>().ok()).map(Timestamp::as_millisecond)
}

fn forwarded(record: &Map<String, Value>) -> Option<Vec<&str>> {
    text(record, "forwarded_for").map(|list| list.split(',').map(str::trim).collect())
}

/// Leaves out what is not known, and objects that say nothing.
fn without_nulls(value: Value) -> Value {
    let Value::Object(fields) = value else {
        return value;
    };
    let fields = fields.into_iter().map(|(name, value)| (name, without_nulls(value)));
    Value::Object(fields.filter(|(_, value)| !value.is_null() && *value != json!({})).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Map<String, Value> {
        let record = json!({
            "chain": "c", "seq": 7, "id": "i", "request_id": "r", "time": "2026-11-26T20:00:00.5Z", "stage": "whole",
            "user_id": "u", "username": "ann", "role": "user", "peer": "203.0.113.7",
            "forwarded_for": "203.0.113.8, 10.0.0.1", "method": "DELETE", "path": "/echo/x", "route": "echo",
            "decision": "refused", "reason": "forbidden", "status": 403, "duration_us": 2_500, "upstream": "builtin:echo",
        });
        record.as_object().unwrap().clone()
    }

    #[test]
    fn a_record_is_an_event_of_api_activity() {
        let event = event(&record());
        for (pointer, value) in [
            ("/class_uid", json!(6003)),
            ("/category_uid", json!(6)),
            ("/activity_id", json!(4)),
            ("/type_uid", json!(600_304)),
            ("/time", json!(1_795_723_200_500_i64)),
            ("/status_id", json!(2)),
            ("/severity_id", json!(2)),
            ("/duration", json!(2)),
            ("/metadata/version", json!("1.3.0")),
            ("/actor/user/name", json!("ann")),
            ("/api/operation", json!("DELETE echo")),
            ("/src_endpoint/ip", json!("203.0.113.7")),
            ("/src_endpoint/intermediate_ips", json!(["203.0.113.8", "10.0.0.1"])),
            ("/http_request/url/path", json!("/echo/x")),
            ("/http_response/code", json!(403)),
            ("/unmapped", json!({ "upstream": "builtin:echo" })),
        ] {
            assert_eq!(event.pointer(pointer), Some(&value), "{pointer}: {event}");
        }
        assert_eq!(event.pointer("/actor/session"), None);
    }

    #[test]
    fn an_act_is_an_event_of_who_did_it_with_the_reason() {
        let act =
            json!({ "erase": { "user_id": "u", "through": {}, "by": { "os_user": "ops", "reason": "she has left" } } });
        let record =
            json!({ "chain": "custody", "seq": 1, "decision": "allowed", "reason": "audit erase", "act": act });
        let event = event(record.as_object().unwrap());
        for (pointer, value) in [
            ("/actor/user/name", "ops"),
            ("/api/operation", "audit erase"),
            ("/unmapped/act/erase/by/reason", "she has left"),
        ] {
            assert_eq!(event.pointer(pointer), Some(&json!(value)), "{pointer}: {event}");
        }
    }

    #[test]
    fn an_erased_record_is_an_event_without_a_name() {
        let mut erased = record();
        for field in ["username", "peer", "forwarded_for", "path"] {
            erased.remove(field);
        }
        let event = event(&erased);
        assert_eq!(event.pointer("/actor/user"), Some(&json!({ "uid": "u", "type": "user" })));
        assert_eq!((event.get("src_endpoint"), event.pointer("/http_request/url")), (None, None));
    }
}
