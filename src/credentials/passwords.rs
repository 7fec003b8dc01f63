//! Hashing passwords with argon2id (RFC 9106), at most `concurrency` at a time.
//!
//! Called by the handlers that check or set a password. A computation takes 19 MiB and tens of milliseconds of
//! a core, so there is a bound on how many run and on how many wait; above it the answer is "busy", never a queue
//! without end. It knows nothing of users.

use std::sync::Arc;

use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use crate::domain::password;

/// The bounded pool. Cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    running: Arc<Semaphore>,
    accepted: Arc<Semaphore>,
    /// What an unknown user's password is compared with, so that it takes as long as a known one's.
    decoy: Arc<str>,
}

/// Why there is no hash or no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashingError {
    #[error("too many passwords are being hashed")]
    Busy,
    #[error("a password could not be hashed")]
    Failed,
}

impl Passwords {
    /// A pool that runs `concurrency` computations and lets `queue` more wait. Computes one hash.
    pub fn new(concurrency: usize, queue: usize) -> Result<Self, HashingError> {
        Ok(Self {
            running: Arc::new(Semaphore::new(concurrency)),
            accepted: Arc::new(Semaphore::new(concurrency.saturating_add(queue))),
            decoy: hash("a password that nobody has").map_err(|_| HashingError::Failed)?.into(),
        })
    }

    /// The PHC string of a new password.
    pub async fn hash(&self, password: Zeroizing<String>) -> Result<String, HashingError> {
        run(self.turn().await?, move || hash(&password)).await
    }

    /// Waits until one computation may run, unless too many wait already.
    pub async fn turn(&self) -> Result<Turn, HashingError> {
        let accepted = Arc::clone(&self.accepted).try_acquire_owned().map_err(|_| HashingError::Busy)?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| HashingError::Failed)?;
        Ok(Turn { _permits: [accepted, running] })
    }

    /// Whether `password` is the one that was hashed. Without a hash it takes as long and is never right. `report` is
    /// called with the verdict before the next computation has its turn, and even when the caller hangs up.
    pub async fn verify(
        &self,
        turn: Turn,
        password: Zeroizing<String>,
        stored: Option<String>,
        report: impl FnOnce(bool) + Send + 'static,
    ) -> Result<bool, HashingError> {
        let known = stored.is_some();
        let stored = stored.map_or_else(|| Arc::clone(&self.decoy), Into::into);
        let compute = move || {
            let right = known & verify(&password, &stored)?;
            report(right);
            Ok(right)
        };
        run(turn, compute).await
    }
}

/// The right to one computation. It goes with the computation, which runs on even when the caller hangs up.
pub struct Turn {
    _permits: [OwnedSemaphorePermit; 2],
}

async fn run<T: Send + 'static>(
    turn: Turn,
    compute: impl FnOnce() -> Result<T, HashingError> + Send + 'static,
) -> Result<T, HashingError> {
    let compute = move || {
        let result = compute();
        drop(turn);
        result
    };
    tokio::task::spawn_blocking(compute).await.map_err(|_| HashingError::Failed)?
}

/// argon2id with the crate's defaults: 19 MiB, 2 passes, 1 lane (OWASP's first recommendation).
fn hash(password: &str) -> Result<String, HashingError> {
    hash_bytes(&password::normalised(password))
}

fn hash_bytes(password: &str) -> Result<String, HashingError> {
    let hashed = Argon2::default().hash_password(password.as_bytes()).map_err(|_| HashingError::Failed)?;
    Ok(hashed.to_string())
}

/// Of a password that NFKC changes, its bytes as they are given are tried too: the hash may be from before passwords
/// were normalised.
fn verify(password: &str, stored: &str) -> Result<bool, HashingError> {
    let stored = PasswordHash::new(stored).map_err(|_| HashingError::Failed)?;
    let is_right = |text: &str| Argon2::default().verify_password(text.as_bytes(), &stored).is_ok();
    let normalised = password::normalised(password);
    Ok(is_right(&normalised) || (*normalised != password && is_right(password)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn secret(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.into())
    }

    async fn verify(pool: &Passwords, password: &str, stored: Option<String>) -> Result<bool, HashingError> {
        pool.verify(pool.turn().await?, secret(password), stored, |_| ()).await
    }

    #[tokio::test]
    async fn a_password_verifies_against_its_own_hash_only() {
        let pool = Passwords::new(1, 1).unwrap();
        let stored = pool.hash(secret("correct horse battery")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify(&pool, "correct horse battery", Some(stored.clone())).await.unwrap());
        assert!(!verify(&pool, "wrong", Some(stored)).await.unwrap());
        assert!(!verify(&pool, "a password that nobody has", None).await.unwrap());
    }

    #[tokio::test]
    async fn a_password_verifies_however_its_characters_are_composed() {
        let pool = Passwords::new(1, 1).unwrap();
        let (composed, decomposed) =
            ("caf\u{e9} au lait, s'il vous pla\u{ee}t", "cafe\u{301} au lait, s'il vous plai\u{302}t");
        for (set, tried) in [(composed, decomposed), (decomposed, composed), (decomposed, decomposed)] {
            let stored = pool.hash(secret(set)).await.unwrap();
            assert!(verify(&pool, tried, Some(stored)).await.unwrap(), "{set:?} {tried:?}");
        }
    }

    #[tokio::test]
    async fn a_hash_from_before_passwords_were_normalised_still_verifies() {
        let pool = Passwords::new(1, 1).unwrap();
        let old = "cafe\u{301} au lait";
        let stored = hash_bytes(old).unwrap();
        assert!(verify(&pool, old, Some(stored)).await.unwrap());
    }

    #[tokio::test]
    async fn a_verdict_is_reported_before_the_next_turn() {
        let pool = Passwords::new(1, 1).unwrap();
        let reported = Arc::new(AtomicBool::new(false));
        let (turn, told) = (pool.turn().await.unwrap(), Arc::clone(&reported));
        let report = move |right: bool| told.store(!right, Ordering::SeqCst);
        let (_, next) = tokio::join!(pool.verify(turn, secret("x"), None, report), pool.turn());
        assert!(next.is_ok() && reported.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn more_than_the_bound_are_told_that_it_is_busy() {
        let pool = Passwords::new(1, 2).unwrap();
        let tries = (0..10).map(|_| verify(&pool, "x", None));
        let results = futures_util::future::join_all(tries).await;
        assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 3);
        assert_eq!(results.iter().filter(|r| **r == Err(HashingError::Busy)).count(), 7);
        assert_eq!(verify(&pool, "x", None).await, Ok(false));
    }
}
