//! `check-config`: every mistake at once, in an operator's words, and everything that a start would refuse.

use std::{fs, net::TcpListener, process::Output};

use serde_json::Value;

use super::support::{Database, Home, MASTER_KEY, run};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn checked(home: &Home, arguments: &[&str]) -> Output {
    home.run(&[&["check-config"], arguments].concat())
}

const MANY_MISTAKES: &str = r#"
[server]
prot = 1
port = 70000
keep_alive_s = "long"
[sever]
port = 1
[[upstreams]]
name = "a"
url = "nowhere"
timout_s = 5
[[upstreams]]
name = "b"
url = "http://b.test"
secret_env = "NO_SUCH_SECRET"
[[upstreams]]
name = "c"
url = "http://c.test"
secret_env = "NOR_THIS_ONE"
[[routes]]
name = "one"
path = "/one"
match = "exakt"
methods = ["TRACE"]
roles = ["admin"]
upstream = "nobody"
[[routes]]
name = "two"
path = "/two"
match = "exact"
methods = ["GET"]
roles = ["admin"]
upstream = "b"
[[routes]]
name = "three"
path = "/two"
match = "exact"
methods = ["GET"]
roles = ["admin"]
upstream = "c"
[[limits]]
name = "l"
routes = ["too"]
per = "user"
unit = "requests"
limit = 1
window_s = 1
"#;

#[test]
fn all_mistakes_are_told_at_once_with_file_line_and_what_was_meant() {
    let home = Home::new().env("TOLLGATE__EDGE__BURST", "0");
    home.write_config(MANY_MISTAKES);
    // A variable would win over the port of the file.
    let mut command = home.command(&["check-config"]);
    command.env_remove("TOLLGATE__SERVER__PORT");
    let output = run(command);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let told = said(&output);
    let expected = [
        ("tollgate.toml:3: server.prot: ", "did you mean \"port\"?"),
        ("tollgate.toml:4: server.port: ", "1 to 65535"),
        ("tollgate.toml:5: server.keep_alive_s: ", "a whole number"),
        ("tollgate.toml:6: sever: ", "did you mean \"server\"?"),
        ("tollgate.toml:10: upstreams[0].url: ", "http"),
        ("tollgate.toml:11: upstreams[0].timout_s: ", "did you mean \"timeout_s\"?"),
        ("tollgate.toml:15: upstreams[1].secret_env: ", "NO_SUCH_SECRET"),
        ("tollgate.toml:19: upstreams[2].secret_env: ", "NOR_THIS_ONE"),
        ("tollgate.toml:23: routes[0].match: ", "did you mean \"exact\"?"),
        ("tollgate.toml:24: routes[0].methods: ", "TRACE"),
        ("tollgate.toml:26: routes[0].upstream: ", "nobody"),
        ("tollgate.toml:36: routes[2].path: ", "route \"two\" has the same path and method"),
        ("tollgate.toml:43: limits[0].routes[0]: ", "too"),
        ("environment variable TOLLGATE__EDGE__BURST: edge.burst: ", "must be"),
    ];
    let missing: Vec<_> = expected
        .iter()
        .filter(|(place, words)| !told.lines().any(|line| line.contains(place) && line.contains(words)))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}\n{told}");
    let mistakes = told.lines().filter(|line| line.contains(": ")).count();
    assert_eq!(mistakes, expected.len(), "nothing else is a mistake:\n{told}");
    for word in ["u16", "u64", "enum", "variant", "field `"] {
        assert!(!told.contains(word), "{word}: {told}");
    }
}

/// What is missing, and what is wrong only beside something else, hides nothing of what is wrong besides.
const MISTAKES_THAT_HID_OTHERS: &str = r#"
[server]
tls_cert_file = "cert.pem"
body_timeout_s = 0
[cache]
max_bytes = 65536
[audit]
max_batch = 0
[auth.login]
issuer = "https://idp.test"
client_id = "console"
client_secret_env = "NO_SUCH_SECRET"
label = ""
team_claim = "groups"
[[auth.trusted_issuers]]
issuer = "https://other.test"
audience = "tollgate"
team_claim = "groups"
jwks_ttl_s = 1
[[routes]]
name = "one"
match = "exact"
methods = ["TRACE"]
roles = []
upstream = "nobody"
[[limits]]
name = "l"
routes = ["*"]
per = "user"
subject = "ann"
unit = "reqests"
limit = 0
[[budgets]]
name = "b"
scope = "user"
limit_usd = "much"
models = []
[[routes]]
name = "two"
path = "/two"
match = "exact"
methods = ["GET"]
roles = ["admin"]
targets = [{ upstream = "builtin:echo", weight = 0, priority = 1001 }]
retry = { attempts = 99, within_s = 0 }
"#;

#[test]
fn no_mistake_hides_another() {
    let home = Home::new();
    home.write_config(MISTAKES_THAT_HID_OTHERS);
    let output = checked(&home, &[]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let told = said(&output);
    let expected = [
        (": server.tls_key_file: ", "must be set where tls_cert_file is"),
        ("tollgate.toml:4: server.body_timeout_s: ", "must be from 1"),
        (": cache.max_entry_bytes: ", "must be from 1 to 8192"),
        ("tollgate.toml:8: audit.max_batch: ", "must be from 1"),
        ("tollgate.toml:12: auth.login.client_secret_env: ", "NO_SUCH_SECRET"),
        ("tollgate.toml:13: auth.login.label: ", "1 to 60 characters"),
        (": auth.login.teams: ", "of use together only"),
        (": auth.trusted_issuers[0].teams: ", "of use together only"),
        ("tollgate.toml:19: auth.trusted_issuers[0].jwks_ttl_s: ", "must be from 10"),
        ("tollgate.toml:20: routes[0]: ", "the key \"path\" is missing"),
        ("tollgate.toml:23: routes[0].methods: ", "TRACE"),
        ("tollgate.toml:24: routes[0].roles: ", "at least one role"),
        ("tollgate.toml:25: routes[0].upstream: ", "nobody"),
        ("tollgate.toml:31: limits[0].unit: ", "did you mean \"requests\"?"),
        ("tollgate.toml:32: limits[0].limit: ", "must be"),
        (": limits[0].window_s: ", "is needed for a rate"),
        ("tollgate.toml:33: budgets[0]: ", "the key \"period\" is missing"),
        ("tollgate.toml:36: budgets[0].limit_usd: ", ""),
        ("tollgate.toml:37: budgets[0].models: ", "must be"),
        ("tollgate.toml:44: routes[1].targets[0].weight: ", "must be from 1"),
        ("tollgate.toml:44: routes[1].targets[0].priority: ", "must be at most 1000"),
        ("tollgate.toml:45: routes[1].retry.attempts: ", "must be at most 16"),
        ("tollgate.toml:45: routes[1].retry.within_s: ", "must be from 1"),
    ];
    let missing: Vec<_> = expected
        .iter()
        .filter(|(place, words)| !told.lines().any(|line| line.contains(place) && line.contains(words)))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}\n{told}");
    let mistakes = told.lines().filter(|line| line.contains(": ")).count();
    assert_eq!(mistakes, expected.len(), "nothing else is a mistake:\n{told}");
}

/// One mistake is one line, in words, at its key.
#[test]
fn a_mistake_is_told_once_at_its_key() {
    let route = "[[routes]]\nname = \"r\"\npath = \"/r\"\nmatch = \"exact\"\nmethods = [\"GET\"]\nroles = [\"admin\"]\n\
                 upstream = \"builtin:echo\"\n";
    let limit = "[[limits]]\nname = \"l\"\nroutes = [\"*\"]\nper = \"user\"\nunit = \"requests\"\nlimit = 1\n";
    let targets = |listed: &str| route.replace("upstream = \"builtin:echo\"", &format!("targets = [{listed}]"));
    let model = |listed: &str| format!("[[models]]\nname = \"m\"\ntargets = [{listed}]\n");
    let login = "[auth.login]\nissuer = \"https://idp.test\"\nclient_id = \"c\"\nclient_secret_file = \"nowhere\"\n";
    for (file, told) in [
        ("[redis]\nurl = \"localhost:6379\"\n".to_owned(), ": redis.url: expected redis://"),
        ("[server]\nhost = \"localhost\"\n".into(), ": server.host: must be an IP address"),
        ("[server]\nhost = 0.0.0.0\n".into(), "text needs quotes"),
        ("[server]\nport =\n".into(), "the value is missing"),
        (
            "[alerts]\nwebhook_url = \"http://hooks.test/\"\n".into(),
            ":2: alerts.webhook_url: needs a secret that its calls are signed with",
        ),
        (
            "[alerts]\nwebhook_url = \"http://hooks.test/\"\nwebhook_secret_file = \"/nowhere/whsec\"\n".into(),
            ":3: alerts.webhook_secret_file: /nowhere/whsec cannot be read",
        ),
        ("[server]\nworkers = 1\nworkers = 2\n".into(), "the key \"workers\" stands here a second time"),
        (format!("{limit}window = \"hour\"\n"), ": limits[0].window: unknown value \"hour\""),
        (format!("{limit}window = 60\n"), "give window_s, in seconds"),
        (route.replace("[\"GET\"]", "[\"*\"]"), ": routes[0].methods: \"*\" stands for no method"),
        (route.replace("[\"admin\"]", "[\"boss\"]"), "known are admin, user, readonly\n"),
        (
            "[[models]]\nname = \"m\"\ntarget = [{ upstream = \"builtin:llm\", model = \"demo\" }]\n".into(),
            ": models[0].target: unknown key \"target\"; did you mean \"targets\"?",
        ),
        (login.into(), ": auth.login.client_secret_file: "),
        (targets("{ upstream = \"builtin:echo\", weight = 0 }"), ": routes[0].targets[0].weight: must be from 1"),
        (targets("{ upstream = \"nobody\" }"), ": routes[0].targets[0].upstream: \"nobody\" is not the name"),
        (targets(""), ": routes[0].targets: must have at least one target"),
        (format!("{route}targets = []\n"), ": routes[0].targets: give upstream or targets, not both"),
        (model("{ upstream = \"builtin:llm\" }"), ": models[0].targets[0]: the key \"model\" is missing"),
        (model("{ upstream = \"nobody\", model = \"demo\" }"), ": models[0].targets[0].upstream: \"nobody\" is not"),
    ] {
        let home = Home::new();
        home.write_config(&file);
        let output = checked(&home, &[]);
        assert_eq!(output.status.code(), Some(2), "{file}: {}", said(&output));
        let lines: Vec<String> =
            said(&output).lines().filter(|line| !line.starts_with("warning")).map(str::to_owned).collect();
        assert!(lines.len() == 1 && said(&output).contains(told), "{file}: {}", said(&output));
    }
}

/// Two upstreams that speak different formats.
const TWO_FORMATS: &str = r#"
[[upstreams]]
name = "chat"
url = "http://chat.test"
[[upstreams]]
name = "claude"
url = "http://claude.test"
[[routes]]
name = "chat"
path = "/chat"
match = "exact"
methods = ["POST"]
roles = ["admin"]
upstream = "chat"
meter = "openai-chat"
[[routes]]
name = "messages"
path = "/messages"
match = "exact"
methods = ["POST"]
roles = ["admin"]
upstream = "claude"
meter = "anthropic-messages"
"#;

#[test]
fn where_calls_cannot_go_is_refused_by_the_check_and_by_a_start() {
    let model = |name: &str, targets: &str| format!("[[models]]\nname = \"{name}\"\ntargets = [{targets}]\n");
    let upstream = |lines: &str| format!("[[upstreams]]\nname = \"far\"\n{lines}\n");
    let circle = [
        model("one", r#"{ upstream = "chat", model = "two" }"#),
        model("two", r#"{ upstream = "chat", model = "one" }"#),
    ];
    for (lines, told) in [
        (
            model("m", r#"{ upstream = "chta", model = "a" }"#),
            "models[0].targets[0].upstream: \"chta\" is not the name of an upstream; there are chat, claude",
        ),
        (model("m", ""), "models[0].targets: must have at least one target"),
        (
            model("m", r#"{ upstream = "chat", model = "a", weight = 0 }"#),
            "models[0].targets[0].weight: must be from 1 to 1000000; leave a target out",
        ),
        (
            model("m", r#"{ upstream = "chat", model = "a" }, { upstream = "claude", model = "b" }"#),
            "models[0].targets[1].upstream: speaks the format of the route \"messages\"",
        ),
        (circle.concat(), "models[0].name: \"one\" is the name of a model at the upstream chat too"),
        (
            model("gpt-4o", r#"{ upstream = "chat", model = "gpt-4o-mini" }"#),
            "models[0].name: \"gpt-4o\" is the name of a model in the built-in prices: choose another name",
        ),
        (model("m", r#"{ upstream = "chat", model = "a", secret = "hunter2" }"#), "unknown key \"secret\""),
        (
            upstream("url = \"http://far.test\"\nsecret = \"hunter2\""),
            "upstreams[2].secret: must not stand in a configuration; use secret_env or secret_file",
        ),
        (
            upstream("url = \"http://ann:hunter2@far.test\""),
            "upstreams[2].url: must not hold a user or a password; use secret_env",
        ),
    ] {
        let home = Home::new();
        home.write_config(&format!("{TWO_FORMATS}{lines}"));
        for output in [checked(&home, &[]), home.run(&[])] {
            let said = said(&output);
            assert!(output.status.code() == Some(2) && said.contains(told), "{told}: {said}");
            assert!(said.contains("tollgate.toml:") && !said.contains("hunter2"), "{said}");
        }
    }
}

#[test]
fn a_path_that_the_upstream_would_be_asked_for_twice_is_warned_of_by_the_check_and_by_a_start() {
    let file = "[[upstreams]]\nname = \"one\"\nurl = \"http://one.test/v1\"\n[[routes]]\nname = \"r\"\npath = \"/v1/r\"\n\
                match = \"exact\"\nmethods = [\"GET\"]\nroles = [\"admin\"]\nupstream = \"one\"\n";
    let home = Home::new().config(file);
    let output = checked(&home, &[]);
    assert!(output.status.success() && said(&output).contains("/v1/v1/r"), "{}", said(&output));
    let gateway = home.start();
    assert!(gateway.log().contains("/v1/v1/r"), "{}", gateway.log());
}

#[test]
fn a_budget_may_be_written_as_a_number() {
    let file = "[[budgets]]\nname = \"b\"\nscope = \"user\"\nperiod = \"month\"\nlimit_usd = 10.5\n";
    let output = checked(&Home::new().config(file), &[]);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn the_mistakes_come_in_the_order_of_their_lines() {
    let home = Home::new();
    home.write_config(
        "[log]\nlevel = \"verbose\"\n[server]\nkeep_alive_s = 0\n[sever]\nport = 1\n[audit]\nbodies = \"some\"\n",
    );
    let told = said(&checked(&home, &[]));
    let lines: Vec<&str> =
        told.lines().filter_map(|line| line.split("tollgate.toml:").nth(1)?.split(':').next()).collect();
    assert_eq!(lines, ["2", "4", "5", "8"], "{told}");
}

#[test]
fn the_mistakes_are_also_told_as_json() {
    let home = Home::new();
    home.write_config("[server]\nprot = 1\nworkers = -1\n");
    let output = checked(&home, &["--json"]);
    assert_eq!(output.status.code(), Some(2));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mistakes = report["mistakes"].as_array().unwrap();
    assert_eq!((&report["valid"], mistakes.len()), (&false.into(), 2), "{report}");
    assert_eq!((&mistakes[0]["key"], &mistakes[0]["line"]), (&"server.prot".into(), &2.into()), "{report}");
    assert!(mistakes[0]["file"].as_str().unwrap().ends_with("tollgate.toml"));
    home.write_config("");
    let valid: Value = serde_json::from_slice(&checked(&home, &["--json"]).stdout).unwrap();
    assert_eq!((&valid["valid"], &valid["mistakes"]), (&true.into(), &Value::Array(vec![])));
}

#[test]
fn the_merged_configuration_is_printed_with_origins_and_without_secrets() {
    let home = Home::new()
        .env("TOLLGATE__STORE__URL", "postgres://ann:hunter2@db.test/d?sslmode=disable")
        .env("TOLLGATE__ALERTS__WEBHOOK_SECRET", "whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMg==")
        .env("TOLLGATE_MASTER_KEY", MASTER_KEY)
        .config("[docs]\npublic = false\n");
    let output = checked(&home, &["--print"]);
    assert!(output.status.success(), "{}", said(&output));
    let printed = String::from_utf8(output.stdout).unwrap();
    let line = |start: &str| printed.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
    assert!(line("public = ").contains("false") && line("public = ").contains("tollgate.toml:"), "{printed}");
    assert!(line("body_timeout_s = ").contains("built-in"), "{printed}");
    assert!(printed.contains("url = \"postgres://ann:***@db.test"), "{printed}");
    assert!(line("webhook_secret = ").contains("***"), "{printed}");
    assert!(!printed.contains("hunter2") && !printed.contains("aHVudGVy"), "{printed}");
    assert!(printed.contains("[[routes]]"), "{printed}");
}

/// The faults of a case: of `check-config`, which must refuse the configuration, and of the start with the same one.
fn refused(home: &Home, words: &str) {
    let output = checked(home, &[]);
    assert_eq!(output.status.code(), Some(2), "{words}: {}", said(&output));
    assert!(said(&output).contains(words), "{words}: {}", said(&output));
    let start = home.run(&[]);
    assert!(matches!(start.status.code(), Some(1 | 2)), "{words}: {}", said(&start));
}

#[test]
fn what_only_a_start_would_find_is_found() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    refused(&Home::new().env("TOLLGATE__SERVER__PORT", &port), "server.port");
    refused(&Home::new().env("TOLLGATE__OPS__PORT", &port), "ops.port");
    refused(&Home::new().env("TOLLGATE_MASTER_KEY", "c2hvcnQ="), "TOLLGATE_MASTER_KEY");
    refused(&Home::bare().env("TOLLGATE_ADMIN_PASSWORD", "short"), "TOLLGATE_ADMIN_PASSWORD");
    refused(&Home::new().env("TOLLGATE__STORE__URL", &Database::create().url()), "TOLLGATE_MASTER_KEY");
    let home = Home::new();
    fs::write(home.path().join("data"), "a file").unwrap();
    refused(&home, "data_dir");
}

#[test]
fn the_ports_of_the_gateway_that_runs_here_are_no_mistake() {
    let home = Home::new();
    let gateway = home.start();
    let home = home.env("TOLLGATE__SERVER__PORT", &gateway.address.port().to_string());
    let output = checked(&home, &[]);
    assert!(output.status.success() && said(&output).contains("a gateway runs on this data_dir"), "{}", said(&output));
}

#[test]
fn a_mistyped_variable_is_warned_of_by_the_check_and_by_a_start() {
    let home = Home::new().env("TOLLGATE_SERVER_PORT", "1");
    let output = checked(&home, &[]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("did you mean TOLLGATE__SERVER__PORT?"), "{}", said(&output));
    let gateway = home.start();
    assert!(gateway.log().contains("did you mean TOLLGATE__SERVER__PORT?"), "{}", gateway.log());
}

#[test]
fn a_mistyped_method_is_warned_of_by_the_check_and_by_a_start() {
    let route = "[[routes]]\nname = \"x\"\npath = \"/x\"\nmatch = \"exact\"\nmethods = [\"GTE\", \"PROPFIND\"]\nroles = [\"admin\"]\n\
                 upstream = \"builtin:echo\"\n";
    let home = Home::new().config(route);
    let output = checked(&home, &[]);
    assert!(output.status.success(), "{}", said(&output));
    let warning =
        |told: &str| told.contains("\"GTE\"") && told.contains("did you mean GET?") && !told.contains("PROPFIND");
    assert!(warning(&said(&output)), "{}", said(&output));
    let gateway = home.start();
    assert!(warning(&gateway.log()), "{}", gateway.log());
}

#[test]
fn a_start_that_is_refused_tells_every_mistake_too() {
    let home = Home::new();
    home.write_config("[server]\nprot = 1\n[docs]\npublic = 3\n");
    let output = home.run(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("server.prot") && said(&output).contains("docs.public"), "{}", said(&output));
}
