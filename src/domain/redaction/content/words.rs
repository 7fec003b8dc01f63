//! Which words speak of a credential, and which look like one.

/// A name with one of these in it, without signs and in lower case, speaks of a credential.
const HARD: [&str; 17] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "apikey",
    "authorization",
    "credential",
    "cookie",
    "privatekey",
    "accesskey",
    "signingkey",
    "masterkey",
    "sessionid",
    "assertion",
    "samlresponse",
];

/// Also one with this, unless it is counted: `max_tokens` is no secret.
const SOFT: &str = "token";

/// How keys of well-known services begin.
const KEY_PREFIXES: [&str; 12] = [
    "sk-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "whsec_",
];

const LEAST_FOREIGN_KEY_BYTES: usize = 16;

/// How surely a name speaks of a credential.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Hard,
    Soft,
}

/// Whether a name speaks of a credential.
pub(super) fn kind_of(name: &str) -> Option<Kind> {
    let letters: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    if HARD.iter().any(|hard| letters.contains(hard)) {
        return Some(Kind::Hard);
    }
    letters.contains(SOFT).then_some(Kind::Soft)
}

/// Whether a credential follows (RFC 9110 §11.1).
pub(super) fn is_scheme(word: &str) -> bool {
    word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic")
}

/// Whether it looks like a key of a well-known service.
pub(super) fn is_foreign_key(word: &str) -> bool {
    let is_long = word.len() >= LEAST_FOREIGN_KEY_BYTES;
    let is_of_aws = word.len() == 20 && (word.starts_with("AKIA") || word.starts_with("ASIA"));
    let is_of_google = word.len() == 39 && word.starts_with("AIza");
    is_of_aws || is_of_google || (is_long && KEY_PREFIXES.iter().any(|prefix| word.starts_with(prefix)))
}
