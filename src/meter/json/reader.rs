//! The grammar of JSON, and its bounds.

use super::{Kind, MAX_DEPTH, MAX_VALUES, Member, Node, Unreadable};

/// Reads values one after the other.
pub(super) struct Reader<'j> {
    text: &'j [u8],
    /// How far it has come.
    pub at: usize,
    values: u32,
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
    pub const fn new(text: &'j [u8]) -> Self {
        Self { text, at: 0, values: 0 }
    }

    /// The next value, which stands this deep.
    pub fn value(&mut self, depth: u32) -> Result<Node<'j>, Unreadable> {
        self.blanks();
        self.values = self.values.saturating_add(1);
        if self.values > MAX_VALUES {
            return Err(Unreadable::Size);
        }
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => {
                self.string()?;
                Kind::Text
            }
            Some(b't') => self.word(b"true", Kind::Bool(true))?,
            Some(b'f') => self.word(b"false", Kind::Bool(false))?,
            Some(b'n') => self.word(b"null", Kind::Null)?,
            _ => {
                self.number()?;
                Kind::Number
            }
        };
        Ok(Node { raw: self.text.get(start..self.at).unwrap_or_default(), kind })
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
                return self.fault();
            };
            self.at = self.at.saturating_add(plain);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
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
                if digits.len() != 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return self.fault();
                }
                self.at = self.at.saturating_add(5);
            }
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
            if matches!(self.peek(), Some(b'-' | b'0'..=b'9')) {
                self.number()?;
            } else {
                items.push(self.value(depth.saturating_add(1))?);
            }
            if self.ends(b']')? {
                return Ok(Kind::List(items));
            }
        }
    }

    fn object(&mut self, depth: u32) -> Result<Kind<'j>, Unreadable> {
        let mut members = vec![];
        self.open(depth)?;
        if self.closes(b'}') {
            return Ok(Kind::Object(members));
        }
        loop {
            self.blanks();
            if self.peek() != Some(b'"') {
                return self.fault();
            }
            let name = self.string()?;
            self.blanks();
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
        if self.closes(bracket) {
            return Ok(true);
        }
        if self.peek() != Some(b',') {
            return self.fault();
        }
        self.step();
        Ok(false)
    }
}
