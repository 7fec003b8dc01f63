//! A request that is a form (RFC 7578), as the JSON object of its fields and the size of its files.
//!
//! Parsers of forms are lenient, each in its own way. So whatever two of them could read differently is refused: line ends
//! that are no CRLF, transfer codings, encoded names, a field that comes twice, a file in place of a field.

use std::{fmt::Write, ops::Range};

use super::members::{escaped, folded};
use crate::domain::refusal::Fault;

/// No request has nearly as many.
const MAX_PARTS: usize = 200;

/// The longest head of a part.
const MAX_HEAD_BYTES: usize = 4 << 10;

/// The field that names the model.
const MODEL: &str = "model";

/// What a form says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// A JSON object: each field is a text, or a list of texts where its name ends in `[]`.
    pub fields: Vec<u8>,
    pub files: u64,
    pub file_bytes: u64,
    /// Where the name of the model stands in the form.
    pub model_at: Option<Range<usize>>,
}

/// One part of it.
struct Part<'b> {
    name: &'b str,
    is_file: bool,
    content: &'b [u8],
}

/// What a field is to its meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Text,
    Number,
    Truth,
    /// It is not read, so that it may come twice: it is a list then.
    Other,
}

/// Reads a form, whose fields of this name are these.
pub(super) fn read(body: &[u8], boundary: &str, field: impl Fn(&str) -> Field) -> Result<Form, Fault> {
    let mut fields: Vec<(&str, Vec<String>)> = vec![];
    let (mut files, mut file_bytes, mut model_at) = (0_u64, 0_u64, None);
    for part in parts(body, boundary)? {
        if part.is_file {
            files = files.saturating_add(1);
            file_bytes = file_bytes.saturating_add(u64::try_from(part.content.len()).unwrap_or(u64::MAX));
            continue;
        }
        if part.name == MODEL {
            let start = part.content.as_ptr().addr().saturating_sub(body.as_ptr().addr());
            model_at = Some(start..start.saturating_add(part.content.len()));
        }
        let at = |what: &str| Fault::new(format!("/{}", escaped(part.name)), what);
        let value = std::str::from_utf8(part.content).map_err(|_| at("must be UTF-8"))?;
        let value = match (field(part.name), value) {
            // As Python writes them, and as its servers read them.
            (Field::Truth, "true" | "True" | "1" | "on" | "yes") => "true".to_owned(),
            (Field::Truth, "false" | "False" | "0" | "off" | "no" | "") => "false".to_owned(),
            (Field::Number, number) if is_number(number) => number.to_owned(),
            (_, value) => text(value),
        };
        match fields.iter_mut().find(|(name, _)| *name == part.name) {
            None => fields.push((part.name, vec![value])),
            Some((name, values)) if name.ends_with("[]") || field(name) == Field::Other => values.push(value),
            Some(_) => return Err(at("is there twice")),
        }
    }
    Ok(Form { fields: object(&fields).into_bytes(), files, file_bytes, model_at })
}

fn object(fields: &[(&str, Vec<String>)]) -> String {
    let member = |(name, values): &(&str, Vec<String>)| match name.strip_suffix("[]") {
        Some(list) => format!("{}:[{}]", text(list), values.join(",")),
        None if values.len() > 1 => format!("{}:[{}]", text(name), values.join(",")),
        None => format!("{}:{}", text(name), values.concat()),
    };
    format!("{{{}}}", fields.iter().map(member).collect::<Vec<_>>().join(","))
}

/// A JSON string.
fn text(plain: &str) -> String {
    let mut text = String::with_capacity(plain.len().saturating_add(2));
    text.push('"');
    for character in plain.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            control if control < ' ' => drop(write!(text, "\\u{:04x}", u32::from(control))),
            other => text.push(other),
        }
    }
    text.push('"');
    text
}

fn is_number(value: &str) -> bool {
    !value.is_empty() && value.len() < 20 && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// The parts between the delimiters (RFC 2046 §5.1.1). Nothing but blanks and ends of lines stands behind the last one, and
/// before the first nothing that a parser could take for one.
fn parts<'b>(body: &'b [u8], boundary: &str) -> Result<Vec<Part<'b>>, Fault> {
    let broken = |what: &str| Fault::new("", format!("must be a form (RFC 7578): {what}"));
    let delimiter = format!("\r\n--{boundary}");
    let first = delimiter.get(2..).unwrap_or_default().as_bytes();
    let beginning = body.get(..body.len().min(MAX_HEAD_BYTES)).unwrap_or_default();
    let preamble = beginning.windows(first.len()).position(|bytes| bytes == first).unwrap_or(0);
    let (preamble, body) = body.split_at_checked(preamble).unwrap_or_default();
    let begins_line = preamble.is_empty() || preamble.ends_with(b"\r\n");
    let mut rest = body.strip_prefix(first).filter(|_| begins_line);
    let mut parts = vec![];
    while let Some(behind) = rest {
        if let Some(end) = behind.strip_prefix(b"--") {
            let is_end = end.iter().all(|byte| b" \t\r\n".contains(byte)) && !parts.is_empty();
            return if is_end { Ok(parts) } else { Err(broken("something stands behind its end")) };
        }
        let behind = behind.strip_prefix(b"\r\n").ok_or_else(|| broken("a delimiter is not a line of its own"))?;
        let end = find(behind, delimiter.as_bytes()).ok_or_else(|| broken("its last delimiter is missing"))?;
        let (part, next) = behind.split_at_checked(end).unwrap_or_default();
        parts.push(read_part(part).map_err(|what| broken(&what))?);
        if parts.len() > MAX_PARTS {
            return Err(broken(&format!("it has more than {MAX_PARTS} parts")));
        }
        rest = next.get(delimiter.len()..);
    }
    Err(broken("it does not begin with its boundary"))
}

/// Where these bytes begin, which begin with a CR.
fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut at = 0_usize;
    loop {
        let rest = text.get(at..)?;
        let next = at.saturating_add(rest.iter().position(|byte| *byte == b'\r')?);
        if text.get(next..)?.starts_with(wanted) {
            return Some(next);
        }
        at = next.saturating_add(1);
    }
}

/// A part: lines of its head, an empty one, its content. The error is what is wrong with it.
fn read_part(part: &[u8]) -> Result<Part<'_>, String> {
    const EMPTY_LINE: &[u8] = b"\r\n\r\n";
    let head = part.get(..part.len().min(MAX_HEAD_BYTES)).unwrap_or_default();
    let end = find(head, EMPTY_LINE).ok_or("a part has no head, or a long one")?;
    let (head, content) = part.split_at_checked(end).unwrap_or_default();
    let head = std::str::from_utf8(head).map_err(|_| "the head of a part is not UTF-8")?;
    let mut disposition = None;
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or("a line in the head of a part is no field")?;
        match name.to_ascii_lowercase().as_str() {
            "content-disposition" if disposition.is_none() => disposition = Some(value.trim()),
            "content-disposition" => return Err("a part has two names".into()),
            "content-transfer-encoding" if !matches!(value.trim(), "binary" | "8bit" | "7bit") => {
                return Err("a part has a transfer coding".into());
            }
            _ => {}
        }
    }
    let (name, is_file) = named(disposition.ok_or("a part has no name")?)?;
    Ok(Part { name, is_file, content: content.get(EMPTY_LINE.len()..).unwrap_or_default() })
}

/// `form-data; name="model"; filename="x.png"`: the name, and whether there is a file.
fn named(disposition: &str) -> Result<(&str, bool), String> {
    // Case matters neither in the type nor in the names of parameters (RFC 2183 §2).
    const TYPE: &str = "form-data";
    let (kind, rest) = disposition.split_at_checked(TYPE.len()).ok_or("a part is no form-data")?;
    let mut rest =
        if kind.eq_ignore_ascii_case(TYPE) { rest.trim_start() } else { return Err("a part is no form-data".into()) };
    let (mut name, mut is_file) = (None, false);
    while !rest.is_empty() {
        let parameter = rest.strip_prefix(';').ok_or("the name of a part cannot be read")?.trim_start();
        let (key, value) = parameter.split_once('=').ok_or("the name of a part cannot be read")?;
        let key = key.trim().to_ascii_lowercase();
        let (value, behind) = match value.strip_prefix('"') {
            Some(value) => {
                quoted(value, key == "filename").ok_or("the name of a part has a quote too few, or too many")?
            }
            None => value.split_at_checked(value.find(';').unwrap_or(value.len())).unwrap_or_default(),
        };
        rest = behind.trim_start();
        match key.as_str() {
            "name" if name.is_none() && is_field_name(value) => name = Some(value),
            "filename" | "filename*" => is_file = true,
            _ => return Err("the name of a part is encoded, is there twice or has other parameters".into()),
        }
    }
    let name = name.ok_or("a part has no name")?;
    Ok((name, is_file))
}

/// What stands before the quote that ends a text, and what follows. In the name of a file a quote may stand behind a
/// backslash, unless a parser that takes it for the end could see another parameter in the rest.
fn quoted(text: &str, is_file: bool) -> Option<(&str, &str)> {
    let (before, behind) = text.split_once('"')?;
    if !is_file || !before.ends_with('\\') {
        return Some((before, behind));
    }
    let end = text.rfind('"')?;
    let (name, behind) = text.split_at_checked(end)?;
    (!name.contains([';', '='])).then_some((name, behind.get(1..)?))
}

/// A name that every parser reads alike; in capitals it could be taken for another one.
fn is_field_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\%;".contains(&byte);
    !name.is_empty() && name.bytes().all(is_plain) && folded(name) == name
}

/// The boundary of the media type of a form; nothing where it is another type. A boundary has 1 to 70 characters (RFC 2046
/// §5.1.1).
#[must_use]
pub fn boundary_of(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut found = parameters.split(';').filter_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then_some(value)
    });
    let (first, second) = (found.next()?, found.next());
    let value = first.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(first);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    let is_sound = (1..=70).contains(&value.len()) && value.bytes().all(is_plain);
    (is_sound && second.is_none()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(parts: &[(&str, &str)]) -> String {
        let part = |(head, content): &(&str, &str)| format!("--b\r\nContent-Disposition: {head}\r\n\r\n{content}\r\n");
        format!("{}--b--\r\n", parts.iter().map(part).collect::<String>())
    }

    fn fields(body: &str) -> Result<String, String> {
        let read = read(body.as_bytes(), "b", |name| match name {
            "n" => Field::Number,
            "stream" => Field::Truth,
            "model" | "prompt" => Field::Text,
            _ => Field::Other,
        });
        read.map(|form| format!("{} {} {}", String::from_utf8(form.fields).unwrap(), form.files, form.file_bytes))
            .map_err(|fault| format!("{} {}", fault.pointer, fault.detail))
    }

    #[test]
    fn fields_are_texts_and_files_are_counted() {
        let body = form(&[
            (r#"form-data; name="model""#, "whisper-1"),
            (r#"form-data; name="n""#, "2"),
            ("form-data; name=stream", "true"),
            (r#"form-data; name="prompt""#, "a \"b\"\r\n--c\\ ä"),
            (r#"form-data; name="include[]""#, "x"),
            (r#"form-data; name="include[]""#, "y"),
            (r#"form-data; name="file"; filename="a;b.mp3""#, "\r\n\r\n12"),
        ]);
        let expected = r#"{"model":"whisper-1","n":2,"stream":true,"prompt":"a \"b\"\u000d\u000a--c\\ ä","include":["x","y"]} 1 6"#;
        assert_eq!(fields(&body).unwrap(), expected);
    }

    #[test]
    fn what_clients_write_otherwise_is_read() {
        let one = form(&[(r#"form-data; name="model""#, "m")]);
        for body in [
            format!("\r\n{one}"),
            format!("{one}\r\n"),
            one.trim_end().to_owned(),
            format!("This is a message in parts.\r\n{one}"),
            one.replace("--b--\r\n", "--b-- \r\n"),
            one.replace("form-data", "Form-Data"),
            one.replace("name=", "Name="),
            form(&[
                (r#"form-data; name="model""#, "m"),
                (r#"form-data; name="file"; filename="caf\"e.png""#, "x"),
                (r#"form-data; name="mask"; filename="a\"; filename*=utf-8''x"#, "x"),
            ])
            .replace(r#"; filename="a\"; filename*=utf-8''x"#, r#"; filename="a\"b\".png""#),
        ] {
            assert!(fields(&body).unwrap().starts_with(r#"{"model":"m"}"#), "{body}");
        }
        for (truth, expected) in
            [("False", false), ("True", true), ("1", true), ("on", true), ("0", false), ("", false)]
        {
            let plain = form(&[(r#"form-data; name="stream""#, truth), (r#"form-data; name="model""#, truth)]);
            let expected = format!(r#"{{"stream":{expected},"model":"{truth}"}} 0 0"#);
            assert_eq!(fields(&plain).unwrap(), expected);
        }
        let twice = [(r#"form-data; name="include""#, "x"), (r#"form-data; name="include""#, "y")];
        assert_eq!(fields(&form(&twice)).unwrap(), r#"{"include":["x","y"]} 0 0"#);
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        let one = |head: &str| form(&[(head, "x")]);
        for body in [
            String::new(),
            "--b--\r\n".into(),
            form(&[(r#"form-data; name="model""#, "a"), (r#"form-data; name="model""#, "b")]),
            one(r#"form-data; name="Model""#),
            one("form-data; name*=utf-8''model"),
            one(r#"form-data; name="mo\"del""#),
            one(r#"form-data; filename="a\"; name="model""#),
            one(r#"form-data; name="a"; filename="a\"; name="model""#),
            one(r#"form-data; name="model"; name="model""#),
            one("form-data"),
            one("attachment; name=\"model\""),
            one("form-data; name=\"model\"\r\nContent-Transfer-Encoding: base64"),
            one("form-data; name=\"model\"\r\nContent-Disposition: form-data; name=\"n\""),
            format!("preamble --b\r\n{}", one(r#"form-data; name="model""#)),
            format!("--bc\r\n{}", one(r#"form-data; name="model""#)),
            one(r#"form-data; Name="model"; name="n""#),
            format!("{}behind", one(r#"form-data; name="model""#)),
            one(r#"form-data; name="model""#).replace("--b--\r\n", ""),
            one(r#"form-data; name="model""#).replace("\r\n", "\n"),
            one(r#"form-data; name="model""#).replace("--b\r\n", "--b \r\n"),
        ] {
            assert!(fields(&body).is_err(), "{body:?}: {:?}", fields(&body));
        }
    }

    #[test]
    fn a_boundary_is_plain_and_there_once() {
        for (content_type, expected) in [
            ("multipart/form-data; boundary=abc", Some("abc")),
            ("Multipart/Form-Data; charset=utf-8; Boundary=\"a.b\"", Some("a.b")),
            ("multipart/form-data; boundary=a; boundary=b", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data; boundary=\"a b\"", None),
            ("multipart/form-data", None),
            ("multipart/mixed; boundary=a", None),
            ("application/json; boundary=a", None),
        ] {
            assert_eq!(boundary_of(content_type).as_deref(), expected, "{content_type}");
        }
    }
}
