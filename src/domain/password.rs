//! Which passwords are accepted: long enough to resist guessing, not one that everybody tries first, and with no rules
//! of composition (OWASP ASVS 5.0, 6.2; NIST SP 800-63B-4 §3.1.1.2).
//!
//! What is refused as common is listed or recognised by a plain rule, not guessed from some measure of entropy: whoever
//! is refused can see why, and a sentence of four words always passes.

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// The fewest characters of a password.
pub const MIN_PASSWORD_CHARS: usize = 15;
/// The most bytes of a password; above it hashing would be a cheap way to load the gateway.
pub const MAX_PASSWORD_BYTES: usize = 256;

/// Frequent passwords of at least [`MIN_PASSWORD_CHARS`], lower-cased and sorted, one a line: those of the published
/// frequency lists, and their kind of walks over the keyboard and of words with digits behind.
const COMMON: &str = include_str!("password/common.txt");

/// The longest unit whose repetition is no password.
const MAX_UNIT_CHARS: usize = 8;

/// What is only run along, in either direction and round the end: digits, letters, and the rows of keyboards.
const CIRCLES: [&str; 6] = [
    "0123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1234567890qwertyuiopasdfghjklzxcvbnm",
];

/// The name of what is logged in to is the first thing that is tried.
const PRODUCT: &str = "tollgate";

/// Why a password was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    #[error("must have at least {MIN_PASSWORD_CHARS} characters")]
    TooShort,
    #[error("must have at most {MAX_PASSWORD_BYTES} bytes")]
    TooLong,
    #[error("is too common: it is among the first that are tried")]
    Common,
}

/// A password as it is hashed and compared: in NFKC (Unicode Annex #15), as NIST SP 800-63B-4 §3.1.1.2 asks, so that
/// it does not matter whether a keyboard sends `é` as one character or as two.
pub fn normalised(password: &str) -> Zeroizing<String> {
    // Room for all of it at once: a string that grows leaves its beginning in memory.
    let mut text = Zeroizing::new(String::with_capacity(password.len().saturating_mul(MAX_NFKC_EXPANSION)));
    text.extend(password.nfkc());
    text
}

/// How many bytes one byte of UTF-8 becomes in NFKC at most (Unicode Annex #15, "Maximum Expansion Factors").
const MAX_NFKC_EXPANSION: usize = 11;

/// Checks a new password of the user with this name. A password that is only tried is never judged by this.
pub fn check(password: &str, username: &str) -> Result<(), WeakPassword> {
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(WeakPassword::TooLong);
    }
    let password = normalised(password);
    if password.chars().count() < MIN_PASSWORD_CHARS {
        return Err(WeakPassword::TooShort);
    }
    if is_common(&password.to_lowercase(), &username.to_lowercase()) {
        return Err(WeakPassword::Common);
    }
    Ok(())
}

fn is_common(password: &str, username: &str) -> bool {
    COMMON.lines().any(|common| common == password)
        || repeats_a_unit(password)
        || CIRCLES.iter().any(|circle| runs_along(circle, password))
        || [username, PRODUCT].iter().any(|word| is_word_and_digits(word, password))
}

/// One unit of a few characters over and over; the last may be cut.
fn repeats_a_unit(password: &str) -> bool {
    let shifted = |by| password.chars().skip(by);
    (1..=MAX_UNIT_CHARS).any(|length| shifted(length).eq(password.chars().take(shifted(length).count())))
}

/// Each character is the neighbour of the one before it, always on the same side.
fn runs_along(circle: &str, password: &str) -> bool {
    let follows = |circle: &mut dyn Iterator<Item = char>| {
        let neighbours: Vec<char> = circle.collect();
        let next = |c| neighbours.iter().cycle().skip_while(move |n| **n != c).nth(1).copied();
        let known = |c| neighbours.contains(&c);
        password.chars().all(known) && password.chars().zip(password.chars().skip(1)).all(|(a, b)| next(a) == Some(b))
    };
    follows(&mut circle.chars()) || follows(&mut circle.chars().rev())
}

/// The word once or more, and behind it nothing but digits.
fn is_word_and_digits(word: &str, password: &str) -> bool {
    let Some(mut rest) = password.strip_prefix(word).filter(|_| !word.is_empty()) else {
        return false;
    };
    while let Some(shorter) = rest.strip_prefix(word) {
        rest = shorter;
    }
    rest.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_the_same_is_the_same_password() {
        for (one, other) in
            [("caf\u{e9}", "cafe\u{301}"), ("\u{fb01}x", "fix"), ("\u{212b}", "\u{c5}"), ("a\u{3000}b", "a b")]
        {
            assert_eq!(*normalised(one), *normalised(other), "{one:?}");
        }
        assert_ne!(*normalised("case"), *normalised("Case"));
    }

    #[test]
    fn a_normalised_password_never_outgrows_its_room() {
        for widest in ["\u{fdfa}", "\u{3300}", "\u{1fb7}", "\u{390}"] {
            let password = widest.repeat(64);
            assert!(normalised(&password).len() <= password.len() * MAX_NFKC_EXPANSION, "{widest:?}");
        }
    }

    #[test]
    fn characters_are_counted_after_composition() {
        assert_eq!(check(&"e\u{301}z".repeat(5), "ann"), Err(WeakPassword::TooShort));
    }

    #[test]
    fn length_is_counted_in_characters_and_bounded_in_bytes() {
        let long = |bytes: usize| "a long password ".repeat(16).chars().rev().take(bytes).collect::<String>();
        assert_eq!(check("fourteen chars", "ann"), Err(WeakPassword::TooShort));
        assert_eq!(check("ein längeres Wörtchen", "ann"), Ok(()));
        assert_eq!(check("äöüßäöüßÄÖÜéèêë", "ann"), Ok(()));
        assert_eq!(check("äöüßÄÖÜéèêëñõç", "ann"), Err(WeakPassword::TooShort));
        assert_eq!(check(&long(256), "ann"), Ok(()));
        assert_eq!(check(&format!("{}x", long(256)), "ann"), Err(WeakPassword::TooLong));
    }

    #[test]
    fn what_everybody_tries_first_is_refused() {
        for common in [
            "1qaz2wsx3edc4rfv",
            "Q1W2E3R4T5Y6U7I8O9P0",
            "PasswordPassword123",
            "correcthorsebatterystaple",
            "aaaaaaaaaaaaaaa",
            "passwordpassword",
            "PASSWORDpassword",
            "passwordpasswor",
            "123123123123123",
            "ääääääääääääääää",
            "123456789012345",
            "987654321098765",
            "abcdefghijklmnop",
            "zyxwvutsrqponmlkj",
            "qwertyuiopasdfghjkl",
            "QwertyUiopAsdfg",
            "qwertzuiopasdfg",
            "mnbvcxzlkjhgfdsapoiuytrewq",
            "1234567890qwertyuiop",
            "annannannannann",
            "ann123456789012",
            "AnnAnn9999999999",
            "tollgatetollgate",
            "Tollgate20262026",
            "tollgatetollgate1",
        ] {
            assert_eq!(check(common, "Ann"), Err(WeakPassword::Common), "{common}");
        }
        assert_eq!(check("administrators2026", "administrators"), Err(WeakPassword::Common));
    }

    #[test]
    fn what_people_and_scripts_really_use_is_accepted() {
        for fine in [
            "correct-horse-battery-staple",
            "correct horse battery staple",
            "a password for the tests",
            "admin-password-for-tests",
            "averylongpassword-1234",
            "canary-of-the-admin-password",
            "fifteen chars..",
            "ann likes her tea cold",
            "annotations everywhere",
            "ann-and-12345678",
            "tollgate-of-the-north",
            "123456789012346",
            "qwertyuiopasdfgh!",
            "abcdefghijklmnpo",
            "aaaaaaaaaaaaaab",
            "V7kq-3mZ_x9Rt2LwQ8sYb0Nd",
            "日本語のとても長いパスワードです",
            "               !",
        ] {
            assert_eq!(check(fine, "ann"), Ok(()), "{fine}");
        }
    }

    #[test]
    fn the_list_is_sorted_lower_cased_and_only_of_what_is_long_enough_and_no_rule_says() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!(lines.len() > 100 && lines.is_sorted());
        for common in lines {
            assert!(common.chars().count() >= MIN_PASSWORD_CHARS && *common == common.to_lowercase(), "{common}");
            let recognised = repeats_a_unit(common) || CIRCLES.iter().any(|circle| runs_along(circle, common));
            assert!(!recognised, "{common} need not be listed");
        }
    }
}
