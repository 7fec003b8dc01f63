//! In what something is not as a file says.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Map, Number, Value};

use crate::domain::{calendar::Zone, money::Money, redaction::content::redact_content};

/// A field that is to be changed.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli::apply) struct Difference {
    pub(super) field: String,
    pub(super) wanted: Value,
    /// As it is; null where there is no such field.
    present: Value,
    /// The text that is shown in place of the values, where these are ids.
    named: Option<String>,
}

impl Difference {
    /// A secret that is not there yet.
    pub(super) fn secret(wanted: Value) -> Self {
        Self { field: "secret".into(), wanted, present: Value::Null, named: None }
    }

    /// Has the names shown in place of the ids.
    pub(super) fn name(&mut self, what: &str, present: Option<&str>, wanted: Option<&str>) {
        let said = |name: Option<&str>| name.map_or_else(|| "none".to_owned(), |name| Value::from(name).to_string());
        self.named = Some(format!("{what} {} -> {}", said(present), said(wanted)));
    }

    pub(super) fn text(&self) -> String {
        let Self { field, wanted, present, named } = self;
        if let Some(named) = named {
            return redact_content(named);
        }
        // What is not there yet may be a secret under a name that the gateway does not know.
        if present.is_null() && !(wanted.is_number() || wanted.is_boolean()) {
            return format!("{field} set");
        }
        redact_content(&format!("{field} {present} -> {wanted}"))
    }
}

/// The fields of `wanted` that are otherwise in `present`. A field that is not wanted is not looked at.
pub(super) fn differences(wanted: &Map<String, Value>, present: &Map<String, Value>) -> Vec<Difference> {
    let different = wanted.iter().filter_map(|(field, wanted)| {
        let present = shown(field, present);
        (!is_same(field, wanted, &present)).then(|| Difference {
            field: field.clone(),
            wanted: wanted.clone(),
            present,
            named: None,
        })
    });
    different.collect()
}

/// A field as the gateway shows it. A burst that is as large as its limit is not said, nor is the time zone of a window in UTC.
fn shown(field: &str, present: &Map<String, Value>) -> Value {
    let said = |field: &str| present.get(field).filter(|value| !value.is_null()).cloned();
    let unsaid = || match field {
        "burst" => said("limit"),
        "time_zone" => said("window").map(|_| Zone::UTC.name().into()),
        _ => None,
    };
    said(field).or_else(unsaid).unwrap_or_default()
}

/// Whether the gateway shows what is wanted, perhaps in other words: an amount as text, a number or a truth value that is
/// wanted as text, a day for its first moment, further fields of a table that have their defaults, names in another order.
fn is_same(field: &str, wanted: &Value, present: &Value) -> bool {
    if field.ends_with("_usd")
        && let (Some(wanted), Some(present)) = (amount(wanted), amount(present))
    {
        return wanted == present;
    }
    match (wanted, present) {
        (Value::Object(wanted), Value::Object(present)) => differences(wanted, present).is_empty(),
        (Value::Array(wanted), Value::Array(present)) if wanted.iter().chain(present).all(Value::is_string) => {
            wanted.iter().all(|name| present.contains(name)) && present.iter().all(|name| wanted.contains(name))
        }
        (Value::Array(wanted), Value::Array(present)) => {
            let mut pairs = wanted.iter().zip(present);
            wanted.len() == present.len() && pairs.all(|(wanted, present)| is_same(field, wanted, present))
        }
        (Value::Number(wanted), Value::Number(present)) => wanted.as_f64() == present.as_f64(),
        (Value::String(wanted), Value::String(present)) if wanted != present => {
            moment(wanted).is_some_and(|wanted| moment(present) == Some(wanted))
        }
        (Value::String(wanted), Value::Number(present)) => {
            wanted.parse::<Number>().is_ok_and(|wanted| wanted.as_f64() == present.as_f64())
        }
        (Value::String(wanted), Value::Bool(present)) => *wanted == present.to_string(),
        _ => wanted == present,
    }
}

fn amount(value: &Value) -> Option<Money> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// A day is its first moment (UTC), as the gateway reads it.
fn moment(text: &str) -> Option<Timestamp> {
    let day = || text.parse::<Date>().ok()?.to_zoned_datetime(TimeZone::UTC).ok().map(|midnight| midnight.timestamp());
    text.parse().ok().or_else(day)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn different(wanted: &Value, present: &Value) -> Vec<String> {
        let found = differences(wanted.as_object().unwrap(), present.as_object().unwrap());
        found.iter().map(Difference::text).collect()
    }

    #[test]
    fn what_is_said_in_other_words_is_no_difference() {
        for (wanted, present) in [
            (json!({ "limit_usd": 10 }), json!({ "limit_usd": "10", "spent_usd": "1" })),
            (json!({ "limit_usd": "10.00" }), json!({ "limit_usd": "10" })),
            (json!({ "models": ["b", "a"] }), json!({ "models": ["a", "b"] })),
            (json!({ "cache": { "ttl_s": 60 } }), json!({ "cache": { "ttl_s": 60, "posts": false } })),
            (json!({ "targets": [{ "upstream": "a" }] }), json!({ "targets": [{ "upstream": "a", "weight": 1 }] })),
            (json!({ "expires_at": "2027-01-01T00:00:00Z" }), json!({ "expires_at": "2027-01-01T01:00:00+01:00" })),
            (json!({ "burst": 5 }), json!({ "limit": 5 })),
            (json!({ "alert_at": [1, 0.5] }), json!({ "alert_at": [1.0, 0.5] })),
            (json!({ "alert_at": ["0.8", "1"] }), json!({ "alert_at": [0.8, 1.0] })),
            (json!({ "limit": "5", "window_s": "60" }), json!({ "limit": 5, "window_s": 60 })),
            (json!({ "burst": "5" }), json!({ "limit": 5 })),
            (json!({ "burst": 5 }), json!({ "limit": 5, "burst": null })),
            (json!({ "time_zone": "UTC" }), json!({ "window": "day", "time_zone": null })),
            (json!({ "timeout_s": "5", "websocket": "true" }), json!({ "timeout_s": 5, "websocket": true })),
            (
                json!({ "targets": [{ "upstream": "a", "weight": "2" }] }),
                json!({ "targets": [{ "upstream": "a", "weight": 2 }] }),
            ),
            (json!({ "expires_at": "2027-01-01" }), json!({ "expires_at": "2027-01-01T00:00:00Z" })),
        ] {
            assert_eq!(different(&wanted, &present), [""; 0], "{wanted}");
        }
    }

    #[test]
    fn what_is_otherwise_is_told_with_what_it_is() {
        for (wanted, present, told) in [
            (json!({ "limit_usd": "10" }), json!({ "limit_usd": "10.1" }), r#"limit_usd "10.1" -> "10""#),
            (json!({ "burst": 6 }), json!({ "limit": 5 }), "burst 5 -> 6"),
            (json!({ "limit": "6" }), json!({ "limit": 5 }), r#"limit 5 -> "6""#),
            (json!({ "alert_at": ["0.8"] }), json!({ "alert_at": [0.8, 1] }), r#"alert_at [0.8,1] -> ["0.8"]"#),
            (
                json!({ "expires_at": "2027-01-02" }),
                json!({ "expires_at": "2027-01-01T00:00:00Z" }),
                r#"expires_at "2027-01-01T00:00:00Z" -> "2027-01-02""#,
            ),
            (json!({ "models": ["a"] }), json!({ "models": ["a", "b"] }), r#"models ["a","b"] -> ["a"]"#),
            (json!({ "mode": "shadow" }), json!({}), "mode set"),
            (json!({ "n": 1 }), json!({}), "n null -> 1"),
            (
                json!({ "url": "http://u:pw@host" }),
                json!({ "url": "http://host" }),
                r#"url "http://host" -> "http://[redacted]@host""#,
            ),
            (
                json!({ "targets": [{ "upstream": "a" }] }),
                json!({ "targets": [{ "upstream": "b" }] }),
                r#"targets [{"upstream":"b"}] -> [{"upstream":"a"}]"#,
            ),
        ] {
            assert_eq!(different(&wanted, &present), [told]);
        }
    }
}
