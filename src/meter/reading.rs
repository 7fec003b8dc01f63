//! Reads off an answer, as it passes, what its call took.
//!
//! What the answer states is believed where it is plain counts within what the model can do. Where it is not, or the answer
//! ends before it is said, the call took what was delivered: about the tokens of the text that passed, and about those of
//! the prompt; such usage is marked `estimated`.

use bytes::{Bytes, BytesMut};

use super::{
    Bound,
    events::{self, Cut, Events, MAX_BYTES},
    skim::Skim,
    statement::{self, Count, Stated},
    text,
};
use crate::domain::usage::Usage;

/// Whether this content type is that of a stream of events; its case does not matter (RFC 9110 §8.3.1).
#[must_use]
pub fn is_event_stream(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("text/event-stream")
}

/// What one call took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub usage: Usage,
    /// Whether nobody has said so in a way that can be believed.
    pub estimated: bool,
    /// The model that answered, as it calls itself.
    pub model: Option<String>,
}

/// Reads one answer.
pub struct Reading {
    bound: Bound,
    is_stream: bool,
    form: Form,
    stated: Stated,
    is_final: bool,
    written_tokens: u64,
    model: Option<String>,
}

enum Form {
    /// What has come of it; nothing once it is too long.
    Whole(Option<Vec<u8>>),
    /// The model gives numbers and no text.
    Numbers(Skim),
    Events(Events),
    /// It cannot be looked into.
    Coded,
}

impl Reading {
    /// Of an answer with these header fields.
    #[must_use]
    pub fn new(bound: Bound, content_type: Option<&str>, content_encoding: Option<&str>) -> Self {
        let is_stream = content_type.is_some_and(is_event_stream);
        let is_coded = content_encoding.is_some_and(|coding| !coding.trim().eq_ignore_ascii_case("identity"));
        let form = match (is_coded, is_stream) {
            (true, _) => Form::Coded,
            (false, true) => Form::Events(Events::default()),
            (false, false) if bound.format.written().is_empty() => Form::Numbers(Skim::default()),
            (false, false) => Form::Whole(Some(vec![])),
        };
        Self { bound, is_stream, form, stated: Stated::default(), is_final: false, written_tokens: 0, model: None }
    }

    /// Whether it is no stream of events.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        !self.is_stream
    }

    /// Whether the client may get fewer bytes than came.
    #[must_use]
    pub const fn strips(&self) -> bool {
        self.bound.strips_usage && matches!(self.form, Form::Events(_))
    }

    /// Looks into the next piece, and gives what of it the client gets now.
    pub fn pass(&mut self, piece: Bytes) -> Bytes {
        match &mut self.form {
            Form::Coded => {
                // Coded text has fewer bytes than letters; a token a byte is about as much.
                self.written_tokens =
                    self.written_tokens.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
                piece
            }
            Form::Whole(kept) => {
                self.written_tokens = self.written_tokens.saturating_add(keep(kept, &piece));
                piece
            }
            Form::Numbers(skim) => {
                skim.add(&piece);
                piece
            }
            Form::Events(events) => {
                let cuts = events.add(&piece);
                let passed = self.see_all(cuts);
                if self.strips() { passed } else { piece }
            }
        }
    }

    /// What the client gets at the end of the answer, beside what it got before.
    pub fn rest(&mut self) -> Bytes {
        let Form::Events(events) = &mut self.form else { return Bytes::new() };
        let cut = events.rest();
        let passed = self.see_all(cut);
        if self.strips() { passed } else { Bytes::new() }
    }

    /// What the call took, by what has passed.
    #[must_use]
    pub fn taken(mut self) -> Taken {
        drop(self.rest());
        self.see_whole();
        let input = self.believed_input();
        let output = self.believed_output();
        let delivered = self.written_tokens.min(self.bound.output_tokens);
        let final_output = output.filter(|_| self.is_final);
        let input_tokens = input.unwrap_or(self.bound.estimated_input_tokens);
        let output_tokens = final_output.unwrap_or(delivered.max(output.unwrap_or(0)));
        let cached_tokens = plain(self.stated.cached).min(input_tokens);
        let cache_write_tokens = plain(self.stated.cache_write).min(input_tokens.saturating_sub(cached_tokens));
        let reasoning_tokens = plain(self.stated.reasoning).min(output_tokens);
        let usage = Usage { input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens };
        Taken { usage, estimated: input.is_none() || final_output.is_none(), model: self.model }
    }

    fn see_whole(&mut self) {
        match std::mem::replace(&mut self.form, Form::Coded) {
            Form::Whole(Some(whole)) if !self.see(&whole) => self.written_tokens = text::tokens(&whole),
            Form::Numbers(skim) => {
                if let Some(kept) = skim.into_kept() {
                    self.see(&kept);
                }
            }
            Form::Whole(_) | Form::Events(_) | Form::Coded => {}
        }
    }

    fn see_all(&mut self, cuts: impl IntoIterator<Item = Cut>) -> Bytes {
        let mut passed = BytesMut::new();
        for cut in cuts {
            let (bytes, is_for_client) = match cut {
                Cut::Event(event) => {
                    let is_usage_alone = self.see_event(&event);
                    (event, !is_usage_alone)
                }
                Cut::Part(part) => {
                    self.write(text::tokens(&part));
                    (part, true)
                }
            };
            if is_for_client && self.strips() {
                passed.extend_from_slice(&bytes);
            }
        }
        passed.freeze()
    }

    /// Whether the event has usage and nothing else. One that is no JSON has text.
    fn see_event(&mut self, event: &[u8]) -> bool {
        let data = events::data(event);
        let Some(statement) = statement::read(self.bound.format, &data) else {
            // Of an event that was cut, a client reads nothing.
            let is_whole = event.ends_with(b"\n") || event.ends_with(b"\r");
            if is_whole && data.trim_ascii() != events::DONE {
                self.write(text::tokens(&data));
            }
            return false;
        };
        let is_usage_alone = statement.is_usage_alone;
        self.take(statement);
        is_usage_alone
    }

    /// Whether it could be read.
    fn see(&mut self, json: &[u8]) -> bool {
        let Some(statement) = statement::read(self.bound.format, json) else { return false };
        self.take(statement);
        true
    }

    /// The last count of each kind is the one that holds.
    fn take(&mut self, statement: statement::Statement) {
        self.stated = statement.stated.or(self.stated);
        self.write(statement.written_tokens);
        self.written_tokens = self.written_tokens.max(statement.repeated_tokens);
        self.is_final |= statement.is_final;
        self.model = self.model.take().or(statement.model);
    }

    /// More was written; what was stated before speaks of less.
    const fn write(&mut self, tokens: u64) {
        self.written_tokens = self.written_tokens.saturating_add(tokens);
        self.is_final = self.is_final && tokens == 0;
    }

    fn believed_input(&self) -> Option<u64> {
        let Count::Plain(input) = self.stated.input else { return None };
        let is_plain = |count| count != Count::Absurd;
        let Stated { cached, cache_write, .. } = self.stated;
        let total = if self.bound.format.excludes_cached() {
            input.saturating_add(plain(cached)).saturating_add(plain(cache_write))
        } else {
            input
        };
        // There is no prompt of nothing.
        let is_possible = (1..=self.bound.believed_input_tokens).contains(&total);
        (is_possible && is_plain(cached) && is_plain(cache_write)).then_some(total)
    }

    fn believed_output(&self) -> Option<u64> {
        match self.stated.output {
            _ if self.bound.format.output_bound().is_none() => Some(0),
            Count::Plain(0) if self.written_tokens > 0 => None,
            Count::Plain(output) if output <= self.bound.believed_output_tokens => Some(output),
            _ => None,
        }
    }
}

const fn plain(count: Count) -> u64 {
    if let Count::Plain(count) = count { count } else { 0 }
}

/// Keeps a further piece of a whole answer, and gives the tokens of what will not be looked into.
fn keep(kept: &mut Option<Vec<u8>>, piece: &[u8]) -> u64 {
    match kept {
        None => text::tokens(piece),
        Some(bytes) if bytes.len().saturating_add(piece.len()) <= MAX_BYTES => {
            bytes.extend_from_slice(piece);
            0
        }
        Some(bytes) => {
            let tokens = text::tokens(bytes).saturating_add(text::tokens(piece));
            *kept = None;
            tokens
        }
    }
}

#[cfg(test)]
mod tests;
