//! Bytes as hexadecimal digits. A value has one text: digits are lower-case, and nothing else is read.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Lower-case hexadecimal digits.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut digits = vec![b'0'; bytes.len().saturating_mul(2)];
    write(bytes, &mut digits);
    String::from_utf8(digits).unwrap_or_default()
}

/// Writes the same into a place of two bytes for each.
pub fn write(bytes: &[u8], digits: &mut [u8]) {
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
    let (pairs, _) = digits.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 0x0f)];
    }
}

/// The bytes of a text that [`encode`] makes; of any other text, nothing.
#[must_use]
pub fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut bytes = [0; N];
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (value(*high)? << 4) | value(*low)?;
    }
    Some(bytes)
}

const fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(digit.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_text() {
        for byte in 0..=255_u8 {
            let text = encode(&[byte]);
            assert_eq!(text, format!("{byte:02x}"));
            assert_eq!(decode(&text), Some([byte]));
        }
        assert_eq!(encode(&[]), "");
        assert_eq!(encode(&[0x01, 0xab, 0xf0]), "01abf0");
    }

    #[test]
    fn a_text_that_is_not_canonical_is_not_read() {
        for other in ["0A", "0", "000", "0g", "", " 0", "0x", "é"] {
            assert_eq!(decode::<1>(other), None, "{other}");
        }
    }
}
