//! Money as an exact integer.

use std::fmt;

/// An amount in pico-USD (10⁻¹² USD): 1.5e-07 USD a token is 150,000 of it. Never a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(i128);

const PICO_PER_USD: i128 = 1_000_000_000_000;

impl Money {
    pub const ZERO: Self = Self(0);

    #[must_use]
    pub const fn from_pusd(pico_usd: i128) -> Self {
        Self(pico_usd)
    }
}

impl fmt::Display for Money {
    /// The shortest decimal text in USD that is exact: `0.002`, `-1`, `0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let per_usd = PICO_PER_USD.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let fraction = format!("{:012}", magnitude % per_usd);
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{sign}{}", magnitude / per_usd),
            digits => write!(f, "{sign}{}.{digits}", magnitude / per_usd),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_prints_exactly_and_shortly() {
        for (pico_usd, text) in [
            (0, "0"),
            (150_000, "0.00000015"),
            (2_000_000_000, "0.002"),
            (-1_000_000_000_000, "-1"),
            (1, "0.000000000001"),
            (12_340_000_000_000, "12.34"),
        ] {
            assert_eq!(Money::from_pusd(pico_usd).to_string(), text);
        }
    }
}
