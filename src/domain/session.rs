//! The rule of refresh tokens: each is used once and gives its successor (RFC 9700 §4.14.2). Pure; used by `TokenIssuer`.

use jiff::{SignedDuration, Timestamp};

/// The cookie in which a page of the gateway keeps its refresh token.
pub const COOKIE: &str = "tollgate_refresh";

/// What a refresh token is worth when it is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// It is due, and gives the next one.
    Due,
    /// Its successor was given a moment ago and is given again: that answer was lost, or two tabs refreshed at once.
    Again,
    /// It is stolen or stale. The session ends.
    Reused,
}

/// How far a session has come: the generation of the token that is due, and since when it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub generation: i64,
    pub since: Timestamp,
}

impl Progress {
    /// Judges the token of this generation at `now`. The token before the one that is due may be presented again for
    /// `grace_s` seconds.
    #[must_use]
    pub fn judge(self, generation: i64, now: Timestamp, grace_s: u32) -> Presented {
        let is_within_grace = now.duration_since(self.since) <= SignedDuration::from_secs(grace_s.into());
        match self.generation.checked_sub(generation) {
            Some(0) => Presented::Due,
            Some(1) if is_within_grace => Presented::Again,
            _ => Presented::Reused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_is_due_once_repeated_within_the_grace_and_reused_behind_it() {
        let progress = Progress { generation: 7, since: at(1_000) };
        let judged = |generation, second| progress.judge(generation, at(second), 10);
        assert_eq!(judged(7, 5_000), Presented::Due);
        assert_eq!(judged(6, 1_010), Presented::Again);
        assert_eq!(judged(6, 1_011), Presented::Reused);
        assert_eq!(judged(5, 1_001), Presented::Reused);
        assert_eq!(judged(i64::MIN, 1_001), Presented::Reused);
    }

    #[test]
    fn a_token_that_no_session_has_given_is_no_successor() {
        assert_eq!(Progress { generation: 7, since: at(0) }.judge(8, at(0), 10), Presented::Reused);
    }
}
