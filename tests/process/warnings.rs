//! What a start and a reload warn of by name: rules that name what is gone, what is written and not in force, and a store file
//! in trouble.

use std::fs;

use serde_json::{Value, json};

use super::support::{Gateway, Home, Upstream, Wire, eventually, request};

const ROUTE: &str = "[[routes]]\nname = \"extra\"\npath = \"/extra\"\nmatch = \"exact\"\nmethods = [\"GET\"]\nroles = [\"admin\"]\n\
                     upstream = \"builtin:echo\"\n";

fn made(gateway: &Gateway, path: &str, body: &Value) -> Value {
    let answer = gateway.json("POST", path, &gateway.admin(), body);
    assert_eq!(answer.status(), 201, "{}", answer.text());
    answer.json()
}

fn told(gateway: &Gateway, words: &[&str]) {
    eventually(&words.join(" … "), || {
        let log = gateway.log();
        let has = |line: &str| line.contains("WARN") && words.iter().all(|word| line.contains(word));
        log.lines().any(has).then_some(())
    });
}

#[test]
fn limits_and_budgets_that_name_what_is_gone_are_warned_of_by_name() {
    let home = Home::new().config(ROUTE);
    let gateway = home.start();
    let limit =
        json!({"name": "on-extra", "routes": ["extra"], "per": "user", "unit": "requests", "limit": 9, "window_s": 1});
    made(&gateway, "/admin/limits", &limit);
    let user = made(&gateway, "/admin/users", &json!({"username": "ann", "role": "user"}));
    let (id, models) = (user["id"].clone(), ["demo", "no-such-model"]);
    let budget =
        json!({"name": "anns", "scope": "user", "subject": id, "models": models, "limit_usd": "1", "period": "day"});
    made(&gateway, "/admin/budgets", &budget);
    let key = made(&gateway, &format!("/admin/users/{}/api-keys", id.as_str().unwrap()), &json!({"name": "laptop"}));
    let of_key = json!({"name": "of-the-key", "scope": "key", "subject": key["id"], "limit_usd": "1", "period": "day"});
    made(&gateway, "/admin/budgets", &of_key);
    let delete = request("DELETE", &format!("/admin/users/{}", id.as_str().unwrap()), &gateway.admin());
    assert_eq!(gateway.send(delete).status(), 204);
    assert!(!gateway.log().contains("on-extra"), "nothing is gone yet");

    home.rewrite_config("");
    gateway.signal("HUP");
    told(&gateway, &["\"on-extra\"", "\"extra\"", "gone"]);
    told(&gateway, &["\"anns\"", "\"ann\"", id.as_str().unwrap(), "gone"]);
    told(&gateway, &["\"of-the-key\"", "\"laptop\"", key["id"].as_str().unwrap(), "gone"]);
    told(&gateway, &["\"anns\"", "\"no-such-model\"", "no price"]);
    assert!(!gateway.log().contains("\"demo\""), "a model with a price is in order: {}", gateway.log());
    assert!(gateway.terminate().success());
    told(&home.start(), &["\"on-extra\"", "\"extra\"", "gone"]);
}

#[test]
fn what_is_in_the_file_and_not_in_force_is_warned_of_by_name() {
    let home = Home::new();
    let gateway = home.start();
    assert!(!gateway.log().contains("not in force"), "{}", gateway.log());
    let later = "[[limits]]\nname = \"later\"\nroutes = [\"*\"]\nper = \"user\"\nunit = \"requests\"\nlimit = 5\nwindow_s = 1\n";
    home.rewrite_config(later);
    gateway.signal("HUP");
    told(&gateway, &["\"later\"", "not in force", "none of this name"]);
    let file = fs::read_to_string(home.config_file()).unwrap();
    home.write_config(&file.replace("limit = 1000000", "limit = 7"));
    assert!(gateway.terminate().success());
    told(&home.start(), &["\"per-user\"", "not in force", "another of this name"]);
}

const FOR_ANN: &str = "[[limits]]\nname = \"of-ann\"\nroutes = [\"echo\"]\nper = \"user\"\nsubject = \"ann\"\nunit = \"requests\"\n\
                       limit = 1\nwindow_s = 86400\n[[budgets]]\nname = \"of-anns-key\"\nscope = \"key\"\nsubject = \"ann/ci\"\n\
                       limit_usd = \"1\"\nperiod = \"month\"\n";

fn subjects(gateway: &Gateway, path: &str, name: &str) -> Vec<Value> {
    let found = gateway.get(&format!("{path}?name={name}"), &gateway.admin()).json();
    found["items"].as_array().unwrap().iter().map(|item| item["subject_name"].clone()).collect()
}

#[test]
fn a_rule_of_the_file_for_somebody_by_name_waits_for_one_and_is_made_once() {
    let home = Home::new().config(FOR_ANN);
    let gateway = home.start();
    told(&gateway, &["\"of-ann\"", "not in force", "\"ann\"", "there is no user with this name or id"]);
    told(&gateway, &["\"of-anns-key\"", "not in force", "\"ann/ci\"", "there is no API key"]);
    assert_eq!(subjects(&gateway, "/admin/limits", "of-ann"), [Value::Null; 0]);

    let user = made(&gateway, "/admin/users", &json!({ "username": "ann", "role": "user" }));
    let id = user["id"].as_str().unwrap();
    let key = made(&gateway, &format!("/admin/users/{id}/api-keys"), &json!({ "name": "ci" }));
    gateway.signal("HUP");
    eventually("both are made", || {
        let limits = subjects(&gateway, "/admin/limits", "of-ann");
        (limits == ["ann"] && subjects(&gateway, "/admin/budgets", "of-anns-key") == ["ci"]).then_some(())
    });
    let statuses = [(); 2].map(|()| gateway.get("/echo", key["key"].as_str().unwrap()).status());
    assert_eq!(statuses, [200, 429], "the limit is in force");

    // What administrators do with it stays: it is not made again.
    let limit = gateway.get("/admin/limits/by-name/of-ann?subject=ann", &gateway.admin()).json();
    let delete = request("DELETE", &format!("/admin/limits/{}", limit["id"].as_str().unwrap()), &gateway.admin());
    assert_eq!(gateway.send(delete).status(), 204);
    assert!(gateway.terminate().success());
    let gateway = home.start();
    told(&gateway, &["\"of-ann\"", "not in force", "the store has none of this name"]);
    assert!(!gateway.log().contains("\"of-anns-key\""), "it is in force as the file has it: {}", gateway.log());
    assert_eq!(subjects(&gateway, "/admin/limits", "of-ann"), [Value::Null; 0]);
}

/// What `/readyz` says: its status, and of the store.
fn readiness(gateway: &Gateway) -> (u16, String) {
    let answer = gateway.send("GET /readyz HTTP/1.1\r\nhost: gateway.test\r\n\r\n");
    (answer.status(), answer.json()["dependencies"]["store"].as_str().unwrap().to_owned())
}

fn file_replaced_metric(gateway: &Gateway) -> String {
    let mut wire = Wire::connect(gateway.ops);
    wire.say("GET /metrics HTTP/1.1\r\nhost: ops.test\r\n\r\n");
    let metrics = wire.message().text();
    let line = metrics.lines().find(|line| line.starts_with("tollgate_store_file_replaced "));
    line.unwrap_or_default().rsplit(' ').next().unwrap_or_default().to_owned()
}

/// A change that needs the store.
fn try_to_make_team(gateway: &Gateway, token: &str, name: &str) -> u16 {
    gateway.json("POST", "/admin/teams", token, &json!({ "name": name })).status()
}

#[test]
fn a_store_file_that_is_gone_or_replaced_is_told_of_and_not_used_until_it_is_back() {
    let home = Home::new();
    let gateway = home.start();
    let token = gateway.admin();
    let aside = home.path().join("data/elsewhere.db");
    assert_eq!((try_to_make_team(&gateway, &token, "before"), readiness(&gateway)), (201, (200, "ok".into())));
    fs::rename(home.database(), &aside).unwrap();
    for place in ["gone", "another"] {
        if place == "another" {
            fs::write(home.database(), "").unwrap();
        }
        eventually("it is in the log", || gateway.log().contains("the file of the store is in trouble").then_some(()));
        assert_eq!(readiness(&gateway), (503, "file replaced".into()), "{place}");
        assert_eq!(file_replaced_metric(&gateway), "1", "{place}");
        assert_eq!(try_to_make_team(&gateway, &token, place), 503);
        assert_eq!(gateway.get("/echo", &token).status(), 200, "{place}: what needs no store is served");
    }
    fs::rename(&aside, home.database()).unwrap();
    eventually("it is in order again", || gateway.log().contains("is in order again").then_some(()));
    eventually("changes are made", || (try_to_make_team(&gateway, &token, "after") == 201).then_some(()));
    assert_eq!((readiness(&gateway), file_replaced_metric(&gateway).as_str()), ((200, "ok".into()), "0"));
    gateway.kill();
    let gateway = home.start();
    let teams = gateway.get("/admin/teams", &gateway.admin()).json();
    let names: Vec<&str> =
        teams["items"].as_array().unwrap().iter().map(|team| team["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["before", "after"]);
}

/// A name for two models at an upstream with a secret.
fn alias(address: std::net::SocketAddr, second: &str) -> String {
    format!(
        "[[upstreams]]\nname = \"far\"\nurl = \"http://{address}\"\nsecret_env = \"FAR_KEY\"\n\
         [[routes]]\nname = \"far\"\npath = \"/far\"\nmatch = \"prefix\"\nmethods = [\"GET\"]\nroles = [\"admin\"]\n\
         upstream = \"far\"\nteams = [\"nobodys\"]\nusers = [\"admin\", \"gone\"]\n\
         [[models]]\nname = \"fast\"\ntargets = [{{ upstream = \"far\", model = \"gpt-4o\" }}, {{ upstream = \"far\", model = \"{second}\" }}]\n"
    )
}

#[test]
fn targets_without_a_price_and_routes_for_nobody_are_warned_of_by_name() {
    let upstream = Upstream::start();
    let home = Home::new().env("FAR_KEY", "secret").config(&alias(upstream.address(), "gpt-44"));
    let checked = home.run(&["check-config"]);
    assert!(checked.status.success());
    let said = String::from_utf8(checked.stderr).unwrap();
    assert!(
        said.contains("warning: models[0].targets[1].model: \"gpt-44\" has no price: this target gets no call"),
        "{said}"
    );
    let gateway = home.start();
    told(&gateway, &["\"fast\"", "targets[1].model", "\"gpt-44\" has no price"]);
    told(&gateway, &["route \"far\"", "team \"nobodys\"", "there is none"]);
    told(&gateway, &["route \"far\"", "user \"gone\"", "there is none"]);
    assert!(!gateway.log().contains("\"gpt-4o\"") && !gateway.log().contains("user \"admin\""), "{}", gateway.log());
    let shown = gateway.get("/admin/models/fast", &gateway.admin()).json();
    assert_eq!(shown["unpriced"], json!(["gpt-44"]));

    home.rewrite_config(&alias(upstream.address(), "gpt-4o-mini"));
    gateway.signal("HUP");
    eventually("it is read again", || gateway.log().contains("read again").then_some(()));
    assert_eq!(gateway.get("/admin/models/fast", &gateway.admin()).json().get("unpriced"), None);
}

#[test]
fn a_name_for_models_that_is_that_of_a_model_with_a_price_is_warned_of() {
    let upstream = Upstream::start();
    let home = Home::new().env("FAR_KEY", "secret").config(&alias(upstream.address(), "gpt-4o-mini"));
    let gateway = home.start();
    let price = json!({ "model": "fast", "input_usd": "1", "output_usd": "1", "max_output_tokens": 9 });
    let put = gateway.json("PUT", "/admin/prices", &gateway.admin(), &json!({ "items": [price] }));
    assert_eq!(put.status(), 200, "{}", put.text());
    assert!(gateway.terminate().success());
    let checked = home.run(&["check-config"]);
    assert!(checked.status.success());
    let said = String::from_utf8(checked.stderr).unwrap();
    assert!(said.contains("warning: models[0].name: \"fast\" is the name of a model with a price too"), "{said}");
    told(&home.start(), &["the model \"fast\": name", "choose another name"]);
}

#[test]
fn an_upstream_that_refuses_the_gateways_secret_is_warned_of_once() {
    let upstream = Upstream::start();
    let home = Home::new().env("FAR_KEY", "secret").config(&alias(upstream.address(), "gpt-4o-mini"));
    let gateway = home.start();
    let token = gateway.admin();
    for _ in 0..2 {
        let mut client = gateway.connect();
        client.say(request("GET", "/far", &token));
        let mut call = upstream.accept();
        call.message();
        call.say(
            "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        );
        let answer = client.message();
        assert_eq!((answer.status(), answer.text().as_str()), (401, ""), "it is the upstream's, without a type");
    }
    told(&gateway, &["far", "401", "the gateway's own secret"]);
    assert_eq!(gateway.log().matches("the gateway's own secret").count(), 1, "{}", gateway.log());
}
