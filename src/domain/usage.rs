//! What a call to a model took.

/// Tokens of one call. Kinds that are part of another are counted in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// The whole prompt, whatever came from a cache or went into one.
    pub input_tokens: u64,
    /// Of the prompt, read from a cache.
    pub cached_tokens: u64,
    /// Of the prompt, written to a cache.
    pub cache_write_tokens: u64,
    /// The whole answer, thoughts included.
    pub output_tokens: u64,
    /// Of the answer, thoughts.
    pub reasoning_tokens: u64,
}
