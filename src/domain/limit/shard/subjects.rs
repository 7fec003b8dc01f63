//! A table by subject that is laid out flat: to find one reads one place of far memory, however many there are.
//!
//! Open addressing with linear probing; what is taken out leaves no mark, because what stands behind it moves up. Subjects
//! are spread by a product with random numbers, so that nobody can choose addresses that fall together.

use std::{
    hash::{BuildHasher, RandomState},
    iter, mem,
};

use crate::domain::limit::Subject;

/// The slots of the smallest table that has any.
const FEWEST_SLOTS: usize = 8;

type Slot<T> = Option<(Subject, T)>;

pub(super) struct Subjects<T> {
    /// At least one in five is free.
    slots: Vec<Slot<T>>,
    len: usize,
    secret: [u64; 2],
}

impl<T> Default for Subjects<T> {
    fn default() -> Self {
        let random = RandomState::new();
        Self { slots: vec![], len: 0, secret: [random.hash_one(0), random.hash_one(1)] }
    }
}

impl<T> Subjects<T> {
    pub(super) fn get(&self, subject: Subject) -> Option<&T> {
        let at = self.find(subject).ok()?;
        self.slots.get(at)?.as_ref().map(|(_, kept)| kept)
    }

    pub(super) fn get_mut(&mut self, subject: Subject) -> Option<&mut T> {
        let at = self.find(subject).ok()?;
        self.slots.get_mut(at)?.as_mut().map(|(_, kept)| kept)
    }

    /// Keeps this of a subject, in place of what was kept of it.
    pub(super) fn insert(&mut self, subject: Subject, kept: T) {
        if self.len.saturating_mul(5) >= self.slots.len().saturating_mul(4) {
            self.grow();
        }
        let (Ok(at) | Err(at)) = self.find(subject);
        if let Some(slot) = self.slots.get_mut(at) {
            self.len = self.len.saturating_add(usize::from(slot.is_none()));
            *slot = Some((subject, kept));
        }
    }

    /// Takes a subject out. A table that has none takes no memory.
    pub(super) fn remove(&mut self, subject: Subject) -> Option<T> {
        let at = self.find(subject).ok()?;
        let (_, kept) = self.slots.get_mut(at)?.take()?;
        self.len = self.len.saturating_sub(1);
        if self.len == 0 {
            self.slots = vec![];
        } else {
            self.move_up_to(at);
        }
        Some(kept)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Subject, &mut T)> {
        self.slots.iter_mut().flatten().map(|(subject, kept)| (*subject, kept))
    }

    /// The slot of a subject, or else the free one where it would stand.
    fn find(&self, subject: Subject) -> Result<usize, usize> {
        let mut at = self.home(subject);
        loop {
            match self.slots.get(at) {
                Some(Some((there, _))) if *there == subject => return Ok(at),
                Some(Some(_)) => at = self.after(at),
                Some(None) | None => return Err(at),
            }
        }
    }

    /// Where the search for a subject begins.
    fn home(&self, subject: Subject) -> usize {
        let ([high, low], [a, b]) = (subject.words(), self.secret);
        let product = u128::from(high ^ a).wrapping_mul(u128::from(low ^ b));
        let spread = (product >> 64) ^ (product & u128::from(u64::MAX));
        let slots = u128::try_from(self.slots.len()).unwrap_or(0);
        usize::try_from(spread.wrapping_mul(slots) >> 64).unwrap_or(0)
    }

    const fn after(&self, at: usize) -> usize {
        let next = at.wrapping_add(1);
        if next < self.slots.len() { next } else { 0 }
    }

    /// How many steps a search takes from one slot to another.
    const fn steps(&self, from: usize, to: usize) -> usize {
        if to < from { to.wrapping_add(self.slots.len()).wrapping_sub(from) } else { to.wrapping_sub(from) }
    }

    fn grow(&mut self) {
        let slots = self.slots.len().saturating_mul(2).max(FEWEST_SLOTS);
        let old = mem::replace(&mut self.slots, iter::repeat_with(|| None).take(slots).collect());
        for (subject, kept) in old.into_iter().flatten() {
            let (Ok(at) | Err(at)) = self.find(subject);
            if let Some(slot) = self.slots.get_mut(at) {
                *slot = Some((subject, kept));
            }
        }
    }

    /// Fills a slot that was emptied, so that no search ends there too early.
    fn move_up_to(&mut self, mut empty: usize) {
        let mut next = self.after(empty);
        while let Some((subject, _)) = self.slots.get(next).and_then(Option::as_ref) {
            if self.steps(self.home(*subject), next) >= self.steps(empty, next) {
                self.slots.swap(empty, next);
                empty = next;
            }
            next = self.after(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds(steps in prop::collection::vec((0u128..60, any::<Option<u32>>()), 1..400)) {
            let (mut subjects, mut map) = (Subjects::default(), HashMap::new());
            for (id, kept) in steps {
                let subject = Uuid::from_u128(id).into();
                if let Some(kept) = kept {
                    subjects.insert(subject, kept);
                    map.insert(subject, kept);
                } else {
                    prop_assert_eq!(subjects.remove(subject), map.remove(&subject));
                }
                prop_assert_eq!(subjects.get(subject), map.get(&subject));
            }
            prop_assert_eq!(subjects.iter_mut().map(|(subject, kept)| (subject, *kept)).collect::<HashMap<_, _>>(), map);
        }
    }

    #[test]
    fn it_takes_no_memory_for_what_is_gone() {
        let mut subjects = Subjects::default();
        (0..100).for_each(|id| subjects.insert(Uuid::from_u128(id).into(), id));
        assert!((0..100).all(|id| subjects.remove(Uuid::from_u128(id).into()) == Some(id)));
        assert_eq!(subjects.slots.capacity(), 0);
    }
}
