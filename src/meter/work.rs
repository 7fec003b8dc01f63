//! The work of reading, counted in tests alone: bytes and members that are looked at. So a test can say that it is linear,
//! which no clock can.

#[cfg(test)]
thread_local! {
    static DONE: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// So many bytes or members are looked at.
#[cfg(test)]
pub(super) fn count(looked_at: usize) {
    DONE.with(|done| done.set(done.get().saturating_add(u64::try_from(looked_at).unwrap_or(u64::MAX))));
}

#[cfg(not(test))]
#[inline]
pub(super) const fn count(_: usize) {}

/// The work of this.
#[cfg(test)]
pub(super) fn of<T>(read: impl FnOnce() -> T) -> (u64, T) {
    let before = DONE.get();
    let read = read();
    (DONE.get().saturating_sub(before), read)
}
