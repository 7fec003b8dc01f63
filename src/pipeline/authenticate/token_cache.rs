//! Tokens that verified a moment ago, one cache a worker thread.
//!
//! An entry is found by the hash of the whole token: SipHash-2-4 of 128 bits under a random key of this thread's own,
//! which nobody outside can aim at. It holds the claims of the token, not that they still hold: the caller of this
//! cache checks expiry and revocation on every call. When the keys change, everything is forgotten.

use std::{cell::RefCell, sync::Arc};

use quick_cache::unsync::Cache;
use siphasher::sip128::SipHasher24;

/// What `S` has verified to say `V`.
pub struct TokenCache<S, V> {
    hasher: SipHasher24,
    kept: RefCell<Kept<S, V>>,
}

struct Kept<S, V> {
    verified_by: Option<Arc<S>>,
    entries: Cache<u128, V>,
}

impl<S, V: Clone> TokenCache<S, V> {
    /// A cache of at most `max_entries` tokens, under a random `key`.
    pub fn new(max_entries: usize, key: &[u8; 16]) -> Self {
        let kept = Kept { verified_by: None, entries: Cache::new(max_entries) };
        Self { hasher: SipHasher24::new_with_key(key), kept: RefCell::new(kept) }
    }

    /// What the token says, from the cache or else by `verify`. What does not verify is not kept.
    pub fn get_or_verify<E>(
        &self,
        source: &Arc<S>,
        token: &str,
        verify: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, E> {
        let hash = self.hasher.hash(token.as_bytes()).as_u128();
        let mut kept = self.kept.borrow_mut();
        if !kept.verified_by.as_ref().is_some_and(|known| Arc::ptr_eq(known, source)) {
            kept.entries.clear();
            kept.verified_by = Some(Arc::clone(source));
        }
        if let Some(known) = kept.entries.get(&hash) {
            return Ok(known.clone());
        }
        let verified = verify()?;
        kept.entries.insert(hash, verified.clone());
        Ok(verified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(
        cache: &TokenCache<u8, u32>,
        source: &Arc<u8>,
        token: &str,
        answer: Result<u32, ()>,
    ) -> (Result<u32, ()>, bool) {
        let mut asked = false;
        let found = cache.get_or_verify(source, token, || {
            asked = true;
            answer
        });
        (found, asked)
    }

    #[test]
    fn a_token_is_verified_once_until_the_keys_change() {
        let cache = TokenCache::new(10, &[1; 16]);
        let (one, other) = (Arc::new(1), Arc::new(1));
        assert_eq!(ask(&cache, &one, "a", Ok(7)), (Ok(7), true));
        assert_eq!(ask(&cache, &one, "a", Err(())), (Ok(7), false));
        assert_eq!(ask(&cache, &other, "a", Err(())), (Err(()), true));
        assert_eq!(ask(&cache, &one, "a", Ok(8)), (Ok(8), true));
    }

    #[test]
    fn tokens_with_a_common_beginning_or_end_are_different_tokens() {
        let cache = TokenCache::new(10, &[1; 16]);
        let source = Arc::new(1);
        let long = "x".repeat(500);
        let tokens = [long.clone(), format!("{long}a"), format!("{long}b"), format!("a{long}"), String::new()];
        for (n, token) in (0..).zip(&tokens) {
            assert_eq!(ask(&cache, &source, token, Ok(n)), (Ok(n), true));
        }
        for (n, token) in (0..).zip(&tokens) {
            assert_eq!(ask(&cache, &source, token, Err(())), (Ok(n), false));
        }
    }

    #[test]
    fn a_refusal_is_not_kept() {
        let cache = TokenCache::new(10, &[1; 16]);
        let source = Arc::new(1);
        assert_eq!(ask(&cache, &source, "a", Err(())), (Err(()), true));
        assert_eq!(ask(&cache, &source, "a", Ok(1)), (Ok(1), true));
    }

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let cache = TokenCache::new(100, &[1; 16]);
        let source = Arc::new(1);
        for n in 0..10_000 {
            ask(&cache, &source, &n.to_string(), Ok(n)).0.unwrap();
        }
        assert!(cache.kept.borrow().entries.len() <= 100);
    }
}
