//! The members of a JSON object as every parser reads them, or a fault.
//!
//! Of two members with one name, parsers take the first or the last; some compare names without regard to case. Where that
//! would let a request say one thing to the meter and another to its upstream, it is refused.

use std::borrow::Cow;

use super::json::Node;
use crate::domain::refusal::Fault;

/// No request of any format has nearly as many.
const MAX_MEMBERS: usize = 1_000;

/// A member that was looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'n, 'j> {
    pub name: &'static str,
    pub value: &'n Node<'j>,
}

/// The known members of an object. The error names the first that is there twice, or that differs
/// from a known one in case only; `pointer` leads to the object.
pub(super) fn find<'n, 'j>(
    object: &'n Node<'j>,
    known: impl Fn(&str) -> Option<&'static str>,
    pointer: &str,
) -> Result<Vec<Found<'n, 'j>>, Fault> {
    if object.members().len() > MAX_MEMBERS {
        return Err(Fault::new(pointer, format!("has more than {MAX_MEMBERS} members")));
    }
    let mut found: Vec<Found<'n, 'j>> = vec![];
    for member in object.members() {
        let name = member.name();
        let Some(same) = known(&folded(&name)) else {
            continue;
        };
        let at = |what: &str| Fault::new(format!("{pointer}/{}", escaped(&name)), what);
        if *name != *same {
            return Err(at(&format!("write it as {same}: some services take both for the same")));
        }
        if found.iter().any(|other| other.name == same) {
            return Err(at("is there twice"));
        }
        found.push(Found { name: same, value: &member.value });
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
pub(super) fn escaped(name: &str) -> String {
    name.chars().take(64).collect::<String>().replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::json;

    fn known(name: &str) -> Option<&'static str> {
        ["max_tokens", "stream", "k"].into_iter().find(|known| *known == name)
    }

    fn find_in(text: &str) -> Result<Vec<(&'static str, String)>, String> {
        let node = json::read(text.as_bytes()).unwrap();
        let found = find(&node, known, "").map_err(|fault| fault.pointer)?;
        Ok(found.iter().map(|found| (found.name, String::from_utf8_lossy(found.value.raw).into_owned())).collect())
    }

    #[test]
    fn known_members_are_found() {
        let json = r#" { "a" : [1, "}"], "max_tokens" : 12 , "stream":null} "#;
        assert_eq!(find_in(json).unwrap(), [("max_tokens", "12".into()), ("stream", "null".into())]);
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        for (json, pointer) in [
            (r#"{"max_tokens":1,"max_tokens":1}"#, "/max_tokens"),
            (r#"{"max_tokens":1,"max\u005ftokens":9}"#, "/max_tokens"),
            (r#"{"Max_Tokens":1}"#, "/Max_Tokens"),
            (r#"{"max_tokenſ":1}"#, "/max_tokenſ"),
            ("{\"\u{212a}\":1}", "/\u{212a}"),
        ] {
            assert_eq!(find_in(json).unwrap_err(), pointer, "{json}");
        }
        assert_eq!(find_in(r#"{"a":1,"a":2}"#), Ok(vec![]), "what is not metered is not looked at");
    }
}
