//! Traces: what a collector receives, which headers an upstream receives, and that no call waits for a collector.

use serde_json::{Value, json};

use super::{
    failover::{PATIENT, Row},
    support::{
        Authority, Collected, Collector, Database, Exchange, Gateway, Home, Message, RedisServer, Stage, Upstream,
        Wire, eventually, has_come, hex, span_text as text, with_upstream,
    },
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
/// Stands in what is no part of a span.
const SECRET: &str = "kanarienvogel";
const EMPTY: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// A gateway that exports in HTTP at once, before an upstream.
fn stage(collector: &Collector, variables: &[(&str, &str)]) -> Stage {
    let upstream = Upstream::start();
    let home = Home::forwarding_to(upstream.address(), "", "").env("RAW_SECRET", "sk-upstream");
    let home = home.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()).env("OTEL_BSP_SCHEDULE_DELAY", "10");
    Stage::of(upstream, variables.iter().fold(home, |home, (name, value)| home.env(name, value)))
}

/// What `/metrics` answers to whoever accepts this.
fn metrics(gateway: &Gateway, accept: &str) -> Message {
    let mut wire = Wire::connect(gateway.ops);
    wire.say(format!("GET /metrics HTTP/1.1\r\nhost: ops.test\r\naccept: {accept}\r\n\r\n"));
    wire.message()
}

fn metric(gateway: &Gateway, name: &str) -> u64 {
    let text = metrics(gateway, "text/plain").text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
    line.parse().unwrap()
}

fn traceparent(request: &Message) -> Vec<String> {
    request.header("traceparent").unwrap_or_default().split('-').map(str::to_owned).collect()
}

#[test]
fn a_trace_goes_on_through_the_gateway_and_its_spans_reach_the_collector() {
    let collector = Collector::http();
    let stage =
        stage(&collector, &[("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,team=r%26d%2C%20eu")]);
    let lines = format!("traceparent: 00-{TRACE}-{CALLER}-01\r\ntracestate: vendor={SECRET}\r\nx-a: {SECRET}\r\n");
    let call = stage.request("POST", &format!("/up/a?token={SECRET}"), &lines, "");
    let (got, answer) = stage.carry(call, EMPTY);
    let collected = collector.trace_of(&answer.request_id());
    assert_eq!((collected.id(), &*collected.path), (TRACE.to_owned(), "/v1/traces"));
    let (server, client) = (collected.server(), collected.client());
    assert_eq!(hex(&server.parent_span_id), CALLER);
    assert_eq!(client.parent_span_id, server.span_id);
    assert_eq!(traceparent(&got), ["00", TRACE, &hex(&client.span_id), "01"]);
    assert_eq!(got.header("tracestate"), Some(&*format!("vendor={SECRET}")), "passed on as it came");
    assert_eq!(collected.steps(), ["authenticate", "limit", "POST", "settle", "audit"]);
    for (name, value) in [
        ("http.request.method", "POST"),
        ("url.scheme", "http"),
        ("url.path", "/up/a"),
        ("http.route", "/up/{*path}"),
        ("tollgate.route", "up"),
        ("http.response.status_code", "204"),
        ("tollgate.decision", "allowed"),
    ] {
        assert_eq!(text(&server.attributes, name), value, "{name}");
    }
    assert_eq!(server.name, "POST /up/{*path}");
    let url = format!("http://{}/up/a", stage.upstream.address());
    assert_eq!(text(&client.attributes, "url.full"), url);
    assert_eq!(text(&client.attributes, "http.response.status_code"), "204");
    assert_eq!(text(&collected.service, "service.name"), "tollgate");
    assert_eq!(text(&collected.service, "deployment.environment.name"), "test");
    assert_eq!(text(&collected.service, "team"), "r&d, eu");
    let shown = format!("{:?} {:?}", collected.spans, collected.headers);
    assert!(!shown.contains(SECRET) && !shown.contains(&stage.token) && !shown.contains("sk-upstream"), "{shown}");
    assert_eq!(stage.record(&answer.request_id())["trace_id"], TRACE);
    assert_eq!(metric(&stage.gateway, "tollgate_traces_dropped_total"), 0);
    assert!(metric(&stage.gateway, "tollgate_traces_exported_total") >= 6);
}

#[test]
fn a_trace_is_begun_where_a_client_names_none_or_two() {
    let collector = Collector::http();
    let names = [("OTEL_SERVICE_NAME", "edge"), ("OTEL_RESOURCE_ATTRIBUTES", "service.name=another,region=eu")];
    // A variable that is empty is none.
    let headers = [("OTEL_EXPORTER_OTLP_HEADERS", "x-key=k1"), ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "")];
    let stage = stage(&collector, &[names[0], names[1], headers[0], headers[1]]);
    let two = format!("traceparent: 00-{TRACE}-{CALLER}-01\r\n").repeat(2);
    for lines in ["tracestate: a=b\r\n", &two] {
        let (got, answer) = stage.carry(stage.request("GET", "/up", lines, ""), EMPTY);
        let collected = collector.trace_of(&answer.request_id());
        assert_eq!(collected.server().parent_span_id, [0; 0]);
        assert_ne!(collected.id(), TRACE);
        assert_eq!(traceparent(&got)[1], collected.id());
        assert_eq!(got.header("tracestate"), None, "it belongs to no trace");
        assert_eq!(stage.record(&answer.request_id())["trace_id"], *collected.id());
        assert_eq!(text(&collected.service, "service.name"), "edge");
        assert!(collected.headers.contains(&("x-key".into(), "k1".into())), "{:?}", collected.headers);
        let access = format!("trace_id={}", collected.id());
        assert!(has_come(|| stage.gateway.log().contains(&access)), "the access log names the trace");
    }
}

#[test]
fn resource_attributes_that_cannot_be_decoded_are_left_out_with_a_warning() {
    let collector = Collector::http();
    let stage = stage(&collector, &[("OTEL_RESOURCE_ATTRIBUTES", "region=eu,team=50%")]);
    let (_, answer) = stage.carry(stage.get("/up"), EMPTY);
    let collected = collector.trace_of(&answer.request_id());
    let told = ["service.name", "region", "team"].map(|name| text(&collected.service, name));
    assert_eq!(told, ["tollgate", "", ""]);
    let is_warning = |line: &str| line.contains("WARN") && line.contains("OTEL_RESOURCE_ATTRIBUTES");
    assert!(has_come(|| stage.gateway.log().lines().any(is_warning)), "{}", stage.gateway.log());
}

#[test]
fn a_refusal_and_a_failure_are_told() {
    let collector = Collector::http();
    let stage = stage(&collector, &[]);
    let refused = stage.gateway.get("/up", "no token");
    let collected = collector.trace_of(&refused.request_id());
    assert_eq!(collected.steps(), ["authenticate", "audit"]);
    assert_eq!(text(&collected.server().attributes, "tollgate.decision"), "refused");
    assert_eq!(collected.server().status.as_ref().map_or(0, |status| status.code), 0, "a 401 is the caller's fault");
    let (mut client, exchange) = stage.call(stage.get("/up"));
    drop(exchange);
    let failed = client.message();
    assert_eq!(failed.status(), 502);
    let collected = collector.trace_of(&failed.request_id());
    for span in [collected.server(), collected.client()] {
        assert_eq!(span.status.as_ref().unwrap().code, 2, "{span:?}");
    }
    assert_eq!(text(&collected.client().attributes, "error.type"), "closed");
}

#[test]
fn each_attempt_has_a_span_of_its_own_that_its_request_names() {
    let collector = Collector::http();
    let home = Home::new().env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()).env("OTEL_BSP_SCHEDULE_DELAY", "10");
    let row = Row::start_in(home, PATIENT, "");
    let mut client = row.call("GET", "");
    let first = row.upstreams[0].exchange();
    let named_first = traceparent(&first.request);
    drop(first);
    let Exchange { mut wire, request } = row.upstreams[1].exchange();
    wire.say(EMPTY);
    drop(wire);
    let answer = client.message();
    assert_eq!(answer.status(), 204);
    let collected = collector.trace_of(&answer.request_id());
    let [failed, served] = collected.attempts()[..] else { panic!("two attempts: {:?}", collected.spans) };
    for (span, named) in [(failed, named_first), (served, traceparent(&request))] {
        assert_eq!(
            (&*span.name, named),
            ("GET", ["00", &collected.id(), &hex(&span.span_id), "01"].map(str::to_owned).to_vec())
        );
        assert_eq!(span.parent_span_id, collected.server().span_id);
    }
    assert!(failed.end_time_unix_nano <= served.start_time_unix_nano);
    let ports = [0, 1].map(|place| row.upstreams[place].address().port().to_string());
    for (name, of_failed, of_served) in [
        ("tollgate.upstream", "a", "b"),
        ("server.address", "127.0.0.1", "127.0.0.1"),
        ("server.port", &*ports[0], &*ports[1]),
        ("http.request.resend_count", "", "1"),
        ("http.response.status_code", "", "204"),
        ("error.type", "closed", ""),
    ] {
        assert_eq!(
            (&*text(&failed.attributes, name), &*text(&served.attributes, name)),
            (of_failed, of_served),
            "{name}"
        );
    }
    assert_eq!(failed.status.as_ref().map_or(0, |status| status.code), 2);
    assert_eq!(served.status.as_ref().map_or(0, |status| status.code), 0);
}

#[test]
fn a_metered_call_says_its_model_its_tokens_and_its_cost() {
    let (collector, upstream) = (Collector::http(), Upstream::start());
    let config = format!("{}meter = \"openai-chat\"\n", with_upstream(upstream.address(), "", ""));
    let home = Home::new().config(&config).env("RAW_SECRET", "sk-upstream").env("OTEL_BSP_SCHEDULE_DELAY", "10");
    let home = home.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &format!("{}/otlp", collector.url()));
    let stage = Stage::of(upstream, home);
    let body = json!({ "model": "demo", "max_tokens": 9, "messages": [{ "role": "user", "content": SECRET }] });
    let body = body.to_string();
    let lines = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    let call = stage.request("POST", "/up", &lines, &body);
    let (mut client, mut exchange) = stage.call(call);
    let usage = json!({ "prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12 });
    let choice = json!({ "index": 0, "message": { "role": "assistant", "content": SECRET }, "finish_reason": "stop" });
    exchange.answer(&json!({ "object": "chat.completion", "choices": [choice], "usage": usage }).to_string());
    let answer = client.message();
    assert_eq!(answer.status(), 200);
    let collected = collector.trace_of(&answer.request_id());
    assert_eq!(collected.path, "/otlp", "this address is taken as it is");
    assert_eq!(collected.steps(), ["authenticate", "limit", "reserve", "chat demo", "settle", "audit"]);
    for (name, value) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.request.model", "demo"),
        ("gen_ai.usage.input_tokens", "7"),
        ("gen_ai.usage.output_tokens", "5"),
    ] {
        assert_eq!(text(&collected.client().attributes, name), value, "{name}");
    }
    let Value::String(cost) = stage.record(&answer.request_id())["cost_usd"].clone() else { panic!("a cost") };
    for span in [collected.client(), collected.server()] {
        let told: f64 = text(&span.attributes, "tollgate.cost_usd").parse().unwrap();
        assert!((told - cost.parse::<f64>().unwrap()).abs() < 1e-12, "{told} {cost}");
    }
    assert!(!format!("{:?}", collected.spans).contains(SECRET));
}

/// The calls to databases in a step: the system, the command, and the table or the script.
fn calls(collected: &Collected, step: &str) -> Vec<[String; 3]> {
    let told = collected.calls_in(step).into_iter().map(|span| {
        let [system, operation, table, script] =
            ["db.system.name", "db.operation.name", "db.collection.name", "db.stored_procedure.name"]
                .map(|name| text(&span.attributes, name));
        let target = format!("{table}{script}");
        assert_eq!(span.name, format!("{operation} {target}").trim_end());
        [system, operation, target]
    });
    told.collect()
}

fn call_to(system: &str, operation: &str, target: &str) -> [String; 3] {
    [system, operation, target].map(str::to_owned)
}

/// A gateway that keeps answers and shares a limit through Redis.
fn stage_with_redis(collector: &Collector, redis: &RedisServer) -> Stage {
    let upstream = Upstream::start();
    let limit = r#"
[[limits]]
name = "shared"
routes = ["up"]
per = "global"
unit = "requests"
limit = 1000
window_s = 60
"#;
    let cached = "cache = { per = \"global\", ttl_s = 60 }\n";
    let home = Home::new().config(&format!("{}{cached}", with_upstream(upstream.address(), "", limit)));
    let home = home.env("TOLLGATE__REDIS__URL", &redis.url()).env("RAW_SECRET", "sk-upstream");
    let home = home.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()).env("OTEL_BSP_SCHEDULE_DELAY", "10");
    Stage::of(upstream, home)
}

#[test]
fn a_call_to_the_store_is_within_the_step_that_waits_for_it() {
    let database = Database::create();
    for (system, home) in [("sqlite", Home::new()), ("postgresql", database.home())] {
        let (collector, upstream) = (Collector::http(), Upstream::start());
        let metered = "meter = { fixed_usd = \"0.01\" }\n";
        let home = home.config(&format!("{}{metered}", with_upstream(upstream.address(), "", "")));
        let home = home.env("RAW_SECRET", "sk-upstream").env("OTEL_BSP_SCHEDULE_DELAY", "10");
        let stage = Stage::of(upstream, home.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()));
        let (_, answer) = stage.carry(stage.get("/up"), EMPTY);
        let collected = collector.trace_of(&answer.request_id());
        // Beside a file an entry is committed in the spool.
        let committed = [call_to(system, "INSERT", "audit_entries")];
        let committed = if system == "sqlite" { &[] } else { &committed[..] };
        let held = [call_to(system, "BATCH", "ledger_entries")];
        assert_eq!(calls(&collected, "reserve"), [&held, committed].concat());
        assert_eq!(calls(&collected, "audit"), committed);
        assert!(calls(&collected, "authenticate").is_empty(), "a snapshot answers");
        let user = json!({ "username": SECRET, "role": "user" });
        let made = stage.gateway.json("POST", "/admin/users", &stage.token, &user);
        assert_eq!(made.status(), 201);
        let collected = collector.trace_of(&made.request_id());
        let told = calls(&collected, "handle");
        assert_eq!(told[0], call_to(system, "BATCH", "users"), "{told:?}");
        assert!(told.contains(&call_to(system, "SELECT", "users")), "it is read back before the answer: {told:?}");
        assert!(!format!("{:?}", collected.spans).contains(SECRET), "no value of a statement");
    }
}

#[test]
fn a_call_to_redis_is_within_the_step_that_waits_for_it() {
    let (collector, redis) = (Collector::http(), RedisServer::start());
    let stage = stage_with_redis(&collector, &redis);
    let (_, answer) = stage.carry(stage.get("/up"), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let collected = collector.trace_of(&answer.request_id());
    for (step, expected) in [("limit", call_to("redis", "EVALSHA", "leases")), ("cache", call_to("redis", "GET", ""))] {
        let told = calls(&collected, step);
        assert!(!told.is_empty() && told.iter().all(|call| *call == expected), "{step}: {told:?}");
    }
}

#[test]
fn a_call_to_a_database_that_fails_says_so_in_its_span() {
    let (collector, mut redis) = (Collector::http(), RedisServer::start());
    let stage = stage_with_redis(&collector, &redis);
    redis.kill();
    let (_, answer) = stage.carry(stage.get("/up"), EMPTY);
    let collected = collector.trace_of(&answer.request_id());
    let [asked] = collected.calls_in("cache")[..] else { panic!("one call, then Redis is left alone") };
    assert_eq!(text(&asked.attributes, "error.type"), "unavailable");
    assert_eq!(asked.status.as_ref().unwrap().code, 2);
}

#[test]
fn a_call_that_confirms_a_kept_answer_names_the_span_of_its_request() {
    let (collector, upstream) = (Collector::http(), Upstream::start());
    let config = format!("{}cache = {{ ttl_s = 60 }}\n", with_upstream(upstream.address(), "", ""));
    let home = Home::new().config(&config).env("RAW_SECRET", "sk-upstream").env("OTEL_BSP_SCHEDULE_DELAY", "10");
    let stage = Stage::of(upstream, home.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()));
    let kept = "HTTP/1.1 200 OK\r\ncache-control: max-age=0, stale-while-revalidate=60\r\nconnection: close\r\n\
                content-length: 2\r\n\r\nok";
    stage.carry(stage.get("/up"), kept);
    let lines = format!("traceparent: 00-{TRACE}-{CALLER}-01\r\n");
    let (mut client, mut exchange) = stage.call(stage.request("GET", "/up", &lines, ""));
    exchange.wire.say(kept);
    let answer = client.message();
    assert_eq!(answer.status(), 200);
    let collected = collector.trace_of(&answer.request_id());
    assert!(collected.attempts().is_empty(), "nobody waited for it");
    assert_eq!(traceparent(&exchange.request), ["00", TRACE, &hex(&collected.server().span_id), "01"]);
}

#[test]
fn a_stream_ends_the_call_to_the_upstream_with_its_last_byte() {
    let collector = Collector::http();
    let stage = stage(&collector, &[]);
    let (mut client, Exchange { mut wire, .. }) = stage.call(stage.get("/up"));
    wire.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n");
    let head = client.head();
    client.chunk().unwrap();
    wire.say("0\r\n\r\n");
    assert_eq!(client.chunk(), None);
    let collected = collector.trace_of(&head.request_id());
    let (server, client) = (collected.server(), collected.client());
    assert_eq!(text(&server.attributes, "http.response.body.size"), "3");
    assert_eq!(client.end_time_unix_nano, server.end_time_unix_nano);
}

#[test]
fn spans_go_in_grpc_too() {
    let collector = Collector::grpc();
    let variables = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=k1"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", ""),
    ];
    let stage = stage(&collector, &variables);
    let (_, answer) = stage.carry(stage.get("/up"), EMPTY);
    let collected = collector.trace_of(&answer.request_id());
    assert_eq!(collected.path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    assert!(collected.headers.contains(&("x-key".into(), "k1".into())), "{:?}", collected.headers);
    assert_eq!(collected.steps(), ["authenticate", "limit", "GET", "settle", "audit"]);
}

#[test]
fn a_collector_of_a_private_authority_is_trusted_by_its_file_and_shown_a_certificate() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let of_server = authority.server(&["localhost"]);
    for (collector, protocol, authorities) in [
        (Collector::https(&of_server, None), "http/protobuf", &authority),
        (Collector::https(&of_server, Some(&authority)), "http/protobuf", &authority),
        (Collector::https(&of_server, None), "http/protobuf", &stranger),
        (Collector::grpcs(&of_server, None), "grpc", &authority),
        (Collector::grpcs(&of_server, Some(&authority)), "grpc", &authority),
        (Collector::grpcs(&of_server, None), "grpc", &stranger),
    ] {
        let upstream = Upstream::start();
        let home = Home::forwarding_to(upstream.address(), "", "").env("RAW_SECRET", "sk-upstream");
        std::fs::write(home.path().join("ca.pem"), &authorities.pem).unwrap();
        authority.client("gateway").write(home.path(), "client");
        let file = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
        let [ca, certificate, key] = ["ca.pem", "client.pem", "client.key"].map(file);
        let home = home.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.tls_url()).env("OTEL_BSP_SCHEDULE_DELAY", "10");
        let home = home.env("OTEL_EXPORTER_OTLP_CERTIFICATE", &ca).env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol);
        let home = home.env("OTEL_BSP_EXPORT_TIMEOUT", "10000");
        let home = home.env("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", &certificate);
        let stage = Stage::of(upstream, home.env("OTEL_EXPORTER_OTLP_CLIENT_KEY", &key));
        let (_, answer) = stage.carry(stage.get("/up"), EMPTY);
        if std::ptr::eq(authorities, &raw const authority) {
            let collected = collector.trace_of(&answer.request_id());
            assert_eq!(collected.steps(), ["authenticate", "limit", "GET", "settle", "audit"]);
        } else {
            let dropped = || metric(&stage.gateway, "tollgate_traces_dropped_total");
            eventually("the spans are dropped", || (dropped() > 0).then_some(()));
            assert!(collector.is_idle());
        }
    }
}

#[test]
fn what_is_not_sampled_is_not_exported_and_the_upstream_is_told_so() {
    let collector = Collector::http();
    let stage =
        stage(&collector, &[("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0")]);
    for (lines, flags) in [(String::new(), "00"), (format!("traceparent: 00-{TRACE}-{CALLER}-00\r\n"), "00")] {
        let (got, answer) = stage.carry(stage.request("GET", "/up", &lines, ""), EMPTY);
        let sent = traceparent(&got);
        assert_eq!(sent[3], flags);
        assert_ne!(sent[2], CALLER);
        assert_eq!(stage.record(&answer.request_id())["trace_id"], *sent[1], "the ids are there all the same");
    }
    // The caller's decision stands, either way.
    let sampled = format!("traceparent: 00-{TRACE}-{CALLER}-01\r\n");
    let (got, answer) = stage.carry(stage.request("GET", "/up", &sampled, ""), EMPTY);
    assert_eq!(traceparent(&got)[3], "01");
    assert_eq!(collector.trace_of(&answer.request_id()).id(), TRACE);
    assert!(collector.is_idle());
}

#[test]
fn the_latency_of_a_sampled_call_leads_to_its_trace() {
    let collector = Collector::http();
    let stage = stage(&collector, &[]);
    let call = |flags: &str, trace: &str| {
        let lines = format!("traceparent: 00-{trace}-{CALLER}-{flags}\r\n");
        stage.carry(stage.request("GET", "/up", &lines, ""), EMPTY)
    };
    let unsampled = TRACE.replace('4', "5");
    let (_, answer) = call("01", TRACE);
    assert_eq!(collector.trace_of(&answer.request_id()).id(), TRACE);
    call("00", &unsampled);
    // As Prometheus asks.
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    let answer = metrics(&stage.gateway, accept);
    assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let text = answer.text();
    let exemplar = format!(" # {{trace_id=\"{TRACE}\"}} ");
    for histogram in ["request_duration_seconds", "gate_duration_seconds", "upstream_duration_seconds"] {
        let begins = format!("tollgate_{histogram}_bucket{{");
        let of_call = text.lines().filter(|line| line.starts_with(&begins) && line.contains(&exemplar));
        assert_eq!(of_call.count(), 1, "{histogram}: {text}");
    }
    assert_eq!(text.matches(" # {").count(), text.matches(" # {trace_id=").count());
    assert!(text.lines().filter(|line| line.contains(" # {")).all(|line| line.contains("_seconds_bucket{")), "{text}");
    assert!(!text.contains(&unsampled), "a trace that nobody has");
    assert!(text.ends_with("\n# EOF\n"));
    for accept in ["*/*", "text/plain", "application/json", "application/openmetrics-text;q=0.1, text/*"] {
        let plain = metrics(&stage.gateway, accept);
        assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"), "{accept}");
        assert!(!plain.text().contains("trace_id"), "{accept}");
    }
}

#[test]
fn without_a_collector_a_trace_passes_as_it_came() {
    let stage = Stage::new();
    let (got, answer) = stage.carry(stage.get("/up"), EMPTY);
    assert_eq!(got.header("traceparent"), None);
    assert_eq!(stage.record(&answer.request_id())["trace_id"], Value::Null);
    let line = format!("00-{TRACE}-{CALLER}-01");
    let (got, answer) = stage.carry(stage.request("GET", "/up", &format!("traceparent: {line}\r\n"), ""), EMPTY);
    assert_eq!(got.header("traceparent"), Some(&*line));
    assert_eq!(stage.record(&answer.request_id())["trace_id"], TRACE);
}

#[test]
fn a_dead_or_silent_collector_costs_spans_and_nothing_else() {
    let dead = Upstream::start().address();
    let silent = Upstream::start();
    for address in [dead, silent.address()] {
        let home = Home::new().env("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}"));
        let home = home.env("OTEL_BSP_SCHEDULE_DELAY", "1").env("OTEL_EXPORTER_OTLP_TIMEOUT", "200");
        let home = home.env("OTEL_BSP_MAX_QUEUE_SIZE", "20").env("OTEL_BSP_EXPORT_TIMEOUT", "400");
        let gateway = home.start();
        let token = gateway.admin();
        for _ in 0..100 {
            assert_eq!(gateway.get("/echo", &token).status(), 200);
        }
        let dropped = || metric(&gateway, "tollgate_traces_dropped_total");
        // All that came is counted once the queue is empty again: six spans a request.
        eventually("the spans are counted as dropped", || (dropped() >= 600).then_some(()));
        assert_eq!(metric(&gateway, "tollgate_traces_exported_total"), 0);
        let said = gateway.log().matches("does not take spans").count();
        assert_eq!(said, 1, "{}", gateway.log());
        assert!(gateway.terminate().success());
    }
}

#[test]
fn the_last_spans_are_sent_at_the_end() {
    let collector = Collector::http();
    let stage = stage(&collector, &[("OTEL_BSP_SCHEDULE_DELAY", "3600000")]);
    let (_, answer) = stage.carry(stage.get("/up"), EMPTY);
    assert!(collector.is_idle());
    assert!(stage.gateway.terminate().success());
    assert_eq!(collector.trace_of(&answer.request_id()).steps().len(), 5);
}

#[test]
fn an_environment_that_asks_for_what_there_is_not_is_refused() {
    let home = Home::new().env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    let output = home.env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json").run(&[]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("OTEL_EXPORTER_OTLP_PROTOCOL") && said.contains("http/json"), "{said}");
    for protocol in ["grpc", "http/protobuf"] {
        let home = Home::new().env("OTEL_EXPORTER_OTLP_ENDPOINT", "https://localhost:1");
        let (one, other) = (Authority::new().client("one"), Authority::new().client("other"));
        std::fs::write(home.path().join("one.pem"), &one.certificate).unwrap();
        std::fs::write(home.path().join("other.key"), &other.key).unwrap();
        let home = home.env("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "one.pem");
        let home = home.env("OTEL_EXPORTER_OTLP_CLIENT_KEY", "other.key").env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol);
        let output = home.run(&[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{protocol}: {said}");
        assert!(said.contains("traces: "), "{protocol}: {said}");
    }
}
