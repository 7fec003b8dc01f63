//! Who sends the spans, as the environment says (OpenTelemetry, Environment Variable Specification).

use std::env;

use opentelemetry::KeyValue;
use opentelemetry_sdk::{Resource, resource::TelemetryResourceDetector};

use crate::domain::percent;

const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";

/// This process. Attributes that cannot be read are left out, all of them, and the log says why.
pub(super) fn of_environment() -> Resource {
    let text = env::var_os(ATTRIBUTES).unwrap_or_default();
    let attributes = text.to_str().ok_or_else(|| "it is not UTF-8".to_owned()).and_then(read);
    let attributes = attributes.unwrap_or_else(|why| {
        tracing::warn!("{ATTRIBUTES} is left out as a whole: {why}");
        vec![]
    });
    named(env::var(SERVICE_NAME).ok(), attributes)
}

/// Its name is that of `OTEL_SERVICE_NAME` before `service.name` of the attributes, else `tollgate`.
fn named(name: Option<String>, attributes: Vec<(String, String)>) -> Resource {
    let of_attributes = attributes.iter().find(|(key, _)| key == "service.name").map(|(_, value)| value.clone());
    let name = [name, of_attributes].into_iter().flatten().find(|name| !name.is_empty());
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(attributes.into_iter().map(|(key, value)| KeyValue::new(key, value)))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_service_name(name.unwrap_or_else(|| "tollgate".into()))
        .build()
}

/// `key=value,…`, with escapes in both (OpenTelemetry, Resource SDK: as W3C Baggage without properties).
fn read(text: &str) -> Result<Vec<(String, String)>, String> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(pair).collect()
}

fn pair(entry: &str) -> Result<(String, String), String> {
    let (key, value) = entry.split_once('=').ok_or("it is not a list of key=value, separated by commas")?;
    let key = decoded(key.trim()).filter(|key| !key.is_empty());
    let key = key.ok_or("a key is empty, has a % without two hexadecimal digits, or is not UTF-8")?;
    let value = decoded(value.trim()).ok_or_else(|| {
        format!("the value of {key} has a % without two hexadecimal digits, or is not UTF-8; write %25 for a %")
    })?;
    Ok((key, value))
}

/// The text without escapes; nothing where one is broken.
fn decoded(text: &str) -> Option<String> {
    let is_escape =
        |rest: &str| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    if text.split('%').skip(1).all(is_escape) { percent::decoded(text) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Option<Vec<(String, String)>> {
        read(text).ok()
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn keys_and_values_are_decoded() {
        assert_eq!(pairs(""), Some(vec![]));
        let text = " region = eu , team=r%26d%2C%20%c3%a9, a%3Db=c=d,empty=,";
        let told = [("region", "eu"), ("team", "r&d, é"), ("a=b", "c=d"), ("empty", "")];
        assert_eq!(pairs(text), Some(owned(&told)));
    }

    #[test]
    fn one_entry_that_cannot_be_decoded_leaves_all_out() {
        for bad in ["team=50%", "team=%4", "team=%zz", "team=%%41", "team=%ff", "team", "=x", "%=x"] {
            assert_eq!(pairs(&format!("region=eu,{bad}")), None, "{bad}");
        }
        assert!(read("region=eu,team=50%").unwrap_err().contains("team"), "the reason names the key");
    }

    #[test]
    fn the_name_of_the_service_stands_before_that_among_the_attributes() {
        let name = |name: Option<&str>, attributes: &[(&str, &str)]| {
            let resource = named(name.map(str::to_owned), owned(attributes));
            resource.get(&"service.name".into()).map(|name| name.to_string())
        };
        let attributes = [("service.name", "of attributes")];
        assert_eq!(name(Some("edge"), &attributes).as_deref(), Some("edge"));
        assert_eq!(name(Some(""), &attributes).as_deref(), Some("of attributes"));
        assert_eq!(name(None, &[]).as_deref(), Some("tollgate"));
    }
}
