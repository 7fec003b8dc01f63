//! What is known of the part of a prompt that its provider keeps.

/// What its provider keeps of a prompt.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// Whether cache entries may be written that live for an hour.
    pub has_long_cache: bool,
    /// Whether a part of the prompt is there already, so that its length is not known here.
    pub(super) is_elsewhere: bool,
}
