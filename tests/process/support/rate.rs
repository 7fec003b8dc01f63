//! Whether what was admitted is within a rate, as far as a client can tell.

/// What a policy says.
#[derive(Clone, Copy)]
pub struct Rate {
    pub limit: u64,
    pub window_s: u64,
    pub burst: u64,
}

/// When an admitted call was sent, and when its answer was complete, in microseconds. It was admitted in between.
pub type Span = (u64, u64);

impl Rate {
    /// The most calls that may be admitted within a time of that many microseconds.
    pub fn allowed(self, elapsed_us: u64) -> u64 {
        self.burst + self.limit * elapsed_us / (self.window_s * 1_000_000)
    }

    /// The most by which calls exceed what is allowed, over all spans of time; negative: so many more could have been
    /// admitted in the tightest one. `None` without calls.
    ///
    /// Calls sent at S or later and complete at E or earlier were admitted between S and E. S is the time of sending of
    /// one of them and E the time of completion of one: any other span has fewer calls or more time.
    pub fn excess(self, calls: impl IntoIterator<Item = Span>) -> Option<i64> {
        let mut calls: Vec<Span> = calls.into_iter().collect();
        calls.sort_unstable_by_key(|&(_, completed)| completed);
        let excess_from = |&(from, _): &Span| {
            let within = calls.iter().filter(|&&(sent, _)| sent >= from);
            let excess = |(count, &(_, completed)): (i64, &Span)| count - signed(self.allowed(completed - from));
            (1..).zip(within).map(excess).max()
        };
        calls.iter().filter_map(excess_from).max()
    }
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap()
}

#[test]
fn calls_within_the_rate_have_no_excess_and_one_more_call_has() {
    let rate = Rate { limit: 10, window_s: 1, burst: 3 };
    // Three at once, then one each tenth of a second, each answered at once.
    let exact = || [0, 0, 0].into_iter().chain((1..50).map(|n| n * 100_000)).map(|at| (at, at));
    assert_eq!(rate.excess(exact()), Some(0));
    assert_eq!(rate.excess(exact().chain([(2_050_000, 2_050_000)])), Some(1));
    assert_eq!(rate.excess(exact().map(|(sent, _)| (sent * 2, sent * 2))), Some(0), "the burst alone");
    assert_eq!(rate.excess(exact().skip(3)), Some(-2), "a single call of the burst");
    assert_eq!(rate.excess([]), None);
}

#[test]
fn an_excess_is_seen_only_where_the_answers_are_complete() {
    let rate = Rate { limit: 10, window_s: 1, burst: 1 };
    // Two calls at once, one of which may have waited for its turn.
    assert_eq!(rate.excess([(0, 99_999), (0, 10_000)]), Some(1));
    assert_eq!(rate.excess([(0, 100_000), (0, 10_000)]), Some(0));
}
