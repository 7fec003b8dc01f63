//! Reads off an answer, as it passes, what its call took.
//!
//! Whether it is one JSON text or a stream of events is what its first bytes show; its label only settles what they leave
//! open. What the answer states is believed where it is sane. Where it is not, or the answer ends before it is said, the
//! call took what was delivered: about the tokens of the text that passed, and about those of the prompt; such usage is
//! marked `estimated`.

mod believed;
mod pieces;
mod seen;

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

use self::seen::Seen;
use super::{
    bound::Bound,
    coding::{Coded, Field},
    counts::CALLS,
    events::{self, Cut, Events, MAX_BYTES},
    extra_usage::ForClient,
    format::About,
    frames::{self, Frames},
    rename::Renamer,
    skim::Skim,
    sound::{self, BilledBy},
};
use crate::domain::usage::{Extras, Usage};

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
    pub extras: Extras,
    /// Calls of tools that the provider ran, by the tool's name.
    pub tools: Vec<(String, u64)>,
    /// What other models took that the model has asked, by their names.
    pub of_others: Vec<(String, Usage)>,
    /// Whether no answer has said so in a way that can be believed.
    pub estimated: bool,
    /// Whether the answer is an error, or empty, though its status is a success: it costs nothing.
    pub failed: bool,
    /// The model that served, as it calls itself.
    pub model: Option<String>,
    /// The service tier that served, as the answer names it.
    pub tier: Option<String>,
    /// The one that was asked for, where it is not a standard one.
    pub asked_tier: Option<String>,
}

impl Taken {
    /// The model has refused before a word: only what others took is left to pay for.
    fn refused(self) -> Self {
        let (usage, extras) = (Usage::default(), Extras::default());
        Self { usage, extras, failed: self.failed || self.of_others.is_empty(), ..self }
    }
}

/// The most blanks before an answer that are kept until its form is known.
const MAX_OPENING_BYTES: usize = 4 << 10;

/// How much of what is still coded is looked into where nobody waits for it any more.
const LAST_TURNS: usize = 4;

/// Reads one answer.
pub struct Reading {
    bound: Bound,
    is_labelled_stream: bool,
    is_labelled_page: bool,
    coded: Option<Coded>,
    delivery: Delivery,
    form: Form,
    renamer: Option<Renamer>,
    seen: Seen,
    /// Whether no more of the answer will come.
    is_over: bool,
}

/// How a client gets an answer that comes coded.
enum Delivery {
    Unchanged,
    /// Decoded, so that it can be changed.
    Decoded,
    /// What was to be decoded cannot be.
    Broken,
}

enum Form {
    /// The first bytes, which do not yet say what follows.
    Opening(Vec<u8>),
    /// What has come of one JSON text.
    Whole(Vec<u8>),
    /// The same, once it is too long to be kept.
    Skimmed(Box<Skim>),
    Events(Box<Stream>),
    Frames(Frames),
    /// Sound, of which nothing is counted.
    Sound,
    /// It cannot be looked into.
    Opaque,
}

#[derive(Default)]
struct Stream {
    events: Events,
    /// Of the event that is too long to be kept.
    skim: Skim,
}

impl Reading {
    /// Of an answer with these header fields.
    #[must_use]
    pub fn new(bound: Bound, content_type: Option<&str>, content_encoding: Option<&str>) -> Self {
        let field = Field::read(content_encoding.unwrap_or_default());
        let form = match &field {
            Field::Plain if content_type.is_some_and(frames::are_labelled) => Form::Frames(Frames::default()),
            Field::Plain | Field::Coded(_) => Form::Opening(vec![]),
        };
        let is_labelled_stream = content_type.is_some_and(is_event_stream);
        let is_labelled_page = content_type.is_some_and(|kind| kind.trim_start().starts_with("text/html"));
        let renamer = bound.answers_as.as_deref().map(Renamer::new);
        let can_decode = matches!(&field, Field::Coded(codings) if codings.are_known());
        let must_change = renamer.is_some() || bound.asks_for_usage;
        let delivery = if can_decode && must_change { Delivery::Decoded } else { Delivery::Unchanged };
        let coded = if let Field::Coded(codings) = field { Some(Coded::Opening(codings, vec![])) } else { None };
        let (seen, is_over) = (Seen::default(), false);
        Self { bound, is_labelled_stream, is_labelled_page, coded, delivery, form, renamer, seen, is_over }
    }

    /// Whether the answer says only at its end what the call took, and is no stream of events as far as is known.
    pub fn is_whole(&self) -> bool {
        !self.is_labelled_stream && !self.bound.is_stream && !self.speaks() && !matches!(self.form, Form::Events(_))
    }

    /// Whether the client may get other bytes than came: without usage that it has not asked for, or with the name that it has
    /// asked for.
    pub const fn alters(&self) -> bool {
        let is_text = !matches!(self.form, Form::Sound | Form::Opaque | Form::Frames(_));
        let may_be_events = matches!(self.form, Form::Events(_) | Form::Opening(_));
        self.decodes() || (is_text && (self.renamer.is_some() || (self.bound.asks_for_usage && may_be_events)))
    }

    /// Whether the model has stopped, and the usage that was asked for is still to come.
    pub const fn awaits_usage(&self) -> bool {
        matches!(self.form, Form::Events(_) | Form::Frames(_))
            && self.seen.has_finished
            && !self.seen.is_final
            && !self.is_over
    }

    /// What the call took, by what has passed.
    #[must_use]
    pub fn taken(mut self) -> Taken {
        for _ in 0..LAST_TURNS {
            if self.has_more() {
                drop(self.pass(Bytes::new()));
            }
        }
        drop(self.finish());
        let called = self.seen.called();
        let Self { bound, seen, is_over, .. } = self;
        let stated = seen.stated.within(bound.sane_input_tokens, bound.sane_output_tokens);
        let settled = bound.counts.settle(&stated, bound.writes());
        let input = believed::input(&bound, &settled);
        let output = believed::output(&bound, &settled, seen.written_tokens);
        let unseen = if seen.came.content { bound.estimated_output_tokens } else { 0 };
        let delivered = seen.written_tokens.max(unseen).max(seen.foreign()).min(bound.output_tokens);
        let final_output = output.filter(|_| seen.is_final || bound.output_tokens == 0);
        let whole = believed::total(&bound, &settled);
        let estimate = seen.seconds.unwrap_or(bound.estimated_input_tokens);
        let input_tokens = input.unwrap_or_else(|| whole.map_or(estimate, |whole| estimate.min(whole)));
        let rest = whole.map_or(0, |whole| whole.saturating_sub(input_tokens));
        let output_tokens = final_output.unwrap_or(delivered.max(output.unwrap_or(0)).max(rest));
        let cached_tokens = settled.cached.min(input_tokens);
        let cache_write_tokens = settled.cache_write.min(input_tokens.saturating_sub(cached_tokens));
        let reasoning_tokens = settled.reasoning.min(output_tokens);
        // What endpoints of images write is images, though few say so.
        let says_kinds = settled.image_output > 0 || bound.format.about != About::Images;
        let image_output = if says_kinds { settled.image_output } else { output_tokens };
        let is_empty = is_over && !seen.came.content && seen.foreign() == 0 && seen.stated.says_nothing();
        let is_error = seen.came.error && seen.written_tokens == 0 && seen.stated.says_nothing();
        let mut tools = called;
        let calls = tools.iter().position(|(name, _)| name == CALLS).map_or(0, |at| tools.swap_remove(at).1);
        // Of a long answer with images in it nobody knows how many they are but who asked for them.
        let calls = if calls == 0 && bound.format.about == About::Images { bound.units } else { calls };
        let are_calls_sane = believed::is_sane(calls, bound.units);
        let are_sane = believed::calls(&bound, &mut tools) && are_calls_sane;
        let (of_others, are_others_sane) = believed::of_others(&bound, &seen.of_others);
        // Whatever was read, nothing was written by the model that has refused; what one before it wrote is its own.
        let is_refused =
            seen.came.refusal && settled.output.plain() == 0 && (seen.written_tokens == 0 || !of_others.is_empty());
        let taken = Taken {
            of_others,
            usage: Usage { input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens },
            extras: Extras {
                long_cache_write_tokens: settled.long_cache_write.min(cache_write_tokens),
                audio_input_tokens: settled.audio_input.min(input_tokens.saturating_sub(cached_tokens)),
                audio_output_tokens: settled.audio_output.min(output_tokens.saturating_sub(reasoning_tokens)),
                image_input_tokens: settled.image_input.min(input_tokens.saturating_sub(cached_tokens)),
                image_output_tokens: image_output.min(output_tokens.saturating_sub(reasoning_tokens)),
                calls: if are_calls_sane { calls } else { bound.units },
            },
            asked_tier: bound.asked_tier().map(str::to_owned),
            tools,
            estimated: input.is_none() || final_output.is_none() || !are_sane || !are_others_sane,
            failed: is_error || is_empty || bound.format.is_free,
            model: seen.model,
            tier: seen.tier,
        };
        if is_refused { taken.refused() } else { taken }
    }

    fn speaks(&self) -> bool {
        self.bound.format.about == About::Speech
    }

    /// Looks into decoded bytes, and gives what a client gets of them that does not get them as they came.
    fn look(&mut self, piece: &[u8]) -> Bytes {
        match &mut self.form {
            Form::Opening(first) => {
                first.extend_from_slice(piece);
                let first = match events::begins_like_events(first) {
                    // Some proxies send line feeds until the answer begins.
                    None if first.len() > MAX_OPENING_BYTES && first.trim_ascii().is_empty() => {
                        let blanks = std::mem::take(first);
                        self.seen.write_unread(&self.bound, &blanks);
                        return blanks.into();
                    }
                    None => return Bytes::new(),
                    // Sound may begin with anything.
                    Some(is_stream) => self.open(is_stream && (self.is_labelled_stream || !self.speaks())),
                };
                self.look(&first)
            }
            Form::Whole(kept) if kept.len().saturating_add(piece.len()) <= MAX_BYTES => {
                kept.extend_from_slice(piece);
                self.renamed(piece)
            }
            Form::Whole(kept) => {
                let mut skim = Box::<Skim>::default();
                self.seen.see_part(&self.bound, &mut skim, kept);
                self.form = Form::Skimmed(skim);
                self.look(piece)
            }
            Form::Skimmed(skim) => {
                self.seen.see_part(&self.bound, skim, piece);
                self.renamed(piece)
            }
            Form::Events(stream) => {
                let cuts = stream.events.add(piece);
                self.see_all(cuts)
            }
            Form::Frames(frames) => {
                match frames.add(piece) {
                    Some(payloads) => payloads.iter().for_each(|payload| self.seen.see_payload(&self.bound, payload)),
                    None => self.seen.write_unread(&self.bound, piece),
                }
                Bytes::copy_from_slice(piece)
            }
            Form::Sound => {
                self.seen.came.content |= !piece.is_empty();
                Bytes::copy_from_slice(piece)
            }
            Form::Opaque => {
                // Coded text has fewer bytes than letters; a token a byte is about as much.
                self.seen.came.content |= !piece.is_empty();
                let bytes = u64::try_from(piece.len()).unwrap_or(u64::MAX);
                self.seen.written_tokens = self.seen.written_tokens.saturating_add(bytes);
                Bytes::copy_from_slice(piece)
            }
        }
    }

    /// The form is known: gives the bytes that have come of it. What begins neither as events nor as JSON is what its
    /// label says.
    fn open(&mut self, is_stream: bool) -> Vec<u8> {
        let form = std::mem::replace(&mut self.form, Form::Opaque);
        let Form::Opening(first) = form else {
            return vec![];
        };
        let start = events::without_bom(&first).trim_ascii_start();
        let is_json = matches!(start.first(), Some(b'{' | b'['));
        self.form = if is_stream || (self.is_labelled_stream && !is_json) {
            Form::Events(Box::default())
        } else if self.speaks() && !is_json && !self.is_labelled_page {
            Form::Sound
        } else {
            Form::Whole(vec![])
        };
        first
    }

    /// Looks into what was kept of an answer that is over.
    fn finish(&mut self) -> Bytes {
        let opened = match &self.form {
            Form::Opening(first) if !first.is_empty() => {
                let is_stream = self.is_labelled_stream;
                let first = self.open(is_stream);
                self.look(&first)
            }
            _ => Bytes::new(),
        };
        match std::mem::replace(&mut self.form, Form::Opaque) {
            Form::Whole(whole) => {
                if !self.seen.see_texts(&self.bound, events::without_bom(&whole)) {
                    self.seen.seconds = sound::last_second(&whole).filter(|_| self.bound.sound == BilledBy::Seconds);
                    self.seen.write_unread(&self.bound, &whole);
                    self.seen.see_skimmed(&self.bound, Skim::of(&whole));
                }
                opened
            }
            Form::Skimmed(skim) => {
                self.seen.see_skimmed(&self.bound, *skim);
                opened
            }
            Form::Events(mut stream) => {
                let cut = stream.events.end();
                self.form = Form::Events(stream);
                let rest = self.see_all(cut);
                [opened, rest].concat().into()
            }
            Form::Opening(_) | Form::Frames(_) | Form::Sound | Form::Opaque => opened,
        }
    }

    fn see_all(&mut self, cuts: impl IntoIterator<Item = Cut>) -> Bytes {
        let mut passed = BytesMut::new();
        for cut in cuts {
            match cut {
                Cut::Event(event) => match self.seen.see_event(&self.bound, &event) {
                    ForClient::All => passed.extend_from_slice(&self.renamed_event(&event)),
                    ForClient::Data(data) => {
                        passed.extend_from_slice(&self.renamed_event(&events::with_data(&event, &data)));
                    }
                    ForClient::Nothing => {}
                },
                Cut::Part(part) => {
                    self.see_part(&part);
                    passed.extend_from_slice(&self.renamed(&part));
                }
                Cut::LastPart(part) => {
                    self.see_part(&part);
                    passed.extend_from_slice(&self.renamed(&part));
                    if let Form::Events(stream) = &mut self.form {
                        let skim = std::mem::take(&mut stream.skim);
                        self.seen.see_skimmed(&self.bound, skim);
                    }
                }
            }
        }
        passed.freeze()
    }

    fn renamed(&mut self, bytes: &[u8]) -> Bytes {
        match &mut self.renamer {
            Some(renamer) => renamer.pass(bytes).into(),
            None => Bytes::copy_from_slice(bytes),
        }
    }

    /// An event is a JSON text of its own, between other lines.
    fn renamed_event<'e>(&mut self, event: &'e [u8]) -> Cow<'e, [u8]> {
        let Some(renamer) = &mut self.renamer else { return Cow::Borrowed(event) };
        renamer.begin();
        let pass = |line: &[u8]| match events::cut_at_data(line) {
            Some((name, data)) => [name, &renamer.pass(data)].concat(),
            None => line.to_vec(),
        };
        let passed = event.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')).flat_map(pass).collect();
        renamer.begin();
        Cow::Owned(passed)
    }

    fn see_part(&mut self, part: &[u8]) {
        if let Form::Events(stream) = &mut self.form {
            self.seen.see_part(&self.bound, &mut stream.skim, part);
        }
    }
}

#[cfg(test)]
mod coded_tests;
#[cfg(test)]
mod passed_on_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tools_tests;
