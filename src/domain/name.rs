//! The names that operators give: of limits and budgets.

use super::refusal::Fault;

/// What is wrong with a name at `/name`. Names stand in headers (RFC 9651 strings), metrics and URLs.
#[must_use]
pub fn fault(name: &str) -> Option<Fault> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let fits = plain && (1..=64).contains(&name.len());
    (!fits).then(|| Fault::new("/name", "must be 1 to 64 characters of A-Z a-z 0-9 . _ -"))
}
