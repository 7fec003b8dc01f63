//! What an answer has said up to now, event by event.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::super::{
    bound::Bound,
    count::Count,
    counts::{CALLS, Counts, Stated},
    delivered::{self, FEW_TOKENS},
    events::{self, Cut},
    extra_usage::{self, ForClient},
    failure,
    format::About,
    json::{self, Node},
    shown::Shown,
    skim::Skim,
    statement::{self, MAX_TOOLS, Says, Statement},
    text,
};

/// Lines that name an event an error.
const ERROR_NAMES: [&[u8]; 2] = [b"event: error", b"event:error"];

/// The most choices of a call.
const MAX_CHOICES: usize = 128;

/// The most answers in one text that are looked into. Of a stream as a list each has 100 bytes and more.
const MAX_ANSWERS: usize = 8_192;

/// What kinds of events have come.
#[derive(Default)]
pub(super) struct Came {
    pub error: bool,
    /// The model's own refusal.
    pub refusal: bool,
    /// Anything that a client reads.
    pub content: bool,
    pub unread: Unread,
}

/// What has come that could not be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// So many bytes.
    Bytes(usize),
    /// A page for people, of any length.
    Page,
}

impl Default for Unread {
    fn default() -> Self {
        Self::Bytes(0)
    }
}

impl Came {
    /// Whether what has come is a page for people.
    pub fn is_page(&self) -> bool {
        self.unread == Unread::Page
    }
}

/// What the answer has said up to now.
#[derive(Default)]
pub(super) struct Seen {
    pub stated: Stated,
    /// The last usage of each choice, by its index.
    of_choices: Vec<(u64, Stated)>,
    /// What holds where nothing else is stated.
    aside: Stated,
    pub is_final: bool,
    pub has_finished: bool,
    pub came: Came,
    pub written_tokens: u64,
    /// The images and the sound.
    pub shown: Shown,
    /// About the tokens of what is in another dialect than the format's.
    foreign_tokens: u64,
    /// The length of a sound, by its subtitles.
    pub seconds: Option<u64>,
    /// Whether an event has said a part of what others may say again.
    has_parts: bool,
    tools: Vec<(String, u64)>,
    tools_done: Vec<(String, u64)>,
    /// The same as usages state it.
    tools_stated: Vec<(String, u64)>,
    pub of_others: Vec<(String, Stated)>,
    pub model: Option<String>,
    pub tier: Option<String>,
}

impl Seen {
    /// What of an event a client gets that has not asked for usage.
    pub fn see_event(&mut self, bound: &Bound, event: &[u8]) -> ForClient {
        let data = events::data(events::without_bom(event));
        let text = data.trim_ascii();
        if text.is_empty() && self.see_bare(bound, events::without_bom(event)) {
            return ForClient::All;
        }
        if text.is_empty() || text == events::DONE {
            events::stray(events::without_bom(event)).for_each(|line| self.write_unread(bound, line));
            return ForClient::All;
        }
        let is_named_error = || events::lines(event).any(|line| ERROR_NAMES.contains(&line));
        let Ok(node) = json::read_answer(&data) else {
            if is_named_error() {
                self.came.error = true;
                return ForClient::All;
            }
            // Of an event that was cut, a client reads nothing.
            if event.ends_with(b"\n") || event.ends_with(b"\r") {
                self.write_unread(bound, &data);
                self.see_skimmed(bound, Skim::of(&data));
            }
            return ForClient::All;
        };
        let read = statement::read(bound.format, &node);
        let read = if read.written_tokens == 0 && is_named_error() {
            Statement { says: Says::Error, foreign_tokens: 0, ..read }
        } else {
            read
        };
        self.take(bound.counts, read);
        if bound.asks_for_usage { extra_usage::strip(&data, &node) } else { ForClient::All }
    }

    /// Reads JSON that is no event, behind comments by which a proxy has kept the connection open; whether there is any.
    fn see_bare(&mut self, bound: &Bound, event: &[u8]) -> bool {
        let mut text = event.trim_ascii_start();
        while text.starts_with(b":") {
            let end = text.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(text.len());
            text = text.get(end..).unwrap_or_default().trim_ascii_start();
        }
        matches!(text.first(), Some(b'{' | b'[')) && self.see_texts(bound, text)
    }

    /// Reads a part of an answer that is one JSON text.
    pub fn see_payload(&mut self, bound: &Bound, payload: &[u8]) {
        let Ok(node) = json::read_answer(payload) else { return self.write_unread(bound, payload) };
        // Bedrock's frames of other formats have their events within.
        let within = node.get("bytes").and_then(Node::text).and_then(|coded| STANDARD.decode(&*coded).ok());
        match within.as_deref().map(json::read_answer) {
            None => self.take(bound.counts, statement::read(bound.format, &node)),
            Some(Ok(event)) => self.take(bound.counts, statement::read(bound.format, &event)),
            Some(Err(_)) => self.write_unread(bound, payload),
        }
    }

    /// Reads a line that is one JSON text. What is none is read as such an event is.
    pub fn see_line(&mut self, bound: &Bound, line: &[u8]) {
        let text = events::without_bom(line);
        if !self.see_texts(bound, text) {
            self.write_unread(bound, text);
            self.see_skimmed(bound, Skim::of(text));
        }
    }

    /// Reads what a stream was cut into: by `read` what is whole.
    pub fn see_cuts(
        &mut self,
        bound: &Bound,
        skim: &mut Skim,
        cuts: impl IntoIterator<Item = Cut>,
        read: fn(&mut Self, &Bound, &[u8]),
    ) {
        for cut in cuts {
            match cut {
                Cut::Event(whole) => read(self, bound, &whole),
                Cut::Part(part) => self.see_part(bound, skim, &part),
                Cut::LastPart(part) => {
                    self.see_part(bound, skim, &part);
                    self.see_skimmed(bound, std::mem::take(skim));
                }
            }
        }
    }

    /// Reads JSON texts that stand behind each other, or in one list; whether there was one.
    pub fn see_texts(&mut self, bound: &Bound, mut texts: &[u8]) -> bool {
        let mut has_read = texts.trim_ascii().is_empty();
        for _ in 0..MAX_ANSWERS {
            let Ok((node, rest)) = json::read_first(texts) else { break };
            has_read = true;
            texts = rest;
            // Some services answer with a bare list of vectors or scores.
            let is_bare = node.is_list() && bound.format.written.is_none();
            self.came.content |= is_bare && delivered::has_anything(&node);
            let (early, answers) = answers(&node);
            for answer in early {
                self.write_unread(bound, answer.raw);
            }
            for answer in answers {
                let read = statement::read(bound.format, answer);
                let written_tokens = read.written_tokens.max(read.repeated_tokens);
                self.take(bound.counts, Statement { written_tokens, repeated_tokens: 0, ..read });
            }
        }
        if has_read && !self.is_final {
            self.write_unread(bound, texts.trim_ascii());
        }
        has_read
    }

    /// A part of what is too long to be kept: its text counts as it passes.
    pub fn see_part(&mut self, bound: &Bound, skim: &mut Skim, part: &[u8]) {
        let is_first = self.came.unread == Unread::default() && !self.came.content;
        if is_first && failure::is_page(part) {
            self.came.unread = Unread::Page;
        }
        if self.came.is_page() {
            return;
        }
        let before = skim.texts.said();
        skim.read(bound.format, part);
        if skim.texts.is_json() {
            self.came.content = true;
            self.write(skim.texts.said().saturating_sub(before));
        } else {
            self.write_unread(bound, part);
        }
    }

    /// Of what was too long to be kept only the usage is read: its text was counted as it passed.
    pub fn see_skimmed(&mut self, bound: &Bound, skim: Skim) {
        self.foreign_tokens = self.foreign_tokens.saturating_add(skim.texts.foreign());
        self.show(Shown::of_data(skim.texts.data(), bound.speaks));
        larger(&mut self.tools, skim.texts.tools());
        larger(&mut self.tools, statement::called_by_type(skim.calls()));
        let kept = skim.into_kept().unwrap_or_default();
        let mut texts = kept.as_slice();
        for _ in 0..MAX_ANSWERS {
            let Ok((node, rest)) = json::read_first(texts) else { break };
            texts = rest;
            for answer in answers(&node).1 {
                let read = statement::read(bound.format, answer);
                let shown = Shown::default();
                self.take(
                    bound.counts,
                    Statement {
                        written_tokens: 0,
                        repeated_tokens: 0,
                        item_tokens: 0,
                        foreign_tokens: 0,
                        shown,
                        ..read
                    },
                );
            }
        }
    }

    /// The last count of each kind is the one that holds.
    fn take(&mut self, counts: &Counts, statement: Statement) {
        self.came.content |= statement.says == Says::Answer;
        self.came.error |= statement.says == Says::Error;
        let of_choices = self.with_choices(statement.of_choices);
        // What a stream states of its output at its begin is no word of a refusal.
        let output = if statement.is_refusal { Count::Absent } else { self.stated.output };
        self.stated = counts.follow(statement.stated.or(of_choices), Stated { output, ..self.stated });
        self.aside = statement.aside.or(self.aside);
        self.has_parts |= statement.written_tokens > 0;
        self.write(statement.written_tokens);
        self.show(statement.shown);
        if !self.has_parts {
            self.write(statement.item_tokens);
        }
        // All of it: the largest holds.
        self.write(statement.repeated_tokens.saturating_sub(self.written_tokens));
        self.foreign_tokens = self.foreign_tokens.saturating_add(statement.foreign_tokens);
        // What goes on has not finished.
        let goes_on = self.has_parts && statement.written_tokens > 0;
        self.has_finished = statement.is_finish || (self.has_finished && !goes_on);
        // An image is not stated yet by a usage in which nothing is written.
        self.is_final |= statement.is_final && (self.shown.is_none() || self.stated.output.plain() > 0);
        self.model = statement.successor.or_else(|| self.model.take()).or(statement.model);
        self.came.refusal |= statement.is_refusal;
        self.tier = statement.tier.or(self.tier.take());
        // A later list has all of the earlier one.
        if statement.of_others.len() >= self.of_others.len() {
            self.of_others = statement.of_others;
        }
        larger(&mut self.tools, statement.tools);
        larger(&mut self.tools_stated, statement.tools_stated);
        if let Some(tool) = statement.tool_done {
            let before = self.tools_done.iter().find(|(name, _)| *name == tool).map_or(0, |(_, calls)| *calls);
            larger(&mut self.tools_done, vec![(tool, before.saturating_add(1))]);
        }
    }

    /// The usage of all choices up to now, where these state any: each has read the same prompt.
    fn with_choices(&mut self, choices: Vec<(u64, Stated)>) -> Stated {
        if choices.is_empty() {
            return Stated::default();
        }
        for (index, stated) in choices {
            let has_room = self.of_choices.len() < MAX_CHOICES;
            match self.of_choices.iter_mut().find(|(known, _)| *known == index) {
                Some((_, known)) => *known = stated.or(*known),
                None if has_room => self.of_choices.push((index, stated)),
                None => {}
            }
        }
        self.of_choices.iter().map(|(_, stated)| *stated).reduce(Stated::with_choice).unwrap_or_default()
    }

    /// What holds where nothing in the answer is stated.
    pub const fn state(&mut self, aside: Stated) {
        self.aside = aside;
    }

    /// At the end, takes what is stated in other places where nothing else is.
    pub fn state_aside(&mut self) {
        if self.stated.says_nothing() && !self.aside.says_nothing() {
            (self.stated, self.is_final) = (self.aside, true);
        }
    }

    /// Whether the answer states a call, as a rerank of nothing does that is billed by the call.
    pub fn states_calls(&self) -> bool {
        self.tools_stated.iter().any(|(tool, calls)| tool == CALLS && *calls > 0)
    }

    /// How often each tool was called: as often as is stated, where it is, because calls that fail are free.
    pub fn called(&mut self) -> Vec<(String, u64)> {
        let mut tools = std::mem::take(&mut self.tools);
        larger(&mut tools, std::mem::take(&mut self.tools_done));
        let stated = std::mem::take(&mut self.tools_stated);
        tools.retain(|(tool, _)| stated.iter().all(|(known, _)| known != tool));
        tools.extend(stated);
        tools
    }

    /// About the tokens of what was in another dialect than the format's. A few words may be those of a failure.
    pub fn foreign(&self) -> u64 {
        let counts = self.came.content || self.foreign_tokens >= FEW_TOKENS;
        if counts { self.foreign_tokens } else { 0 }
    }

    /// What passes and cannot be read counts as text. Behind the usage of all that was written it is a word of some proxy, and
    /// where nothing else comes a few words are those of a failure.
    pub fn write_unread(&mut self, bound: &Bound, bytes: &[u8]) {
        let is_transcript = bound.format.about == About::Transcripts;
        // Blanks keep a connection open, and of a silence they are the text.
        let is_nothing = bytes.is_empty() || (bytes.trim_ascii().is_empty() && !is_transcript);
        let Unread::Bytes(before) = self.came.unread else { return };
        if is_nothing || self.is_final {
            return;
        }
        if before == 0 && failure::is_page(bytes) {
            self.came.unread = Unread::Page;
            return;
        }
        let all = before.saturating_add(bytes.len());
        self.came.unread = Unread::Bytes(all);
        let is_failure = !is_transcript && failure::is_worded(bytes, all);
        self.came.content |= !is_failure;
        if !bound.format.written.is_none() {
            self.write(text::tokens(bytes));
        }
    }

    /// More was drawn or spoken.
    fn show(&mut self, shown: Shown) {
        self.came.content |= !shown.is_none();
        self.is_final = self.is_final && shown.is_none();
        self.shown = shown.and(self.shown);
    }

    /// More was written; what was stated before applies to less.
    const fn write(&mut self, tokens: u64) {
        self.written_tokens = self.written_tokens.saturating_add(tokens);
        self.is_final = self.is_final && tokens == 0;
    }
}

/// The answers in a JSON text, which are itself or what is in the list that it is: the last of many, which state the most, and
/// before them those that are too many to be looked into. An object without members states nothing.
fn answers<'n, 'j>(node: &'n Node<'j>) -> (&'n [Node<'j>], impl Iterator<Item = &'n Node<'j>>) {
    let all = if node.is_list() { node.items() } else { std::slice::from_ref(node) };
    let (early, last) = all.split_at(all.len().saturating_sub(MAX_ANSWERS));
    let is_empty = |answer: &Node<'_>| answer.members().is_empty() && answer.is_object();
    (early, last.iter().filter(move |answer| !node.is_list() || !is_empty(answer)))
}

/// Of two counts of a tool the larger one holds.
fn larger(tools: &mut Vec<(String, u64)>, others: Vec<(String, u64)>) {
    for (name, calls) in others {
        let has_room = tools.len() < MAX_TOOLS;
        match tools.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = calls.max(*known),
            None if has_room => tools.push((name, calls)),
            None => {}
        }
    }
}
