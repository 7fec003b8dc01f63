//! Hashing passwords with argon2id (RFC 9106), at most so many at a time.
//!
//! Called by the login handler and by whoever sets a password. A computation takes 19 MiB and tens of milliseconds of
//! a core, so there is a bound on how many run and on how many wait; above it the answer is "busy", never a queue
//! without end. It knows nothing of users.

use std::sync::Arc;

use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

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
        self.run(move || hash(&password)).await
    }

    /// Whether `password` is the one that was hashed. Without a hash it takes as long and is never right.
    pub async fn verify(&self, password: Zeroizing<String>, stored: Option<String>) -> Result<bool, HashingError> {
        let known = stored.is_some();
        let stored = stored.map_or_else(|| Arc::clone(&self.decoy), Into::into);
        self.run(move || Ok(known & verify(&password, &stored)?)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        compute: impl FnOnce() -> Result<T, HashingError> + Send + 'static,
    ) -> Result<T, HashingError> {
        let accepted = Arc::clone(&self.accepted).try_acquire_owned().map_err(|_| HashingError::Busy)?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| HashingError::Failed)?;
        // The permits go with the computation: it runs on even when the caller hangs up.
        let compute = move || with_permits([accepted, running], compute);
        tokio::task::spawn_blocking(compute).await.map_err(|_| HashingError::Failed)?
    }
}

fn with_permits<T>(permits: [OwnedSemaphorePermit; 2], compute: impl FnOnce() -> T) -> T {
    let result = compute();
    drop(permits);
    result
}

/// argon2id with the crate's defaults: 19 MiB, 2 passes, 1 lane (OWASP's first recommendation).
fn hash(password: &str) -> Result<String, HashingError> {
    let hashed = Argon2::default().hash_password(password.as_bytes()).map_err(|_| HashingError::Failed)?;
    Ok(hashed.to_string())
}

fn verify(password: &str, stored: &str) -> Result<bool, HashingError> {
    let stored = PasswordHash::new(stored).map_err(|_| HashingError::Failed)?;
    Ok(Argon2::default().verify_password(password.as_bytes(), &stored).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.into())
    }

    #[tokio::test]
    async fn a_password_verifies_against_its_own_hash_only() {
        let pool = Passwords::new(1, 1).unwrap();
        let stored = pool.hash(secret("correct horse battery")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(pool.verify(secret("correct horse battery"), Some(stored.clone())).await.unwrap());
        assert!(!pool.verify(secret("wrong"), Some(stored)).await.unwrap());
        assert!(!pool.verify(secret("a password that nobody has"), None).await.unwrap());
    }

    #[tokio::test]
    async fn more_than_the_bound_are_told_that_it_is_busy() {
        let pool = Passwords::new(1, 2).unwrap();
        let tries = (0..10).map(|_| pool.verify(secret("x"), None));
        let results = futures_util::future::join_all(tries).await;
        assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 3);
        assert_eq!(results.iter().filter(|r| **r == Err(HashingError::Busy)).count(), 7);
        assert_eq!(pool.verify(secret("x"), None).await, Ok(false));
    }
}
