//! What the environment says of tracing, as the OpenTelemetry specification names it. What the exporter reads itself is not
//! here: endpoints. Who sends is read in `resource`, the sampler in `sampling`, the files for TLS in `certificates`.

use std::{env, time::Duration};

use http::HeaderMap;

use super::{bad_variable::BadVariable, certificates::Certificates, headers, sampling::Sampling};

/// Whether spans are exported, and how they wait for it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    pub sampling: Sampling,
    pub protocol: Protocol,
    /// Whether the collector is called over TLS.
    pub over_tls: bool,
    pub certificates: Certificates,
    /// Of each call to the collector.
    pub headers: HeaderMap,
    /// Of one call to the collector.
    pub call_timeout: Duration,
    /// Of one batch, with all that is tried again.
    pub batch_timeout: Duration,
    /// How long a span waits at most for others.
    pub delay: Duration,
    pub max_batch: usize,
    pub max_queue: usize,
}

/// How spans are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Grpc,
    HttpProtobuf,
}

const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const COMPRESSION: &str = "OTEL_EXPORTER_OTLP_COMPRESSION";

impl Settings {
    /// As the environment of the process says; `None` where spans are not exported.
    pub fn of_environment() -> Result<Option<Self>, BadVariable> {
        Self::read(|name| env::var(name).ok())
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, BadVariable> {
        // A variable that is empty is one that is not set.
        let get = |name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let of_traces = |name: &str| get(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"));
        let either = |name: &str| of_traces(name).or_else(|| get(&format!("OTEL_EXPORTER_OTLP_{name}")));
        let endpoint = either("ENDPOINT");
        if get("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"))
            || !exports(&get, endpoint.as_ref())?
        {
            return Ok(None);
        }
        check_endpoint(endpoint.as_deref())?;
        let sampling = Sampling::read(&get)?;
        check_compression(either("COMPRESSION").as_deref())?;
        let protocol = protocol(either("PROTOCOL").as_deref())?;
        let insecure = either("INSECURE").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let number = |name: &str, usual: u64| get(name).and_then(|text| text.parse().ok()).unwrap_or(usual);
        let count = |name, usual| usize::try_from(number(name, usual)).unwrap_or(usize::MAX).max(1);
        let ms = |name, usual| Duration::from_millis(number(name, usual));
        let max_queue = count("OTEL_BSP_MAX_QUEUE_SIZE", 2_048);
        Ok(Some(Self {
            sampling,
            protocol,
            over_tls: endpoint.is_some_and(|url| is_over_tls(&url, protocol, insecure)),
            certificates: Certificates::read(&get)?,
            headers: headers::read(&get)?,
            call_timeout: Duration::from_millis(either("TIMEOUT").and_then(|text| text.parse().ok()).unwrap_or(10_000)),
            batch_timeout: ms("OTEL_BSP_EXPORT_TIMEOUT", 30_000),
            delay: ms("OTEL_BSP_SCHEDULE_DELAY", 5_000),
            max_batch: count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512).min(max_queue),
            max_queue,
        }))
    }
}

/// Without an endpoint nothing is exported, unless the exporter is named: then to the usual address.
fn exports(get: &impl Fn(&str) -> Option<String>, endpoint: Option<&String>) -> Result<bool, BadVariable> {
    match get(EXPORTER).as_deref() {
        None => Ok(endpoint.is_some()),
        Some("none") => Ok(false),
        Some("otlp") => Ok(true),
        Some(other) => Err(BadVariable { name: EXPORTER, reason: format!("{other} is neither otlp nor none") }),
    }
}

/// An address that says who calls is refused, and not repeated: the exporter would leave the password out.
fn check_endpoint(url: Option<&str>) -> Result<(), BadVariable> {
    let behind = url.and_then(|url| url.split_once("://")).map_or("", |(_, behind)| behind);
    if behind.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@')) {
        let reason =
            "must have no user and no password: say them in OTEL_EXPORTER_OTLP_HEADERS, as authorization=Basic%20…";
        return Err(BadVariable { name: ENDPOINT, reason: reason.into() });
    }
    Ok(())
}

fn protocol(text: Option<&str>) -> Result<Protocol, BadVariable> {
    match text {
        None | Some("http/protobuf") => Ok(Protocol::HttpProtobuf),
        Some("grpc") => Ok(Protocol::Grpc),
        Some(other) => {
            Err(BadVariable { name: PROTOCOL, reason: format!("{other} is neither http/protobuf nor grpc") })
        }
    }
}

/// The scheme says so; an address of gRPC may have none, and is secure then unless it is said that it is not.
fn is_over_tls(url: &str, protocol: Protocol, insecure: bool) -> bool {
    match url.split_once("://") {
        Some((scheme, _)) => scheme.eq_ignore_ascii_case("https"),
        None => protocol == Protocol::Grpc && !insecure,
    }
}

fn check_compression(text: Option<&str>) -> Result<(), BadVariable> {
    match text {
        None | Some("none") => Ok(()),
        Some(other) => Err(BadVariable {
            name: COMPRESSION,
            reason: format!("{other} is not done by this build, which sends spans as they are: set none"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        Settings::read(value).map_err(|error| error.to_string())
    }

    const ENDPOINT: (&str, &str) = (super::ENDPOINT, "http://collector:4318");

    #[test]
    fn nothing_is_exported_unless_somebody_says_where_to() {
        for variables in [
            &[][..],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
            &[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")],
            &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")],
        ] {
            assert_eq!(read(variables), Ok(None), "{variables:?}");
        }
        for variables in [
            &[ENDPOINT][..],
            &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/v1/traces")],
            &[("OTEL_TRACES_EXPORTER", "otlp")],
            &[ENDPOINT, ("OTEL_SDK_DISABLED", "false")],
        ] {
            assert!(matches!(read(variables), Ok(Some(_))), "{variables:?}");
        }
    }

    #[test]
    fn what_is_said_of_traces_counts_more_than_what_is_said_of_all() {
        let settings = read(&[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "HTTPS://collector"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "7"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),
            ("OTEL_BSP_SCHEDULE_DELAY", "no number"),
        ]);
        let settings = settings.unwrap().unwrap();
        assert_eq!((settings.protocol, settings.over_tls), (Protocol::Grpc, true));
        assert_eq!(settings.call_timeout, Duration::from_millis(7));
        assert_eq!((settings.max_queue, settings.max_batch), (10, 10));
        assert_eq!(settings.delay, Duration::from_secs(5));
    }

    #[test]
    fn an_address_of_grpc_without_a_scheme_is_secure_unless_it_is_said_that_it_is_not() {
        for (url, protocol, insecure, secure) in [
            ("https://c:4317", "grpc", "true", true),
            ("http://c:4317", "grpc", "false", false),
            ("c:4317", "grpc", "", true),
            ("c:4317", "grpc", "True", false),
            ("c:4318", "http/protobuf", "", false),
        ] {
            let settings = read(&[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", url),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
                ("OTEL_EXPORTER_OTLP_INSECURE", insecure),
            ]);
            assert_eq!(settings.unwrap().unwrap().over_tls, secure, "{url} {protocol} {insecure}");
        }
    }

    #[test]
    fn a_file_for_tls_that_is_of_no_use_is_refused_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (empty, broken) = (path("empty", ""), path("broken", "-----BEGIN CERTIFICATE-----\nAA"));
        let certificate = rcgen::generate_simple_self_signed(vec!["c".into()]).unwrap();
        let good = path("good", &certificate.cert.pem());
        for (name, file, reason) in [
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", &empty, "no certificate"),
            ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", &broken, "no PEM"),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &good, "without OTEL_EXPORTER_OTLP_CLIENT_KEY"),
        ] {
            let error = read(&[ENDPOINT, (name, file)]).unwrap_err();
            assert!(error.starts_with(name) && error.contains(reason), "{error}");
        }
        let pair = [("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &*good), ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &*good)];
        assert!(read(&[ENDPOINT, pair[0], pair[1]]).unwrap_err().contains("no private key"));
    }

    #[test]
    fn an_address_with_a_password_is_refused_without_it() {
        for name in [super::ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] {
            let error = read(&[(name, " https://u:hunter2@collector:4318/v1/traces")]).unwrap_err();
            assert!(error.contains("OTEL_EXPORTER_OTLP_HEADERS") && !error.contains("hunter2"), "{error}");
            assert!(matches!(read(&[(name, "https://collector/v1/traces?who=a@b")]), Ok(Some(_))));
        }
    }

    #[test]
    fn what_this_build_cannot_do_is_refused_with_its_variable() {
        for (name, text) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem"),
            ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "/nowhere/client.key"),
        ] {
            let error = read(&[ENDPOINT, (name, text)]).unwrap_err();
            assert!(error.starts_with(name) && error.contains(text), "{error}");
        }
        for ratio in ["2", "-0.1", "x", "NaN"] {
            let sampler = ("OTEL_TRACES_SAMPLER", "traceidratio");
            assert!(read(&[ENDPOINT, sampler, ("OTEL_TRACES_SAMPLER_ARG", ratio)]).is_err(), "{ratio}");
        }
    }
}
