//! The request that goes out: the client's own, with what is written into it.

use std::borrow::Cow;

use bytes::Bytes;

use super::{
    edit::{self, Edit},
    plain,
};

/// A request to be sent: the client's own but for what is written into it.
#[derive(Debug, Clone)]
pub struct Letter {
    pub(super) body: Bytes,
    pub(super) edits: Vec<Edit>,
    /// The names of the model in the path, as it came and as it is to be.
    pub(super) in_path: Option<(String, String)>,
}

impl Letter {
    /// The bytes of its body.
    pub fn body(&self) -> Bytes {
        edit::apply(&self.body, &self.edits)
    }

    /// Whether the body is not the client's own.
    pub const fn is_edited(&self) -> bool {
        !self.edits.is_empty()
    }
    /// Its path, with what follows it, for a call to `path`.
    #[must_use]
    pub fn path<'p>(&self, path: &'p str) -> Cow<'p, str> {
        match &self.in_path {
            Some((asked, served)) => plain::with_model(path, asked, served),
            None => Cow::Borrowed(path),
        }
    }
}
