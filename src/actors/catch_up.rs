//! Reading what has changed since last time: one reading at a time, in order.
//!
//! Whoever must know that a reading includes their own change waits for one that *began* after they asked. If two
//! readings ran at once, the older could be published over the newer.

/// Whether a reading is under way, and who waits for the next.
pub(super) struct CatchUp<W> {
    reading: bool,
    waiting: Vec<W>,
}

impl<W> Default for CatchUp<W> {
    fn default() -> Self {
        Self { reading: false, waiting: vec![] }
    }
}

impl<W> CatchUp<W> {
    /// `who` is served by the next reading that begins.
    pub(super) fn wait(&mut self, who: W) {
        self.waiting.push(who);
    }

    /// Begins a reading and gives those it serves; `None` while another is under way.
    pub(super) fn begin(&mut self) -> Option<Vec<W>> {
        let begins = !std::mem::replace(&mut self.reading, true);
        begins.then(|| std::mem::take(&mut self.waiting))
    }

    /// Ends the reading; true if somebody waits for another.
    pub(super) fn end(&mut self) -> bool {
        self.reading = false;
        !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_during_a_reading_is_served_by_the_next() {
        let mut catch_up = CatchUp::default();
        catch_up.wait(1);
        assert_eq!(catch_up.begin(), Some(vec![1]));
        catch_up.wait(2);
        assert_eq!(catch_up.begin(), None);
        assert!(catch_up.end());
        assert_eq!(catch_up.begin(), Some(vec![2]));
        assert!(!catch_up.end());
    }
}
