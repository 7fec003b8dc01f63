//! The grammar of JSON, and its bounds.

use super::{Kind, MAX_ANSWER_VALUES, MAX_DEPTH, MAX_VALUES, Member, Members, Node, Unreadable};

/// Reads values one after the other.
pub(super) struct Reader<'j> {
    text: &'j [u8],
    /// How far it has come.
    pub at: usize,
    values: u32,
    manner: Manner,
}

/// What is taken for JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Only what is.
    Strict,
    /// Also what clients read that is not: `NaN` and other words in place of values, which are nothing, and any character in
    /// a text. What is too deep is nothing too.
    Lenient,
    /// The same of a text that may break off anywhere: what is open there ends there. A number may be only begun.
    Cut,
}

impl<'j> Reader<'j> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    const fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    const fn fault<T>(&self) -> Result<T, Unreadable> {
        Err(Unreadable::Syntax(self.at))
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.step();
        }
    }

    /// A reader at the beginning of `text`.
    pub const fn new(text: &'j [u8], manner: Manner) -> Self {
        Self { text, at: 0, values: 0, manner }
    }

    const fn is_lenient(&self) -> bool {
        matches!(self.manner, Manner::Lenient | Manner::Cut)
    }

    /// Whether the text breaks off here.
    fn is_cut(&self) -> bool {
        matches!(self.manner, Manner::Cut) && self.at >= self.text.len()
    }

    /// The next value, which stands this deep.
    pub fn value(&mut self, depth: u32) -> Result<Node<'j>, Unreadable> {
        self.blanks();
        self.values = self.values.saturating_add(1);
        let most = if self.is_lenient() { MAX_ANSWER_VALUES } else { MAX_VALUES };
        if self.values > most {
            return Err(Unreadable::Size(most));
        }
        let start = self.at;
        let kind = match self.peek() {
            _ if self.is_cut() => Kind::Null,
            Some(b'{' | b'[') if depth >= MAX_DEPTH && self.is_lenient() => self.pass_over()?,
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => {
                self.string()?;
                Kind::Text
            }
            _ => self.plain(depth)?,
        };
        Ok(Node { raw: self.text.get(start..self.at).unwrap_or_default(), kind })
    }

    /// A value without brackets and quotes. Alone, a word that is none is no JSON to anybody.
    fn plain(&mut self, depth: u32) -> Result<Kind<'j>, Unreadable> {
        let start = self.at;
        let read = match self.peek() {
            Some(b't') => self.word(b"true", Kind::Bool(true)),
            Some(b'f') => self.word(b"false", Kind::Bool(false)),
            Some(b'n') => self.word(b"null", Kind::Null),
            _ => self.number().map(|()| Kind::Number),
        };
        let is_of_word = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte);
        let is_whole = read.is_ok() && !self.peek().is_some_and(is_of_word) && !self.is_cut();
        if !self.is_lenient() || depth == 0 || is_whole {
            return read;
        }
        self.at = start;
        while self.peek().is_some_and(is_of_word) {
            self.step();
        }
        if self.at == start { self.fault() } else { Ok(Kind::Null) }
    }

    /// Goes behind a list or an object that is not looked into.
    fn pass_over(&mut self) -> Result<Kind<'j>, Unreadable> {
        let mut open = 0_usize;
        loop {
            match self.peek() {
                None if self.is_cut() => return Ok(Kind::Null),
                None => return self.fault(),
                Some(b'"') => {
                    self.string()?;
                    continue;
                }
                Some(b'{' | b'[') => open = open.saturating_add(1),
                Some(b'}' | b']') => open = open.saturating_sub(1),
                Some(_) => {}
            }
            self.step();
            if open == 0 {
                return Ok(Kind::Null);
            }
        }
    }

    fn word(&mut self, word: &[u8], kind: Kind<'j>) -> Result<Kind<'j>, Unreadable> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return self.fault();
        }
        self.at = self.at.saturating_add(word.len());
        Ok(kind)
    }

    /// Goes behind the closing quote, and gives what is between the two.
    fn string(&mut self) -> Result<&'j [u8], Unreadable> {
        self.step();
        let start = self.at;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(plain) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) else {
                self.at = self.text.len();
                return if self.is_cut() { Ok(self.text.get(start..).unwrap_or_default()) } else { self.fault() };
            };
            self.at = self.at.saturating_add(plain);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                _ if self.is_lenient() => self.step(),
                _ => return self.fault(),
            }
        }
        let inside = self.text.get(start..self.at).unwrap_or_default();
        self.step();
        Ok(inside)
    }

    fn escape(&mut self) -> Result<(), Unreadable> {
        self.step();
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.step(),
            Some(b'u') => {
                let digits = self.text.get(self.at.saturating_add(1)..self.at.saturating_add(5)).unwrap_or_default();
                let is_unit = digits.len() == 4 && digits.iter().all(u8::is_ascii_hexdigit);
                if !is_unit && !self.is_lenient() {
                    return self.fault();
                }
                self.at = self.at.saturating_add(if is_unit { 5 } else { 1 });
            }
            Some(_) if self.is_lenient() => self.step(),
            None if self.is_cut() => {}
            _ => return self.fault(),
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Unreadable> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return self.fault();
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.step();
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Unreadable> {
        if self.peek() == Some(b'-') {
            self.step();
        }
        if self.peek() == Some(b'0') {
            self.step();
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.step();
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.step();
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.step();
            }
            self.digits()?;
        }
        Ok(())
    }

    fn list(&mut self, depth: u32) -> Result<Kind<'j>, Unreadable> {
        let mut items = vec![];
        self.open(depth)?;
        if self.closes(b']') {
            return Ok(Kind::List(items));
        }
        loop {
            self.blanks();
            if self.is_cut() {
                return Ok(Kind::List(items));
            }
            if matches!(self.peek(), Some(b'-' | b'0'..=b'9')) {
                self.plain(depth.saturating_add(1))?;
            } else {
                let item = self.value(depth.saturating_add(1))?;
                // A list of one item has room for one: of lists in lists there may be many.
                if items.is_empty() {
                    items.reserve_exact(1);
                }
                items.push(item);
            }
            if self.ends(b']')? {
                return Ok(Kind::List(items));
            }
        }
    }

    fn object(&mut self, depth: u32) -> Result<Kind<'j>, Unreadable> {
        let mut members = Members::default();
        self.open(depth)?;
        if self.closes(b'}') {
            return Ok(Kind::Object(members));
        }
        loop {
            self.blanks();
            if self.is_cut() {
                return Ok(Kind::Object(members));
            }
            if self.peek() != Some(b'"') {
                return self.fault();
            }
            let name = self.string()?;
            self.blanks();
            if self.is_cut() {
                return Ok(Kind::Object(members));
            }
            if self.peek() != Some(b':') {
                return self.fault();
            }
            self.step();
            let value = self.value(depth.saturating_add(1))?;
            members.push(Member { name, value });
            if self.ends(b'}')? {
                return Ok(Kind::Object(members));
            }
        }
    }

    fn open(&mut self, depth: u32) -> Result<(), Unreadable> {
        if depth >= MAX_DEPTH {
            return Err(Unreadable::Depth);
        }
        self.step();
        Ok(())
    }

    fn closes(&mut self, bracket: u8) -> bool {
        self.blanks();
        let closes = self.peek() == Some(bracket);
        if closes {
            self.step();
        }
        closes
    }

    /// Whether the list or object ends here; a comma says that it goes on.
    fn ends(&mut self, bracket: u8) -> Result<bool, Unreadable> {
        if self.closes(bracket) || self.is_cut() {
            return Ok(true);
        }
        if self.peek() != Some(b',') {
            return self.fault();
        }
        self.step();
        Ok(false)
    }
}
