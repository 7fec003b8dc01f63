//! How long requests took: a histogram that forgets at most 3.2 % of each value.
//!
//! Log-linear: values up to 32 microseconds each have a bucket, from there on each doubling has 16 of one width. A value is
//! told as the middle of its bucket, so it is off by half a bucket's width at most: by 1/32 of the value.

use std::collections::BTreeMap;

/// Buckets of each doubling, as a power of two.
const BITS: u32 = 4;
const PER_DOUBLING: u64 = 1 << BITS;

/// How many requests took about how long. As a difference, counts may be below zero.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Durations(BTreeMap<u16, i64>);

/// Bytes that are no histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are no histogram")]
pub struct NoDurations;

impl Durations {
    /// Adds one request, whose duration is given in microseconds.
    pub fn record(&mut self, duration_us: u64) {
        self.add_to(bucket(duration_us), 1);
    }

    /// Adds another histogram, `times` times.
    pub fn add(&mut self, other: &Self, times: i64) {
        for (bucket, count) in &other.0 {
            self.add_to(*bucket, count.saturating_mul(times));
        }
    }

    /// Whether nothing is counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The duration that `percent` percent of the requests did not exceed (nearest rank), in microseconds; `None` where
    /// there are none.
    #[must_use]
    pub fn percentile_us(&self, percent: u8) -> Option<u64> {
        let total: i64 = self.0.values().sum();
        let rank = total.saturating_mul(percent.into()).saturating_add(99).checked_div(100)?.max(1);
        let mut seen = 0_i64;
        let found = self.0.iter().find(|(_, count)| {
            seen = seen.saturating_add(**count);
            seen >= rank
        });
        found.map(|(bucket, _)| middle_us(*bucket))
    }

    /// The histogram as it is stored: for each bucket how many buckets it is after the one before, and its count, as
    /// LEB128.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![];
        let mut before = 0;
        for (bucket, count) in &self.0 {
            write(&mut bytes, u64::from(bucket.saturating_sub(before)));
            write(&mut bytes, u64::try_from(*count).unwrap_or_default());
            before = *bucket;
        }
        bytes
    }

    /// Reads what [`Durations::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NoDurations> {
        let (mut counts, mut bucket, mut bytes) = (BTreeMap::new(), 0_u16, bytes.iter());
        while !bytes.as_slice().is_empty() {
            let step = u16::try_from(read(&mut bytes)?).map_err(|_| NoDurations)?;
            bucket = bucket.checked_add(step).ok_or(NoDurations)?;
            let count = i64::try_from(read(&mut bytes)?).map_err(|_| NoDurations)?;
            counts.insert(bucket, count);
        }
        Ok(Self(counts))
    }

    fn add_to(&mut self, bucket: u16, count: i64) {
        let sum = self.0.entry(bucket).or_default();
        *sum = sum.saturating_add(count);
        if *sum == 0 {
            self.0.remove(&bucket);
        }
    }
}

/// The number of the bucket of a value: the value itself up to 32, and then 16 a doubling.
fn bucket(duration_us: u64) -> u16 {
    let doublings = duration_us.checked_ilog2().unwrap_or_default().saturating_sub(BITS);
    let number = u64::from(doublings).saturating_mul(PER_DOUBLING).saturating_add(duration_us >> doublings);
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn middle_us(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    if bucket < PER_DOUBLING.saturating_mul(2) {
        return bucket;
    }
    let doublings = (bucket / PER_DOUBLING).saturating_sub(1);
    let mantissa = bucket.saturating_sub(doublings.saturating_mul(PER_DOUBLING));
    let width = 1_u64.checked_shl(u32::try_from(doublings).unwrap_or(u32::MAX)).unwrap_or_default();
    mantissa.saturating_mul(width).saturating_add(width.saturating_sub(1) / 2)
}

fn write(bytes: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn read<'b>(bytes: &mut impl Iterator<Item = &'b u8>) -> Result<u64, NoDurations> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = bytes.next().ok_or(NoDurations)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(NoDurations)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u64]) -> Durations {
        let mut durations = Durations::default();
        for value in values {
            durations.record(*value);
        }
        durations
    }

    #[test]
    fn a_percentile_is_that_of_the_nearest_rank() {
        let durations = of(&(1..=20).collect::<Vec<_>>());
        assert_eq!((durations.percentile_us(50), durations.percentile_us(99)), (Some(10), Some(20)));
        assert_eq!((of(&[7]).percentile_us(50), of(&[]).percentile_us(50)), (Some(7), None));
    }

    #[test]
    fn bytes_that_are_no_histogram_are_refused() {
        for bad in [&[0x80][..], &[1], &[0xff; 20], &[0xff, 0xff, 0xff, 0x0f, 1]] {
            assert_eq!(Durations::from_bytes(bad), Err(NoDurations), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_value_is_told_within_a_thirty_second_of_it(value in 0_u64..=1 << 40) {
            let told = of(&[value]).percentile_us(50).unwrap();
            prop_assert!(told.abs_diff(value) * 32 <= value, "{value} is told as {told}");
        }

        #[test]
        fn buckets_are_in_the_order_of_their_values(low in any::<u64>(), high in any::<u64>()) {
            prop_assume!(low <= high);
            prop_assert!(bucket(low) <= bucket(high));
        }

        #[test]
        fn what_is_stored_is_read_again(values in prop::collection::vec(0_u64..1 << 50, 0..50)) {
            let durations = of(&values);
            prop_assert_eq!(Durations::from_bytes(&durations.to_bytes()), Ok(durations));
        }

        #[test]
        fn what_is_added_and_taken_away_leaves_nothing(values in prop::collection::vec(any::<u64>(), 0..50)) {
            let mut durations = of(&values);
            durations.add(&of(&values), -1);
            prop_assert!(durations.is_empty());
        }
    }
}
