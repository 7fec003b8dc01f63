//! Money as an exact integer.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, r#gen::SchemaGenerator, schema::Schema};
use serde::{Deserialize, Serialize, de};

use super::name::{matching, text};

/// An amount in pico-USD (10⁻¹² USD): 1.5e-07 USD a token is 150,000 of it. Never a float. Written as decimal text in USD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(i64);

/// Decimal places of a pico-USD.
const PLACES: u32 = 12;
/// Room for the digits of any amount, its sign and its point.
const DIGITS: usize = 24;
/// Amounts as they are written: below ten million USD, exact to the pico-USD.
const PATTERN: &str = r"^-?[0-9]{1,7}(\.[0-9]{1,12})?$";

impl Money {
    /// How a schema names this form of text.
    pub const FORMAT: &str = "usd";
    /// No money.
    pub const ZERO: Self = Self(0);
    /// The most that can be written down: about 9.2 million USD. Sums stay at it.
    pub const MAX: Self = Self(i64::MAX);

    /// An amount of 10⁻¹² USD each.
    pub const fn from_pusd(pico_usd: i64) -> Self {
        Self(pico_usd)
    }

    /// The amount in pico-USD.
    pub const fn pusd(self) -> i64 {
        self.0
    }

    /// `None` where the sum is more than [`Money::MAX`].
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The sum, at most [`Money::MAX`].
    #[must_use]
    pub const fn saturating_plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference; it may be negative.
    #[must_use]
    pub const fn saturating_minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// `tokens` at `each_pusd` pico-USD each; `None` where that is more than [`Money::MAX`].
    #[must_use]
    pub fn times(tokens: u64, each_pusd: u64) -> Option<Self> {
        i64::try_from(tokens.checked_mul(each_pusd)?).ok().map(Self)
    }

    /// The shortest decimal text in USD that is exact: `0.002`, `-1`, `0`.
    fn text(self) -> String {
        signed_decimal(self.0 < 0, self.0.unsigned_abs(), PLACES)
    }
}

/// Text that is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAmount {
    #[error("must be a decimal number such as \"0.15\"")]
    Malformed,
    #[error("must have at most {0} decimal places")]
    TooFine(u32),
    #[error("is more than can be counted")]
    TooLarge,
}

/// Reads decimal text, also with an exponent, as a whole number of units of 10⁻ᵖˡᵃᶜᵉˢ. Nothing is rounded, and nothing
/// is negative.
pub fn whole(text: &str, places: u32) -> Result<u64, InvalidAmount> {
    let Digits { significant, shift } = Digits::of(text, places)?;
    match (significant.as_str(), u32::try_from(shift)) {
        ("", _) => Ok(0),
        (_, Err(_)) if shift < 0 => Err(InvalidAmount::TooFine(places)),
        (digits, Ok(shift)) => {
            let scale = 10_u64.checked_pow(shift).ok_or(InvalidAmount::TooLarge)?;
            let digits: u64 = digits.parse().map_err(|_| InvalidAmount::TooLarge)?;
            digits.checked_mul(scale).ok_or(InvalidAmount::TooLarge)
        }
        (_, Err(_)) => Err(InvalidAmount::TooLarge),
    }
}

/// The same, where an amount that is finer than the unit is taken as a whole number of units that is next to it: as the
/// nearest one where the rest is no more than the error of arithmetic with floats, and else as the next higher one if that is
/// at most a millionth more.
pub fn nearly_whole(text: &str, places: u32) -> Result<u64, InvalidAmount> {
    /// A rest of less than this share of the amount comes from arithmetic with floats, whose own error is a part in 10¹⁶.
    const FLOAT_ERROR: u128 = 1_000_000_000_000;
    const MOST_MORE: u128 = 1_000_000;
    let too_fine = Err(InvalidAmount::TooFine(places));
    if whole(text, places) != too_fine {
        return whole(text, places);
    }
    let Digits { significant, shift } = Digits::of(text, places)?;
    let unit = u32::try_from(shift.unsigned_abs()).ok().and_then(|cut| 10_u128.checked_pow(cut));
    let (Some(unit), Ok(amount)) = (unit, significant.parse::<u128>()) else {
        return too_fine;
    };
    let (units, rest) = (amount.div_euclid(unit), amount.rem_euclid(unit));
    let units = if rest <= amount.div_euclid(FLOAT_ERROR) {
        units
    } else if unit.saturating_sub(rest) <= amount.div_euclid(MOST_MORE) {
        units.saturating_add(1)
    } else {
        return too_fine;
    };
    u64::try_from(units).map_err(|_| InvalidAmount::TooLarge)
}

/// The digits of decimal text from the first to the last that is not 0, and the power of ten that makes units of them.
struct Digits {
    significant: String,
    shift: i64,
}

impl Digits {
    fn of(text: &str, places: u32) -> Result<Self, InvalidAmount> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            None => (text, 0),
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| InvalidAmount::Malformed)?),
        };
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let plain = integer.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
        let dotted = mantissa.contains('.');
        if !plain || integer.is_empty() || (dotted && fraction.is_empty()) {
            return Err(InvalidAmount::Malformed);
        }
        let digits = format!("{integer}{fraction}");
        let significant = digits.trim_end_matches('0');
        let dropped = i64::try_from(digits.len().saturating_sub(significant.len())).unwrap_or(i64::MAX);
        let fraction_length = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
        let shift =
            i64::from(places).saturating_add(exponent.into()).saturating_sub(fraction_length).saturating_add(dropped);
        Ok(Self { significant: significant.trim_start_matches('0').to_owned(), shift })
    }
}

/// The shortest decimal text of `units` of 10⁻ᵖˡᵃᶜᵉˢ; [`whole`] reads it.
#[must_use]
pub fn decimal(units: u64, places: u32) -> String {
    signed_decimal(false, units, places)
}

/// The same with a sign. Without `format!`, because each call has several amounts in its records.
fn signed_decimal(is_negative: bool, units: u64, places: u32) -> String {
    let digit = |value: u64| b'0'.saturating_add(u8::try_from(value % 10).unwrap_or_default());
    let mut rest = units;
    // From the last digit on; the zeros that a fraction ends in are left out.
    let mut reversed = Vec::with_capacity(DIGITS);
    for _ in 0..places {
        if !rest.is_multiple_of(10) || !reversed.is_empty() {
            reversed.push(digit(rest));
        }
        rest /= 10;
    }
    if !reversed.is_empty() {
        reversed.push(b'.');
    }
    reversed.push(digit(rest));
    while rest > 9 {
        rest /= 10;
        reversed.push(digit(rest));
    }
    if is_negative {
        reversed.push(b'-');
    }
    reversed.reverse();
    String::from_utf8(reversed).unwrap_or_default()
}

impl FromStr for Money {
    type Err = InvalidAmount;

    /// Reads USD.
    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        i64::try_from(whole(text, PLACES)?).map(Self).map_err(|_| InvalidAmount::TooLarge)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl JsonSchema for Money {
    fn schema_name() -> String {
        "Money".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        text(Self::FORMAT, "USD in decimal text.", matching(PATTERN))
    }
}

impl Serialize for Money {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// An amount as people write it: decimal text, or a number, which is taken as the shortest text that means it.
#[derive(Deserialize)]
#[serde(untagged, expecting = "must be an amount of USD, such as \"12.50\"")]
enum Written {
    Text(String),
    Whole(u64),
    Fraction(f64),
}

/// Reads an amount in either form as text.
///
/// # Errors
/// If it is neither.
pub fn text_or_number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Written::deserialize(deserializer)? {
        Written::Text(text) => text,
        Written::Whole(number) => number.to_string(),
        Written::Fraction(number) => number.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn money_prints_exactly_and_shortly() {
        for (pico_usd, text) in [
            (0, "0"),
            (150_000, "0.00000015"),
            (2_000_000_000, "0.002"),
            (-1_000_000_000_000, "-1"),
            (-10_000_000_000_000, "-10"),
            (i64::MAX, "9223372.036854775807"),
            (i64::MIN, "-9223372.036854775808"),
            (1, "0.000000000001"),
            (12_340_000_000_000, "12.34"),
        ] {
            let money = Money::from_pusd(pico_usd);
            assert_eq!(money.to_string(), text);
            assert_eq!(serde_json::to_value(money).unwrap(), text);
        }
        assert_eq!(
            (decimal(0, 0), decimal(120, 0), decimal(7, 30)),
            ("0".into(), "120".into(), format!("0.{:030}", 7))
        );
    }

    #[test]
    fn an_amount_is_read_to_the_last_unit_or_not_at_all() {
        for (text, units) in [("0", 0), ("1.5e-07", 150_000), ("1E2", 100_000_000_000_000), ("00.10", 100_000_000_000)]
        {
            assert_eq!(whole(text, PLACES), Ok(units), "{text}");
        }
        assert_eq!(whole("0.0000010", 6), Ok(1));
        assert_eq!(whole("0e999999999", 6), Ok(0));
        for text in
            ["", ".", "1.", ".5", "-1", "+1", " 1", "1 ", "1,5", "NaN", "inf", "1e", "1e1.5", "0x1", "1e99999999999"]
        {
            assert_eq!(whole(text, PLACES), Err(InvalidAmount::Malformed), "{text}");
        }
        assert_eq!(whole("0.0000001", 6), Err(InvalidAmount::TooFine(6)));
        assert_eq!(whole("1e-999999999", 6), Err(InvalidAmount::TooFine(6)));
        for text in ["18446745", "1e30", "1e999999999", "99999999999999999999999999"] {
            assert_eq!(whole(text, PLACES), Err(InvalidAmount::TooLarge), "{text}");
        }
        assert_eq!("9223373".parse::<Money>(), Err(InvalidAmount::TooLarge));
    }

    #[test]
    fn a_rest_of_float_arithmetic_is_dropped_and_a_finer_amount_is_at_most_a_millionth_more() {
        for (text, units) in [
            ("1.5e-07", 150_000),
            ("1.0000000000000001e-07", 100_000),
            ("2.9999900000000002e-06", 2_999_990),
            ("9.499999999999999E-7", 950_000),
            ("0.000033333333333333335", 33_333_334),
            ("0.0000011428571428571428", 1_142_858),
            ("0.00028333333333333333333", 283_333_334),
            ("0", 0),
        ] {
            assert_eq!(nearly_whole(text, PLACES), Ok(units), "{text}");
        }
        for text in ["1.41953125E-7", "1.142857142857143E-7", "2.5e-12", "1e-13", "1e-400", "1.0000000001e-400"] {
            assert_eq!(nearly_whole(text, PLACES), Err(InvalidAmount::TooFine(PLACES)), "{text}");
        }
        assert_eq!(nearly_whole("1e30", PLACES), Err(InvalidAmount::TooLarge));
        assert_eq!(nearly_whole("-1", PLACES), Err(InvalidAmount::Malformed));
    }

    #[test]
    fn an_amount_may_be_written_as_a_number() {
        for (written, text) in [("10", "10"), ("10.5", "10.5"), ("0.000001", "0.000001"), ("\"07.50\"", "07.50")] {
            let read = text_or_number(&mut serde_json::Deserializer::from_str(written));
            assert_eq!(read.unwrap(), text, "{written}");
        }
        for wrong in ["true", "null", "[1]"] {
            assert!(text_or_number(&mut serde_json::Deserializer::from_str(wrong)).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(pico_usd in 0..=i64::MAX) {
            let money = Money::from_pusd(pico_usd);
            prop_assert_eq!(money.to_string().parse(), Ok(money));
        }

        #[test]
        fn no_text_is_a_panic(text in "[-+0-9.eE]{0,40}", places in 0..13_u32) {
            prop_assert!(whole(&text, places).is_ok_and(|_| text.bytes().any(|b| b.is_ascii_digit())) || whole(&text, places).is_err());
            prop_assert!(whole(&text, places).is_err() || nearly_whole(&text, places) == whole(&text, places));
        }
    }
}
