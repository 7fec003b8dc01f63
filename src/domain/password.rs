//! Which passwords are accepted: long enough to resist guessing, with no rules of composition (OWASP ASVS 5.0, 6.2).

/// The fewest characters of a password.
pub const MIN_PASSWORD_CHARS: usize = 15;
/// The most bytes of a password; above it hashing would be a cheap way to load the gateway.
pub const MAX_PASSWORD_BYTES: usize = 256;

/// Why a password was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    #[error("must have at least {MIN_PASSWORD_CHARS} characters")]
    TooShort,
    #[error("must have at most {MAX_PASSWORD_BYTES} bytes")]
    TooLong,
}

/// Checks a new password. A password that is only tried is never judged by this.
pub fn check(password: &str) -> Result<(), WeakPassword> {
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(WeakPassword::TooLong);
    }
    if password.chars().count() < MIN_PASSWORD_CHARS {
        return Err(WeakPassword::TooShort);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_characters_and_bounded_in_bytes() {
        assert_eq!(check(&"x".repeat(14)), Err(WeakPassword::TooShort));
        assert_eq!(check(&"ä".repeat(15)), Ok(()));
        assert_eq!(check(&"x".repeat(256)), Ok(()));
        assert_eq!(check(&"x".repeat(257)), Err(WeakPassword::TooLong));
    }
}
