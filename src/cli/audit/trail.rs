//! The checkpoints of a chain, one after the other, read in pages.

use std::collections::VecDeque;

use super::{Failure, failed};
use crate::{domain::audit::checkpoint::Checkpoint, store::Store};

const PAGE: u32 = 2_000;

pub(super) struct TrailReader<'a> {
    store: &'a Store,
    chain: &'a str,
    after: u64,
    through: u64,
    ready: VecDeque<Checkpoint>,
}

impl<'a> TrailReader<'a> {
    /// From the one after the number `after` up to the number `through`.
    pub(super) const fn new(store: &'a Store, chain: &'a str, after: u64, through: u64) -> Self {
        Self { store, chain, after, through, ready: VecDeque::new() }
    }

    /// The next one that vouches for less than this place.
    pub(super) async fn next_before(&mut self, seq: u64) -> Result<Option<Checkpoint>, Failure> {
        if self.ready.is_empty() && self.after < self.through {
            let page = self.store.checkpoints_after(self.chain, self.after, PAGE).await.map_err(failed)?;
            self.after = page.last().map_or(self.through, |last| last.number);
            self.ready = page.into_iter().filter(|checkpoint| checkpoint.number <= self.through).collect();
        }
        Ok(self.ready.pop_front_if(|checkpoint| checkpoint.seq < seq))
    }
}
