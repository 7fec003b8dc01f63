//! Beside the id of a user, a team or an API key stands its name, in every answer, also of one that was deleted.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::support::{Setup, TestGateway, TestStore};

on_both_stores!(
    beside_each_id_stands_its_name_even_when_it_was_deleted,
    the_columns_of_a_list_have_names_too,
    what_is_made_and_changed_is_answered_with_names,
);

const ROUTE: &str = r#"
    [[routes]]
    name = "paid"
    path = "/paid"
    match = "exact"
    methods = ["POST"]
    roles = ["admin", "user"]
    upstream = "builtin:echo"
    meter = { fixed_usd = "0.5" }
"#;

/// A field with an id, and the field beside it with the name.
const FIELDS: [(&str, &str); 8] = [
    ("user_id", "user_name"),
    ("team_id", "team_name"),
    ("key_id", "key_name"),
    ("api_key_id", "key_name"),
    ("about", "about_name"),
    ("user", "user_name"),
    ("team", "team_name"),
    ("key", "key_name"),
];

/// A user in a team, with an API key that was used and exchanged, and rules for each of the three.
struct Stage {
    /// The name of each id.
    names: BTreeMap<String, String>,
    user: String,
    team: String,
    key: String,
    user_token: String,
    limit: String,
    budget: String,
}

fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

async fn made(gateway: &TestGateway, path: &str, body: Value) -> Value {
    gateway.post(path).token(&gateway.admin).json(&body).send().await.expect(201).json()
}

async fn set_up(gateway: &TestGateway) -> Stage {
    let team = id(&made(gateway, "/admin/teams", json!({ "name": "Research" })).await);
    let user = gateway.user("ann", "user").await;
    gateway.patch(&user.id, &json!({ "team_id": team })).await.expect(200);
    let key = gateway.api_key(&user.token, "laptop").await;
    gateway.exchange(&key).await.expect(200);
    gateway.post("/paid").header("x-api-key", &key.text).send().await.expect(200);
    let subjects = [("user", Some(&user.id)), ("team", Some(&team)), ("key", Some(&key.id)), ("user", None)];
    let (mut limit, mut budget) = (String::new(), String::new());
    for (kind, subject) in subjects {
        let name = format!("per-{kind}-{}", subject.is_some());
        let rule = json!({ "name": name, "routes": ["*"], "per": kind, "subject": subject, "unit": "requests",
                           "limit": 100_000, "window_s": 60 });
        limit = id(&made(gateway, "/admin/limits", rule).await);
        let rule = json!({ "name": name, "scope": kind, "subject": subject, "limit_usd": "100", "period": "day" });
        budget = id(&made(gateway, "/admin/budgets", rule).await);
    }
    let rule = json!({ "name": "from-one", "routes": ["*"], "per": "address", "subject": "192.0.2.1",
                       "unit": "requests", "limit": 100_000, "window_s": 60 });
    made(gateway, "/admin/limits", rule).await;
    let me = gateway.get("/me").token(&gateway.admin).send().await.expect(200).json();
    let names = [(id(&me["user"]), "admin"), (user.id.clone(), "ann"), (team.clone(), "Research")];
    let names = names.into_iter().chain([(key.id.clone(), "laptop")]);
    let names = names.map(|(id, name)| (id, name.to_owned())).collect();
    Stage { names, user: user.id, team, key: key.id, user_token: user.token, limit, budget }
}

impl Stage {
    /// The URLs to look at, one for each template that GET has; `None` where no answer can have such an id.
    async fn url(&self, gateway: &TestGateway, template: &str) -> Option<String> {
        let audit = gateway.get("/admin/audit?route=paid").token(&gateway.admin).send().await.expect(200).json();
        let id = match template {
            "/admin/limits/{id}" => &self.limit,
            "/admin/budgets/{id}" => &self.budget,
            "/admin/teams/{id}" => &self.team,
            "/admin/audit/{id}" => &id(&audit["items"][0]),
            _ if template.starts_with("/admin/users/{id}") => &self.user,
            _ if template.starts_with("/admin/") || template.starts_with("/me") => "",
            _ => return None,
        };
        if template.contains("{name}") || template.contains("{model}") {
            return None;
        }
        let query = match template {
            "/admin/usage" | "/me/usage" => "?group_by=user,team,key",
            "/admin/audit" | "/admin/users" | "/admin/limits" | "/admin/budgets" => "?limit=200",
            _ => "",
        };
        Some(template.replace("{id}", id).replace("{username}", "ann") + query)
    }

    /// Looks at every answer, and counts the names that stand in them.
    async fn look_everywhere(&self, gateway: &TestGateway) -> BTreeMap<String, usize> {
        let document = gateway.get("/openapi.json").send().await.expect(200).json();
        let mut seen = BTreeMap::new();
        for (template, item) in document["paths"].as_object().unwrap() {
            let url = if item["get"].is_null() { None } else { self.url(gateway, template).await };
            let Some(url) = url else { continue };
            let mut tokens = vec![&gateway.admin];
            tokens.extend(template.starts_with("/me").then_some(&self.user_token));
            for token in tokens {
                let answer = gateway.get(&url).token(token).send().await;
                // What was deleted has no page of its own, and its token is dead.
                if !matches!(answer.status, 401 | 404) {
                    self.look(&answer.expect(200).json(), &url, &mut seen);
                }
            }
        }
        seen
    }

    fn look(&self, value: &Value, url: &str, seen: &mut BTreeMap<String, usize>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.look(item, url, seen)),
            Value::Object(fields) => {
                for (id_field, name_field) in FIELDS {
                    let Some(id @ (Value::String(_) | Value::Null)) = fields.get(id_field) else { continue };
                    self.check(id, fields.get(name_field), &format!("{url} {id_field}"), seen);
                }
                if let Some(per) = fields.get("per").or(fields.get("scope")).filter(|_| fields.contains_key("subject"))
                {
                    self.check_subject(fields, per.as_str().unwrap(), url, seen);
                }
                if fields.get("credential").is_some_and(|credential| credential["kind"] == "api_key") {
                    let id = &fields["credential"]["id"];
                    self.check(id, fields.get("key_name"), &format!("{url} credential"), seen);
                }
                // What was changed is shown as it was put on record.
                let inner = fields.iter().filter(|(name, _)| *name != "change");
                inner.for_each(|(_, value)| self.look(value, url, seen));
            }
            _ => {}
        }
    }

    fn check_subject(
        &self,
        fields: &serde_json::Map<String, Value>,
        per: &str,
        url: &str,
        seen: &mut BTreeMap<String, usize>,
    ) {
        let is_address = per == "address";
        let subject = if is_address { &Value::Null } else { &fields["subject"] };
        self.check(subject, fields.get("subject_name"), &format!("{url} subject"), seen);
        if subject.is_string() {
            self.check(subject, fields.get(&format!("{per}_name")), &format!("{url} subject per {per}"), seen);
        }
    }

    fn check(&self, id: &Value, name: Option<&Value>, place: &str, seen: &mut BTreeMap<String, usize>) {
        let expected = id.as_str().map(|id| self.names.get(id).unwrap_or_else(|| panic!("{place}: whose is {id}?")));
        assert_eq!(name, Some(&json!(expected)), "{place}: the name of {id}");
        if let Some(name) = expected {
            *seen.entry(format!("{place} {name}")).or_default() += 1;
        }
    }
}

async fn delete(gateway: &TestGateway, path: &str) {
    gateway.request("DELETE", path).token(&gateway.admin).send().await.expect(204);
}

async fn beside_each_id_stands_its_name_even_when_it_was_deleted(store: &TestStore) {
    let gateway = Setup::default().more_lists(ROUTE).start(store).await;
    let stage = set_up(&gateway).await;
    let before = stage.look_everywhere(&gateway).await;
    for place in [
        "/admin/users?limit=200 team_id Research".to_owned(),
        format!("/admin/users/{} team_id Research", stage.user),
        format!("/admin/users/{}/api-keys user_id ann", stage.user),
        format!("/admin/users/{}/sessions api_key_id laptop", stage.user),
        "/me/api-keys user_id ann".to_owned(),
        "/me/sessions api_key_id laptop".to_owned(),
        "/admin/limits?limit=200 subject per key laptop".to_owned(),
        "/admin/budgets?limit=200 subject per team Research".to_owned(),
        "/me/usage?group_by=user,team,key key laptop".to_owned(),
    ] {
        assert!(before.contains_key(&place), "{place} is not among {before:#?}");
    }
    delete(&gateway, &format!("/admin/api-keys/{}", stage.key)).await;
    delete(&gateway, &format!("/admin/users/{}", stage.user)).await;
    delete(&gateway, &format!("/admin/teams/{}", stage.team)).await;
    // The store forgets revoked keys after a while, but for their names.
    let later = gateway.running().office.accounting.clock.now() + std::time::Duration::from_hours(1);
    let purged = gateway.running().office.accounting.store.purge_api_keys(later).await.unwrap();
    assert!(purged > 0);
    let after = stage.look_everywhere(&gateway).await;
    for place in [
        "/admin/limits?limit=200 subject per user ann",
        "/admin/limits?limit=200 subject per team Research",
        "/admin/limits?limit=200 subject per key laptop",
        "/admin/budgets?limit=200 subject per key laptop",
        "/admin/usage?group_by=user,team,key user ann",
        "/admin/usage?group_by=user,team,key team Research",
        "/admin/usage?group_by=user,team,key key laptop",
        "/admin/audit?limit=200 user_id ann",
        "/admin/audit?limit=200 user_id admin",
        "/admin/audit?limit=200 team_id Research",
        "/admin/audit?limit=200 about ann",
        "/admin/audit?limit=200 credential laptop",
    ] {
        assert!(after.contains_key(place), "{place} is not among {after:#?}");
    }
    gateway.finish().await;
}

async fn the_columns_of_a_list_have_names_too(store: &TestStore) {
    let gateway = Setup::default().more_lists(ROUTE).start(store).await;
    let stage = set_up(&gateway).await;
    let url = "/admin/usage?group_by=user,key";
    let answer = gateway.get(url).token(&gateway.admin).header("accept", "text/csv").send().await;
    let csv = String::from_utf8(answer.expect(200).body.clone()).unwrap();
    let (head, row) = csv.split_once("\r\n").unwrap();
    assert!(head.starts_with("user,user_name,key,key_name,requests,"), "{head}");
    assert!(row.starts_with(&format!("{},ann,{},laptop,1,", stage.user, stage.key)), "{row}");
    gateway.finish().await;
}

async fn what_is_made_and_changed_is_answered_with_names(store: &TestStore) {
    let gateway = TestGateway::start(store).await;
    let team = id(&made(&gateway, "/admin/teams", json!({ "name": "Research" })).await);
    let user = made(&gateway, "/admin/users", json!({ "username": "ann", "role": "user", "team_id": team })).await;
    assert_eq!(user["team_name"], "Research");
    let key = json!({ "name": "laptop" });
    let post = gateway.post(&format!("/admin/users/{}/api-keys", id(&user))).token(&gateway.admin).json(&key);
    let post = post.header("idempotency-key", "once");
    let key = post.clone().send().await.expect(201).json();
    assert_eq!((&key["user_name"], &key), (&json!("ann"), &post.send().await.expect(201).json()));
    let changed = gateway.patch(&id(&user), &json!({ "team_id": null })).await.expect(200).json();
    assert_eq!(changed.get("team_name"), Some(&Value::Null));
    let rotated = format!("/admin/api-keys/{}/rotate", id(&key));
    let rotated = made(&gateway, &rotated, json!({})).await;
    assert_eq!(rotated["user_name"], "ann");
    gateway.finish().await;
}
