//! Names for models: what each target is sent, what the client gets back, and what is held, billed and recorded.

use serde_json::{Value, json};

use super::{
    failover::{PATIENT, Row, tried},
    support::{Database, Exchange, Home, eventually, request},
};

/// `fast` stands for a dear model at `a`, then for a cheap one at `b` and at `c`.
const FAST: &str = r#"
meter = "openai-chat"
retry = { attempts = 2 }
[[models]]
name = "fast"
targets = [
    { upstream = "a", model = "dear" },
    { upstream = "b", model = "cheap \"1\"", priority = 1 },
    { upstream = "c", model = "cheap \"1\"", priority = 2 },
]
"#;

const ASKED: &str =
    r#"{ "messages":[{"role":"user","content":"model fast"}] , "model" : "fast","max_tokens":10, "n":1 }"#;

fn start() -> Row {
    start_with("")
}

fn start_with(budgets: &str) -> Row {
    start_in(Home::new(), budgets)
}

fn start_in(home: Home, budgets: &str) -> Row {
    let row = Row::start_in(home, PATIENT, &format!("{FAST}{budgets}"));
    let price = |model: &str, usd: &str| json!({ "model": model, "input_usd": usd, "output_usd": usd, "max_output_tokens": 1_000 });
    let items = [price("dear", "100"), price("cheap \"1\"", "1"), price("other", "1")];
    let put = row.gateway.json("PUT", "/admin/prices", &row.token, &json!({ "items": items, "remove": ["*"] }));
    assert_eq!(put.status(), 200, "{}", put.text());
    row
}

fn answer_of(model: &str) -> String {
    format!(
        r#"{{"id":"x", "model" : "{model}" , "object":"chat.completion","choices":[{{"index":0,"finish_reason":"stop","message":{{"role":"assistant","content":"the \"model\":\"dear\""}}}}],"usage":{{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}}}"#
    )
}

fn spent(row: &Row, name: &str) -> (Value, Value) {
    let list = row.gateway.get("/admin/budgets", &row.token).json();
    let budget = list["items"].as_array().unwrap().iter().find(|budget| budget["name"] == name).unwrap().clone();
    (budget["spent_usd"].clone(), budget["held_usd"].clone())
}

fn settled(row: &Row, name: &str) -> Value {
    eventually("nothing is held", || {
        let (spent, held) = spent(row, name);
        (held == "0").then_some(spent)
    })
}

#[test]
fn each_target_is_asked_for_its_own_model_and_the_client_gets_the_name_that_it_asked_for() {
    is_asked_and_billed(&start());
}

#[test]
fn the_model_that_served_is_billed_on_postgresql() {
    let database = Database::create();
    is_asked_and_billed(&start_in(database.home(), ""));
}

fn is_asked_and_billed(row: &Row) {
    let mut client = row.call("POST", ASKED);
    let Exchange { mut wire, request } = row.upstreams[0].exchange();
    assert_eq!(request.text(), ASKED.replace(r#" : "fast""#, r#" : "dear""#));
    let held = spent(row, "all").1;
    wire.say("HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    drop(wire);
    let sent = row.answer(1, "200 OK", &answer_of("cheap-2026-01-01"));
    assert_eq!(sent, ASKED.replace(r#" : "fast""#, r#" : "cheap \"1\"""#));

    let answer = client.message();
    assert_eq!((answer.status(), answer.text()), (200, answer_of("fast")));
    assert_eq!(answer.header("x-tollgate-hold-usd").unwrap(), held.as_str().unwrap(), "held once, for the dearest");
    assert_eq!(answer.header("x-tollgate-cost-usd").unwrap(), "0.000011", "by the price of the model that served");
    let record = row.record(&answer.request_id());
    assert_eq!(tried(&record), [("a".into(), json!(503)), ("b".into(), json!(200))]);
    assert_eq!((&record["model"], &record["served_model"]), (&json!("fast"), &json!("cheap \"1\"")), "{record}");
    assert_eq!((&record["upstream"], &record["cost_usd"]), (&json!("b"), &json!("0.000011")));
    assert_eq!(settled(row, "all"), "0.000011");
    let usage = row.gateway.get("/admin/usage?group_by=model,served_model,upstream", &row.token).json();
    let item = &usage["items"][0];
    assert_eq!((&item["model"], &item["served_model"]), (&json!("fast"), &json!("cheap \"1\"")), "{usage}");
    assert_eq!((&item["upstream"], &item["requests"], &item["cost_usd"]), (&json!("b"), &json!(1), &json!("0.000011")));
}

#[test]
fn a_stream_has_the_name_that_was_asked_for_in_each_event_and_every_other_byte_stays() {
    let row = start();
    let asked =
        r#"{"model":"fast","max_tokens":10,"stream":true,"stream_options":{"include_usage":true},"messages":[]}"#;
    let stream = |model: &str| {
        let chunk = |rest: &str| format!("data: {{\"model\":\"{model}\" ,{rest}}}\r\n\r\n");
        format!(
            ": model dear\n\n{}event: x\ndata: {{\"choices\":[{{\"delta\":{{\"content\":\"model\\\":\\\"dear\"}}}}],\ndata:  \"model\": \"{model}\"}}\n\n{}data: [DONE]\n\n",
            chunk("\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]"),
            chunk("\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}"),
        )
    };
    for cut in [1, 7, 10_000] {
        let mut client = row.call("POST", asked);
        let Exchange { mut wire, request } = row.upstreams[0].exchange();
        assert_eq!(request.text(), asked.replace("fast", "dear"));
        wire.say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n");
        for piece in stream("dear-2").as_bytes().chunks(cut) {
            wire.say(piece);
        }
        drop(wire);
        let answer = client.message();
        assert_eq!((answer.status(), answer.text()), (200, stream("fast")), "cut at {cut}");
        let record = row.record(&answer.request_id());
        assert_eq!((&record["served_model"], &record["cost_usd"]), (&json!("dear"), &json!("0.0011")), "{record}");
    }
}

fn budget(name: &str, models: &str, limit: &str) -> String {
    format!(
        "[[budgets]]\nname=\"{name}\"\nscope=\"global\"\nmodels=[{models}]\nlimit_usd=\"{limit}\"\nperiod=\"total\"\n"
    )
}

/// Which of the models serves that a request names, its upstream decides.
#[test]
fn a_budget_counts_a_model_that_the_request_lets_serve_in_place_of_the_one_it_asks_for() {
    let asked = r#"{"model":"other","models":["dear"],"max_tokens":10,"messages":[]}"#;
    let budgets = |dear: &str| [budget("asked", "\"other\"", "1"), budget("dear", "\"de*\"", dear)].concat();
    let row = start_with(&budgets("1"));
    for (served, cost, of_dear) in [("dear", "0.0011", "0.0011"), ("other", "0.001111", "0.0011")] {
        let mut client = row.call("POST", asked);
        row.answer(0, "200 OK", &answer_of(served));
        assert_eq!(client.message().status(), 200, "{served}");
        assert_eq!((settled(&row, "asked"), settled(&row, "dear")), (json!(cost), json!(of_dear)), "{served}");
    }

    let row = start_with(&budgets("0.001"));
    let mut client = row.call("POST", asked);
    let refused = client.message();
    refused.assert_problem(402, "budget-exhausted");
    assert!(refused.text().contains("\"name\":\"dear\""), "{}", refused.text());
    row.assert_unasked(0);
}

#[test]
fn a_budget_without_room_for_one_target_leaves_the_others_and_is_not_billed_for_them() {
    let budgets = [
        budget("named", "\"fast\"", "1"),
        budget("served", "\"cheap \\\"1\\\"\"", "1"),
        budget("dear", "\"dear\"", "0.001"),
    ];
    let row = start_with(&budgets.concat());
    let mut client = row.call("POST", ASKED);
    row.answer(1, "200 OK", &answer_of("cheap"));
    let answer = client.message();
    assert_eq!((answer.status(), answer.text()), (200, answer_of("fast")));
    row.assert_unasked(0);
    let held: f64 = answer.header("x-tollgate-hold-usd").unwrap().parse().unwrap();
    assert!(held < 0.001, "held for what is left: {held}");
    for (name, cost) in [("all", "0.000011"), ("named", "0.000011"), ("served", "0.000011"), ("dear", "0")] {
        assert_eq!(settled(&row, name), cost, "{name}");
    }

    // Where both may serve, the one that does is billed, in its own budgets.
    let row = start_with(&budgets.concat().replace("0.001", "1"));
    let mut client = row.call("POST", ASKED);
    row.answer(0, "503 Service Unavailable", "no");
    row.answer(1, "200 OK", &answer_of("cheap"));
    assert_eq!(client.message().status(), 200);
    for (name, cost) in [("all", "0.000011"), ("dear", "0")] {
        assert_eq!(settled(&row, name), cost, "{name}");
    }

    // Nothing is left.
    let row = start_with(&budgets.concat().replace("limit_usd=\"1\"", "limit_usd=\"0.000001\""));
    let mut client = row.call("POST", ASKED);
    client.message().assert_problem(402, "budget-exhausted");
    (0..3).for_each(|upstream| row.assert_unasked(upstream));
}

/// Services limit the calls to each model by themselves.
#[test]
fn a_model_that_was_called_too_often_leaves_the_other_models_of_its_upstream_alone() {
    let two = r#"
[[models]]
name = "two"
targets = [{ upstream = "a", model = "dear" }, { upstream = "a", model = "cheap \"1\"", priority = 1 }]
"#;
    let row = start_with(two);
    let asked = ASKED.replace(r#" : "fast""#, r#" : "two""#);
    let mut client = row.call("POST", &asked);
    row.answer(0, "429 Too Many Requests\r\nretry-after: 3600", "later");
    assert_eq!(row.answer(0, "200 OK", &answer_of("cheap")), asked.replace(r#" : "two""#, r#" : "cheap \"1\"""#));
    assert_eq!(client.message().status(), 200);
    // The first model is asked for nothing more, by any name, and the other one at once.
    let mut client = row.call("POST", &asked);
    assert_eq!(row.answer(0, "200 OK", &answer_of("cheap")), asked.replace(r#" : "two""#, r#" : "cheap \"1\"""#));
    let answer = client.message();
    assert_eq!(tried(&row.record(&answer.request_id())), [("a".into(), json!(200))]);
    let mut client = row.call("POST", ASKED);
    row.answer(1, "200 OK", &answer_of("cheap"));
    assert_eq!(client.message().status(), 200);
    row.assert_unasked(0);
}

/// Some services never say how long to wait.
#[test]
fn a_model_that_is_refused_again_and_again_is_left_alone_for_a_while() {
    let row = start();
    let served = answer_of("cheap");
    let ok = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{served}",
        served.len()
    );
    let mut is_left_alone = false;
    for calls in 1..=20 {
        let mut client = row.call("POST", ASKED);
        let asked = |place: usize| Some((place, row.upstreams[place].try_accept()?));
        let (place, mut wire) = eventually("one is asked", || (0..2).find_map(asked));
        wire.message();
        if place == 0 {
            wire.say("HTTP/1.1 429 Too Many Requests\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            row.answer(1, "200 OK", &served);
        } else {
            wire.say(&ok);
        }
        drop(wire);
        assert_eq!(client.message().status(), 200);
        is_left_alone = place == 1;
        if is_left_alone {
            assert!(calls > 5, "a few refusals are no reason");
            break;
        }
    }
    assert!(is_left_alone);
}

#[test]
fn a_name_is_listed_beside_the_models_and_can_be_called_where_one_of_its_targets_has_a_price() {
    let row = start();
    let ids = |row: &Row| -> Vec<String> {
        let list = row.gateway.get("/v1/models", &row.token).json();
        list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&row), ["cheap \"1\"", "dear", "fast", "other"]);
    assert_eq!(row.gateway.get("/v1/models/fast", &row.token).json()["id"], "fast");
    let put = row.gateway.json("PUT", "/admin/prices", &row.token, &json!({ "items": [], "remove": ["dear"] }));
    assert_eq!(put.status(), 200, "{}", put.text());
    let mut client = row.call("POST", ASKED);
    row.answer(1, "200 OK", &answer_of("cheap"));
    assert_eq!(client.message().status(), 200);
    let put = row.gateway.json("PUT", "/admin/prices", &row.token, &json!({ "items": [], "remove": ["cheap \"1\""] }));
    assert_eq!(put.status(), 200, "{}", put.text());
    assert_eq!(ids(&row), ["other"]);
    let mut client = row.call("POST", ASKED);
    client.message().assert_problem(403, "unpriced-model");
}

/// `claude` stands for a model of an upstream that speaks another format, on two routes; nothing listens there.
const CLAUDE: &str = r#"
[[upstreams]]
name = "d"
url = "http://127.0.0.1:9"
[[routes]]
name = "messages"
path = "/messages"
match = "exact"
methods = ["POST"]
roles = ["admin", "user"]
upstream = "d"
meter = "anthropic-messages"
[[routes]]
name = "named"
path = "/named"
match = "exact"
methods = ["POST"]
roles = ["admin"]
upstream = "d"
meter = "anthropic-messages"
models = ["dear"]
[[models]]
name = "claude"
targets = [{ upstream = "d", model = "dear" }]
"#;

#[test]
fn a_name_of_another_format_is_refused_with_the_places_that_take_it_and_listed_where_it_is_let_through() {
    let row = start_with(CLAUDE);
    let body = json!({ "username": "one", "password": "a long password 1", "role": "user" });
    assert_eq!(row.gateway.json("POST", "/admin/users", &row.token, &body).status(), 201);
    let user = row.gateway.login("one", "a long password 1");
    let call = |path: &str, model: &str, token: &str| {
        let body = json!({ "model": model, "max_tokens": 5, "messages": [{ "role": "user", "content": "x" }] });
        row.gateway.json("POST", path, token, &body)
    };
    for (path, model, token, reasons) in [
        (
            "/messages",
            "fast",
            &row.token,
            ["speak openai-chat, and", "\"messages\" takes anthropic-messages", "at /up (openai-chat)"],
        ),
        (
            "/named",
            "fast",
            &row.token,
            ["speak openai-chat, and", "\"named\" takes anthropic-messages", "at /up (openai-chat)"],
        ),
        ("/messages", "fast", &user, ["speak openai-chat, and", "\"messages\"", "no route for you"]),
        (
            "/up",
            "claude",
            &row.token,
            [
                "speak anthropic-messages, and",
                "\"up\" takes openai-chat",
                "at /messages (anthropic-messages) or /named",
            ],
        ),
    ] {
        let refused = call(path, model, token);
        refused.assert_problem(400, "invalid-request");
        let error = refused.json()["errors"][0].clone();
        assert_eq!(error["pointer"], "/model", "{error}");
        let told = error["detail"].as_str().unwrap();
        assert!(reasons.iter().all(|reason| told.contains(reason)), "{path} {model}: {told}");
    }
    call("/named", "nobody-knows", &row.token).assert_problem(404, "not-found");

    let listed = |field: &str| -> Vec<String> {
        let head = request("GET", "/v1/models", &row.token);
        let list = row.gateway.send(format!("{}{field}\r\n", head.strip_suffix("\r\n").unwrap())).json();
        list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = ["cheap \"1\"", "claude", "dear", "fast", "other"];
    assert_eq!(listed(""), all);
    let of_anthropic = listed("anthropic-version: 2023-06-01\r\n");
    for model in all {
        let is_let_through = call("/messages", model, &row.token).status() == 502;
        assert_eq!(of_anthropic.iter().any(|listed| listed == model), is_let_through, "{model}: {of_anthropic:?}");
    }
}

#[test]
fn a_caller_who_may_call_one_target_alone_gets_that_one_and_by_the_name_all() {
    let row = start();
    for (user, models, places) in [
        ("by-name", json!(["fast"]), &[0][..]),
        ("by-target", json!(["cheap*"]), &[1]),
        ("other", json!(["other"]), &[]),
    ] {
        let body = json!({ "username": user, "password": "a long password 1", "role": "admin", "models": models });
        assert_eq!(row.gateway.json("POST", "/admin/users", &row.token, &body).status(), 201);
        let token = row.gateway.login(user, "a long password 1");
        let list = row.gateway.get("/v1/models", &token).json();
        let listed = list["data"].as_array().unwrap().iter().any(|model| model["id"] == "fast");
        assert_eq!(listed, !places.is_empty(), "{user}: {list}");
        let mut client = row.gateway.connect();
        let head = request("POST", "/up", &token);
        let length = format!("content-type: application/json\r\ncontent-length: {}\r\n", ASKED.len());
        client.say(format!("{}{length}\r\n{ASKED}", head.strip_suffix("\r\n").unwrap()));
        for place in places {
            row.answer(*place, "200 OK", &answer_of("x"));
        }
        let answer = client.message();
        match places {
            [] => answer.assert_problem(403, "model-not-allowed"),
            _ => assert_eq!((answer.status(), answer.text()), (200, answer_of("fast")), "{user}"),
        }
    }
}

#[test]
fn tokens_are_counted_for_nothing_by_the_name_that_the_target_has_and_for_who_may_call_it() {
    let route = |name: &str, meter: &str| {
        format!(
            "[[routes]]\nname=\"{name}\"\npath=\"/{name}\"\nmatch=\"prefix\"\nmethods=[\"POST\"]\nroles=[\"admin\"]\n\
             upstream=\"a\"\nmeter=\"{meter}\"\n"
        )
    };
    let alias = "[[models]]\nname = \"counted\"\ntargets = [{ upstream = \"a\", model = \"unpriced\" }]\n";
    let routes = [route("messages", "anthropic-messages"), route("counts", "count-tokens"), alias.into()];
    let row = Row::start(PATIENT, &routes.concat());
    let body = json!({ "username": "one", "password": "a long password 1", "role": "admin", "models": ["counted"] });
    assert_eq!(row.gateway.json("POST", "/admin/users", &row.token, &body).status(), 201);
    let token = row.gateway.login("one", "a long password 1");
    let call = |path: &str, model: &str| {
        let body = format!(r#"{{ "model":"{model}","tools":[{{"type":"web_search_20250305","name":"web_search"}}]}}"#);
        let mut client = row.gateway.connect();
        let head = request("POST", path, &token);
        let length = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        client.say(format!("{}{length}\r\n{body}", head.strip_suffix("\r\n").unwrap()));
        (client, body)
    };
    for path in ["/messages/count_tokens", "/counts"] {
        let (mut client, body) = call(path, "counted");
        assert_eq!(row.answer(0, "200 OK", "{\"input_tokens\":7}"), body.replace("counted", "unpriced"), "{path}");
        let answer = client.message();
        assert_eq!((answer.status(), answer.text()), (200, "{\"input_tokens\":7}".into()));
        assert_eq!(answer.header("x-tollgate-hold-usd"), None);
        assert_eq!(row.record(&answer.request_id())["model"], "counted");
        call(path, "unpriced").0.message().assert_problem(403, "model-not-allowed");
    }
    assert_eq!(settled(&row, "all"), "0");
}

#[test]
fn routes_of_one_path_are_chosen_by_the_model() {
    let route = |name: &str, upstream: &str, models: &str, roles: &str| {
        format!(
            "[[routes]]\nname=\"{name}\"\npath=\"/by-model\"\nmatch=\"exact\"\nmethods=[\"POST\"]\nroles=[\"{roles}\"]\n\
             upstream=\"{upstream}\"\nmeter=\"openai-chat\"\nmodels=[{models}]\n"
        )
    };
    let routes = [
        route("dear", "a", "\"de*\"", "admin"),
        route("cheap", "b", "\"cheap*\"", "admin"),
        route("one", "c", "\"dear\"", "admin"),
        route("users", "c", "\"oth*\"", "user"),
    ];
    let row = start_with(&routes.concat());
    let call_with = |model: &str, others: &[&str]| {
        let mut body = json!({ "model": model, "max_tokens": 5, "messages": [] });
        if !others.is_empty() {
            body["models"] = json!(others);
        }
        let body = body.to_string();
        let mut client = row.gateway.connect();
        let head = request("POST", "/by-model", &row.token);
        let length = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        client.say(format!("{}{length}\r\n{body}", head.strip_suffix("\r\n").unwrap()));
        client
    };
    let call = |model: &str| call_with(model, &[]);
    for (model, upstream, name) in [("dear", 2, "one"), ("cheap \"1\"", 1, "cheap"), ("fast", 0, "dear")] {
        let mut client = call(model);
        row.answer(upstream, "200 OK", &answer_of(model));
        let answer = client.message();
        assert_eq!(answer.status(), 200, "{model}: {}", answer.text());
        let record = row.record(&answer.request_id());
        assert_eq!((&record["route"], &record["model"]), (&json!(name), &json!(model)), "{record}");
    }
    call("none").message().assert_problem(404, "not-found");
    call("other").message().assert_problem(403, "forbidden");
    // What the upstream may serve instead belongs to the same route.
    for other in ["dear", "other"] {
        let mut client = call_with("cheap \"1\"", &[other]);
        let refused = client.message();
        refused.assert_problem(400, "invalid-request");
        assert!(refused.text().contains(&format!("does not serve {other}")), "{}", refused.text());
    }
    call_with("cheap \"1\"", &["none"]).message().assert_problem(404, "not-found");
    call_with("cheap \"1\"", &["cheap-2"]).message().assert_problem(403, "unpriced-model");
    row.assert_unasked(1);
}
