//! Members of a request that are multiplied by how many others there are.

use super::super::{asked::Asked, format::Member, json::Node};

/// Documents of a call that is billed once, and the bytes after which one counts as two: Cohere counts 500 tokens.
const UNIT_DOCUMENTS: u64 = 100;
const CHUNK_BYTES: u64 = 500;

/// What was found of them.
#[derive(Default)]
pub(super) struct Lists {
    /// Prompts that are each answered for themselves.
    prompts: u64,
    /// The query: its bytes, and about its tokens.
    query: (u64, u64),
    documents: u64,
    document_bytes: u64,
}

impl Lists {
    /// Counts a member of the request; `tokens` is the estimate of its text.
    pub fn add(&mut self, member: Member, value: &Node<'_>, tokens: u64) {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let (items, bytes) = (count(value.items().len()), count(value.raw.len()));
        match member {
            Member::Query => self.query = (bytes, tokens),
            Member::Documents => {
                self.documents = self.documents.saturating_add(items);
                self.document_bytes = self.document_bytes.saturating_add(bytes);
            }
            _ => self.prompts = items,
        }
    }

    /// Each prompt is answered for itself, and a query is read with each document.
    pub fn multiply(&self, asked: &mut Asked) {
        let Self { prompts, query: (bytes, tokens), documents, document_bytes } = *self;
        let others = documents.saturating_sub(1);
        asked.answers = asked.answers.saturating_mul(prompts.max(1));
        asked.repeated_bytes = bytes.saturating_mul(others);
        asked.look.tokens = asked.look.tokens.saturating_add(tokens.saturating_mul(others));
        let read = document_bytes.saturating_add(bytes.saturating_mul(documents));
        asked.units = documents.saturating_add(read / CHUNK_BYTES).div_ceil(UNIT_DOCUMENTS).max(1);
    }
}
