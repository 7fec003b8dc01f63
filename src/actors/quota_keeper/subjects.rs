//! What a keeper remembers of the subjects of one series, in the order they were last charged.
//!
//! A bucket that is full again is as good as none, so it is forgotten: two are looked at with each new charge, the ones
//! charged longest ago first. Thus memory follows the subjects that are active, and no sweep ever stops the shard.

use hashlink::LinkedHashMap;

use crate::domain::limit::Subject;

/// How many of the oldest are looked at when there must be room.
const SEARCH: usize = 64;

pub(super) struct Subjects<T>(LinkedHashMap<Subject, T>);

impl<T> Default for Subjects<T> {
    fn default() -> Self {
        Self(LinkedHashMap::new())
    }
}

impl<T> Subjects<T> {
    pub(super) fn get(&self, subject: Subject) -> Option<&T> {
        self.0.get(&subject)
    }

    pub(super) fn get_mut(&mut self, subject: Subject) -> Option<&mut T> {
        self.0.get_mut(&subject)
    }

    /// What is remembered of a subject that is being charged: it becomes the newest.
    pub(super) fn charged(&mut self, subject: Subject, unseen: impl FnOnce() -> T) -> &mut T {
        self.0.to_back(&subject);
        self.0.entry(subject).or_insert_with(unseen)
    }

    /// What is remembered of a subject that is being charged, if anything: it becomes the newest.
    pub(super) fn renewed(&mut self, subject: Subject) -> Option<&mut T> {
        self.0.to_back(&subject)
    }

    pub(super) fn remove(&mut self, subject: Subject) -> Option<T> {
        self.0.remove(&subject)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Subject, &mut T)> {
        self.0.iter_mut().map(|(subject, kept)| (*subject, kept))
    }

    /// Forgets up to two of the oldest that are `idle`; returns how many.
    pub(super) fn forget_oldest(&mut self, idle: impl Fn(&T) -> bool) -> usize {
        let forget = |_: &usize| self.0.front().is_some_and(|(_, kept)| idle(kept)) && self.0.pop_front().is_some();
        (0..2).take_while(forget).count()
    }

    /// Forgets one that is `idle` among the oldest; false if all of those are in use.
    pub(super) fn forget_one(&mut self, idle: impl Fn(&T) -> bool) -> bool {
        let found = self.0.iter().take(SEARCH).find(|(_, kept)| idle(kept)).map(|(subject, _)| *subject);
        found.is_some_and(|subject| self.0.remove(&subject).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn subject(id: u128) -> Subject {
        Uuid::from_u128(id).into()
    }

    #[test]
    fn the_oldest_idle_ones_go_first_and_none_that_is_in_use() {
        let mut subjects = Subjects::default();
        for id in 0..5 {
            *subjects.charged(subject(id), || 0) = id;
        }
        subjects.charged(subject(0), || 99);
        assert_eq!(subjects.forget_oldest(|kept| *kept != 2), 1);
        assert!(subjects.get(subject(1)).is_none() && subjects.get(subject(0)) == Some(&0));
        assert!(subjects.forget_one(|kept| *kept != 2));
        assert!(subjects.get(subject(3)).is_none() && subjects.get(subject(2)).is_some());
        assert!(!subjects.forget_one(|_| false));
    }
}
