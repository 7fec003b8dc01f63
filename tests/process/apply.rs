//! `tollgate apply`: a gateway as a file says it, from nothing, again, and where that cannot be.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
};

use serde_json::{Value, json};

use super::support::{Authority, Gateway, Home, PASSWORD, run};

const FILE: &str = r#"
[[teams]]
name = "research"
models = ["demo"]

[[users]]
username = "ann"
role = "user"
team = "research"
password_env = "ANN"

[[api_keys]]
user = "ann"
name = "ci"
routes = ["made"]
expires_at = 2100-01-01T00:00:00Z

[[upstreams]]
name = "own"
url = "http://127.0.0.1:1"
secret_file = "secret"

[[models]]
name = "fast"
targets = [{ upstream = "builtin:llm", model = "demo" }]

[[routes]]
name = "made"
path = "/made"
match = "exact"
methods = ["POST", "GET"]
roles = ["user", "admin"]
upstream = "builtin:echo"

[[limits]]
name = "few"
routes = ["made"]
per = "user"
subject = "ann"
unit = "requests"
limit = 1000
window_s = 60
burst = 1000

[[limits]]
name = "few"
routes = ["made"]
per = "user"
unit = "requests"
limit = 5
window_s = 60

[[budgets]]
name = "month"
scope = "team"
subject = "research"
limit_usd = 10
period = "month"

[[budgets]]
name = "of-the-key"
scope = "key"
subject = "ann/ci"
limit_usd = "0.50"
period = "total"
"#;

/// The most API keys that a user may have.
const MOST_KEYS: usize = 100;

/// A file with a user who has this many API keys, named 0, 1 and so on.
fn with_keys(user: &str, keys: usize) -> String {
    let key = |number| format!("[[api_keys]]\nuser = \"{user}\"\nname = \"{number}\"\n");
    format!("[[users]]\nusername = \"{user}\"\nrole = \"user\"\n{}", (0..keys).map(key).collect::<String>())
}

struct Scene {
    home: Home,
    gateway: Gateway,
    token: String,
}

impl Scene {
    fn start() -> Self {
        let home = Home::new().env("ANN", "a long password for ann");
        let gateway = home.start();
        let token = gateway.admin();
        fs::write(home.path().join("token"), format!("{token}\n")).unwrap();
        fs::write(home.path().join("secret"), "canary-of-a-secret\n").unwrap();
        Self { home, gateway, token }
    }

    fn apply(&self, text: &str, further: &[&str]) -> (Option<i32>, String) {
        fs::write(self.home.path().join("gateway.toml"), text).unwrap();
        let arguments = [&["apply", "gateway.toml", "--token-file", "token", "--secrets", "keys"], further].concat();
        let Output { status, stdout, stderr } = self.home.run(&arguments);
        (status.code(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
    }

    fn done(&self, text: &str) -> String {
        let (code, said) = self.apply(text, &["--yes"]);
        assert_eq!(code, Some(0), "{said}");
        said
    }

    fn list(&self, path: &str) -> Vec<Value> {
        self.gateway.get(path, &self.token).json()["items"].as_array().unwrap().clone()
    }
}

#[test]
fn a_gateway_is_brought_to_what_a_file_says_and_the_second_time_nothing_is_left_to_do() {
    let scene = Scene::start();
    let (code, said) = scene.apply(FILE, &["--dry-run"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("+ API key ann/ci\n") && said.contains("nothing was changed"), "{said}");
    assert_eq!(scene.list("/admin/teams"), [json!(null); 0]);
    assert!(!scene.home.path().join("keys").exists());

    let said = scene.done(FILE);
    assert!(said.ends_with("10 changes, 0 unchanged\n"), "{said}");
    let user = scene.list("/admin/users?name=ann").remove(0);
    assert_eq!((&user["team_name"], &user["role"]), (&json!("research"), &json!("user")));
    let budget = scene.list("/admin/budgets?name=of-the-key").remove(0);
    assert_eq!((&budget["key_name"], &budget["limit_usd"]), (&json!("ci"), &json!("0.5")));
    assert_eq!(scene.list("/admin/upstreams?name=own")[0]["has_secret"], true);

    let keys = scene.home.path().join("keys");
    assert_eq!(fs::metadata(&keys).unwrap().permissions().mode() & 0o777, 0o600);
    let line = fs::read_to_string(keys).unwrap();
    let key = line.strip_prefix("ann/ci ").unwrap().trim();
    assert_eq!(scene.gateway.get("/made", key).status(), 200);
    assert_eq!(scene.gateway.get("/echo", key).status(), 403);
    scene.gateway.login("ann", "a long password for ann");
    assert!(!scene.gateway.log().contains("canary-of-a-secret"));

    let (code, said) = scene.apply(FILE, &[]);
    let not_compared =
        "not compared, because a gateway shows none: the password of the user ann, the secret of the upstream own";
    let expected = format!("0 changes: 10 unchanged, all is as the file says\n{not_compared}; set by PATCH\n");
    assert_eq!((code, said), (Some(0), expected));
}

#[test]
fn a_key_whose_secret_was_never_written_is_given_another_one() {
    let scene = Scene::start();
    let path = |name: &str| scene.home.path().join(name);
    scene.done(&with_keys("ann", MOST_KEYS));
    fs::remove_file(path("keys")).unwrap();
    let (code, said) = scene.apply(FILE, &["--yes"]);
    assert!(code == Some(1) && said.contains("the most there can be"), "{said}");
    assert_eq!(fs::read_to_string(path("keys.unwritten")).unwrap(), "ann/ci\n", "as it is while a key is made");
    let a_key = "/admin/users/by-name/ann/api-keys/by-name/0";
    assert_eq!(scene.gateway.json("DELETE", a_key, &scene.token, &Value::Null).status(), 204);
    scene.done(FILE);
    assert!(!path("keys.unwritten").exists());
    let secret = || fs::read_to_string(path("keys")).unwrap().strip_prefix("ann/ci ").unwrap().trim().to_owned();
    let lost = secret();

    // As a run leaves it that was cut off when the gateway had answered.
    fs::write(path("keys"), "").unwrap();
    fs::write(path("keys.unwritten"), "ann/ci\n").unwrap();
    let said = scene.done(FILE);
    assert!(said.contains("~ API key ann/ci: a new secret"), "{said}");
    assert!(said.ends_with("1 changes, 9 unchanged\n"), "{said}");
    assert_eq!([lost, secret()].map(|key| scene.gateway.get("/made", &key).status()), [401, 200]);
    assert!(!path("keys.unwritten").exists());
    assert!(scene.done(FILE).starts_with("0 changes: 10 unchanged"));
}

#[test]
fn only_what_differs_is_changed_and_what_the_file_does_not_name_stays() {
    let scene = Scene::start();
    scene.done(FILE);
    let other = json!({ "name": "other" });
    assert_eq!(scene.gateway.json("POST", "/admin/teams", &scene.token, &other).status(), 201);
    let changed = FILE
        .replace("limit_usd = 10\n", "limit_usd = \"12.50\"\n")
        .replace("role = \"user\"\nteam = \"research\"", "role = \"readonly\"\nteam = \"other\"")
        .replace("models = [\"demo\"]\n", "")
        .replace("methods = [\"POST\", \"GET\"]", "methods = [\"GET\"]")
        .replace("limit = 5\n", "limit = 7\nmode = \"shadow\"\n");
    let said = scene.done(&changed);
    for line in [
        "~ budget research/month: limit_usd \"10\" -> \"12.50\"\n",
        "~ route made: methods [",
        "~ limit few: limit 5 -> 7, mode \"enforce\" -> \"shadow\"\n",
        "4 changes, 6 unchanged\n",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(said.contains("~ user ann: role \"user\" -> \"readonly\", team \"research\" -> \"other\"\n"), "{said}");
    let said = scene.done(
        &changed
            .replace("limit = 7\nmode = \"shadow\"\nwindow_s = 60", "limit = 7\nmode = \"shadow\"\nwindow = \"day\""),
    );
    assert!(said.contains("~ limit few: window set\n"), "{said}");
    let limits = scene.list("/admin/limits?name=few");
    let of_ann = limits.iter().find(|limit| limit["user_name"] == "ann").unwrap();
    assert_eq!((of_ann["limit"].as_u64(), limits.len()), (Some(1_000), 2));
    assert_eq!(scene.list("/admin/teams?name=research")[0]["models"], json!(["demo"]));
    assert_eq!(scene.list("/admin/users?name=ann")[0]["team_name"], "other");
}

#[test]
fn what_cannot_be_is_said_with_its_place_and_nothing_before_it_is_lost() {
    let scene = Scene::start();
    let echo = "[[routes]]\nname = \"echo\"\npath = \"/other\"\nmatch = \"prefix\"\nmethods = [\"GET\"]\nroles = [\"admin\"]\n";
    let taken = "[[teams]]\nname = \"a\"\n[[teams]]\nname = \"a\"\n";
    for (text, told) in [
        ("[[team]]\nname = \"a\"\n", "did you mean \"teams\"?"),
        ("[[users]]\nusername = \"a\"\nrole = \"user\"\nteam = \"none\"\n", "users[0].team: there is no team \"none\""),
        ("[[api_keys]]\nname = \"a\"\n", "api_keys[0].user: is missing"),
        (
            "[[users]]\nusername = \"a\"\nrole = \"user\"\npassword_env = \"B\"\n",
            "the environment variable B is not set",
        ),
        (
            "[[users]]\nusername = \"a\"\nrole = \"user\"\npassword = \"a long password for a\"\n",
            "users[0].password: must not stand in the file; use password_env or password_file",
        ),
        (
            "[[upstreams]]\nname = \"a\"\nurl = \"http://127.0.0.1:1\"\nsecret = \"sk-1234\"\n",
            "upstreams[0].secret: must not stand in the file; use secret_env or secret_file",
        ),
        (taken, "teams[1].name: is in the file twice"),
        (echo, "routes[0].methods: differs, and the gateway's configuration file"),
    ] {
        let (code, said) = scene.apply(text, &["--yes"]);
        assert_eq!(code, Some(2), "{text}: {said}");
        assert!(said.contains(told), "{text}: {said}");
    }
    let echo = echo.replace(
        "name = \"echo\"\npath = \"/other\"",
        "name = \"mine\"\npath = \"/echo\"\nupstream = \"builtin:echo\"",
    );
    let (code, said) = scene.apply(&format!("[[teams]]\nname = \"a\"\n{echo}"), &["--yes"]);
    assert!(code == Some(2) && said.contains("routes[0].path: route \"echo\" has the same path"), "{said}");
    scene.done(FILE);
    let said = scene.done(&FILE.replace("routes = [\"made\"]\nexpires_at", "routes = [\"*\"]\nexpires_at"));
    assert!(said.contains("~ API key ann/ci: routes [\"made\"] -> [\"*\"]\n"), "{said}");
    assert!(said.ends_with("1 changes, 9 unchanged\n"), "{said}");
}

#[test]
fn that_no_active_admin_would_be_left_is_told_before_anything_is_changed() {
    let scene = Scene::start();
    let admin = |fields: &str| format!("[[users]]\nusername = \"admin\"\n{fields}\n");
    let (demoted, disabled) = (admin("role = \"user\""), admin("role = \"admin\"\nstatus = \"disabled\""));
    let another = "[[users]]\nusername = \"bob\"\nrole = \"admin\"\n";
    for how in ["--dry-run", "--yes"] {
        for (users, told) in [
            (demoted.clone(), "users[0].role: leaves no active admin"),
            (disabled.clone(), "users[0].status: leaves no active admin"),
            (format!("{demoted}{another}"), "users[0].role: leaves no active admin"),
        ] {
            let (code, said) = scene.apply(&format!("[[teams]]\nname = \"a\"\n{users}"), &[how]);
            assert!(code == Some(2) && said.contains(told), "{told}: {said}");
        }
    }
    assert_eq!(scene.list("/admin/teams"), [json!(null); 0]);
    let said = scene.done(&format!("{another}{demoted}"));
    assert!(said.contains("~ user admin: role \"admin\" -> \"user\"\n"), "{said}");
}

/// In each line something is wrong.
const WRONG: &str = r#"[[teams]]
name = "a"
modells = ["demo"]
[[users]]
username = "not one"
role = "boss"
team = "none"
[[users]]
username = "bob"
role = "user"
password_env = "NOT_SET"
[[api_keys]]
user = "bob"
name = "ci"
routes = ["nowhere"]
expires_at = 2001-01-01T00:00:00Z
[[limits]]
name = "few"
routes = ["echo"]
per = "galaxy"
unit = "requests"
limit = -1
window_s = 60
[[budgets]]
name = "b"
scope = "team"
limit_usd = "much"
period = "month"
[[models]]
name = "m"
targets = [{ upstream = "gone", model = "demo" }]
"#;

/// An upstream with a mistake of its own is there all the same for whoever names it.
const WITHOUT_ITS_SECRET: &str = r#"[[upstreams]]
name = "one"
url = "http://127.0.0.1:2"
secret_env = "NOT_SET"
[[routes]]
name = "to-one"
path = "/one"
match = "exact"
methods = ["GET"]
roles = ["user"]
upstream = "one"
"#;

#[test]
fn whom_a_route_is_for_and_who_is_not_there_is_warned_of() {
    let scene = Scene::start();
    let file = "[[teams]]\nname = \"here\"\n[[routes]]\nname = \"r\"\npath = \"/r\"\nmatch = \"exact\"\nmethods = [\"GET\"]\n\
                roles = [\"user\"]\nupstream = \"builtin:echo\"\nteams = [\"here\", \"hear\"]\nusers = [\"admin\", \"gone\"]\n";
    for _ in 0..2 {
        let said = scene.done(file);
        let warned: Vec<&str> = said.lines().filter(|line| line.starts_with("warning")).collect();
        assert_eq!(
            warned,
            [
                "warning: route r: is for the team \"hear\", and there is none",
                "warning: route r: is for the user \"gone\", and there is none",
            ]
        );
    }
}

#[test]
fn a_secret_that_is_missing_makes_no_further_mistakes() {
    let (code, said) = Scene::start().apply(WITHOUT_ITS_SECRET, &["--yes"]);
    assert_eq!(code, Some(2), "{said}");
    let told: Vec<&str> = said.lines().filter(|line| line.contains("gateway.toml:")).collect();
    assert!(told.len() == 1 && told[0].contains("upstreams[0].secret_env: "), "{said}");
}

#[test]
fn all_that_is_wrong_is_told_at_once_with_its_line_before_anything_is_changed() {
    let scene = Scene::start();
    for how in ["--yes", "--dry-run"] {
        let (code, said) = scene.apply(WRONG, &[how]);
        assert_eq!(code, Some(2), "{said}");
        for told in [
            ":3: teams[0].modells: ",
            ":5: users[0].username: ",
            ":6: users[0].role: ",
            ":7: users[0].team: there is no team \"none\"",
            ":11: users[1].password_env: the environment variable NOT_SET is not set",
            ":15: api_keys[0].routes[0]: there is no route \"nowhere\"",
            ":16: api_keys[0].expires_at: must be in the future",
            ":20: limits[0].per: ",
            ":22: limits[0].limit: ",
            ":27: budgets[0].limit_usd: ",
            ":31: models[0].targets[0].upstream: there is no upstream \"gone\"",
        ] {
            assert!(said.contains(&format!("gateway.toml{told}")), "{told}: {said}");
        }
        assert_eq!(scene.list("/admin/teams"), [json!(null); 0]);
    }
}

/// Each is sound by itself, and the gateway or another entry of the file is against it.
const CLASHES: &str = r#"[[teams]]
name = "Research"
[[teams]]
name = "sales"
[[teams]]
name = "Sales"
[[users]]
username = "ANN"
role = "user"
[[upstreams]]
name = "own"
url = "http://127.0.0.1:2"
[[routes]]
name = "twin"
path = "/made"
match = "exact"
methods = ["GET"]
roles = ["user"]
upstream = "builtin:echo"
[[models]]
name = "faster"
targets = [{ upstream = "builtin:llm", model = "fast" }]
[[limits]]
name = "few"
routes = ["*"]
per = "team"
unit = "concurrent"
limit = 5
[[limits]]
name = "new"
routes = ["*"]
per = "team"
unit = "requests"
limit = 5
window_s = 1
[[limits]]
name = "new"
routes = ["*"]
per = "user"
subject = "ann"
unit = "requests"
limit = 5
window_s = 1
[[budgets]]
name = "month"
scope = "team"
subject = "research"
limit_usd = 10
period = "day"
[[budgets]]
name = "of-the-key"
scope = "user"
limit_usd = 1
period = "total"
[[users]]
username = "looks"
role = "auditor"
[[api_keys]]
user = "ann"
name = "other"
role = "admin"
[[api_keys]]
user = "looks"
name = "calls"
role = "user"
"#;

#[test]
fn what_clashes_with_others_is_told_before_anything_is_changed() {
    let scene = Scene::start();
    scene.done(FILE);
    for how in ["--dry-run", "--yes"] {
        let (code, said) = scene.apply(CLASHES, &[how]);
        assert_eq!(code, Some(2), "{said}");
        for told in [
            ":2: teams[0].name: would be taken for the team \"research\"",
            ":4: teams[1].name: would be taken for the team \"Sales\"",
            ":6: teams[2].name: would be taken for the team \"sales\"",
            ":8: users[0].username: would be taken for the user \"ann\"",
            ":15: routes[0].path: route \"made\" has the same path and method",
            ":20: models[0]: The model \"fast\" would be wrong then",
            ":26: limits[0].per: a limit with this name is per something else",
            ":27: limits[0].unit: a limit with this name counts something else",
            ":39: limits[2].per: a limit with this name is per something else",
            ":49: budgets[0].period: stays as it is",
            ":52: budgets[1].scope: a budget with this name is for another kind of subject",
            ":61: api_keys[0].role: is more than the user's, or another one's",
            ":65: api_keys[1].role: is more than the user's, or another one's",
        ] {
            assert!(said.contains(&format!("gateway.toml{told}")), "{told}: {said}");
        }
        assert!(!said.contains("upstreams[0]"), "the upstream may be changed: {said}");
    }
    assert!(scene.done(FILE).starts_with("0 changes: 10 unchanged"));
}

#[test]
fn a_secret_is_printed_once_where_no_file_is_named_and_is_not_lost_when_the_rest_fails() {
    let scene = Scene::start();
    fs::write(scene.home.path().join("gateway.toml"), with_keys("bob", MOST_KEYS + 1)).unwrap();
    let output = scene.home.run(&["apply", "gateway.toml", "--token-file", "token", "--yes"]);
    let said = String::from_utf8(output.stdout).unwrap();
    // What the gateway alone can know is told when its turn comes: how many keys the user has.
    assert_eq!(output.status.code(), Some(1), "{said}");
    let why = String::from_utf8(output.stderr).unwrap();
    for told in ["api_keys[100]: ", "the most there can be", "101 of 102 steps were done before"] {
        assert!(why.contains(told), "{told}: {why}");
    }
    let key = said.lines().find_map(|line| line.strip_prefix("bob/99 ")).unwrap_or_else(|| panic!("{said}"));
    assert_eq!(scene.gateway.get("/echo", key.trim()).status(), 200);
}

#[test]
fn an_empty_team_takes_a_user_out_of_it_and_none_leaves_them_there() {
    let scene = Scene::start();
    scene.done(FILE);
    let ann = |team: &str| format!("[[users]]\nusername = \"ann\"\nrole = \"user\"\n{team}");
    assert!(scene.done(&ann("")).starts_with("0 changes"));
    assert_eq!(scene.list("/admin/users?name=ann")[0]["team_name"], "research");
    let said = scene.done(&ann("team = \"\"\n"));
    assert!(said.contains("~ user ann: team \"research\" -> none\n"), "{said}");
    assert_eq!(scene.list("/admin/users?name=ann")[0]["team_id"], json!(null));
    assert!(scene.done(&ann("team = \"\"\n")).starts_with("0 changes"));
}

#[test]
fn the_organisation_of_the_example_is_made_once() {
    let home = Home::new().env("OPENAI_API_KEY", "canary-1").env("ANTHROPIC_API_KEY", "canary-2");
    let gateway = home.start();
    let token = gateway.admin();
    fs::write(home.path().join("token"), &token).unwrap();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/org.toml");
    let apply = |further: &[&str]| {
        let arguments = [&["apply", file, "--token-file", "token", "--secrets", "keys"], further].concat();
        let output = home.run(&arguments);
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}");
        said
    };
    assert!(apply(&["--dry-run"]).contains("+ user ada\n"));
    assert!(apply(&["--yes"]).ends_with("44 changes, 0 unchanged\n"));
    assert!(apply(&[]).starts_with("0 changes: 44 unchanged"));
    assert_eq!(fs::read_to_string(home.path().join("keys")).unwrap().lines().count(), 4);
    let count = |path: &str| gateway.get(path, &token).json()["items"].as_array().unwrap().len();
    assert_eq!((count("/admin/teams"), count("/admin/users?limit=200")), (5, 21));
    // A model is called by any route of its format, so a limit of some routes is none of the model's.
    let limits = gateway.get("/admin/limits", &token).json();
    for limit in limits["items"].as_array().unwrap() {
        assert_eq!(limit["routes"], json!(["*"]), "{limit}");
    }
    assert!(!gateway.log().contains("canary-"));
}

#[test]
fn nothing_is_done_without_a_credential_an_answer_or_a_gateway() {
    let scene = Scene::start();
    let file = "[[teams]]\nname = \"a\"\n";
    let (code, said) = scene.apply(file, &[]);
    assert!(code == Some(2) && said.contains("--yes"), "{said}");
    let (code, said) = scene.apply(file, &["--yes", "--url", "gateway.example"]);
    assert!(code == Some(2) && said.contains("--url"), "{said}");
    let (code, said) = scene.apply(file, &["--yes", "--url", "http://127.0.0.1:1"]);
    assert!(code == Some(1) && said.contains("127.0.0.1:1"), "{said}");
    fs::write(scene.home.path().join("token"), "wrong").unwrap();
    let (code, said) = scene.apply(file, &["--yes"]);
    assert!(code == Some(1) && said.contains("401"), "{said}");
    fs::write(scene.home.path().join("token"), "").unwrap();
    let (code, said) = scene.apply(file, &["--yes"]);
    assert!(code == Some(2) && said.contains("TOLLGATE_TOKEN"), "{said}");
    let output = scene.home.run(&["apply", "gateway.toml", "--token-file", "nowhere", "--yes"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(scene.list("/admin/teams"), [json!(null); 0]);
}

#[test]
fn a_gateway_with_a_certificate_of_a_private_authority_is_asked_over_tls() {
    let authority = Authority::new();
    let home = Home::new().config("[server]\ntls_cert_file = \"main.pem\"\ntls_key_file = \"main.key\"\n");
    authority.server(&["localhost"]).write(home.path(), "main");
    fs::write(home.path().join("ca.pem"), &authority.pem).unwrap();
    fs::write(home.path().join("gateway.toml"), "[[teams]]\nname = \"a\"\n").unwrap();
    let gateway = home.start();
    let body = json!({ "username": "admin", "password": PASSWORD }).to_string();
    let login = format!(
        "POST /auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = authority.trusting().send(gateway.address, "localhost", login).json();
    fs::write(home.path().join("token"), answer["access_token"].as_str().unwrap()).unwrap();
    let url = format!("https://localhost:{}", gateway.address.port());
    let apply = |further: &[&str]| {
        let arguments = [&["apply", "gateway.toml", "--token-file", "token", "--yes", "--url", &url], further].concat();
        let output = home.run(&arguments);
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = apply(&["--ca", "ca.pem"]);
    assert!(code == Some(0) && said.contains("+ team a\n"), "{said}");
    let (code, said) = apply(&[]);
    assert!(code == Some(1) && said.contains("certificate"), "{said}");
    let (code, said) = apply(&["--ca", "nowhere.pem"]);
    assert!(code == Some(2) && said.contains("nowhere.pem"), "{said}");
}

#[test]
fn no_key_is_made_whose_secret_nobody_would_see() {
    let scene = Scene::start();
    fs::write(scene.home.path().join("gateway.toml"), FILE).unwrap();
    let command = scene.home.command(&["apply", "gateway.toml", "--token-file", "token", "--yes"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$@\" >&-", "sh"]).arg(command.get_program()).args(command.get_args());
    shell.current_dir(scene.home.path());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = run(shell);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("nothing was changed") && told.contains("--secrets"), "{told}");
    assert!(scene.list("/admin/teams").is_empty());
}
