//! What is counted in a JSON text that is too long to be kept: its text, and the calls of tools in its lists.

use super::{
    asides::is_aside,
    format::{Calls, Format},
    shown::Shown,
    text::Counter,
};

/// A JSON text has its first bracket within this many bytes.
const MAX_BEGINNING_BYTES: usize = 1 << 10;

/// What has come of it.
#[derive(Debug, Default)]
pub(super) struct Texts {
    format: Option<&'static Format>,
    /// Bytes before the first bracket, and whether there is one.
    beginning_bytes: usize,
    has_bracket: bool,
    /// Of the string that is open.
    counter: Counter,
    /// About the tokens where the format has text, and of other strings that may be text.
    said: u64,
    others: u64,
    /// The texts that are images or sound, and their bytes.
    data: (u64, u64),
    /// Whether the member of the outermost object is one that has text, and whether there was one.
    in_root: bool,
    had_root: bool,
    /// How deep the JSON stands that the model wrote.
    json: Option<usize>,
    /// The list of calls that is open, of those of the format, and how deep it stands.
    list: Option<(usize, usize)>,
    /// How often each of these tools was called.
    calls: Vec<u64>,
}

impl Texts {
    /// The format of the text.
    pub fn read_as(&mut self, format: &'static Format) {
        self.format = Some(format);
        self.calls.resize(format.calls.len(), 0);
    }

    /// Whether it is a JSON text, as far as its beginning says.
    pub const fn is_json(&self) -> bool {
        self.has_bracket && self.beginning_bytes <= MAX_BEGINNING_BYTES
    }

    /// About the tokens of what the model wrote.
    pub const fn said(&self) -> u64 {
        self.said
    }

    /// About the tokens of an answer in another dialect than the format's.
    pub fn foreign(&self) -> u64 {
        let is_foreign =
            self.is_json() && !self.had_root && self.format.is_some_and(|format| !format.written.is_none());
        if is_foreign { self.others } else { 0 }
    }

    /// How many texts are images or sound, and about their bytes.
    pub const fn data(&self) -> (u64, u64) {
        self.data
    }

    /// How often tools were called.
    pub fn tools(&self) -> Vec<(String, u64)> {
        let calls = self.format.map_or(&[][..], |format| format.calls);
        let counted = calls.iter().zip(&self.calls).filter(|(_, calls)| **calls > 0);
        counted.map(|((tool, ..), calls)| ((*tool).to_owned(), *calls)).collect()
    }

    /// A byte outside of strings.
    pub const fn outside(&mut self, byte: u8) {
        if !self.has_bracket {
            self.has_bracket = matches!(byte, b'{' | b'[');
            self.beginning_bytes = self.beginning_bytes.saturating_add(1);
        }
    }

    /// A string begins, or goes on.
    pub fn begin_string(&mut self) {
        self.counter = Counter::default();
    }

    /// The next byte of the string.
    pub fn within(&mut self, byte: u8) {
        self.counter.add(byte);
    }

    /// A name of a member ends at this depth; whether it was an item of a list instead.
    pub fn end_name(&mut self, name: &[u8], depth: usize) -> bool {
        if self.list.is_some_and(|(_, list)| list.saturating_add(1) == depth) {
            self.call();
            return true;
        }
        if let Some(format) = self.format.filter(|_| depth == 1) {
            self.in_root = format.written.roots.iter().any(|root| root.as_bytes() == name);
            self.had_root |= self.in_root;
        }
        if self.json.is_some() {
            self.said = self.said.saturating_add(self.counter.total());
        }
        false
    }

    /// A string ends that is the value of a member of this name.
    pub fn end_value(&mut self, (name, value): (&[u8], &[u8]), depth: usize) {
        let Some(format) = self.format else { return };
        let tokens = self.counter.total();
        let is_text = self.json.is_some() || (self.in_root && (depth == 1 || format.written.holds(name)));
        if is_text {
            self.said = self.said.saturating_add(tokens);
        } else if !is_aside(String::from_utf8_lossy(name)) {
            self.others = self.others.saturating_add(tokens);
        }
        let letters = u64::try_from(self.counter.data_bytes()).unwrap_or(u64::MAX);
        if letters > 0 && Shown::may_be_in(format, name) {
            self.data = (self.data.0.saturating_add(1), self.data.1.saturating_add(letters / 4 * 3));
        }
        if let Some((tool, _)) = self.list
            && let Some((.., counted @ (Calls::OnceOf(kind) | Calls::EachOf(kind)))) = format.calls.get(tool)
            && name == b"type"
            && value == kind.as_bytes()
            && let Some(calls) = self.calls.get_mut(tool)
        {
            *calls = if matches!(counted, Calls::EachOf(_)) { calls.saturating_add(1) } else { 1 };
        }
    }

    /// An object or a list begins within `depth` others; `name` is that of the member whose value it is.
    pub fn begin(&mut self, bracket: u8, name: Option<&[u8]>, depth: usize) {
        let Some(format) = self.format else { return };
        if self.list.is_some_and(|(_, list)| list.saturating_add(1) == depth) {
            self.call();
        }
        let Some(name) = name else { return };
        if self.in_root && self.json.is_none() && format.written.json.iter().any(|json| json.as_bytes() == name) {
            self.json = Some(depth);
        }
        let is_it = |(_, path, _): &(&str, super::path::Path, Calls)| path.last().as_bytes() == name;
        if let Some(tool) = format.calls.iter().position(is_it) {
            if bracket == b'[' {
                self.list = Some((tool, depth));
            } else if let Some(calls) = self.calls.get_mut(tool) {
                let is_each = format.calls.get(tool).is_some_and(|(.., it)| it.are_counted());
                *calls = if is_each { calls.saturating_add(1) } else { 1 };
            }
        }
    }

    /// It ends.
    pub fn end(&mut self, depth: usize) {
        self.json = self.json.filter(|json| *json != depth);
        self.list = self.list.filter(|(_, list)| *list != depth);
    }

    /// A further item of the list that is open.
    fn call(&mut self) {
        let Some((tool, _)) = self.list else { return };
        let is_each = self.format.and_then(|format| format.calls.get(tool)).is_some_and(|(.., it)| it.are_counted());
        if let Some(calls) = self.calls.get_mut(tool).filter(|_| is_each) {
            *calls = calls.saturating_add(1);
        }
    }
}
