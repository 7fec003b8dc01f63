//! Credentials in the text of a body, whatever its form: JSON, also within strings and cut short, forms, XML, multipart,
//! `name: value` lines and prose.
//!
//! It reads words and quoted strings and never a grammar, so that a body that is malformed hides nothing. What stands
//! behind a name that means a credential is taken out whole; any other word goes only if it looks like one. It takes
//! out too much rather than too little.

mod quoted;
mod words;

use self::{
    quoted::{balanced_bytes, literal_bytes, unescaped},
    words::{Kind, is_scheme, kind_of},
};
use super::{REDACTED, decoded, is_credential, is_part_of_word};

/// How often text is looked for in a string within a string.
const MAX_DEPTH: u8 = 4;

/// What ends a value that is not quoted: of a member of an object, of anything else.
const MEMBER_ENDS: [char; 7] = [',', '}', ']', '"', '&', '\n', '\r'];
const LINE_ENDS: [char; 3] = ['&', '\n', '\r'];

const LEAST_BEARER_BYTES: usize = 8;

/// The text without credentials.
#[must_use]
pub fn redact_content(text: &str) -> String {
    within(text, MAX_DEPTH)
}

/// The text up to its last whole word: a credential that is cut could not be recognised.
#[must_use]
pub fn without_last_word(text: &str) -> &str {
    text.trim_end_matches(|c| is_part_of_word(c) || matches!(c, '+' | '/' | '=' | '~' | '\\'))
}

fn within(text: &str, depth: u8) -> String {
    let mut reader = Reader { rest: text, out: String::with_capacity(text.len()), depth };
    while let Some(first) = reader.rest.chars().next() {
        match first {
            '"' => reader.literal(),
            ':' if reader.rest.starts_with("://") => reader.authority(),
            first if is_part_of_word(first) => reader.word(),
            first => reader.pass(first.len_utf8()),
        }
    }
    reader.out
}

struct Reader<'t> {
    rest: &'t str,
    out: String,
    depth: u8,
}

impl<'t> Reader<'t> {
    fn take(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'t str {
        self.take(self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len()))
    }

    fn pass(&mut self, bytes: usize) {
        let taken = self.take(bytes);
        self.out.push_str(taken);
    }

    fn pass_while(&mut self, belongs: impl Fn(char) -> bool) {
        let taken = self.take_while(belongs);
        self.out.push_str(taken);
    }

    /// A quoted string: the name of a member, or any other.
    fn literal(&mut self) {
        let raw = self.take(literal_bytes(self.rest, '"', false));
        let text = unescaped(raw);
        let Some(kind) = kind_of(&text) else {
            return self.string(raw, &text);
        };
        if self.rest.trim_start().starts_with(':') {
            self.out.push_str(raw);
            self.pass_while(|c| c.is_whitespace() || c == ':');
            self.value(kind, &MEMBER_ENDS);
        } else if self.out.ends_with("name=") {
            self.out.push_str(raw);
            self.part();
        } else {
            self.string(raw, &text);
        }
    }

    /// A string that may hold a document of its own.
    fn string(&mut self, raw: &str, text: &str) {
        let Some(depth) = self.depth.checked_sub(1) else {
            return self.redacted_string();
        };
        let redacted = within(text, depth);
        if redacted == text {
            self.out.push_str(raw);
        } else {
            self.out.push_str(&serde_json::Value::String(redacted).to_string());
        }
    }

    fn redacted_string(&mut self) {
        self.out.push('"');
        self.out.push_str(REDACTED);
        self.out.push('"');
    }

    /// What stands behind a name and its separator, up to one of these ends.
    fn value(&mut self, kind: Kind, ends: &[char]) {
        match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => self.take(literal_bytes(self.rest, quote, true)),
            // Members whose names contain "token" are judged one by one.
            Some('{') if kind == Kind::Soft => return,
            Some('{' | '[') => self.take(balanced_bytes(self.rest)),
            _ => return self.plain_value(kind, ends),
        };
        self.take_while(|c| !c.is_whitespace() && !ends.contains(&c));
        self.redacted_string();
    }

    /// A value without quotes.
    fn plain_value(&mut self, kind: Kind, ends: &[char]) {
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let value = self.rest.get(..end).unwrap_or_default().trim();
        let is_number = value.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
        let says_nothing = matches!(value, "" | "null" | "true" | "false");
        if says_nothing || (kind == Kind::Soft && is_number) {
            return self.pass(end);
        }
        self.take(end);
        self.redacted_string();
    }

    /// The content of a part of `multipart/form-data` behind its name: up to the next boundary.
    fn part(&mut self) {
        let head =
            ["\r\n\r\n", "\n\n"].iter().find_map(|blank| Some(self.rest.find(blank)?.saturating_add(blank.len())));
        let Some(head) = head else {
            return;
        };
        self.pass(head);
        self.take(self.rest.find("\n--").unwrap_or(self.rest.len()));
        self.out.push_str(REDACTED);
    }

    /// A user and a password before a host (RFC 3986 §3.2.1).
    fn authority(&mut self) {
        self.pass("://".len());
        let end = self.rest.find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '<'));
        let authority = self.rest.get(..end.unwrap_or(self.rest.len())).unwrap_or_default();
        if let Some(at) = authority.rfind('@') {
            self.take(at);
            self.out.push_str(REDACTED);
        }
    }

    fn word(&mut self) {
        let word = self.take_while(is_part_of_word);
        let plain = decoded(word);
        if let Some(kind) = kind_of(&plain) {
            return self.name(word, kind);
        }
        self.out.push_str(if is_credential(&plain) { REDACTED } else { word });
        if plain.ends_with("-----BEGIN") && self.rest.lines().next().is_some_and(|line| line.contains("PRIVATE KEY")) {
            self.take(self.rest.find("-----END").unwrap_or(self.rest.len()));
            self.out.push_str(REDACTED);
        } else if is_scheme(&plain) {
            self.authorization();
        }
    }

    /// A word that means a credential, which is the name of one if a separator follows.
    fn name(&mut self, word: &str, kind: Kind) {
        let is_element = self.opens_element();
        self.out.push_str(if is_credential(&decoded(word)) { REDACTED } else { word });
        let gap = self.rest.find(|c: char| !matches!(c, ' ' | '\t' | '\'' | '"' | ']')).unwrap_or(self.rest.len());
        let behind = self.rest.get(gap..).unwrap_or_default();
        if is_element && let Some(end) = self.rest.find('>') {
            self.pass(end.saturating_add(1));
            self.take_while(|c| c != '<');
            self.out.push_str(REDACTED);
        } else if behind.starts_with(['=', ':']) && !behind.starts_with("://") {
            self.pass(gap.saturating_add(1));
            self.pass_while(|c| matches!(c, ' ' | '\t' | '=' | '>'));
            self.value(kind, &LINE_ENDS);
        }
    }

    /// Whether the next word is the name of an XML element, perhaps behind a prefix.
    fn opens_element(&self) -> bool {
        let Some((_, tag)) = self.out.rsplit_once('<') else {
            return false;
        };
        !tag.starts_with('/') && !tag.contains(|c: char| c.is_whitespace() || c == '>')
    }

    /// What follows `Bearer` or `Basic` (RFC 9110 §11.4), if it can be a credential.
    fn authorization(&mut self) {
        self.pass_while(|c| c == ' ');
        let is_token = |c: char| is_part_of_word(c) || matches!(c, '+' | '/' | '=' | '~');
        let token = self.rest.get(..self.rest.find(|c| !is_token(c)).unwrap_or(self.rest.len())).unwrap_or_default();
        let is_prose = token.bytes().all(|b| b.is_ascii_lowercase() || b == b'.');
        if token.len() >= LEAST_BEARER_BYTES && !is_prose {
            self.take(token.len());
            self.out.push_str(REDACTED);
        }
    }
}

#[cfg(test)]
mod tests {
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
                r#"{"creds":["x"],"passenger":"ann","authors":1}"#,
                r#"{"creds":"[redacted]","passenger":"ann","authors":1}"#,
            ),
        ] {
            assert_eq!(redact_content(text), redacted, "{text}");
        }
    }

    #[test]
    fn what_looks_like_a_credential_is_taken_out_of_prose() {
        for (text, redacted) in [
            ("ask with Bearer abcDEF123 or not", "ask with Bearer [redacted] or not"),
            ("the bearer understands basic principles.", "the bearer understands basic principles."),
            ("use tg_0198_secret-of-a-key, please", "use [redacted], please"),
            ("key sk-proj-0123456789abcdef here", "key [redacted] here"),
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
}
