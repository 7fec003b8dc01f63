//! What is wrong with one value that somebody gave.

/// A fault in a request body, a query or a header, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A JSON pointer (RFC 6901) into the body; `?name` for a query parameter; `header:name` for a header; `path` for
    /// a path segment.
    pub pointer: String,
    pub detail: String,
    /// Whether nothing here has this name: the client has made it up, and it may be anything, a secret too.
    pub is_unknown: bool,
}

impl Fault {
    /// A fault of the value at `pointer` (RFC 6901, or `?name` of a query, `header:name`).
    #[must_use]
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into(), is_unknown: false }
    }

    /// The same within what stands at `place`, a JSON pointer.
    #[must_use]
    pub fn within(self, place: &str) -> Self {
        Self { pointer: format!("{place}{}", self.pointer), ..self }
    }

    /// A name at `pointer` that nothing here has.
    #[must_use]
    pub fn unknown(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { is_unknown: true, ..Self::new(pointer, detail) }
    }
}
