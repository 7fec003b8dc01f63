//! The reason phrase of an answer: what its status line says behind the status (RFC 9112 §4).
//!
//! Most clients ignore it, some show it, and old ones read it, so an upstream's own passes. The server library takes phrases
//! that live as long as the process; so each is kept once, and of very many different ones only the first.

use std::{cell::RefCell, collections::HashSet};

use http::{Extensions, StatusCode};

/// The longest phrase that passes, and how many different ones of a thread.
const MAX_BYTES: usize = 128;
const MAX_PHRASES: usize = 256;

/// A reason phrase, where it is not the usual one of its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reason(Option<&'static str>);

impl Reason {
    /// What the HTTP library noted of an answer. It is text without line ends.
    pub(super) fn of(extensions: &Extensions) -> Self {
        let phrase = extensions.get::<hyper::ext::ReasonPhrase>();
        Self(phrase.and_then(|phrase| std::str::from_utf8(phrase.as_bytes()).ok()).and_then(kept))
    }

    /// The phrase behind `status`: empty where there is none, as a status line may have it. The server library knows fewer
    /// statuses, and would call one that it does not know unknown to the client.
    #[must_use]
    pub fn text(self, status: StatusCode) -> &'static str {
        self.0.or_else(|| status.canonical_reason()).unwrap_or_default()
    }
}

fn kept(phrase: &str) -> Option<&'static str> {
    thread_local! {
        static KEPT: RefCell<HashSet<&'static str>> = RefCell::default();
    }
    KEPT.with_borrow_mut(|kept| {
        if let Some(known) = kept.get(phrase) {
            return Some(*known);
        }
        let has_room = phrase.len() <= MAX_BYTES && kept.len() < MAX_PHRASES;
        has_room.then(|| {
            let phrase: &'static str = Box::leak(phrase.into());
            kept.insert(phrase);
            phrase
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_kept_once_and_very_many_are_not() {
        assert_eq!(kept("Gibt es nicht"), Some("Gibt es nicht"));
        assert!(std::ptr::eq(kept("Gibt es nicht").unwrap(), kept("Gibt es nicht").unwrap()));
        assert_eq!(kept(&"x".repeat(MAX_BYTES + 1)), None);
        for number in 0..MAX_PHRASES * 2 {
            kept(&number.to_string());
        }
        assert_eq!((kept("another"), kept("Gibt es nicht")), (None, Some("Gibt es nicht")));
    }

    #[test]
    fn without_a_phrase_of_its_own_an_answer_has_the_usual_one_or_none() {
        let of = |status: u16, phrase: Option<&'static str>| Reason(phrase).text(StatusCode::from_u16(status).unwrap());
        assert_eq!((of(404, None), of(425, None), of(599, None)), ("Not Found", "Too Early", ""));
        assert_eq!((of(404, Some("")), of(599, Some("Weg"))), ("", "Weg"));
    }
}
