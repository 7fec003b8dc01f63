//! Credentials in the text of a body, whatever its form: JSON, also within strings and cut short, forms, XML, multipart,
//! `name: value` lines and prose.
//!
//! It reads words and quoted strings and never a grammar, so that a body that is malformed hides nothing. What stands
//! behind a name that means a credential is taken out whole; any other word goes only if it looks like one. It takes
//! out too much rather than too little.

mod containers;
mod quoted;
#[cfg(test)]
mod tests;
mod words;

use self::{
    quoted::{balanced_bytes, literal_bytes, unescaped},
    words::{Kind, is_scheme, kind_of},
};
use super::{
    REDACTED, decoded, is_credential, is_part_of_word,
    shapes::{begins_with_key, is_part_of_key},
};

/// How often text is looked for in a string within a string.
const MAX_DEPTH: u8 = 4;

/// What ends a value that is not quoted: of a member of an object, of anything else.
const MEMBER_ENDS: [char; 7] = [',', '}', ']', '"', '&', '\n', '\r'];
const LINE_ENDS: [char; 3] = ['&', '\n', '\r'];

/// How far behind a name is looked for what ends its tag, its header or its index, and how far before it for what begins
/// them: so the work stays linear.
const NEAR_BYTES: usize = 256;

/// The same for the header fields of a part behind its name.
const MAX_PART_HEAD_BYTES: usize = 4_096;

const LEAST_BEARER_BYTES: usize = 8;

/// Where a list of named values (Kubernetes, HAR, variables of a build) has the name of each.
const NAMES: [&str; 4] = ["\"name\":", "\"key\":", "\"Name\":", "\"Key\":"];

/// Addresses that are secrets themselves: how their host ends, and how their path begins.
const WEBHOOKS: [(&str, &str); 4] = [
    ("hooks.slack.com", "/services/"),
    ("discord.com", "/api/webhooks/"),
    ("discordapp.com", "/api/webhooks/"),
    ("webhook.office.com", "/webhookb2/"),
];

/// How a block of lines begins that is the value of a member (YAML 1.2 §8.1).
const BLOCKS: [&str; 6] = ["|", "|-", "|+", ">", ">-", ">+"];

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

/// The beginning of a text, at most `bytes` long.
fn beginning(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

/// The end of a text, at most `bytes` long.
fn ending(text: &str, bytes: usize) -> &str {
    text.get(text.ceil_char_boundary(text.len().saturating_sub(bytes))..).unwrap_or(text)
}

fn within(text: &str, depth: u8) -> String {
    let mut reader = Reader::of(text, depth);
    reader.read();
    reader.out
}

struct Reader<'t> {
    rest: &'t str,
    out: String,
    depth: u8,
    /// What a string of the present object, which is no name itself, says of the member `value` beside it.
    named: Option<Kind>,
    /// How many objects the text is in, from one on whose name only contains "token": counts stay in them, strings go.
    counted: usize,
}

impl<'t> Reader<'t> {
    fn of(text: &'t str, depth: u8) -> Self {
        Self { rest: text, out: String::with_capacity(text.len()), depth, named: None, counted: 0 }
    }

    fn read(&mut self) {
        while let Some(first) = self.rest.chars().next() {
            match first {
                '{' if self.counted > 0 => {
                    self.counted = self.counted.saturating_add(1);
                    self.pass(1);
                }
                '}' => {
                    self.named = None;
                    self.counted = self.counted.saturating_sub(1);
                    self.pass(1);
                }
                '"' => self.literal(),
                ':' if self.rest.starts_with("://") => self.authority(),
                first if is_part_of_word(first) => self.word(),
                first => self.pass(first.len_utf8()),
            }
        }
    }

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
        let is_member = self.rest.trim_start().starts_with(':');
        if self.counted > 0 && !is_member {
            return self.redacted_string();
        }
        let beside = self.named.filter(|_| is_member && text.eq_ignore_ascii_case("value"));
        let Some(kind) = kind_of(&text).or(beside) else {
            return self.string(raw, &text);
        };
        if is_member {
            self.out.push_str(raw);
            self.pass_while(char::is_whitespace);
            self.pass_while(|c| matches!(c, ':' | ' ' | '\t'));
            if !self.lines_follow() {
                self.pass_while(char::is_whitespace);
            }
            self.value(kind, &MEMBER_ENDS);
        } else if self.out.ends_with("name=") {
            self.out.push_str(raw);
            self.part();
        } else {
            self.named = Some(kind).filter(|_| NAMES.iter().any(|name| self.out.trim_end().ends_with(name)));
            self.string(raw, &text);
            if kind == Kind::Hard {
                self.pair();
            }
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
            Some('{') if kind == Kind::Soft => return self.counted_object(),
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
        if value.is_empty()
            && self.rest.get(end..).is_some_and(|rest| rest.starts_with('\n') || rest.starts_with("\r\n"))
        {
            self.pass(end);
            return self.lines_below(kind);
        }
        let says_nothing = matches!(value, "" | "null" | "true" | "false");
        if says_nothing || (kind == Kind::Soft && is_number) {
            return self.pass(end);
        }
        self.take(end);
        if BLOCKS.contains(&value) {
            self.block();
        }
        self.redacted_string();
    }

    /// The lines behind this one that stand further in.
    fn block(&mut self) {
        while let Some(rest) = self.rest.strip_prefix('\n').filter(|rest| rest.starts_with([' ', '\t'])) {
            self.take(rest.find('\n').unwrap_or(rest.len()).saturating_add(1));
        }
    }

    /// The content of a part of `multipart/form-data` behind its name: up to the next boundary.
    fn part(&mut self) {
        let near = beginning(self.rest, MAX_PART_HEAD_BYTES);
        let head = ["\r\n\r\n", "\n\n"].iter().find_map(|blank| Some(near.find(blank)?.saturating_add(blank.len())));
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
        let is_key = begins_with_key(self.rest);
        let word = self.take_while(is_part_of_word);
        let plain = decoded(word);
        match kind_of(&plain) {
            Some(kind) if !is_key => return self.name(word, kind),
            _ if is_key || is_credential(&plain) => return self.key(),
            _ => self.out.push_str(word),
        }
        if WEBHOOKS.iter().any(|(host, path)| plain.ends_with(host) && self.rest.starts_with(path)) {
            self.take_while(|c| is_part_of_word(c) || matches!(c, '/' | '@'));
            self.out.push_str(REDACTED);
        }
        if plain == "Private-Lines" {
            self.take(self.rest.find("Private-MAC").unwrap_or(self.rest.len()));
            self.out.push_str(REDACTED);
        } else if plain.ends_with("-----BEGIN")
            && self.rest.lines().next().is_some_and(|line| line.contains("PRIVATE KEY"))
        {
            self.take(self.rest.find("-----END").unwrap_or(self.rest.len()));
            self.out.push_str(REDACTED);
        } else if is_scheme(&plain) {
            self.authorization();
        }
    }

    /// The rest of a key whose first word was taken: what may belong to it, but no sign that ends a sentence.
    fn key(&mut self) {
        let end = self.rest.find(|c| !is_part_of_key(c)).unwrap_or(self.rest.len());
        let rest = self.rest.get(..end).unwrap_or_default();
        self.take(rest.trim_end_matches([',', ':']).len());
        self.out.push_str(REDACTED);
    }

    /// A word that means a credential, which is the name of one if a separator follows.
    fn name(&mut self, word: &str, kind: Kind) {
        if kind == Kind::Hard && self.section(word) {
            return;
        }
        let is_element = self.opens_element();
        self.out.push_str(if is_credential(&decoded(word)) { REDACTED } else { word });
        self.pass(self.indexes());
        let gap = self.rest.find(|c: char| !matches!(c, ' ' | '\t' | '\'' | '"' | ']')).unwrap_or(self.rest.len());
        let behind = self.rest.get(gap..).unwrap_or_default();
        if is_element && let Some(end) = beginning(self.rest, NEAR_BYTES).find('>') {
            self.pass(end.saturating_add(1));
            self.element(word, kind);
        } else if word.starts_with("--") && kind == Kind::Hard && self.rest.starts_with(' ') {
            // An option of a command.
            self.pass(1);
            self.take_while(|c| !c.is_whitespace());
            self.out.push_str(REDACTED);
        } else if behind.starts_with(['=', ':']) && !behind.starts_with("://") {
            self.pass(gap.saturating_add(1));
            self.pass_while(|c| matches!(c, ' ' | '\t' | '=' | '>'));
            self.value(kind, &LINE_ENDS);
        }
    }

    /// Whether the next word is the name of an XML element, perhaps behind a prefix.
    fn opens_element(&self) -> bool {
        let Some((_, tag)) = ending(&self.out, NEAR_BYTES).rsplit_once('<') else {
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
