use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

#[test]
fn what_is_named_a_credential_is_taken_out_of_every_form() {
    for (text, redacted) in [
        (r#"{"a": 1, "password": "x\"y", "b": "z"}"#, r#"{"a": 1, "password": "[redacted]", "b": "z"}"#),
        (r#"{"p\u0061ssWord":"x"}"#, r#"{"p\u0061ssWord":"[redacted]"}"#),
        (r#"{"api-key" : ["x", {"y": "]"}], "n": 1}"#, r#"{"api-key" : "[redacted]", "n": 1}"#),
        (
            r#"{"pwd": 1234, "secret": null, "password_changed": true}"#,
            r#"{"pwd": "[redacted]", "secret": null, "password_changed": true}"#,
        ),
        (r#"{"max_tokens": 100, "access_token": "x"}"#, r#"{"max_tokens": 100, "access_token": "[redacted]"}"#),
        (r#"{"token_use": {"n": 1, "secret": "x"}}"#, r#"{"token_use": {"n": 1, "secret": "[redacted]"}}"#),
        (r#"{"password": "x and no end"#, r#"{"password": "[redacted]""#),
        (r#"{"arguments": "{\"password\": \"x\"}"}"#, r#"{"arguments": "{\"password\": \"[redacted]\"}"}"#),
        (r#"5" of {"password":"x"}"#, r#"5" of {"password":"[redacted]""#),
        ("user=ann&pass%77ord=x+y&b=1", "user=ann&pass%77ord=\"[redacted]\"&b=1"),
        ("a[password]=x&n_tokens=5&b=1", "a[password]=\"[redacted]\"&n_tokens=5&b=1"),
        ("Authorization: Basic eDp5\nA: b", "Authorization: \"[redacted]\"\nA: b"),
        (
            "<User>ann</User><Password Type=\"t\">x</Password>",
            "<User>ann</User><Password Type=\"t\">[redacted]</Password>",
        ),
        (
            "form-data; name=\"password\"\r\n\r\nx\r\n--b\r\nform-data; name=\"n\"\r\n\r\ny",
            "form-data; name=\"password\"\r\n\r\n[redacted]\n--b\r\nform-data; name=\"n\"\r\n\r\ny",
        ),
        ("{'password': 'x', 'a': 'b'}", "{'password': \"[redacted]\" 'a': 'b'}"),
        ("<user password='x' id='3'/>", "<user password=\"[redacted]\" id='3'/>"),
        (
            r#"{"pass":"x","dbPass":"x","author":"ann"}"#,
            r#"{"pass":"[redacted]","dbPass":"[redacted]","author":"ann"}"#,
        ),
        (r#"{"pw":"x","user-pin":4711,"spin":1}"#, r#"{"pw":"[redacted]","user-pin":"[redacted]","spin":1}"#),
        (
            r#"{"otp_code":"x","dsn":"x","auth":{"n":"x"}}"#,
            r#"{"otp_code":"[redacted]","dsn":"[redacted]","auth":"[redacted]"}"#,
        ),
        (
            "Ocp-Apim-Subscription-Key: x\nrecovery_code=x&connection_string=x",
            "Ocp-Apim-Subscription-Key: \"[redacted]\"\nrecovery_code=\"[redacted]\"&connection_string=\"[redacted]\"",
        ),
        (
            r#"[{"name":"DB_PASSWORD","value":"x"},{"name":"COLOUR","value":"red"}]"#,
            r#"[{"name":"DB_PASSWORD","value":"[redacted]"},{"name":"COLOUR","value":"red"}]"#,
        ),
        (
            r#"{"key": "password", "value" : 4711, "n": "name"}"#,
            r#"{"key": "password", "value" : "[redacted]", "n": "name"}"#,
        ),
        ("password: |\n  x\n  y\nuser: ann", "password: \"[redacted]\"\nuser: ann"),
        ("run --password hunter2 --user ann", "run --password [redacted] --user ann"),
        (
            "wpa_psk=x&iban: DE1\nsig=abc&steps_kept=3",
            "wpa_psk=\"[redacted]\"&iban: \"[redacted]\"\nsig=\"[redacted]\"&steps_kept=3",
        ),
        (r#"{"пароль":"x","code_verifier":"x"}"#, r#"{"пароль":"[redacted]","code_verifier":"[redacted]"}"#),
        ("to https://hooks.slack.com/services/T0/B0/x1 now", "to https://hooks.slack.com[redacted] now"),
        (r#"{"creds":["x"],"passenger":"ann","authors":1}"#, r#"{"creds":"[redacted]","passenger":"ann","authors":1}"#),
    ] {
        assert_eq!(redact_content(text), redacted, "{text}");
    }
}

#[test]
fn what_stands_below_the_name_of_a_credential_is_taken_out_of_every_form_that_nests() {
    for (text, redacted) in [
        (
            r#"{"secrets":{"db":"x"},"passwords":["x",["x"]],"n":1}"#,
            r#"{"secrets":"[redacted]","passwords":"[redacted]","n":1}"#,
        ),
        (
            r#"{"tokens":{"access":"x","n":5,"ok":true,"deep":{"a":["x"]}},"b":"y"}"#,
            r#"{"tokens":{"access":"[redacted]","n":5,"ok":true,"deep":{"a":["[redacted]"]}},"b":"y"}"#,
        ),
        (
            r#"{"prompt_tokens_details":{"cached_tokens":5,"audio_tokens":0}}"#,
            r#"{"prompt_tokens_details":{"cached_tokens":5,"audio_tokens":0}}"#,
        ),
        (r#"[["X-Api-Key","x"],["Host","h"]]"#, r#"[["X-Api-Key","[redacted]"],["Host","h"]]"#),
        (r#"{"list":["password","user","x"]}"#, r#"{"list":["password","user","x"]}"#),
        ("credentials[db]=x&secrets[]=x&b[n]=1", "credentials[db]=\"[redacted]\"&secrets[]=\"[redacted]\"&b[n]=1"),
        ("secrets%5Bdb%5D=x&a[b]=1", "secrets%5Bdb%5D=\"[redacted]\"&a[b]=1"),
        ("os.secrets['db'] = 'x'\nn = 1", "os.secrets['db'] = \"[redacted]\"\nn = 1"),
        ("<secrets><db>x</db><!-- x --></secrets><n>1</n>", "<secrets>[redacted]</secrets><n>1</n>"),
        ("<a:Auth><a:Auth>x</a:Auth>x<Auth/></a:Auth><n>1</n>", "<a:Auth>[redacted]</a:Auth><n>1</n>"),
        ("<password/><n>1</n>", "<password/><n>1</n>"),
        ("<credentials><user>x</user><k>x", "<credentials>[redacted]"),
        ("use <token> here, <b>now</b>", "use <token>[redacted]<b>now</b>"),
        ("user: ann\nsecrets:\n  db: x\n\n  more:\n    - x\nport: 1\n", "user: ann\nsecrets:\"[redacted]\"\nport: 1\n"),
        ("passwords:\n- x\n- x\nport: 1", "passwords:\"[redacted]\"\nport: 1"),
        ("- auth:\n    a: x\n  port: 1", "- auth:\"[redacted]\"\n  port: 1"),
        ("\"auth\":\r\n  a: x\r\nport: 1", "\"auth\":\"[redacted]\"\r\nport: 1"),
        ("tokens:\n  input: 5\n  out: 1.5\nn: 1", "tokens:\n  input: 5\n  out: 1.5\nn: 1"),
        ("tokens:\n  access: x\nn: 1", "tokens:\"[redacted]\"\nn: 1"),
        (
            "{\"password\":\n  \"x\", \"pwd\" :\n  4711\n}",
            "{\"password\":\n  \"[redacted]\", \"pwd\" :\n  \"[redacted]\"\n}",
        ),
        ("Authorization:\nHost: a", "Authorization:\nHost: a"),
        (
            "[server]\nport = 1\n[secrets]\ndb = \"x\"\n# x\n[log]\nlevel = 1",
            "[server]\nport = 1\n[secrets]\n[redacted]\n[log]\nlevel = 1",
        ),
        ("[[a.credentials]]\nx = 'x'\n", "[[a.credentials]]\n[redacted]\n"),
        ("[auth] ann is in\nnext", "[auth] ann is in\nnext"),
        ("see [password](https://a.test)\nnext", "see [password](https://a.test)\nnext"),
    ] {
        assert_eq!(redact_content(text), redacted, "{text}");
    }
}

/// Beginnings without an end. Some of them once took a stack as deep as their length, and all of them time that grew with its
/// square: a worker would stand still for minutes, and so would this test.
#[test]
fn beginnings_without_an_end_are_read_on_a_small_stack() {
    let thread = std::thread::Builder::new().stack_size(256 * 1024).spawn(read_beginnings).unwrap();
    thread.join().unwrap();
}

fn read_beginnings() {
    for piece in [
        "token:{",
        "{\"token\":",
        "<token>",
        "<secret>",
        "<<",
        "[secret",
        "password ",
        "password[",
        "password:\r",
        "name=\"password\"",
        "{\"token\":1,",
        "password:\n",
        "<secret ",
        "\"auth\":\n",
        "[\"password\",",
        "--password ",
        "{\"auth\":{",
    ] {
        for start in ["", "<secret>"] {
            let text = format!("{start}{}", piece.repeat(128 * 1024 / piece.len()));
            assert!(redact_content(&text).len() <= 20 * (text.len() + 1), "{piece}");
        }
    }
}

#[test]
fn what_looks_like_a_credential_is_taken_out_of_prose() {
    for (text, redacted) in [
        ("ask with Bearer abcDEF123 or not", "ask with Bearer [redacted] or not"),
        ("the bearer understands basic principles.", "the bearer understands basic principles."),
        ("use tg_0198_secret-of-a-key, please", "use [redacted], please"),
        ("key sk-proj-0123456789abcdef here", "key [redacted] here"),
        ("FlyV1 fm2_4af3r6FfM7cxWz1M1KzY3+ofr7FcV/TX=,fm2_4af3r6FfM7cx+x== ok", "FlyV1 [redacted] ok"),
        ("AKIAIOSFODNN7EXAMPLE:wJalr/XUtn+FEMI, and", "[redacted], and"),
        (r#"{"a":"sk-proj-0123456789+abc\/def=","b":1}"#, r#"{"a":"[redacted]","b":1}"#),
        ("ABSKQmVkcm9ja0FQSUtleS1h+YmNkZWZnaGlqa2xtbm9w/cQ==", "[redacted]"),
        ("set qLN8Q~vuVrF1abcdefghijklmnopqrstuvwxyz01 now", "set [redacted] now"),
        ("bot 1234567890:AAabcdefghijklmnopqrstuvwxyz0123456.", "bot [redacted]"),
        ("at 1234567890:80, 12:30", "at 1234567890:80, 12:30"),
        ("x access_token$production$0123456789abcdef$0123456789abcdef y", "x [redacted] y"),
        ("oc login --x sha256~abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "oc login --x [redacted]"),
        ("1/1200123456789012:0123456789abcdef0123456789abcdef", "[redacted]"),
        ("a https://discord.com/api/webhooks/123/abc-DEF_ b", "a https://discord.com[redacted] b"),
        ("https://x.webhook.office.com/webhookb2/1@2/IncomingWebhook/3/4", "https://x.webhook.office.com[redacted]"),
        ("Private-Lines: 2\nAAAA\nBBBB\nPrivate-MAC: 12", "Private-Lines[redacted]Private-MAC: 12"),
        ("in (hf_0123456789abcdefgh) and ya29.a0123456789abcdef", "in ([redacted]) and [redacted]"),
        ("postgres://ann:pass@host/db", "postgres://[redacted]@host/db"),
        ("see https://a.test/b?c=d", "see https://a.test/b?c=d"),
        (
            "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----",
            "-----BEGIN[redacted]-----END PRIVATE KEY-----",
        ),
        (r#"{"say": "it is \"eyJhbGciOiJ9.eyJzdWIiOiIxIn0.c2ln\""}"#, r#"{"say": "it is \"[redacted]\""}"#),
        (r#"{"say": "\ud800\u0000", "n": 1e400}"#, r#"{"say": "\ud800\u0000", "n": 1e400}"#),
    ] {
        assert_eq!(redact_content(text), redacted, "{text}");
    }
}

#[test]
fn a_cut_text_ends_with_a_whole_word() {
    assert_eq!(without_last_word("{\"key\": \"tg_0198_se"), "{\"key\": \"");
    assert_eq!(without_last_word("Bearer abc+/d"), "Bearer ");
}

const SECRET: &str = "kanarienvogel";

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![any::<i32>().prop_map(Value::from), "[ -~]{0,12}".prop_map(Value::from), Just(Value::Null)]
}

fn document() -> impl Strategy<Value = Value> {
    let name = "[a-z\"\\\\:{}]{0,6}";
    leaf().prop_recursive(3, 16, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn credential() -> impl Strategy<Value = Value> {
    let secret = format!("{SECRET} {SECRET}\\\"{SECRET}");
    prop_oneof![Just(json!(secret)), Just(json!([secret, { "x": secret }])), Just(json!(SECRET)),]
}

/// Every character of every string as an escape, or none.
fn escaped(text: &str, all: bool) -> String {
    if !all {
        return text.to_owned();
    }
    let letter = |c: char| if c.is_ascii_alphabetic() { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    text.split(SECRET)
        .map(|piece| piece.replace("password", &"password".chars().map(letter).collect::<String>()))
        .collect::<Vec<_>>()
        .join(SECRET)
}

proptest! {
    #[test]
    fn no_secret_that_was_planted_under_a_name_survives(
        around in document(), behind in document(), secret in credential(), all in any::<bool>(),
        name in prop::sample::select(vec!["password", "client_secret", "X-Api-Key", "access_token", "cookie"]),
        nested in 0_usize..4, cut in any::<prop::sample::Index>(),
    ) {
        let mut text = json!({ "a": around, name: secret, "z": behind }).to_string();
        for _ in 0..nested {
            text = json!({ "message": text }).to_string();
        }
        if nested == 0 {
            text = escaped(&text, all);
        }
        for text in [text.as_str(), text.get(..cut.index(text.len())).unwrap_or("")] {
            let redacted = redact_content(text);
            prop_assert!(!redacted.contains(SECRET), "{text}\n{redacted}");
        }
    }

    #[test]
    fn no_secret_in_a_form_survives(before in "[a-z=&%0-9]{0,20}", value in "[!-%'-~]{0,10}") {
        let text = format!("{before}&password={value}{SECRET}&b=c");
        let redacted = redact_content(&text);
        prop_assert!(!redacted.contains(SECRET), "{text}\n{redacted}");
    }

    #[test]
    fn any_text_is_read_to_its_end(text in "\\PC{0,200}|[\"\\\\{}\\[\\]:=&<>'a-z% \n-]{0,200}") {
        let redacted = redact_content(&text);
        prop_assert!(redacted.len() <= 20 * (text.len() + 1));
    }
}
