//! Reads off an answer, as it passes, what its call took.
//!
//! Whether it is one JSON text or a stream of events is what its first bytes show; its label only settles what they leave
//! open. What the answer states is believed where it is sane. Where it is not, or the answer ends before it is said, the
//! call took what was delivered: about the tokens of the text that passed, and about those of the prompt; such usage is
//! marked `estimated`.

mod believed;
mod left;
mod pieces;
mod seen;
mod taken;

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

pub use self::taken::Taken;

use self::seen::{Seen, Unread};
use super::{
    bound::Bound,
    coding::{Coded, Field},
    events::{self, Cut, DataLines, Events},
    extra_usage::ForClient,
    failure,
    format::About,
    frames::{self, Frames},
    lines::{Lines, Whole},
    rename::Renamer,
    skim::Skim,
    sound::{self, BilledBy},
    usage_elsewhere,
};

/// Whether this content type is that of a stream of events; its case does not matter (RFC 9110 §8.3.1).
#[must_use]
pub fn is_event_stream(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("text/event-stream")
}

/// The most blanks before an answer that are kept until its form is known.
const MAX_OPENING_BYTES: usize = 4 << 10;

/// Reads one answer.
pub struct Reading {
    bound: Bound,
    label: Label,
    coded: Option<Coded>,
    delivery: Delivery,
    form: Form,
    renamer: Option<Renamer>,
    seen: Seen,
    /// Whether no more of the answer will come.
    is_over: bool,
    /// Whether its client has gone.
    has_left: bool,
}

/// What the type of an answer says of its form.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    Stream,
    Page,
    Other,
}

impl Label {
    fn of(content_type: Option<&str>) -> Self {
        match content_type {
            Some(kind) if is_event_stream(kind) => Self::Stream,
            Some(kind) if failure::is_labelled_page(kind) => Self::Page,
            _ => Self::Other,
        }
    }
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
    /// What has come of one JSON text, as far as is known.
    Whole(Whole),
    /// The same, once it is too long to be kept.
    Skimmed(Box<Skim>),
    Events(Box<Stream>),
    /// JSON texts in lines, and what has come of a line that is too long to be kept.
    Lines(Lines, Box<Skim>),
    /// The same of frames.
    Frames(Frames, Box<Skim>),
    /// Sound, of which nothing is counted.
    Sound,
    /// It cannot be looked into.
    Opaque,
}

#[derive(Default)]
struct Stream {
    events: Events,
    /// Of the event that is too long to be kept.
    data: DataLines,
    skim: Skim,
}

impl Reading {
    /// Of an answer with these header fields.
    #[must_use]
    pub fn new(bound: Bound, content_type: Option<&str>, content_encoding: Option<&str>) -> Self {
        let field = Field::read(content_encoding.unwrap_or_default());
        let form = match &field {
            Field::Plain if content_type.is_some_and(frames::are_labelled) => {
                Form::Frames(Frames::default(), Box::default())
            }
            Field::Plain | Field::Coded(_) => Form::Opening(vec![]),
        };
        let label = Label::of(content_type);
        let renamer = bound.answers_as.as_deref().map(Renamer::new);
        let can_decode = matches!(&field, Field::Coded(codings) if codings.are_known());
        let must_change = renamer.is_some() || bound.asks_for_usage;
        let delivery = if can_decode && must_change { Delivery::Decoded } else { Delivery::Unchanged };
        let coded = if let Field::Coded(codings) = field { Some(Coded::Opening(codings, vec![])) } else { None };
        let (seen, is_over, has_left) = (Seen::default(), false, false);
        Self { bound, label, coded, delivery, form, renamer, seen, is_over, has_left }
    }

    /// With the counts that the header fields of the answer state, which hold where nothing in it states any.
    #[must_use]
    pub fn with_headers<'h>(mut self, header: impl Fn(&'static str) -> Option<&'h str>) -> Self {
        self.seen.state(usage_elsewhere::of_headers(header));
        self
    }

    /// Whether the answer says only at its end what the call took, and is no stream of events as far as is known.
    pub fn is_whole(&self) -> bool {
        self.label != Label::Stream && !self.bound.is_stream && !self.speaks() && !matches!(self.form, Form::Events(_))
    }

    /// Whether the client may get other bytes than came: without usage that it has not asked for, or with the name that it has
    /// asked for.
    pub const fn alters(&self) -> bool {
        let is_text = !matches!(self.form, Form::Sound | Form::Opaque | Form::Frames(..));
        let may_be_events = matches!(self.form, Form::Events(_) | Form::Opening(_));
        self.decodes() || (is_text && (self.renamer.is_some() || (self.bound.asks_for_usage && may_be_events)))
    }

    fn speaks(&self) -> bool {
        self.bound.format.about == About::Speech
    }

    /// Whether an answer may be a stream of events that begins like one: sound and its text may begin with anything.
    fn may_be_events(&self) -> bool {
        match self.bound.format.about {
            About::Text | About::Images => true,
            About::Transcripts => self.label == Label::Stream || self.bound.is_stream,
            About::Speech => self.label == Label::Stream,
        }
    }

    /// Looks into decoded bytes, and gives what of them a client gets that does not get them as they came.
    fn look(&mut self, piece: &[u8]) -> Bytes {
        match &mut self.form {
            Form::Opening(first) => {
                first.extend_from_slice(piece);
                self.look_at_opening()
            }
            Form::Whole(whole) => {
                if whole.add(piece) {
                    let text = std::mem::take(&mut whole.text);
                    self.form = Form::Lines(Lines::default(), Box::default());
                    self.see_lines(&text);
                } else if whole.is_too_long() {
                    let mut skim = Box::<Skim>::default();
                    self.seen.see_part(&self.bound, &mut skim, &whole.text);
                    self.form = Form::Skimmed(skim);
                }
                self.renamed(piece)
            }
            Form::Skimmed(skim) => {
                self.seen.see_part(&self.bound, skim, piece);
                self.renamed(piece)
            }
            Form::Lines(..) => {
                self.see_lines(piece);
                self.renamed(piece)
            }
            Form::Events(stream) => {
                let cuts = stream.events.add(piece);
                self.see_all(cuts)
            }
            Form::Frames(frames, skim) => {
                match frames.add(piece) {
                    Some(cuts) => self.seen.see_cuts(&self.bound, skim, cuts, Seen::see_payload),
                    None => self.seen.write_unread(&self.bound, piece),
                }
                Bytes::copy_from_slice(piece)
            }
            Form::Sound => {
                // A server without a word says `null`.
                self.seen.came.content |= piece.iter().any(|byte| !b"null \t\r\n".contains(byte));
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

    /// Looks at the first bytes, as long as these do not say what follows.
    fn look_at_opening(&mut self) -> Bytes {
        let may_be_events = self.may_be_events();
        let Form::Opening(first) = &mut self.form else { return Bytes::new() };
        let comments = if may_be_events { events::comments(first) } else { 0 };
        let passed: Vec<u8> = first.drain(..comments).collect();
        // Of sound any byte may be the first, and only a page begins like one.
        let may_be_page = self.bound.format.about == About::Speech && failure::may_be_page(first);
        let may_be_frames = self.bound.format.about == About::Text && frames::may_begin(first);
        let may_be_other = may_be_page || may_be_frames || failure::may_be_drawing(first);
        let rest = match events::begins_like_events(first).filter(|_| !may_be_other) {
            // Some proxies send line feeds until the answer begins.
            None if first.len() > MAX_OPENING_BYTES && first.trim_ascii().is_empty() => std::mem::take(first).into(),
            None => Bytes::new(),
            Some(is_stream) => {
                let first = self.open(is_stream && may_be_events);
                self.look(&first)
            }
        };
        [passed.into(), rest].concat().into()
    }

    /// The form is known: gives the bytes that have come of it. What begins neither as events nor as JSON is what its
    /// label says.
    fn open(&mut self, is_stream: bool) -> Vec<u8> {
        let form = std::mem::replace(&mut self.form, Form::Opaque);
        let Form::Opening(first) = form else {
            return vec![];
        };
        let about = self.bound.format.about;
        let start = events::without_bom(&first).trim_ascii_start();
        let is_json = matches!(start.first(), Some(b'{' | b'['));
        // Some servers label a transcript so.
        let is_labelled = self.label == Label::Page && !is_stream && !is_json && about != About::Transcripts;
        let is_page = failure::is_page(&first);
        if is_page || is_labelled {
            self.seen.came.unread = Unread::Page;
        }
        self.form = if about == About::Text && frames::begin(&first) {
            Form::Frames(Frames::default(), Box::default())
        } else if is_stream || ((self.label == Label::Stream) && !is_json) {
            Form::Events(Box::default())
        } else if self.speaks() && !is_json && !is_page && !is_labelled {
            Form::Sound
        } else if about == About::Transcripts {
            Form::Whole(Whole::one())
        } else {
            Form::Whole(Whole::default())
        };
        first
    }

    /// Looks into what was kept of an answer that is over.
    fn finish(&mut self) -> Bytes {
        let opened = match &self.form {
            Form::Opening(first) if !first.is_empty() => {
                let is_stream = self.label == Label::Stream;
                let first = self.open(is_stream);
                self.look(&first)
            }
            _ => Bytes::new(),
        };
        match std::mem::replace(&mut self.form, Form::Opaque) {
            Form::Whole(whole) => {
                self.see_whole(&whole.text);
                opened
            }
            Form::Lines(mut lines, mut skim) => {
                self.seen.see_cuts(&self.bound, &mut skim, lines.end(), Seen::see_line);
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
            Form::Opening(_) | Form::Frames(..) | Form::Sound | Form::Opaque => opened,
        }
    }

    /// A transcript as a text may be any: a number, a word in quotes or brackets, nothing but a line feed.
    fn see_whole(&mut self, whole: &[u8]) {
        let text = events::without_bom(whole);
        let may_be_json = match self.bound.format.about {
            About::Transcripts => {
                let object = text.trim_ascii_start().strip_prefix(b"{");
                object.is_some_and(|members| members.trim_ascii_start().starts_with(b"\""))
            }
            _ => matches!(text.trim_ascii_start().first(), Some(b'{' | b'[')) || !self.seen.came.is_page(),
        };
        if may_be_json && self.seen.see_texts(&self.bound, text) {
            return;
        }
        self.seen.seconds = sound::last_second(whole).filter(|_| self.bound.sound == BilledBy::Seconds);
        self.seen.write_unread(&self.bound, whole);
        if may_be_json && !self.seen.came.is_page() {
            self.seen.see_skimmed(&self.bound, Skim::of(whole));
        }
    }

    fn see_lines(&mut self, piece: &[u8]) {
        if let Form::Lines(lines, skim) = &mut self.form {
            let cuts = lines.add(piece);
            self.seen.see_cuts(&self.bound, skim, cuts, Seen::see_line);
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
                        stream.data = DataLines::default();
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
            // JSON that is no event, behind comments.
            None if !events::is_field(line) => renamer.pass(line),
            None => line.to_vec(),
        };
        let passed = event.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')).flat_map(pass).collect();
        renamer.begin();
        Cow::Owned(passed)
    }

    fn see_part(&mut self, part: &[u8]) {
        if let Form::Events(stream) = &mut self.form {
            let data = stream.data.add(part);
            self.seen.see_part(&self.bound, &mut stream.skim, &data);
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
