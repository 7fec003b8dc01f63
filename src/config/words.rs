//! Faults in the words of somebody who operates a gateway, not of the library that reads TOML.

/// How many known keys are listed where none is like the one that was meant.
const MAX_KNOWN: usize = 24;

/// The whole numbers that a type of Rust takes, in words.
const NUMBERS: [(&str, &str); 8] = [
    ("u8", "a whole number from 0 to 255"),
    ("u16", "a whole number from 0 to 65535"),
    ("u32", "a whole number from 0 to 4294967295"),
    ("u64", "a whole number, 0 or more"),
    ("usize", "a whole number, 0 or more"),
    ("i32", "a whole number from -2147483648 to 2147483647"),
    ("i64", "a whole number"),
    ("a nonzero u32", "a whole number from 1 to 4294967295"),
];

/// What is expected at `key` and was not found, as the library says it, in plain words.
pub(super) fn plain(key: &str, message: &str) -> String {
    let is_window = key.starts_with("limits[") && key.ends_with("].window");
    match plainly(key, message) {
        text if is_window && text.starts_with("unknown value") => text + INSTEAD_OF_WINDOW,
        _ if is_window => format!("must be day, week or month{INSTEAD_OF_WINDOW}"),
        text => text,
    }
}

const INSTEAD_OF_WINDOW: &str = "; or give window_s, in seconds, in its place";

fn plainly(key: &str, message: &str) -> String {
    // What follows in further lines names the key once more.
    let message = message.lines().next().unwrap_or_default().trim();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return unknown(rest, "key");
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        // The role that calls no route.
        let of_route = key.starts_with("routes[") && key.contains(".roles");
        let without_auditor = rest.replace(", `auditor`", "");
        return unknown(if of_route { &without_auditor } else { rest }, "value");
    }
    if message == "invalid IP address syntax" {
        return "must be an IP address, such as 127.0.0.1, or 0.0.0.0 for all of this machine; no name".into();
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        return format!("the key {} is missing", name.replace('`', "\""));
    }
    for kind in ["invalid type: ", "invalid value: ", "invalid length "] {
        if let Some((found, expected)) = message.strip_prefix(kind).and_then(|rest| rest.split_once(", expected ")) {
            return format!("must be {}, not {}", expected_words(key, expected), found_words(found));
        }
    }
    message.to_owned()
}

/// Why a file is no TOML: `message` is the library's, `before` the text up to the place, `there` what stands at it, and `after`
/// all that follows.
pub(super) fn no_toml(message: &str, before: &str, there: &str, after: &str) -> String {
    let line = before.rsplit('\n').next().unwrap_or_default();
    let is_value = line.contains('=') && !line.contains(['"', '\'']);
    let rest = after.lines().next().unwrap_or_default();
    match message {
        _ if line.trim_end().ends_with('=') && rest.trim().is_empty() => {
            "the value is missing: \"text in quotes\", a number, true, false, or a list in brackets".to_owned()
        }
        "duplicate key" => format!("the key \"{}\" stands here a second time", there.trim()),
        text if is_value => format!("{text}; text needs quotes: \"…\""),
        text => text.to_owned(),
    }
}

/// `rest` is "`prot`, expected one of `host`, `port`".
fn unknown(rest: &str, what: &str) -> String {
    let mut names = rest.split('`').skip(1).step_by(2);
    let given = names.next().unwrap_or_default();
    let known: Vec<&str> = names.collect();
    let mut text = format!("unknown {what} \"{given}\"");
    if let Some(meant) = nearest(given, known.iter().copied()) {
        text.extend(["; did you mean \"", meant, "\"?"]);
    } else if known.len() <= MAX_KNOWN && !known.is_empty() {
        text.extend(["; known are ", &known.join(", ")]);
    }
    text
}

fn expected_words(key: &str, expected: &str) -> String {
    if key.rsplit('.').next() == Some("port") && expected == "u16" {
        return "a port, 1 to 65535 (0: any that is free)".into();
    }
    let number = NUMBERS.iter().find(|(name, _)| *name == expected).map(|(_, words)| (*words).to_owned());
    number.unwrap_or_else(|| match expected {
        "a boolean" => "true or false".into(),
        "a string" => "text in quotes".into(),
        "a sequence" => "a list in brackets".into(),
        "a map" => "a table".into(),
        other if other.starts_with("struct ") => "a table".into(),
        other => other.to_owned(),
    })
}

/// `string "x"` and "integer `7`" as they are said here.
fn found_words(found: &str) -> String {
    let plain = found.replace('`', "");
    let plain = plain.replace("floating point ", "the number ").replace("integer ", "the number ");
    let plain = plain.replace("string ", "the string ").replace("boolean ", "");
    match plain.as_str() {
        "map" => "a table".into(),
        "sequence" => "a list".into(),
        _ => plain,
    }
}

/// What was probably meant: the known name that is most alike, if any is.
#[must_use]
pub fn nearest<'n>(given: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let alike = known.map(|name| (strsim::damerau_levenshtein(&given.to_lowercase(), &name.to_lowercase()), name));
    let (distance, name) = alike.min_by_key(|(distance, _)| *distance)?;
    (distance <= (given.chars().count().max(name.chars().count()) / 3).max(1)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_in_plain_words() {
        for (key, message, words) in [
            (
                "server.port",
                "invalid value: integer `70000`, expected u16",
                "must be a port, 1 to 65535 (0: any that is free), not the number 70000",
            ),
            (
                "server.workers",
                "invalid value: integer `-1`, expected u16",
                "must be a whole number from 0 to 65535, not the number -1",
            ),
            (
                "server.keep_alive_s",
                "invalid type: string \"long\", expected u64",
                "must be a whole number, 0 or more, not the string \"long\"",
            ),
            ("docs.public", "invalid type: integer `1`, expected a boolean", "must be true or false, not the number 1"),
            (
                "server.prot",
                "unknown field `prot`, expected one of `host`, `port`",
                "unknown key \"prot\"; did you mean \"port\"?",
            ),
            (
                "limits[0].unit",
                "unknown variant `calls`, expected `requests` or `tokens`",
                "unknown value \"calls\"; known are requests, tokens",
            ),
            ("routes[0]", "missing field `path`", "the key \"path\" is missing"),
            (
                "routes[0].roles[1]",
                "unknown variant `boss`, expected one of `admin`, `user`, `readonly`, `auditor`",
                "unknown value \"boss\"; known are admin, user, readonly",
            ),
            (
                "limits[0].window",
                "invalid type: integer `60`, expected string or table",
                "must be day, week or month; or give window_s, in seconds, in its place",
            ),
            (
                "server.host",
                "invalid IP address syntax",
                "must be an IP address, such as 127.0.0.1, or 0.0.0.0 for all of this machine; no name",
            ),
        ] {
            assert_eq!(plain(key, message), words);
        }
    }

    #[test]
    fn only_what_is_alike_was_meant() {
        let known = ["host", "port", "workers"];
        assert_eq!(nearest("prot", known.into_iter()), Some("port"));
        assert_eq!(nearest("worker", known.into_iter()), Some("workers"));
        assert_eq!(nearest("colour", known.into_iter()), None);
    }
}
