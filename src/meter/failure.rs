//! Failures in words, where an answer was to be JSON or events: a page for people, or a line of a proxy, with a status of success.

/// The longest line: more is what somebody has answered.
const MAX_BYTES: usize = 4 << 10;

/// How pages begin: with a declaration, a comment, or one of the tags that proxies and frameworks begin with.
const PAGES: [&[u8]; 22] = [
    b"<!doctype",
    b"<!--",
    b"<?xml",
    b"<html",
    b"<head",
    b"<body",
    b"<title",
    b"<meta",
    b"<style",
    b"<script",
    b"<center",
    b"<table",
    b"<div",
    b"<pre",
    b"<p>",
    b"<h1",
    b"<h2",
    b"<h3",
    b"<h4",
    b"<h5",
    b"<h6",
    b"<hr",
];

/// Byte order marks: of UTF-8, and of UTF-16 in both orders.
const UTF_8_MARK: &[u8] = b"\xef\xbb\xbf";
const MARKS: [&[u8]; 3] = [UTF_8_MARK, b"\xff\xfe", b"\xfe\xff"];

/// As many bytes as show a page, with some blanks before it.
const MAX_BEGINNING_BYTES: usize = 256;

/// Whether this content type is that of a page; its case does not matter (RFC 9110 §8.3.1).
pub(super) fn is_labelled_page(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    ["text/html", "application/xhtml+xml"].iter().any(|page| kind.eq_ignore_ascii_case(page))
}

/// Whether a text is a page.
pub(super) fn is_page(text: &[u8]) -> bool {
    let text = beginning(text);
    PAGES.iter().any(|page| begins(&text, page)) && !is_drawing(&text)
}

fn begins(text: &[u8], with: &[u8]) -> bool {
    text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
}

/// What a drawing in SVG may begin with, as a page may.
const OF_DRAWINGS: [&[u8]; 3] = [b"<?xml", b"<!--", b"<!doctype svg"];

/// Whether what begins like this may be a drawing, of which too little is here to say so.
pub(super) fn may_be_drawing(text: &[u8]) -> bool {
    let text = beginning(text);
    (1..MAX_BEGINNING_BYTES).contains(&text.len())
        && OF_DRAWINGS.iter().any(|start| begins(&text, start) || (text.len() < start.len() && begins(start, &text)))
}

/// Whether it is one: its own tag stands before any of a page.
fn is_drawing(beginning: &[u8]) -> bool {
    let has = |tag: &[u8]| beginning.windows(tag.len()).any(|at| at.eq_ignore_ascii_case(tag));
    let begins_so = begins(beginning, b"<svg") || OF_DRAWINGS.iter().any(|start| begins(beginning, start));
    begins_so && has(b"<svg") && ![&b"<html"[..], b"<head", b"<body"].into_iter().any(has)
}

/// Whether what begins like this may be a page, of which too little is here to say so.
pub(super) fn may_be_page(text: &[u8]) -> bool {
    let is_mark = MARKS.iter().any(|mark| text.len() < mark.len() && mark.starts_with(text));
    let text = beginning(text);
    let may_begin = |page: &&[u8]| page.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(&text));
    is_mark || (!text.is_empty() && !is_page(&text) && PAGES.iter().any(may_begin))
}

/// The first bytes of a text, without a byte order mark and blanks before them. What is UTF-16 has a zero in each
/// character of a page.
fn beginning(text: &[u8]) -> Vec<u8> {
    let mark = MARKS.iter().find_map(|mark| text.strip_prefix(*mark));
    let start = mark.unwrap_or(text).trim_ascii_start();
    let start = start.get(..start.len().min(MAX_BEGINNING_BYTES)).unwrap_or_default();
    let is_wide = mark.is_some_and(|_| !text.starts_with(UTF_8_MARK)) || matches!(start, [b'<', 0, ..] | [0, b'<', ..]);
    let plain: Vec<u8> = start.iter().copied().filter(|byte| !is_wide || *byte != 0).collect();
    plain.trim_ascii_start().to_vec()
}

/// Whether what cannot be read, `bytes` in all up to here, is a failure in words and no answer that was cut.
pub(super) fn is_worded(text: &[u8], bytes: usize) -> bool {
    is_page(text) || (bytes <= MAX_BYTES && !begins_like_json(text) && is_text(text) && !is_drawing(&beginning(text)))
}

/// `[ERROR] overloaded` does not.
fn begins_like_json(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let Some(rest) = text.strip_prefix(b"[") else { return text.starts_with(b"{") };
    rest.trim_ascii_start().first().is_none_or(|next| b"{[\"-0123456789".contains(next))
}

fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_in_words_is_told_from_an_answer_that_was_cut() {
        for (text, expected) in [
            ("upstream connect error", true),
            ("[ERROR] overloaded", true),
            ("<!DOCTYPE html><html>", true),
            (" <HTML lang=en>", true),
            ("\u{feff}<!-- x --><html>", true),
            ("<\0h\0t\0m\0l\0", true),
            ("<svg xmlns='x'></svg>", false),
            ("<?xml version='1.0'?><!-- x --><SVG>", false),
            ("<?xml version='1.0'?><html><svg>", true),
            ("{\"choices\":[", false),
            ("[{\"candidates\"", false),
            ("[0.1, 0.2", false),
            ("[", false),
            ("a\0", false),
            (&"word ".repeat(1_000), false),
            (&format!("<html>{}", "word ".repeat(1_000)), true),
        ] {
            assert_eq!(is_worded(text.as_bytes(), text.len()), expected, "{text}");
        }
        for (text, expected) in [
            (&b"<"[..], true),
            (&b"\xff"[..], true),
            (&b"\xff\xfb"[..], false),
            (&b"<html"[..], false),
            (&b"ID3"[..], false),
        ] {
            assert_eq!(may_be_page(text), expected, "{text:?}");
        }
        assert!(!is_worded(b"\x1f\x8b", 2) && !is_worded(b"word", 5_000));
    }
}
