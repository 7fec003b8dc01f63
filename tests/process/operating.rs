//! What an operator types beside a gateway: reload, health, completions, manual pages, the audit log for the eye.

use std::{
    fs,
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{Shutdown, TcpListener},
    os::unix::{fs::symlink, net::UnixDatagram},
    process::{Command, Output, Stdio},
    thread,
};

use serde_json::{Value, json};

use super::support::{Home, PATIENCE, eventually, request, run};

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn done(home: &Home, arguments: &[&str]) -> String {
    let output = home.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_reload_says_what_came_of_it() {
    let home = Home::new();
    let nobody = home.run(&["reload"]);
    assert_eq!(nobody.status.code(), Some(1), "{}", said(&nobody));
    assert!(said(&nobody).contains("no gateway runs"), "{}", said(&nobody));
    let gateway = home.start();
    let token = gateway.admin();
    let route = "[[routes]]\nname = \"new\"\npath = \"/new\"\nmatch = \"exact\"\nmethods = [\"GET\"]\nroles = [\"admin\"]\n\
                 upstream = \"builtin:echo\"\n";
    assert_eq!(gateway.get("/new", &token).status(), 404);
    home.rewrite_config(route);
    let told = done(&home, &["reload"]);
    assert!(told.contains("tollgate.toml was taken:\n  route new: new\n"), "{told}");
    assert_eq!(gateway.get("/new", &token).status(), 200);
    let told = done(&home, &["reload"]);
    assert!(told.contains("nothing that a reload takes has changed"), "{told}");
    home.rewrite_config(&format!("{route}[docs]\npublic = false\n"));
    let told = done(&home, &["reload"]);
    assert!(told.contains("not taken, because it needs a restart: docs"), "{told}");

    home.rewrite_config(&format!(
        "[server]\nprot = 1\n{}",
        route.replace("builtin:echo", "nowhere").replace("GET", "get")
    ));
    let bad = home.run(&["reload"]);
    assert_eq!(bad.status.code(), Some(2), "{}", said(&bad));
    for mistake in [".toml:20: server.prot", ".toml:25: ", ".toml:27: ", "the running configuration stays"] {
        assert!(said(&bad).contains(mistake), "{mistake}: {}", said(&bad));
    }
    assert_eq!(gateway.get("/new", &token).status(), 200);
}

#[test]
fn a_reload_with_another_file_than_the_gateways_is_refused() {
    let home = Home::new();
    let gateway = home.start();
    let token = gateway.admin();
    let other = home.path().join("other.toml");
    let route = "\n[[routes]]\nname = \"other\"\npath = \"/other\"\nmatch = \"exact\"\nmethods = [\"GET\"]\nroles = [\"admin\"]\n\
                 upstream = \"builtin:echo\"\n";
    fs::write(&other, fs::read_to_string(home.config_file()).unwrap() + route).unwrap();
    let elsewhere = Home::bare().env("TOLLGATE__DATA_DIR", home.path().join("data").to_str().unwrap());
    let refused = elsewhere.run(&["reload", "--config", other.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    let own = home.config_file().display().to_string();
    for words in ["nothing was read", &own, "other.toml", &format!("tollgate reload --config {own}")] {
        assert!(said(&refused).contains(words), "{words}: {}", said(&refused));
    }
    assert_eq!(gateway.get("/other", &token).status(), 404);
    let lost = Home::bare().run(&["reload"]);
    assert!(said(&lost).contains("counts from the present folder"), "{}", said(&lost));
    // The same file under another name is the same file.
    let link = home.path().join("link.toml");
    symlink(home.config_file(), &link).unwrap();
    assert!(done(&elsewhere, &["reload", "--config", link.to_str().unwrap()]).contains("was taken"));
    assert!(done(&elsewhere, &["reload"]).contains(&own), "the file is the gateway's own");
}

/// What answers where a gateway is looked for, and what `health` says of it.
#[test]
fn health_says_in_words_why_there_is_no_gateway() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = free.local_addr().unwrap();
    drop(free);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let other_address = other.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        drop(stream.read_to_end(&mut vec![]));
    });
    for (address, words) in [
        (nobody, "nothing listens there. Start the gateway"),
        (silent.local_addr().unwrap(), "no answer in time. Start the gateway"),
        (other_address, "is no gateway"),
    ] {
        let health = Home::bare().env("TOLLGATE__SERVER__PORT", &address.port().to_string()).run(&["health"]);
        assert_eq!(health.status.code(), Some(1), "{}", said(&health));
        let said = said(&health);
        assert!(said.contains(words) && said.contains(&format!("http://{address}/readyz")), "{said}");
        assert!(!said.contains("os error"), "{said}");
    }
}

#[test]
fn health_finds_the_gateway_on_a_port_that_the_system_chose() {
    let home = Home::new();
    assert_eq!(home.run(&["health"]).status.code(), Some(1));
    let gateway = home.start();
    assert_eq!(done(&home, &["health"]), "ready\n");
    drop(gateway);
    assert_eq!(home.run(&["health"]).status.code(), Some(1));
}

#[test]
fn shells_and_man_are_told_of_every_command() {
    let home = Home::bare();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = done(&home, &["completions", shell]);
        assert!(script.contains("check-config") && script.contains("accept-restore"), "{shell}");
    }
    assert_eq!(home.run(&["completions", "dash"]).status.code(), Some(2));
    assert!(done(&home, &["man"]).starts_with(".ie"), "{}", done(&home, &["man"]));
    done(&home, &["man", "--output", "man"]);
    for page in ["tollgate.1", "tollgate-audit.1", "tollgate-audit-verify.1"] {
        assert!(home.path().join("man").join(page).exists(), "{page}");
    }
    assert!(!home.path().join("data").exists());
}

#[test]
fn the_audit_log_is_shown_a_line_a_record_and_a_record_at_length() {
    let home = Home::new();
    let gateway = home.start();
    let token = gateway.admin();
    let id = gateway.get("/echo/one?secret=1", &token).request_id();
    gateway.record(&token, &id);
    let tail = done(&home, &["audit", "tail", "-n", "50"]);
    let line = tail.lines().find(|line| line.contains(&id)).unwrap_or_else(|| panic!("{tail}"));
    assert!(line.contains(" 200 allowed admin GET /echo/one route=echo"), "{line}");
    assert!(!tail.contains("secret"), "{tail}");
    let shown = done(&home, &["audit", "show", &id]);
    assert!(shown.contains("path                 /echo/one\n") && shown.contains("\nhash "), "{shown}");
    let record: Value = serde_json::from_str(&done(&home, &["audit", "show", &id, "--json"])).unwrap();
    assert_eq!(record["request_id"], id.as_str());
    let by_id = done(&home, &["audit", "show", record["id"].as_str().unwrap()]);
    assert_eq!(by_id, shown);
    assert_eq!(home.run(&["audit", "show", "01890a5d-ac96-774b-bcce-b302099a8057"]).status.code(), Some(1));
    assert_eq!(home.run(&["audit", "show", "nonsense"]).status.code(), Some(2));
    let lines = done(&home, &["audit", "tail", "--json"]);
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{lines}");
}

/// Reads one line of what a command prints, closes the pipe, and gives its status and what it said to that.
fn with_a_reader_that_goes(home: &Home, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = home.command(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    (child.wait().unwrap().code(), told)
}

#[test]
fn a_reader_that_goes_is_no_failure() {
    let home = Home::new();
    let gateway = home.start();
    let token = gateway.admin();
    // More than a pipe and the buffer before it hold.
    for _ in 0..1_500 {
        gateway.get("/echo", &token);
    }
    for arguments in [
        ["audit", "export"].as_slice(),
        &["audit", "export", "--format", "ocsf"],
        &["openapi"],
        &["audit", "tail", "-n", "1000"],
        &["--help"],
    ] {
        assert_eq!(with_a_reader_that_goes(&home, arguments), (Some(0), String::new()), "{arguments:?}");
    }
}

#[test]
fn an_export_that_cannot_be_made_whole_leaves_no_file_and_says_why() {
    let home = Home::new();
    let gateway = home.start();
    let token = gateway.admin();
    for _ in 0..150 {
        gateway.get("/echo", &token);
    }
    assert!(gateway.terminate().success());
    let file = home.path().join("log.jsonl");
    let mut shell = Command::new("sh");
    let script = "trap '' XFSZ; ulimit -f 66; exec \"$0\" audit export --output log.jsonl --config tollgate.toml";
    shell.args(["-c", script, env!("CARGO_BIN_EXE_tollgate")]).current_dir(home.path());
    let full = run(shell);
    let told = String::from_utf8_lossy(&full.stderr);
    assert_eq!(full.status.code(), Some(1), "{told}");
    assert!(told.contains("log.jsonl: the export could not be made"), "{told}");
    assert!(!file.exists());
    done(&home, &["audit", "export", "--output", "log.jsonl"]);
    for (output, words) in
        [("log.jsonl", "there is such a file already"), ("no/log.jsonl", "the folder for the export")]
    {
        let refused = home.run(&["audit", "export", "--output", output]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&refused.stderr).contains(words), "{output}");
    }
}

#[test]
fn a_store_that_is_away_is_said_to_be() {
    let home = Home::new()
        .env("TOLLGATE_MASTER_KEY", super::support::MASTER_KEY)
        .env("TOLLGATE__STORE__URL", "postgres://ann:hunter2@127.0.0.1:1/d");
    for arguments in [["ledger", "check"].as_slice(), &["audit", "verify"], &["admin", "reset-password", "admin"], &[]]
    {
        let output = home.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains("the store is not available"), "{arguments:?}: {}", said(&output));
        assert!(!said(&output).contains("hunter2"));
    }
}

#[test]
fn a_service_manager_is_told_of_ready_alive_and_stopping() {
    let home = Home::new();
    let place = home.path().join("notify");
    let manager = UnixDatagram::bind(&place).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let next = || {
        let mut buffer = [0; 200];
        let length = loop {
            match manager.recv(&mut buffer) {
                Ok(length) => break length,
                // A child of another test ended.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("nothing was told: {error}"),
            }
        };
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let home = home.env("NOTIFY_SOCKET", place.to_str().unwrap()).env("WATCHDOG_USEC", "100000");
    let gateway = home.start();
    assert!(next().starts_with("READY=1\nSTATUS=serving on http://127.0.0.1:"));
    assert_eq!((next(), next()), ("WATCHDOG=1".into(), "WATCHDOG=1".into()));
    assert!(gateway.terminate().success());
    assert!(std::iter::repeat_with(next).any(|told| told.starts_with("STOPPING=1")));
}

#[test]
fn usage_is_added_up_by_name_as_a_table_csv_or_json() {
    let models = "[[routes]]\nname = \"chat\"\npath = \"/v1/chat/completions\"\nmatch = \"exact\"\nmethods = [\"POST\"]\n\
                  roles = [\"admin\"]\nupstream = \"builtin:llm\"\nmeter = \"openai-chat\"\n";
    let home = Home::new().config(models);
    let gateway = home.start();
    let body = json!({"model": "demo", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]});
    assert_eq!(gateway.json("POST", "/v1/chat/completions", &gateway.admin(), &body).status(), 200);
    let table = eventually("the call is in the books", || {
        Some(done(&home, &["usage", "--group-by", "user,model"])).filter(|table| table.lines().count() == 2)
    });
    assert!(table.starts_with("user   model  requests"), "{table}");
    assert!(table.lines().nth(1).unwrap().starts_with("admin  demo          1"), "{table}");
    let csv = done(&home, &["usage", "--group-by", "day", "--csv"]);
    assert!(csv.starts_with("day,requests,input_tokens,") && csv.lines().nth(1).unwrap().starts_with("20"), "{csv}");
    let report: Value = serde_json::from_str(&done(&home, &["usage", "--json", "--from", "2020-01-01"])).unwrap();
    assert_eq!((&report["items"][0]["user"], &report["items"][0]["requests"]), (&"admin".into(), &1.into()));
    assert_eq!(done(&home, &["usage", "--to", "2020-01-01"]).lines().count(), 1);
    let turned = home.run(&["usage", "--from", "2020-01-02", "--to", "2020-01-01"]);
    assert!(turned.status.code() == Some(2) && said(&turned).contains("later than"), "{}", said(&turned));
    // Who is deleted keeps the name in the books.
    let admin = gateway.admin();
    let eve = json!({ "username": "eve", "password": "a password for the tests", "role": "admin" });
    let made = gateway.json("POST", "/admin/users", &admin, &eve);
    assert_eq!(made.status(), 201);
    let token = gateway.login("eve", "a password for the tests");
    let call = gateway.json("POST", "/v1/chat/completions", &token, &body);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(gateway.send(request("DELETE", &format!("/admin/users/{id}"), &admin)).status(), 204);
    let table = eventually("the call of eve is in the books", || {
        Some(done(&home, &["usage", "--group-by", "user,hour"])).filter(|table| table.lines().count() == 3)
    });
    assert!(table.lines().any(|line| line.starts_with("eve    20") && line.contains(":00:00Z")), "{table}");
    let shown = done(&home, &["audit", "show", &call.request_id()]);
    assert!(shown.contains(&format!("user_id              {id}\nuser_name            eve\n")), "{shown}");
    assert!(done(&home, &["usage", "--user", "eve", "--route", "chat"]).contains("\neve "));
    assert_eq!(done(&home, &["usage", "--user", "eve", "--month", "2020-01"]).lines().count(), 1);
    let both = home.run(&["usage", "--month", "2026-11", "--from", "2026-11-02"]);
    assert!(both.status.code() == Some(2) && said(&both).contains("--from"), "{}", said(&both));
    for bad in
        [["--group-by", "colour"], ["--from", "yesterday"], ["--month", "november"], ["--user", "x"], ["--team", "x"]]
    {
        assert_eq!(home.run(&["usage", bad[0], bad[1]]).status.code(), Some(2));
    }
}
