//! Counts that are stated again later in one answer.

use super::{
    count::Count,
    counts::{Counts, Share, Stated},
};

impl Counts {
    /// What an answer states after what it has stated before: the last count of each kind holds. A cache that is first told
    /// of later was in the prompt before, and a prompt that is as long as it was with its cache has it within.
    pub fn follow(&self, later: Stated, earlier: Stated) -> Stated {
        let both = later.or(superseded(&later, earlier));
        let (Share::Beside, Count::Plain(before)) = (self.cache, earlier.input) else { return both };
        let input = if earlier.cached == Count::Absent && earlier.cache_write == Count::Absent && cache(&later) > 0 {
            if later.input.is_plain() { later.input } else { Count::Plain(before.saturating_sub(cache(&later))) }
        } else if cache(&earlier) > 0 && later.input == Count::Plain(before.saturating_add(cache(&earlier))) {
            earlier.input
        } else {
            both.input
        };
        Stated { input, ..both }
    }
}

/// What came from a cache and what went into one.
fn cache(stated: &Stated) -> u64 {
    stated.cached.plain().saturating_add(stated.cache_write.plain())
}

/// The earlier counts without those in whose place later ones stand, whatever these say: cache writes by their times, and both
/// of a cache where both are told again and are no less together. A 0 among them takes back what the other one is now.
fn superseded(later: &Stated, earlier: Stated) -> Stated {
    let by_time = [later.short_cache_write, later.long_cache_write].iter().any(|count| count.is_plain());
    let is_whole = later.cached.is_plain() && later.cache_write.is_plain();
    let is_retold = is_whole && cache(later) > 0 && cache(later) >= cache(&earlier);
    let kept = |count: Count, is_kept: bool| if is_kept { count } else { Count::Absent };
    let are_times_taken_back = is_retold && later.cache_write.plain() == 0;
    let are_times_kept = !by_time && !are_times_taken_back;
    Stated {
        cached: kept(earlier.cached, !is_retold),
        cache_write: kept(earlier.cache_write, !is_retold),
        short_cache_write: kept(earlier.short_cache_write, are_times_kept),
        long_cache_write: kept(earlier.long_cache_write, are_times_kept),
        ..earlier
    }
}
