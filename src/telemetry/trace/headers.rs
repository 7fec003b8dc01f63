//! The headers of each call to a collector, as the environment says (OpenTelemetry, OTLP Exporter): `name=value,…`, with
//! escapes in values.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{bad_variable::BadVariable, certificates::Names};
use crate::domain::percent;

const HEADERS: Names = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];

/// As the variables say that `get` looks up.
///
/// # Errors
/// What is no list of headers, with its variable: a collector that asks who calls would take nothing, and nobody would know why.
pub(super) fn read(get: &impl Fn(&str) -> Option<String>) -> Result<HeaderMap, BadVariable> {
    let Some((name, text)) = HEADERS.into_iter().find_map(|name| Some((name, get(name)?))) else {
        return Ok(HeaderMap::new());
    };
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    // A value may be a secret, and is not repeated.
    let reason = "must be a list of name=value, separated by commas; in a value %2C stands for a comma";
    entries.map(pair).collect::<Option<_>>().ok_or_else(|| BadVariable { name, reason: reason.into() })
}

fn pair(entry: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = entry.split_once('=')?;
    let mut value = HeaderValue::from_str(&percent::decoded(value.trim())?).ok()?;
    value.set_sensitive(true);
    Some((HeaderName::from_bytes(name.trim().as_bytes()).ok()?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(variables: &[(&str, &str)]) -> Result<Vec<(String, String)>, String> {
        let get = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        let headers = read(&get).map_err(|error| error.to_string())?;
        let told = |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), value.to_str().unwrap().to_owned());
        Ok(headers.iter().map(told).collect())
    }

    #[test]
    fn values_are_decoded_and_what_is_said_of_traces_counts_more() {
        let [of_traces, of_all] = HEADERS;
        let one = |name: &str, value: &str| Ok(vec![(name.to_owned(), value.to_owned())]);
        assert_eq!(told(&[]), Ok(vec![]));
        for (text, value) in [
            ("Authorization=Basic%20YTpi", "Basic YTpi"),
            (" authorization = Bearer a=b== ,", "Bearer a=b=="),
            ("authorization=a%2Cb", "a,b"),
            ("authorization=", ""),
        ] {
            assert_eq!(told(&[(of_all, text)]), one("authorization", value), "{text}");
        }
        assert_eq!(told(&[(of_all, "a=1"), (of_traces, "b=2")]), one("b", "2"));
    }

    #[test]
    fn what_is_no_list_of_headers_is_refused_without_its_value() {
        for text in ["authorization: hunter2", "hunter2", "a b=hunter2", "=hunter2", "a=hunter2%0A", "a=hunter2%ff"] {
            let error = told(&[(HEADERS[1], text)]).unwrap_err();
            assert!(error.starts_with(HEADERS[1]) && !error.contains("hunter2"), "{text}: {error}");
        }
    }

    #[test]
    fn a_value_is_not_shown() {
        let get = |_: &str| Some("a=hunter2".to_owned());
        assert!(!format!("{:?}", read(&get)).contains("hunter2"));
    }
}
