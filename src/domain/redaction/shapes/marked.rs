//! Keys that are not known by their begin, but by what stands somewhere in them.

/// Whether a key begins a text, which may go on behind it.
pub(super) fn begins_with_key(text: &[u8]) -> bool {
    is_of_entra(text) || is_of_telegram(text) || is_of_discord(text) || is_of_asana(text) || has_hexadecimal_begin(text)
}

/// Whether a word has a mark in it that only keys have: those of Azure's models.
pub(super) fn is_inside(word: &str) -> bool {
    word.len() >= 60 && word.contains("JQQJ99")
}

/// How many bytes at the begin are of a kind; no more than one above `most` are looked at.
fn run(text: &[u8], most: usize, is_of_kind: impl Fn(u8) -> bool) -> usize {
    text.iter().take(most.saturating_add(1)).take_while(|byte| is_of_kind(**byte)).count()
}

fn after(text: &[u8], bytes: usize) -> &[u8] {
    text.get(bytes..).unwrap_or_default()
}

const fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

const fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// A client secret of Microsoft Entra: three signs, a digit, `Q~`, then 31 to 34.
fn is_of_entra(text: &[u8]) -> bool {
    let is_marked = matches!(text, [_, _, _, b'0'..=b'9', b'Q', b'~', ..]);
    is_marked && run(after(text, 6), 31, |byte| is_of_word(byte) || matches!(byte, b'.' | b'~')) >= 31
}

/// The token of a bot of Telegram: its number, a colon, `AA` and 33 more.
fn is_of_telegram(text: &[u8]) -> bool {
    let digits = run(text, 11, |byte| byte.is_ascii_digit());
    let rest = after(text, digits);
    (7..=11).contains(&digits) && rest.starts_with(b":AA") && run(after(rest, 1), 34, is_of_word) >= 34
}

/// The token of a bot of Discord: its number in base64, a time and a hash.
fn is_of_discord(text: &[u8]) -> bool {
    if !matches!(text.first(), Some(b'M' | b'N' | b'O')) {
        return false;
    }
    let number = run(text, 28, is_of_word);
    let [b'.', time @ ..] = after(text, number) else { return false };
    let [b'.', hash @ ..] = after(time, 6) else { return false };
    (23..=28).contains(&number) && run(time, 5, is_of_word) == 6 && run(hash, 26, is_of_word) == 27
}

/// A token of Asana: a digit, numbers behind slashes, a colon and 32 digits.
fn is_of_asana(text: &[u8]) -> bool {
    let [b'0'..=b'2', b'/', numbers @ ..] = text else { return false };
    let length = run(numbers, 40, |byte| byte.is_ascii_digit() || byte == b'/');
    let [b':', hash @ ..] = after(numbers, length) else { return false };
    length >= 16 && run(hash, 31, is_hex) == 32
}

/// 32 hexadecimal digits and what makes a key of them: the data centre of Mailchimp, or the second part of Zhipu's.
fn has_hexadecimal_begin(text: &[u8]) -> bool {
    if run(text, 32, is_hex) != 32 {
        return false;
    }
    match after(text, 32) {
        [b'-', b'u', b's', b'0'..=b'9', ..] => true,
        [b'.', rest @ ..] => run(rest, 16, |byte| byte.is_ascii_alphanumeric()) == 16,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_with_a_mark_are_recognised_and_only_whole() {
        for key in [
            "qLN8Q~vuVrF1abcdefghijklmnopqrstuvwxyz01",
            "1234567890:AAabcdefghijklmnopqrstuvwxyz0123456",
            "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs",
            "1/1200123456789012:0123456789abcdef0123456789abcdef",
            "2/1200123456789012/1200123456789013:0123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcdef-us21",
            "0123456789abcdef0123456789abcdef.abcdefGHIJKL0123",
        ] {
            assert!(begins_with_key(key.as_bytes()), "{key}");
            assert!(!begins_with_key(&key.as_bytes()[..key.len() - 7]), "{key}");
        }
        assert!(is_inside(&format!("{}JQQJ99BBACYeBjFXJ3w3AAABACOG{}", "a".repeat(40), "b".repeat(16))));
    }
}
