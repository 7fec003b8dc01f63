//! Walks through the chains of a store: pages are read while the ones before them are checked on other threads.

use std::collections::VecDeque;

use tokio::task::{JoinHandle, spawn_blocking};

use super::{
    Failure, failed,
    report::{Inspector, MEANS},
    trail::TrailReader,
};
use crate::{
    cli::progress::Progress,
    domain::audit::{
        act::CUSTODY,
        verify::{Beginning, Facts, Finding, Position, Walk, check_checkpoint, check_entry},
    },
    store::{Store, audit::Stored},
};

/// Entries of a page, and pages that are checked at a time.
const PAGE: u32 = 5_000;
const IN_HAND: usize = 3;

/// Walks through one chain from the entry `from` on.
pub(super) async fn walk(
    store: &Store,
    chain: &str,
    from: u64,
    inspector: &mut Inspector,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let from = if chain == CUSTODY { 1 } else { from };
    let beginning = if from > 1 { Beginning::Excerpt } else { Beginning::Chain };
    let mut walk = Walk::new(chain, beginning);
    let mut trail = trail_from(store, chain, from).await?;
    let mut pages = Pages::of(store, chain, from).await?;
    while let Some(page) = pages.next().await? {
        progress.add(u64::try_from(page.len()).unwrap_or_default());
        for facts in page {
            let facts = facts?;
            while let Some(checkpoint) = trail.next_before(facts.seq).await? {
                inspector.checkpoint(&mut walk, &checkpoint, check_checkpoint(&checkpoint, &inspector.keys, MEANS))?;
            }
            inspector.entry(&mut walk, facts)?;
        }
    }
    while let Some(checkpoint) = trail.next_before(u64::MAX).await? {
        inspector.checkpoint(&mut walk, &checkpoint, check_checkpoint(&checkpoint, &inspector.keys, MEANS))?;
    }
    let mut summary = walk.end()?;
    if let Some(torn) = summary.losses.torn
        && store.audit_link(chain, torn.behind).await.map_err(failed)?.is_none()
    {
        // It was there when it was read: a drop has overtaken this walk, and what is missing is a beginning.
        summary.losses.torn = None;
    }
    inspector.close(summary);
    Ok(())
}

/// The checkpoints up to the newest of now; later ones vouch for entries that the walk does not see. Read before the head:
/// what the newest vouches for must be there by then.
async fn trail_from<'a>(store: &'a Store, chain: &'a str, from: u64) -> Result<TrailReader<'a>, Failure> {
    let through = store.last_checkpoint(chain).await.map_err(failed)?.map_or(0, |newest| newest.number);
    let before = if from > 1 { store.checkpoints_before(chain, from).await.map_err(failed)? } else { 0 };
    Ok(TrailReader::new(store, chain, before, through))
}

type Page = Vec<Result<Facts, Finding>>;

/// The entries of a chain, checked each by itself.
struct Pages<'a> {
    store: &'a Store,
    chain: &'a str,
    after: u64,
    through: u64,
    in_hand: VecDeque<JoinHandle<Page>>,
    all_read: bool,
}

impl<'a> Pages<'a> {
    async fn of(store: &'a Store, chain: &'a str, from: u64) -> Result<Self, Failure> {
        let through = store.audit_head(chain).await.map_err(failed)?.map_or(0, |head| head.seq);
        let after = from.saturating_sub(1);
        Ok(Self { store, chain, after, through, in_hand: VecDeque::new(), all_read: false })
    }

    async fn next(&mut self) -> Result<Option<Page>, Failure> {
        while !self.all_read && self.in_hand.len() < IN_HAND {
            let page = self.store.audit_entries_after(self.chain, self.after, self.through, PAGE);
            let page = page.await.map_err(failed)?;
            match page.last() {
                None => self.all_read = true,
                Some((_, columns)) => self.after = columns.seq,
            }
            let chain = self.chain.to_owned();
            self.in_hand.push_back(spawn_blocking(move || check(&chain, &page)));
        }
        match self.in_hand.pop_front() {
            Some(page) => page.await.map(Some).map_err(failed),
            None => Ok(None),
        }
    }
}

fn check(chain: &str, page: &[Stored]) -> Page {
    let check = |(entry, columns): &Stored| {
        let finding = |fault| Finding { chain: chain.to_owned(), position: Position::Record(columns.seq), fault };
        check_entry(entry, Some(columns), MEANS).map_err(finding)
    };
    page.iter().map(check).collect()
}
