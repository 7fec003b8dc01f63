//! Media types as the headers of tokens have them.

/// The type without the prefix that may be left out (RFC 7515 §4.1.9).
pub(super) fn without_application(media_type: &str) -> &str {
    const PREFIX: &str = "application/";
    match media_type.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => media_type,
    }
}
