//! The members of an object, and which names may be among them.

use std::ops::Deref;

use super::Member;

/// The members in the order of the text.
///
/// Of a name that is not there, which is nearly every name that is asked for in an answer, one bit says so without a look at
/// the members (a Bloom filter of 64 bits with one hash).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members<'j> {
    list: Vec<Member<'j>>,
    marks: u64,
}

impl<'j> Members<'j> {
    pub(super) fn push(&mut self, member: Member<'j>) {
        // An escape may stand for any character.
        self.marks |= if member.name.contains(&b'\\') { u64::MAX } else { mark(member.name) };
        self.list.push(member);
    }

    /// Whether a member may have this name; if not, none has.
    pub(super) fn may_have(&self, name: &str) -> bool {
        self.marks & mark(name.as_bytes()) != 0
    }
}

impl<'j> Deref for Members<'j> {
    type Target = [Member<'j>];

    fn deref(&self) -> &Self::Target {
        &self.list
    }
}

/// The bit of a name: of its length, its first byte and its last one.
fn mark(name: &[u8]) -> u64 {
    let first = name.first().copied().map_or(0, u32::from);
    let last = name.last().copied().map_or(0, u32::from);
    let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
    1_u64.wrapping_shl(first.wrapping_mul(7) ^ last.wrapping_mul(3) ^ length.wrapping_mul(5))
}
