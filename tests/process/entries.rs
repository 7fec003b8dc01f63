//! What administrators have made of the lists, over reloads, kills, another master key and a restore.

use serde_json::json;

use super::support::{Gateway, Home, Upstream, eventually, request};

const SECRET: &str = "canary-of-an-upstream-made-by-an-administrator";

/// A route of the configuration.
fn filed(name: &str, path: &str) -> String {
    format!(
        "[[routes]]\nname = \"{name}\"\npath = \"{path}\"\nmatch = \"exact\"\nmethods = [\"GET\"]\nroles = [\"admin\"]\n\
         upstream = \"builtin:echo\"\n"
    )
}

/// Makes an upstream with a secret, and a route to it.
fn make(gateway: &Gateway, token: &str, upstream: &Upstream) {
    let entry = json!({ "name": "made", "url": format!("http://{}", upstream.address()), "secret": SECRET });
    assert_eq!(gateway.json("POST", "/admin/upstreams", token, &entry).status(), 201);
    let route = json!({ "name": "made", "path": "/made", "match": "exact", "methods": ["GET"], "roles": ["admin"],
        "upstream": "made" });
    assert_eq!(gateway.json("POST", "/admin/routes", token, &route).status(), 201);
}

/// Calls the route; its upstream must get the secret.
fn assert_serves(gateway: &Gateway, token: &str, upstream: &Upstream) {
    let mut client = gateway.connect();
    client.say(request("GET", "/made", token));
    let mut exchange = upstream.exchange();
    assert_eq!(exchange.request.header("authorization"), Some(&*format!("Bearer {SECRET}")));
    exchange.answer("made");
    assert_eq!(client.message().text(), "made");
}

#[test]
fn what_is_made_survives_reloads_and_a_file_that_would_end_it_is_refused() {
    let (upstream, home) = (Upstream::start(), Home::new().config(&filed("one", "/one")));
    let gateway = home.start();
    let token = gateway.admin();
    make(&gateway, &token, &upstream);
    home.rewrite_config(&filed("two", "/two"));
    gateway.signal("HUP");
    eventually("it was read", || gateway.log().contains("read again").then_some(()));
    assert_eq!(gateway.get("/two", &token).status(), 200);
    assert_serves(&gateway, &token, &upstream);
    for (file, reason) in [
        (filed("made", "/three"), "the route \\\"made\\\" that was made through /admin would not be in force"),
        (filed("three", "/made"), "has the same path and method"),
    ] {
        home.rewrite_config(&file);
        gateway.signal("HUP");
        eventually("the reason is logged", || {
            let log = gateway.log().replace('\\', "");
            (log.contains(&reason.replace('\\', "")) && log.contains("the running one stays")).then_some(())
        });
        assert_eq!(gateway.get("/two", &token).status(), 200);
        assert_serves(&gateway, &token, &upstream);
    }
    // A start takes the file, and says what is not in force.
    gateway.kill();
    let gateway = home.start();
    assert!(gateway.log().contains("is not in force"), "{}", gateway.log());
    assert_eq!(gateway.get("/made", &token).status(), 200);
    let token = gateway.admin();
    let moved = gateway.json("PATCH", "/admin/routes/made", &token, &json!({ "path": "/elsewhere" }));
    assert_eq!(moved.status(), 200);
    assert!(!gateway.log().contains(SECRET));
}

#[test]
fn what_is_made_survives_a_kill_another_master_key_and_a_restore() {
    let (upstream, other) = (Upstream::start(), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh4=");
    let home = Home::new().env("TOLLGATE_NEW_MASTER_KEY", other);
    let gateway = home.start();
    let token = gateway.admin();
    make(&gateway, &token, &upstream);
    assert_serves(&gateway, &token, &upstream);
    let done = |arguments: &[&str]| {
        let output = home.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    done(&["backup", "copy.db"]);
    assert_eq!(gateway.json("PATCH", "/admin/upstreams/made", &token, &json!({ "secret": null })).status(), 200);
    gateway.kill();
    done(&["restore", "copy.db", "--yes", "--reason", "a test"]);
    let gateway = home.start();
    assert_serves(&gateway, &gateway.admin(), &upstream);
    assert!(gateway.terminate().success());
    done(&["keys", "change-master-key"]);
    let gateway = home.start();
    assert_serves(&gateway, &gateway.admin(), &upstream);
    assert!(gateway.terminate().success());
    assert!(!std::fs::read(home.database()).unwrap().windows(SECRET.len()).any(|bytes| bytes == SECRET.as_bytes()));
}
