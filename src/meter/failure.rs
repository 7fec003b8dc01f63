//! Failures in words, where an answer was to be JSON or events: a page for people, or a line of a proxy, with a status of success.

/// The longest line: more is what somebody has answered.
const MAX_BYTES: usize = 4 << 10;

/// How pages begin.
const PAGES: [&[u8]; 2] = [b"<!doctype html", b"<html"];

/// Whether a text is a page.
pub(super) fn is_page(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let begins = |page: &&[u8]| text.get(..page.len()).is_some_and(|start| start.eq_ignore_ascii_case(page));
    PAGES.iter().any(begins)
}

/// Whether what cannot be read, `bytes` in all up to here, is a failure in words and no answer that was cut.
pub(super) fn is_worded(text: &[u8], bytes: usize) -> bool {
    is_page(text) || (bytes <= MAX_BYTES && !begins_like_json(text) && is_text(text))
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
        assert!(!is_worded(b"\x1f\x8b", 2) && !is_worded(b"word", 5_000));
    }
}
