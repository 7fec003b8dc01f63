//! What is in `deploy/` and `.github/` fits the gateway, and the programs that it is for take it.

use std::{collections::BTreeSet, fs, path::Path};

/// What begins with the gateway's own prefix, without what Prometheus adds to a histogram.
fn metrics(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
    let words = text.split(|c| !is_part(c));
    let names = words.filter(|word| word.starts_with("tollgate_"));
    let base = |name: &str| {
        let ends = ["_bucket", "_sum", "_count"];
        ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned()
    };
    names.map(base).collect()
}

fn all(folder: &Path) -> String {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| if path.is_dir() { all(&path) } else { fs::read_to_string(path).unwrap() }).collect()
}

#[test]
fn dashboards_and_alerts_name_only_metrics_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = fs::read_to_string(root.join("src/telemetry.rs")).unwrap() + &all(&root.join("src/telemetry"));
    // In the source a name stands in quotes.
    let known: BTreeSet<String> =
        source.split('"').filter(|text| text.starts_with("tollgate_")).flat_map(metrics).collect();
    for folder in ["deploy/grafana", "deploy/prometheus"] {
        let named = metrics(&all(&root.join(folder)));
        assert!(named.len() > 5, "{folder} was not read: {named:?}");
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{folder} names {unknown:?}");
    }
}

#[test]
fn the_dashboard_is_json_with_a_query_in_each_panel() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/grafana/tollgate.json");
    let dashboard: serde_json::Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(!panels.is_empty());
    for panel in panels {
        let targets = panel["targets"].as_array().unwrap();
        assert!(targets.iter().all(|target| metrics(target["expr"].as_str().unwrap()).len() == 1), "{panel}");
    }
}

/// Runs a tool that checks a file, where it is installed.
fn checked(tool: &str, arguments: &[&str]) -> Option<(bool, String)> {
    let run = std::process::Command::new(tool).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let Ok(output) = run else {
        println!("skipped: {tool} is not installed");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Some((output.status.success(), said))
}

#[test]
fn the_unit_of_systemd_is_hardened() {
    let unit = "deploy/systemd/tollgate.service";
    // 30 is an exposure level of 3.0.
    let arguments = ["security", "--offline=yes", "--threshold=30", "--no-pager", unit];
    if let Some((is_hard, said)) = checked("systemd-analyze", &arguments) {
        assert!(is_hard, "{said}");
    }
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(unit)).unwrap();
    for line in ["Type=notify", "WatchdogSec=", "NoNewPrivileges=yes", "ExecReload=/usr/local/bin/tollgate reload"] {
        assert!(text.contains(line), "{line}");
    }
}

#[test]
fn the_configuration_of_haproxy_is_valid() {
    if let Some((is_valid, said)) = checked("haproxy", &["-c", "-f", "deploy/haproxy/haproxy.cfg"]) {
        assert!(is_valid, "{said}");
    }
}

#[test]
fn the_files_that_the_composition_mounts_are_there_and_each_variable_is_one_of_the_gateways() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("deploy/compose.yaml")).unwrap();
    let mounted = text.split(|c: char| c.is_whitespace() || "[]\"".contains(c)).filter(|word| word.starts_with("./"));
    let missing: Vec<_> = mounted
        .filter_map(|word| word.split(':').next())
        .filter(|path| !root.join("deploy").join(path).exists())
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    let names =
        text.lines().filter_map(|line| line.trim().split_once(':')).filter(|(name, _)| name.starts_with("TOLLGATE__"));
    let environment = names.map(|(name, value)| (name.to_owned(), value.trim().trim_matches('\'').to_owned()));
    let environment: Vec<_> = environment.filter(|(name, _)| !name.ends_with("PASSWORD")).collect();
    assert!(environment.len() >= 3, "{environment:?}");
    tollgate::config::Config::load(None, environment).unwrap();
}

#[test]
fn nginx_takes_the_configuration_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let (at, root) = (folder.path().display().to_string(), Path::new(env!("CARGO_MANIFEST_DIR")));
    let certified = rcgen::generate_simple_self_signed(["gate.example.com".to_owned()]).unwrap();
    fs::write(folder.path().join("gate.example.com.pem"), certified.cert.pem()).unwrap();
    fs::write(folder.path().join("gate.example.com.key"), certified.signing_key.serialize_pem()).unwrap();
    let text = fs::read_to_string(root.join("deploy/nginx/tollgate.conf")).unwrap();
    assert!(!text.contains("non_idempotent"), "nginx would send a call twice that an upstream may have billed");
    fs::write(folder.path().join("tollgate.conf"), text.replace("/etc/nginx/tls/", &format!("{at}/"))).unwrap();
    let around =
        format!("pid {at}/pid; error_log stderr; events {{}} http {{ access_log off; include {at}/tollgate.conf; }}");
    fs::write(folder.path().join("nginx.conf"), around).unwrap();
    if let Some((is_valid, said)) =
        checked("nginx", &["-t", "-e", "stderr", "-p", &at, "-c", &format!("{at}/nginx.conf")])
    {
        assert!(is_valid && !said.contains("[warn]"), "{said}");
    }
}

#[test]
fn caddy_takes_the_configuration_for_it() {
    let arguments = ["validate", "--adapter", "caddyfile", "--config", "deploy/caddy/Caddyfile"];
    if let Some((is_valid, said)) = checked("caddy", &arguments) {
        assert!(is_valid, "{said}");
    }
}

/// What the chart renders to is looked at by `scripts/test chart`, which brings Helm's code with it.
#[test]
fn helm_takes_the_chart() {
    if let Some((is_valid, said)) = checked("helm", &["lint", "--strict", "deploy/helm/tollgate"]) {
        assert!(is_valid, "{said}");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let chart = fs::read_to_string(root.join("deploy/helm/tollgate/Chart.yaml")).unwrap();
    let image = format!("appVersion: \"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(chart.lines().any(|line| line == image), "the chart takes an image of another version");
}

/// A tag can be moved to other code, a commit cannot.
#[test]
fn workflows_name_actions_by_their_commit() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows");
    let text = all(&folder);
    let used: Vec<&str> =
        text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: ")).collect();
    assert!(used.len() > 5, "{used:?}");
    for action in used.into_iter().filter(|action| !action.starts_with("./")) {
        let commit = action.split('@').nth(1).and_then(|rest| rest.split(" # v").next()).unwrap();
        assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{action}");
        assert!(action.contains(" # v"), "{action} does not say which version that is");
    }
}
