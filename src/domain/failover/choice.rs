//! Which target gets a call.

use super::Aim;

/// 2⁶⁴ divided by the golden ratio: its multiples lie evenly between 0 and 2⁶⁴, however many are taken.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Where the call with this number falls: one after the other, they are spread evenly.
#[must_use]
pub const fn spread(count: u64) -> u64 {
    count.wrapping_mul(GOLDEN)
}

/// The target for a call that falls at `at`: of those that are fit the ones with the lowest priority, by weight among these.
/// Gives its place in `aims`.
pub fn choose(aims: &[Aim], is_fit: impl Fn(usize) -> bool, at: u64) -> Option<usize> {
    let fit: Vec<(usize, &Aim)> = aims.iter().enumerate().filter(|(place, _)| is_fit(*place)).collect();
    let first = fit.iter().map(|(_, aim)| aim.priority).min()?;
    let candidates = || fit.iter().filter(|(_, aim)| aim.priority == first);
    let total: u128 = candidates().map(|(_, aim)| u128::from(aim.weight)).sum();
    let mut left = (u128::from(at).saturating_mul(total)) >> 64;
    for (place, aim) in candidates() {
        let weight = u128::from(aim.weight);
        if left < weight {
            return Some(*place);
        }
        left = left.saturating_sub(weight);
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn aims(given: &[(u32, u32)]) -> Vec<Aim> {
        let aim =
            |(weight, priority): &(u32, u32)| Aim { weight: *weight, priority: *priority, ..Aim::only("u".into()) };
        given.iter().map(aim).collect()
    }

    #[test]
    fn calls_are_shared_by_weight() {
        let aims = aims(&[(3, 0), (1, 0), (9, 1)]);
        let mut counts = [0; 3];
        for count in 0..4_000 {
            counts[choose(&aims, |_| true, spread(count)).unwrap()] += 1;
        }
        assert!((2_995..=3_005).contains(&counts[0]) && counts[2] == 0, "{counts:?}");
    }

    proptest! {
        #[test]
        fn the_chosen_one_is_fit_and_none_that_is_fit_comes_before_it(
            given in vec((1..100_u32, 0..4_u32, any::<bool>()), 0..9), at in any::<u64>(),
        ) {
            let aims = aims(&given.iter().map(|(weight, priority, _)| (*weight, *priority)).collect::<Vec<_>>());
            let first = given.iter().filter(|aim| aim.2).map(|aim| aim.1).min();
            let chosen = choose(&aims, |place| given[place].2, at);
            prop_assert_eq!(chosen.map(|place| given[place].1), first);
            prop_assert!(chosen.is_none_or(|place| given[place].2));
        }

        #[test]
        fn every_one_of_the_first_that_are_fit_has_its_share(weights in vec(1..50_u32, 1..6)) {
            let aims = aims(&weights.iter().map(|weight| (*weight, 0)).collect::<Vec<_>>());
            let total: u32 = weights.iter().sum();
            let mut counts = vec![0_u32; weights.len()];
            for count in 0..u64::from(total) * 20 {
                counts[choose(&aims, |_| true, spread(count)).unwrap()] += 1;
            }
            for (count, weight) in counts.iter().zip(&weights) {
                prop_assert!(count.abs_diff(weight * 20) <= 8, "{counts:?} for {weights:?}");
            }
        }
    }
}
