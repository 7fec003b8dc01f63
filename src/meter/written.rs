//! About how many tokens of text the model wrote in an answer: a positive list of the members that hold text.
//!
//! What a provider adds to it (filters, citations, signatures, log probabilities, ids) is not on the list and counts
//! nothing.

use super::{
    json::{Kind, Node},
    path::Path,
    text,
};

/// Which members of an answer hold text that the model wrote.
#[derive(Debug)]
pub struct Written {
    /// The members of an answer, or of an event of one, where its text begins.
    pub roots: &'static [&'static str],
    /// A text, or what has texts further in.
    pub texts: &'static [&'static str],
    /// Members that say the same text, of which one counts.
    pub same: &'static [&'static [&'static str]],
    /// JSON that the model wrote: all names and texts in it.
    pub json: &'static [&'static str],
    /// Events whose `delta` is no text.
    pub data_events: &'static [&'static str],
    /// Where all that was written is said again: paths, in which `*` is each item of a list.
    pub again: &'static [Path],
    /// Where an event says again what is now whole: one item of many.
    pub items: &'static [Path],
    /// How the types of blocks end whose text the model did not write; nothing where there are none.
    pub results: &'static str,
}

impl Written {
    /// A format whose answers have no text.
    pub const NONE: Self =
        Self { roots: &[], texts: &[], same: &[], json: &[], data_events: &[], again: &[], items: &[], results: "" };

    /// Whether answers of the format have no text.
    pub const fn is_none(&self) -> bool {
        self.roots.is_empty()
    }

    /// About the tokens of an answer or of an event.
    pub(super) fn tokens(&self, answer: &Node<'_>) -> u64 {
        let kind = answer.get("type").and_then(Node::string);
        if kind.is_some_and(|kind| self.data_events.contains(&kind.as_str())) {
            return 0;
        }
        self.roots.iter().map(|root| self.of_members(answer, root)).fold(0, u64::saturating_add)
    }

    /// Whether a member of this name holds text.
    pub(super) fn holds(&self, name: &[u8]) -> bool {
        let is = |known: &&str| known.as_bytes() == name;
        self.texts.iter().any(is) || self.same.iter().flat_map(|same| same.iter()).any(is)
    }

    /// Of all members of this name: some services and attackers write one twice.
    fn of_members(&self, object: &Node<'_>, name: &str) -> u64 {
        let named = object.members().iter().filter(|member| member.is(name));
        named.map(|member| self.of(&member.value)).fold(0, u64::saturating_add)
    }

    /// Of a value that is a text, or has texts further in.
    pub(super) fn of(&self, value: &Node<'_>) -> u64 {
        match &value.kind {
            Kind::Text => value.text().map_or(0, |text| text::written(&text)),
            Kind::List(items) => items.iter().map(|item| self.of(item)).fold(0, u64::saturating_add),
            Kind::Object(_) => self.of_object(value),
            Kind::Null | Kind::Bool(_) | Kind::Number => 0,
        }
    }

    fn of_object(&self, object: &Node<'_>) -> u64 {
        let is_result = |kind: &Node<'_>| kind.string().is_some_and(|kind| kind.ends_with(self.results));
        if !self.results.is_empty() && object.get("type").is_some_and(is_result) {
            return 0;
        }
        let mut tokens = 0_u64;
        for member in object.members() {
            let name = member.name();
            // Some services name the tool again with each part of its arguments.
            let is_repeated = || *name == *"name" && object.get("arguments").is_some_and(|text| text.raw.len() > 2);
            let more = if is_repeated() {
                0
            } else if self.texts.contains(&&*name) {
                self.of(&member.value)
            } else if self.json.contains(&&*name) {
                json_tokens(&member.value)
            } else {
                0
            };
            tokens = tokens.saturating_add(more);
        }
        for same in self.same {
            let each = same.iter().map(|name| self.of_members(object, name));
            tokens = tokens.saturating_add(each.max().unwrap_or(0));
        }
        tokens
    }
}

/// About the tokens of JSON as a text: its names, its texts, and a mark for each value.
pub(super) fn json_tokens(value: &Node<'_>) -> u64 {
    match &value.kind {
        Kind::Text => value.text().map_or(0, |text| text::tokens(&text)),
        Kind::List(items) => {
            items.iter().fold(1, |sum: u64, item| sum.saturating_add(json_tokens(item)).saturating_add(1))
        }
        Kind::Object(members) => members.iter().fold(1, |sum, member| {
            let name = text::tokens(member.name().as_bytes());
            json_tokens(&member.value).saturating_add(name).saturating_add(1).saturating_add(sum)
        }),
        Kind::Null | Kind::Bool(_) | Kind::Number => 1,
    }
}
