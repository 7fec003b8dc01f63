//! What a configuration may be, and how each mistake is named.

use super::*;

pub(super) fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let environment = environment.iter().map(|(k, v)| (k.to_string(), v.to_string()));
    Config::load(Some(file.path()), environment)
}

#[test]
fn the_built_in_configuration_is_valid() {
    let config = Config::built_in().unwrap();
    assert_eq!(config.server.port, 8080);
    assert_eq!(config.routes.len(), 5);
}

#[test]
fn the_production_example_is_valid() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/production.toml");
    let config = Config::load(Some(&path), []).unwrap();
    assert_eq!(config.routes.len(), 1);
}

#[test]
fn what_a_reload_does_not_take_is_named() {
    let before = Config::built_in().unwrap();
    let issuer = "[[auth.trusted_issuers]]\nissuer = \"https://idp.example\"\naudience = \"a\"\n";
    for (text, sections) in [
        ("", vec![]),
        ("[prices]\nfile = \"x.toml\"", vec![]),
        ("[cors]\nallowed_origins = [\"https://a.example\"]", vec!["cors"]),
        (issuer, vec!["auth"]),
        ("[server]\nport = 1\n[log]\nlevel = \"warn\"", vec!["server", "log"]),
    ] {
        assert_eq!(before.unreloadable(&load(text, &[]).unwrap()), sections, "{text}");
    }
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
    let config = load("[server]\nport = 1\nhost = \"::1\"\n", &[("TOLLGATE__SERVER__PORT", "2")]).unwrap();
    assert_eq!((config.server.port, config.server.host.to_string()), (2, "::1".into()));
    assert_eq!(config.server.body_timeout_s, 30);
}

#[test]
fn a_variable_is_read_as_the_type_of_its_key() {
    let environment = [
        ("TOLLGATE__DATA_DIR", "12"),
        ("TOLLGATE__DOCS__PUBLIC", "false"),
        ("TOLLGATE__SERVER__TRUSTED_PROXIES", "[\"10.0.0.0/8\"]"),
    ];
    let config = load("", &environment).unwrap();
    assert_eq!(config.data_dir, PathBuf::from("12"));
    assert!(!config.docs.public);
    assert_eq!(config.server.trusted_proxies.len(), 1);
}

#[test]
fn each_mistake_names_its_origin_its_key_and_the_reason() {
    for (text, key, reason) in [
        ("[server]\nprot = 1", "server.prot", "unknown key"),
        ("[server]\nport = \"x\"", "server.port", "must be a port"),
        ("[server]\nport = 70000", "server.port", "70000"),
        ("nonsense = 1", "nonsense", "unknown key"),
        ("[auth]\nalgorithm = \"none\"", "auth.algorithm", "unknown value"),
        ("[auth]\naccess_ttl_s = 0", "auth.access_ttl_s", "must be"),
        ("[auth]\nthrottle_max_s = 0", "auth.throttle_max_s", "must be"),
        ("[auth]\nthrottle_account_failures = 0", "auth.throttle_account_failures", "must be"),
        ("[edge]\nburst = 0", "edge.burst", "must be"),
        ("[server]\nproxy_protocol = true", "server.proxy_protocol", "trusted_proxies"),
        ("[actors]\ndeadline_ms = 0", "actors.deadline_ms", "at least 1"),
        ("[[routes]]\nname = \"a\"", "routes[0]", "is missing"),
        (
            "[[limits]]\nname=\"a\"\nroutes=[\"nope\"]\nper=\"user\"\nunit=\"requests\"\nlimit=1\nwindow_s=1",
            "limits[0].routes",
            "nope",
        ),
        (
            "[[limits]]\nname=\"a\"\nroutes=[\"*\"]\nper=\"user\"\nunit=\"requests\"\nlimit=0\nwindow_s=1",
            "limits[0].limit",
            "from 1",
        ),
        (
            "[[limits]]\nname=\"a\"\nroutes=[\"*\"]\nper=\"planet\"\nunit=\"requests\"\nlimit=1\nwindow_s=1",
            "limits[0].per",
            "unknown value",
        ),
        ("[store]\nurl = \"mysql://h/d\"", "store.url", "sqlite:"),
        ("[log]\nlevel = \"tollgate=loud\"", "log.level", "\"loud\" is no level"),
        ("[log]\nlevel = \"info,[request]=debug\"", "log.level", "\"[request]\" is no part"),
        ("[log]\nlevel = \"inof\"", "log.level", "\"inof\" is no level: use error, warn"),
        ("[log]\nlevel = \"info,tollgate\"", "log.level", "\"tollgate\" is no level"),
        (
            "[[routes]]\nname=\"r\"\npath=\"/a/*\"\nmatch=\"prefix\"\nmethods=[\"GET\"]\nroles=[\"user\"]\nupstream=\"builtin:echo\"",
            "routes[0].path",
            "prefix",
        ),
        ("[[upstreams]]\nname=\"u\"\nurl=\"ftp://x\"", "upstreams[0].url", "http"),
        ("[[upstreams]]\nname=\"u\"\nurl=\"http://x\"\nsecret=\"s\"", "upstreams[0].secret", "secret_env"),
        ("[[upstreams]]\nname=\"u\"\nurl=\"http://x/?q\"", "upstreams[0].url", "query"),
        ("[[upstreams]]\nname=\"u\"\nurl=\"http://x:99999\"", "upstreams[0].url", "65535"),
        ("[[upstreams]]\nname=\"u\"\nurl=\"http://[::1]:0/\"", "upstreams[0].url", "65535"),
        ("[[upstreams]]\nname=\"u\"\nurl=\"http://x:/\"", "upstreams[0].url", "65535"),
    ] {
        let error = load(text, &[]).unwrap_err();
        assert!(error.key.starts_with(key), "{text}: key {error}");
        assert!(error.reason.contains(reason), "{text}: reason {error}");
        assert!(error.origin.contains("tmp"), "{text}: origin {error}");
    }
}

#[test]
fn limits_are_held_against_the_routes_and_each_other() {
    let limit = |changes: &str| {
        format!("[[limits]]\nname=\"a\"\nroutes=[\"*\"]\nper=\"user\"\nlimit=1\nwindow_s=1\n{changes}\n")
    };
    let (requests, tokens) = ("unit=\"requests\"", "unit=\"tokens\"");
    let one = "subject=\"01890a5d-ac96-774b-bcce-b302099a8057\"";
    assert_eq!(load(&[limit(requests), limit(&format!("{requests}\n{one}"))].concat(), &[]).unwrap().limits.len(), 2);
    let daily = limit(requests).replace("window_s=1", "window=\"day\"\ntime_zone=\"Europe/Berlin\"");
    assert_eq!(load(&daily, &[]).unwrap().limits.len(), 1);
    for (lists, key) in [
        ([limit(requests), limit(requests)].concat(), "limits[1].name"),
        ([limit(requests), limit(tokens)].concat(), "limits[1].unit"),
        (limit(&format!("{requests}\nsubject=\"x\"")).replace("per=\"user\"", "per=\"address\""), "limits[0].subject"),
        (limit(tokens).replace("\"*\"", "\"chat\",\"echo\""), "limits[0].routes[1]"),
        (limit(requests).replace("window_s=1\n", ""), "limits[0].window_s"),
        (limit(&format!("{requests}\nwindow=\"day\"")), "limits[0].window"),
        (limit(requests).replace("window_s=1", "window=\"day\"\ntime_zone=\"Mars\""), "limits[0].time_zone"),
        (limit(requests).replace("window_s=1", "window=\"day\"\nburst=1"), "limits[0].burst"),
    ] {
        assert_eq!(load(&lists, &[]).unwrap_err().key, key, "{lists}");
    }
}

#[test]
fn a_value_that_is_of_no_use_later_is_blamed_on_the_layer_that_set_it() {
    let config = load(
        "[server]\nhost = \"::1\"\n[[routes]]\nname = \"a\"\npath = \"/a\"\nmatch = \"exact\"\n\
                       methods = [\"GET\"]\nroles = [\"user\"]\nupstream = \"builtin:echo\"",
        &[("TOLLGATE__SERVER__PORT", "2")],
    )
    .unwrap();
    for (key, origin) in [
        ("server.port", "environment variable TOLLGATE__SERVER__PORT"),
        ("server.host", "tmp"),
        ("server.workers", "built-in"),
        ("server.tls[0].cert_file", "environment variable TOLLGATE__SERVER__PORT"),
        ("routes[0].name", "tmp"),
    ] {
        let error = config.blame(key, "bad");
        assert!(error.origin.contains(origin) && error.key == key, "{error}");
    }
}

#[test]
fn a_bad_variable_is_named_as_such() {
    let error = load("", &[("TOLLGATE__SERVER__PORT", "x")]).unwrap_err();
    assert_eq!(error.origin, "environment variable TOLLGATE__SERVER__PORT");
    let error = load("", &[("TOLLGATE__SERVER__PROT", "1")]).unwrap_err();
    assert_eq!(error.origin, "environment variable TOLLGATE__SERVER__PROT");
}

#[test]
fn a_secret_in_a_file_of_everybody_is_refused() {
    for key in SECRETS {
        let (section, name) = key.split_once('.').unwrap();
        let error = load(&format!("[{section}]\n{name} = \"secret-secret-secret-secret-secret\""), &[]).unwrap_err();
        assert_eq!(error.key, key);
        assert!(error.reason.contains("environment") && !error.to_string().contains("secret-secret"), "{error}");
    }
    for (section, url) in [
        ("store", "postgres://ann:hunter2@db/tollgate"),
        ("store", "postgres://ann@db/tollgate?sslmode=require&password=hunter2"),
        ("redis", "redis://:hunter2@cache:6379"),
    ] {
        let error = load(&format!("[{section}]\nurl = \"{url}\""), &[]).unwrap_err();
        assert_eq!(error.key, format!("{section}.url"));
        let variable = format!("TOLLGATE__{}__PASSWORD", section.to_uppercase());
        assert!(error.reason.contains(&variable) && !error.to_string().contains("hunter2"), "{error}");
        let variable = format!("TOLLGATE__{}__URL", section.to_uppercase());
        assert!(load("", &[(variable.as_str(), url)]).is_ok(), "{url}");
    }
    let apart = load("[redis]\nurl = \"redis://cache:6379/1\"", &[("TOLLGATE__REDIS__PASSWORD", "a@b")]).unwrap();
    assert_eq!(apart.redis_url().unwrap(), "redis://:a%40b@cache:6379/1");
    assert!(load("[store]\npassword = \"\"", &[]).is_ok());
    let number = load("[auth]\nhmac_secret = 987654321", &[]).unwrap_err();
    assert!(number.key == "auth.hmac_secret" && !number.to_string().contains("987654321"), "{number}");
}

#[test]
fn hs256_needs_a_secret_of_32_bytes() {
    let secrets = |secret: &str, other: &str| {
        let environment = [
            ("TOLLGATE__AUTH__ALGORITHM", "HS256"),
            ("TOLLGATE__AUTH__HMAC_SECRET", secret),
            ("TOLLGATE__AUTH__HMAC_OTHER_SECRET", other),
        ];
        load("", &environment).unwrap().hmac_secrets().map_err(|error| error.key)
    };
    let (long, short) = ("x".repeat(32), "x".repeat(31));
    assert!(secrets(&long, "").unwrap().unwrap().other.is_none());
    assert!(secrets(&long, &long).unwrap().unwrap().other.is_some());
    assert_eq!(secrets("", "").unwrap_err(), "auth.hmac_secret");
    assert_eq!(secrets(&short, "").unwrap_err(), "auth.hmac_secret");
    assert_eq!(secrets(&long, &short).unwrap_err(), "auth.hmac_other_secret");
    assert!(load("", &[]).unwrap().hmac_secrets().unwrap().is_none());
}

#[test]
fn a_missing_file_and_broken_toml_are_named() {
    let error = Config::load(Some(Path::new("/nonexistent/x.toml")), []).unwrap_err();
    assert!(error.origin.contains("x.toml") && error.reason.contains("read"), "{error}");
    let error = load("[server\n", &[]).unwrap_err();
    assert!(error.key.contains("line 1"), "{error}");
}

#[test]
fn all_that_is_wrong_with_the_login_at_a_provider_is_told_at_once() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = "[auth.login]\nissuer = \"http://idp.example.com\"\nscopes = [\"profile\"]\nlabel = \"\"\n\
                public_url = \"http://gate.example.com\"\nteam_claim = \"groups\"\n[edge]\nburst = 0";
    std::fs::write(file.path(), text).unwrap();
    let examined = Examined::of(Some(file.path()), [], |_| vec![]);
    let keys: Vec<&str> = examined.mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
    let of_login = ["issuer", "client_id", "client_secret_env", "scopes", "label", "public_url"]
        .map(|key| format!("auth.login.{key}"));
    assert!(of_login.iter().all(|key| keys.contains(&key.as_str())), "{keys:?}");
    assert!(keys.contains(&"auth.login.teams"), "{keys:?}");
}
