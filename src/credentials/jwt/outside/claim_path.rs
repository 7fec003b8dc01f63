//! Where a claim is, and which names are in it.
//!
//! A path is the name of a claim, or the names on the way to it with dots between them. Names have dots of their own
//! (`https://example.com/roles`, `xs.system.attributes`), so every way to split the path is tried, the longest name first.

use serde_json::{Map, Value};

/// The claim at `path`: `roles`, `https://example.com/roles`, `realm_access.roles`.
pub(super) fn find<'c>(claims: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    let inside = |(at, dot): (usize, &str)| {
        let name = path.get(..at)?;
        let rest = path.get(at.saturating_add(dot.len())..)?;
        find(claims.get(name)?.as_object()?, rest)
    };
    if path.is_empty() {
        return None;
    }
    claims.get(path).or_else(|| path.rmatch_indices('.').find_map(inside))
}

/// The names in a claim: those of a list, whose entries may be objects with a `value` (SCIM, RFC 7643 §4.1.2); the members of
/// an object that are objects themselves (Zitadel) or true; or a text, as a whole and in its parts between spaces or commas
/// (as `scope` has them), or between the commas of a list that is written as text (Cognito, whose attributes have no other
/// type). Anything else has none.
pub(super) fn names(claim: &Value) -> Vec<&str> {
    match claim {
        Value::String(text) => {
            let parts: Vec<&str> = match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
                Some(list) => list.split(',').map(|part| part.trim().trim_matches('"')).collect(),
                None => text.split([' ', ',']).collect(),
            };
            let parts = parts.into_iter().filter(|part| !part.is_empty() && part.len() < text.len());
            std::iter::once(text.as_str()).chain(parts).collect()
        }
        Value::Array(list) => list.iter().filter_map(|entry| entry.get("value").unwrap_or(entry).as_str()).collect(),
        Value::Object(members) => {
            let has = |value: &Value| value.is_object() || *value == Value::Bool(true);
            members.iter().filter(|(_, value)| has(value)).map(|(name, _)| name.as_str()).collect()
        }
        _ => vec![],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_finds_a_claim_by_its_name_or_inside_others() {
        let claims = json!({
            "roles": 1,
            "https://example.com/roles": 2,
            "realm_access": { "roles": 3 },
            "resource_access": { "my.client": { "roles": 4 }, "my": { "other": 5 } },
            "xs.system.attributes": { "xs.rolecollections": 6 },
            "a.b": 7,
            "a": { "b": 8, "c": { "d": 9 } },
        });
        let claims = claims.as_object().unwrap();
        for (path, found) in [
            ("roles", Some(1)),
            ("https://example.com/roles", Some(2)),
            ("realm_access.roles", Some(3)),
            ("resource_access.my.client.roles", Some(4)),
            ("resource_access.my.other", Some(5)),
            ("xs.system.attributes.xs.rolecollections", Some(6)),
            ("a.b", Some(7)),
            ("a.c.d", Some(9)),
            ("roles.x", None),
            ("realm_access.", None),
            (".roles", None),
            ("", None),
        ] {
            assert_eq!(find(claims, path).and_then(Value::as_u64), found, "{path}");
        }
    }

    #[test]
    fn names_are_read_from_a_text_a_list_or_an_object() {
        for (claim, expected) in [
            (json!("admin"), vec!["admin"]),
            (json!("read admin"), vec!["read admin", "read", "admin"]),
            (json!("a,b"), vec!["a,b", "a", "b"]),
            (json!(r#"["admin","on call"]"#), vec![r#"["admin","on call"]"#, "admin", "on call"]),
            (json!("[admin, on call]"), vec!["[admin, on call]", "admin", "on call"]),
            (json!("[]"), vec!["[]"]),
            (json!("[a b"), vec!["[a b", "[a", "b"]),
            (json!(["a b", 1, "c", null]), vec!["a b", "c"]),
            (json!({ "admin": { "org": "x" } }), vec!["admin"]),
            (json!({ "admin": false, "user": true, "owner": null, "x": 0, "y": "z" }), vec!["user"]),
            (json!([{ "value": "admin", "display": "Admin" }, { "display": "user" }, "c"]), vec!["admin", "c"]),
            (json!(null), vec![]),
            (json!(true), vec![]),
        ] {
            assert_eq!(names(&claim), expected, "{claim}");
        }
    }
}
