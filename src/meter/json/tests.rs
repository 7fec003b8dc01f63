use proptest::prelude::*;

use super::*;

#[test]
fn values_are_found_with_their_places() {
    let text = br#" { "a" : [1, "}", -2.5e+3, null], "b":{"c\u0064":512.0}, "a":true} "#;
    let node = read(text).unwrap();
    assert_eq!(node.get("a").and_then(Node::bool), Some(true), "the last one");
    assert_eq!(node.members()[0].value.items().len(), 2, "without its numbers");
    let inner = node.get("b").and_then(|b| b.get("cd")).unwrap();
    assert_eq!((inner.whole(), &text[inner.place(text)]), (Some(512), &b"512.0"[..]));
    assert_eq!(&text[node.members()[1].place(text)], br#""b":{"c\u0064":512.0}"#);
}

#[test]
fn every_name_is_found_and_no_other() {
    let names = ["", "a", "id", "usage", "model", "prompt_tokens", "é", "\u{1f980}", "x\u{0}", "total_tokens"];
    for len in 0..names.len() {
        let (there, others) = names.split_at(len);
        for escapes in [false, true] {
            let written = |name: &str| {
                let units: Vec<_> = name.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
                if escapes {
                    format!("\"{}\":1", units.concat())
                } else {
                    format!("{}:1", serde_json::to_string(name).unwrap())
                }
            };
            let text = format!("{{{}}}", there.iter().map(|name| written(name)).collect::<Vec<_>>().join(","));
            let node = read(text.as_bytes()).unwrap();
            assert!(there.iter().all(|name| node.get(name).is_some()), "{text}");
            assert!(others.iter().all(|name| node.get(name).is_none()), "{text}");
        }
    }
}

#[test]
fn texts_are_decoded() {
    for (json, text) in [
        (r#""a\"\\\/\n""#, "a\"\\/\n"),
        (r#""\u00e9\u4f60""#, "é你"),
        (r#""\ud83e\udd80""#, "🦀"),
        (r#""\ud83dx""#, "\u{fffd}x"),
        (r#""\ud83d\ud83d\n""#, "\u{fffd}\u{fffd}\n"),
    ] {
        assert_eq!(read(json.as_bytes()).unwrap().string().as_deref(), Some(text), "{json}");
    }
    assert_eq!(read(b"\"\xff\"").unwrap().text().as_deref(), Some(&b"\xff"[..]));
}

#[test]
fn only_plain_whole_numbers_are_counts() {
    for (json, count) in [
        ("0", Some(0)),
        ("512.0", Some(512)),
        ("1e1", Some(10)),
        ("5.12E+2", Some(512)),
        ("1.55e1", None),
        ("-5e1", None),
        ("1e99", None),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("-1", None),
        ("1.5", None),
        ("1e3", Some(1_000)),
        ("\"7\"", None),
        ("true", None),
    ] {
        assert_eq!(read(json.as_bytes()).unwrap().whole(), count, "{json}");
    }
}

#[test]
fn what_follows_the_first_value_is_given_back() {
    let (node, rest) = read_first(b"{}\n\ndata: [DONE]").unwrap();
    assert_eq!((node.is_object(), rest), (true, &b"\n\ndata: [DONE]"[..]));
}

#[test]
fn a_text_that_is_too_deep_is_an_error_and_no_overflow() {
    for open in ["[", "{\"a\":", "[{\"a\":"] {
        assert_eq!(read(open.repeat(1_000_000).as_bytes()), Err(Unreadable::Depth));
    }
}

proptest! {
    /// What `serde_json` takes is read, and what it does not is not.
    #[test]
    fn the_grammar_is_that_of_serde_json(text in "[\\[\\]{}:,\"\\\\a-eu0-3.+ \\x0c-]{0,24}|(true|null|[0-9.eE+\\x0c-]{1,6})") {
        let known: Result<&serde_json::value::RawValue, _> = serde_json::from_str(&text);
        prop_assert_eq!(read(text.as_bytes()).is_ok(), known.is_ok(), "{}", text);
    }

    #[test]
    fn any_value_is_read(value in "[a-zé\"\\\\\n\u{1f980}]{0,20}", key in "[a-z\"é]{0,8}") {
        let json = serde_json::json!({ &key: [value, 1, { "x": null }] }).to_string();
        let node = read(json.as_bytes()).unwrap();
        prop_assert_eq!(node.get(&key).unwrap().items()[0].string(), Some(value));
    }

    #[test]
    fn no_bytes_are_a_panic(text in any::<Vec<u8>>()) {
        drop(read(&text));
    }
}
