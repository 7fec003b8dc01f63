//! The members of a JSON object as every parser reads them, or a fault.
//!
//! Of two members with one name, parsers take the first or the last; some compare names without regard to case. Where that
//! would let a request say one thing to the meter and another to its upstream, it is refused.

use std::{borrow::Cow, fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::domain::refusal::Fault;

/// No request of any format has nearly as many.
const MAX_MEMBERS: usize = 1_000;

/// A member that was looked for.
#[derive(Debug, Clone)]
pub(super) struct Found<'j> {
    pub name: &'static str,
    pub value: &'j RawValue,
    /// Where the value stands in the text.
    pub at: Range<usize>,
}

impl Found<'_> {
    pub fn is_null(&self) -> bool {
        self.value.get() == "null"
    }
}

/// A member's name, without its escapes.
#[derive(Deserialize)]
pub(super) struct Name<'j>(#[serde(borrow)] pub Cow<'j, str>);

/// The known members of the object that `json` is. The error names the first that is there twice, or that differs from a
/// known one in case only; `pointer` leads to the object.
pub(super) fn find<'j>(
    json: &'j [u8],
    known: impl Fn(&str) -> Option<&'static str>,
    pointer: &str,
) -> Result<Vec<Found<'j>>, Fault> {
    let read = serde_json::from_slice(json);
    let Members(members) = read.map_err(|error| Fault::new(pointer, format!("must be one JSON object: {error}")))?;
    let mut found: Vec<Found<'j>> = vec![];
    for (Name(name), value) in members {
        let Some(same) = known(&folded(&name)) else { continue };
        let at = |what: &str| Fault::new(format!("{pointer}/{}", escaped(&name)), what);
        if *name != *same {
            return Err(at(&format!("write it as {same}: some services take both for the same")));
        }
        if found.iter().any(|other| other.name == same) {
            return Err(at("is there twice"));
        }
        found.push(Found { name: same, value, at: place(json, value) });
    }
    Ok(found)
}

/// A name as parsers compare it that do not regard case: also the long s and the sign for kelvin are letters to them.
pub(super) fn folded(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(name);
    }
    let plain = name.chars().map(|character| match character {
        'ſ' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    });
    Cow::Owned(plain.collect())
}

/// RFC 6901 §3, and no longer than anybody reads.
fn escaped(name: &str) -> String {
    name.chars().take(64).collect::<String>().replace('~', "~0").replace('/', "~1")
}

/// Where a value that was borrowed from `json` stands in it.
fn place(json: &[u8], value: &RawValue) -> Range<usize> {
    let text = value.get();
    let start = text.as_ptr().addr().saturating_sub(json.as_ptr().addr());
    start..start.saturating_add(text.len())
}

/// All members, in their order.
struct Members<'j>(Vec<(Name<'j>, &'j RawValue)>);

impl<'j> Deserialize<'j> for Members<'j> {
    fn deserialize<D: Deserializer<'j>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object)
    }
}

struct Object;

impl<'j> Visitor<'j> for Object {
    type Value = Members<'j>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'j>>(self, mut map: A) -> Result<Members<'j>, A::Error> {
        let mut members = vec![];
        while let Some(member) = map.next_entry()? {
            if members.len() == MAX_MEMBERS {
                return Err(A::Error::custom(format_args!("it has more than {MAX_MEMBERS} members")));
            }
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str) -> Option<&'static str> {
        ["max_tokens", "stream", "k"].into_iter().find(|known| *known == name)
    }

    #[test]
    fn known_members_are_found_with_their_places() {
        let json = r#" { "a" : [1, "}"], "max_tokens" : 12 , "stream":null} "#;
        let found = find(json.as_bytes(), known, "").unwrap();
        let texts: Vec<_> = found.iter().map(|found| (found.name, json.get(found.at.clone()).unwrap())).collect();
        assert_eq!(texts, [("max_tokens", "12"), ("stream", "null")]);
        assert!(found[1].is_null());
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        for (json, pointer) in [
            (r#"{"max_tokens":1,"max_tokens":1}"#, "/max_tokens"),
            (r#"{"max_tokens":1,"max\u005ftokens":9}"#, "/max_tokens"),
            (r#"{"Max_Tokens":1}"#, "/Max_Tokens"),
            (r#"{"max_tokenſ":1}"#, "/max_tokenſ"),
            ("{\"\u{212a}\":1}", "/\u{212a}"),
            ("[]", ""),
            ("\"max_tokens\"", ""),
            ("{", ""),
            ("{\"a\":1}x", ""),
            ("{\"a\":1,}", ""),
            ("\u{feff}{}", ""),
            ("", ""),
        ] {
            assert_eq!(find(json.as_bytes(), known, "").unwrap_err().pointer, pointer, "{json}");
        }
        assert!(find(b"{\"a\":\"\xff\"}", known, "").is_err());
        assert!(find(br#"{"a":1,"a":2}"#, known, "").unwrap().is_empty(), "what is not metered is not looked at");
    }
}
