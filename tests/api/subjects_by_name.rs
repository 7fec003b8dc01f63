//! The subject of a limit or a budget may be written by its name, and is kept by its id.

use serde_json::{Value, json};

use super::support::{Answer, Setup, TestGateway, TestStore};

on_both_stores!(
    a_subject_is_written_by_its_name_or_its_id,
    a_name_that_is_nobodys_or_of_several_is_refused_in_plain_words,
    what_is_put_at_a_name_is_told_from_others_by_the_name_of_its_subject,
    a_subject_in_a_query_is_a_name_or_an_id_of_the_right_kind,
    a_replay_takes_names_and_says_nothing_of_what_only_follows,
);

/// Ann of Research, who has a key of a name that Bo has too, and one that nobody else has.
struct People {
    ann: String,
    bo: String,
    team: String,
    laptop: String,
    robot: String,
}

fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

async fn started(store: &TestStore) -> (TestGateway, People) {
    let gateway = Setup::default().start(store).await;
    let team = gateway.post("/admin/teams").token(&gateway.admin).json(&json!({ "name": "Research & More" }));
    let team = id(&team.send().await.expect(201).json());
    let (ann, bo) = (gateway.user("ann", "user").await, gateway.user("bo", "user").await);
    gateway.api_key(&bo.token, "laptop").await;
    let laptop = gateway.api_key(&ann.token, "laptop").await.id;
    let robot = gateway.api_key(&ann.token, "ci/robot").await.id;
    (gateway, People { ann: ann.id, bo: bo.id, team, laptop, robot })
}

fn limit(name: &str, per: &str, subject: &str) -> Value {
    json!({ "name": name, "routes": ["*"], "per": per, "subject": subject, "unit": "requests", "limit": 100_000, "window_s": 60 })
}

fn budget(name: &str, scope: &str, subject: &str) -> Value {
    json!({ "name": name, "scope": scope, "subject": subject, "limit_usd": "100", "period": "day" })
}

async fn post(gateway: &TestGateway, path: &str, body: &Value) -> Answer {
    gateway.post(path).token(&gateway.admin).json(body).send().await
}

async fn a_subject_is_written_by_its_name_or_its_id(store: &TestStore) {
    let (gateway, people) = started(store).await;
    for (i, (per, written, subject, name)) in [
        ("user", "ann", &people.ann, "ann"),
        ("user", &people.ann, &people.ann, "ann"),
        ("team", "Research & More", &people.team, "Research & More"),
        ("key", "ann/laptop", &people.laptop, "laptop"),
        ("key", "ci/robot", &people.robot, "ci/robot"),
        ("key", "ann/ci/robot", &people.robot, "ci/robot"),
    ]
    .into_iter()
    .enumerate()
    {
        let rule = format!("rule-{i}");
        for (path, body) in
            [("/admin/limits", limit(&rule, per, written)), ("/admin/budgets", budget(&rule, per, written))]
        {
            let made = post(&gateway, path, &body).await.expect(201).json();
            assert_eq!((&made["subject"], &made["subject_name"]), (&json!(subject), &json!(name)), "{made}");
            let url = format!("{path}/{}", id(&made));
            let shown = gateway.get(&url).token(&gateway.admin).send().await.expect(200).json();
            assert_eq!(shown["subject"], **subject, "{shown}");
        }
    }
    let made = post(&gateway, "/admin/limits", &limit("changed", "user", "ann")).await.expect(201).json();
    let url = format!("/admin/limits/{}", id(&made));
    let change = gateway.request("PATCH", &url).token(&gateway.admin).json(&json!({ "subject": "bo" }));
    let changed = change.send().await.expect(200).json();
    assert_eq!((&changed["subject"], &changed["subject_name"]), (&json!(people.bo), &json!("bo")), "{changed}");
    gateway.finish().await;
}

async fn call(gateway: &TestGateway, method: &str, target: &str, body: &Value) -> Answer {
    let request = gateway.request(method, target).token(&gateway.admin);
    if body.is_null() { request.send().await } else { request.json(body).send().await }
}

/// In a path or a query.
fn escaped(text: &str) -> String {
    text.replace('&', "%26").replace(' ', "%20")
}

async fn what_is_put_at_a_name_is_told_from_others_by_the_name_of_its_subject(store: &TestStore) {
    let (gateway, people) = started(store).await;
    for (i, (per, written, subject)) in [
        ("user", "ann", &people.ann),
        ("team", "Research & More", &people.team),
        ("key", "ann/laptop", &people.laptop),
        ("key", "ci/robot", &people.robot),
    ]
    .into_iter()
    .enumerate()
    {
        let rule = format!("rule-{i}");
        for (list, body, change) in [
            ("/admin/limits", limit(&rule, per, written), json!({ "mode": "shadow" })),
            ("/admin/budgets", budget(&rule, per, written), json!({ "mode": "shadow" })),
        ] {
            let path = format!("{list}/by-name/{rule}");
            let mut general = body.clone();
            general["subject"] = Value::Null;
            call(&gateway, "PUT", &path, &general).await.expect(201);
            let made = call(&gateway, "PUT", &path, &body).await.expect(201).json();
            assert_eq!(made["subject"], **subject, "{made}");
            let again = call(&gateway, "PUT", &path, &body).await.expect(200).json();
            assert_eq!(id(&again), id(&made), "{again}");
            let mut by_id = body.clone();
            by_id["subject"] = subject.as_str().into();
            assert_eq!(id(&call(&gateway, "PUT", &path, &by_id).await.expect(200).json()), id(&made));

            for text in [written, subject.as_str()] {
                let target = format!("{path}?subject={}", escaped(text));
                let shown = call(&gateway, "GET", &target, &Value::Null).await.expect(200).json();
                assert_eq!(id(&shown), id(&made), "{target}");
                let changed = call(&gateway, "PATCH", &target, &change).await.expect(200).json();
                assert_eq!((id(&changed), &changed["mode"]), (id(&made), &json!("shadow")), "{target}");
            }
            let target = format!("{path}?subject={}", escaped(written));
            // What a PUT makes has its subject in its body: with another one beside it nothing is changed for anybody.
            call(&gateway, "PUT", &target, &general).await.invalid("?subject");
            call(&gateway, "DELETE", &target, &Value::Null).await.expect(204);
            let gone = call(&gateway, "GET", &target, &Value::Null).await.problem(404, "not-found");
            assert!(gone["detail"].as_str().unwrap().contains("of this subject"), "{gone}");
            call(&gateway, "GET", &path, &Value::Null).await.expect(200);
        }
    }
    gateway.finish().await;
}

async fn a_subject_in_a_query_is_a_name_or_an_id_of_the_right_kind(store: &TestStore) {
    let (gateway, people) = started(store).await;
    for (list, per_user, per_key) in [
        ("/admin/limits", limit("of-users", "user", "ann"), limit("of-keys", "key", "ann/laptop")),
        ("/admin/budgets", budget("of-users", "user", "ann"), budget("of-keys", "key", "ann/laptop")),
    ] {
        call(&gateway, "PUT", &format!("{list}/by-name/of-users"), &per_user).await.expect(201);
        call(&gateway, "PUT", &format!("{list}/by-name/of-keys"), &per_key).await.expect(201);
        for (name, subject, words) in [
            ("of-users", "nobody", "there is no user with this name or id"),
            ("of-users", "ci/robot", "there is no user with this name or id"),
            ("of-keys", "ann", "there is no API key with this name or id"),
            ("of-keys", "laptop", "is the name of several API keys; write user/key, or the id"),
        ] {
            let target = format!("{list}/by-name/{name}?subject={subject}");
            for (method, body) in [("GET", Value::Null), ("PATCH", json!({})), ("DELETE", Value::Null)] {
                let problem = call(&gateway, method, &target, &body).await.problem(400, "invalid-request");
                assert_eq!(problem["errors"], json!([{ "pointer": "?subject", "detail": words }]), "{method} {target}");
            }
        }
        for (name, subject) in [("of-users", people.bo.as_str()), ("of-users", "bo"), ("of-none", "ann")] {
            let target = format!("{list}/by-name/{name}?subject={subject}");
            let problem = call(&gateway, "GET", &target, &Value::Null).await.problem(404, "not-found");
            assert!(problem["detail"].as_str().unwrap().contains("of this subject named"), "{target}: {problem}");
        }
    }
    gateway.finish().await;
}

async fn a_name_that_is_nobodys_or_of_several_is_refused_in_plain_words(store: &TestStore) {
    let (gateway, _) = started(store).await;
    for (per, written, words) in [
        ("user", "nobody", "there is no user with this name or id"),
        ("user", "Research & More", "there is no user with this name or id"),
        ("team", "ann", "there is no team with this name or id"),
        ("key", "desk", "there is no API key with this name or id"),
        ("key", "bo/robot", "there is no API key with this name or id"),
        ("key", "laptop", "is the name of several API keys; write user/key, or the id"),
        ("user", " ", "must be the name or the id of a user, a team or an API key, or an IP address"),
        ("user", "01890a5d-ac96-774b-bcce-b302099a8057", "there is none with this name or id"),
    ] {
        for (path, body) in [("/admin/limits", limit("l", per, written)), ("/admin/budgets", budget("b", per, written))]
        {
            let problem = post(&gateway, path, &body).await.problem(400, "invalid-request");
            assert_eq!(
                problem["errors"],
                json!([{ "pointer": "/subject", "detail": words }]),
                "{per} {written} {path}"
            );
            let place = format!("{path}/by-name/{}", body["name"].as_str().unwrap());
            let problem = call(&gateway, "PUT", &place, &body).await.problem(400, "invalid-request");
            assert_eq!(problem["errors"], json!([{ "pointer": "/subject", "detail": words }]), "PUT {place}");
        }
    }
    for (path, mut body, field) in
        [("/admin/limits", limit("l", "user", "ann"), "per"), ("/admin/budgets", budget("b", "user", "ann"), "scope")]
    {
        body[field] = "nobody".into();
        let put = format!("{path}/by-name/{}", body["name"].as_str().unwrap());
        for (method, path) in [("POST", path), ("PUT", put.as_str())] {
            let problem = call(&gateway, method, path, &body).await.invalid(&format!("/{field}"));
            assert_eq!(problem["errors"].as_array().unwrap().len(), 1, "{method}: {problem}");
        }
    }
    gateway.finish().await;
}

async fn a_replay_takes_names_and_says_nothing_of_what_only_follows(store: &TestStore) {
    let (gateway, _) = started(store).await;
    let ask = async |body: Value| post(&gateway, "/admin/replay", &body).await;
    let from = "2020-01-01";
    ask(json!({ "from": from, "limit": limit("l", "user", "ann") })).await.expect(200);
    ask(json!({ "from": from, "budget": budget("b", "team", "Research & More") })).await.expect(200);
    let unknown = json!({ "from": from, "candidates": [{ "limit": limit("l", "user", "nobody") }] });
    ask(unknown).await.invalid("/candidates/0/limit/subject");
    for (field, value) in
        [("window", json!("dai")), ("unit", json!("reqests")), ("time_zone", json!(5)), ("limit", json!("x"))]
    {
        let mut calendar =
            json!({ "name": "l", "routes": ["*"], "per": "user", "unit": "requests", "limit": 3, "window": "day" });
        calendar[field] = value;
        for (at, body) in [
            ("/limit", json!({ "from": from, "limit": calendar })),
            ("/candidates/0/limit", json!({ "from": from, "candidates": [{ "limit": calendar }] })),
        ] {
            let problem = ask(body).await.invalid(&format!("{at}/{field}"));
            assert_eq!(problem["errors"].as_array().unwrap().len(), 1, "{problem}");
        }
    }
    gateway.finish().await;
}
