//! The request line of the head that is being read, and the page that it is from. Of a head that the HTTP library refuses, they
//! say what was asked for, and whether a browser may read the answer.

/// As much of a line as is kept.
const MAX_BYTES: usize = 2_048;
/// The longest method there is, and some more.
const MAX_METHOD_BYTES: usize = 32;
/// How a handshake begins: the type and the version of its record (RFC 8446 §5.1).
const HANDSHAKE: [u8; 2] = [22, 3];

/// A request line and an `Origin` as far as they have come.
#[derive(Debug, Default)]
pub struct Opening {
    bytes: Vec<u8>,
    is_whole: bool,
    origin: Vec<u8>,
}

impl Opening {
    /// Takes bytes of a head, the first ones or further ones, and what `Origin` says in them.
    pub(super) fn take(&mut self, bytes: &[u8], origin: &[u8], is_first: bool) {
        if is_first {
            self.bytes.clear();
            self.is_whole = false;
            self.origin.clear();
        }
        self.origin.extend_from_slice(origin);
        let mut rest = bytes;
        while !self.is_whole && !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest);
            let piece = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            // Empty lines before it are none of it (RFC 9112 §2.2).
            if !self.bytes.is_empty() || piece.iter().any(|byte| *byte != b'\r') {
                let room = MAX_BYTES.saturating_sub(self.bytes.len());
                self.bytes.extend_from_slice(piece.get(..piece.len().min(room)).unwrap_or_default());
                self.is_whole = end.is_some();
            }
            rest = end.and_then(|end| rest.get(end.saturating_add(1)..)).unwrap_or_default();
        }
    }

    /// The origin of the page, if it has come. Of several there is no such origin as is given here.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        std::str::from_utf8(&self.origin).ok().filter(|origin| !origin.is_empty())
    }

    /// The method and the path, without the query, as far as they have come and are well-formed.
    #[must_use]
    pub fn asked(&self) -> Option<(String, String)> {
        let mut words = std::str::from_utf8(&self.bytes).ok()?.split([' ', '\r']);
        let (method, target) = (words.next()?, words.next()?);
        let is_method = (1..=MAX_METHOD_BYTES).contains(&method.len())
            && method.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let path = target.split(['?', '#']).next().unwrap_or_default();
        let is_path = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
        (is_method && is_path).then(|| (method.to_owned(), path.to_owned()))
    }

    /// Why this is no request line at all (RFC 9112 §3); `None` where it is one in its form, or longer than what is kept of it.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        if self.bytes.starts_with(&HANDSHAKE) {
            return Some("a TLS handshake came, and this port speaks plain HTTP: the URL must begin with http://");
        }
        let line = self.bytes.strip_suffix(b"\r").unwrap_or(&self.bytes);
        if !self.is_whole || self.bytes.len() >= MAX_BYTES {
            return None;
        }
        if line.iter().any(u8::is_ascii_control) {
            return Some("the request line has a control character");
        }
        let mut words = line.split(|byte| *byte == b' ');
        let is_line = words.clone().count() == 3 && words.all(|word| !word.is_empty());
        let why = "the request line is not a method, a target and HTTP/1.1 with one space between (RFC 9112 §3)";
        (!is_line).then_some(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_is_read_however_it_is_cut() {
        for (head, asked) in [
            ("POST /v1/x?y=z HTTP/1.1\r\nhost: a\r\n", Some(("POST", "/v1/x"))),
            ("\r\n\nGET /a#b HTTP/3.0\r\n", Some(("GET", "/a"))),
            ("GET /a\r\n", Some(("GET", "/a"))),
            ("GET", None),
            ("G\"T /a HTTP/1.1\r\n", None),
            ("GET a HTTP/1.1\r\n", None),
            ("GET /\u{e4} HTTP/1.1\r\n", None),
            ("nonsense\r\n\r\n", None),
            ("", None),
        ] {
            for size in 1..=head.len().max(1) {
                let mut opening = Opening::default();
                opening.take(b"of another head", b"https://other.test", true);
                for (i, piece) in head.as_bytes().chunks(size).enumerate() {
                    opening.take(piece, b"", i == 0);
                }
                let expected = asked.map(|(method, path)| (method.to_owned(), path.to_owned()));
                assert!(head.is_empty() || opening.origin().is_none());
                assert!(head.is_empty() || opening.asked() == expected, "{head:?} in {size}s: {:?}", opening.asked());
            }
        }
    }

    #[test]
    fn a_line_that_is_none_says_why() {
        let long = format!("GET /{} HTTP/1.1\r\n", "x y".repeat(MAX_BYTES));
        for (head, fault) in [
            ("GET / HTTP/1.1\r\nbad line\r\n", None),
            ("GET /\u{e4} HTTP/1.1\r\n", None),
            ("GET / HTTP/3.0\n", None),
            (&*long, None),
            ("GET /a b", None),
            ("GET /\r\n", Some("one space")),
            ("GET  HTTP/1.1\r\n", Some("one space")),
            ("GET /a b HTTP/1.1\r\n", Some("one space")),
            (" GET / HTTP/1.1\r\n", Some("one space")),
            ("nonsense\r\n", Some("one space")),
            ("GET /a\tb HTTP/1.1\r\n", Some("control character")),
            ("GET /a\rb HTTP/1.1\r\n", Some("control character")),
            ("\u{16}\u{3}\u{1}\0\u{5}", Some("TLS")),
            ("\u{16}\u{3}\u{1}\n", Some("TLS")),
        ] {
            let mut opening = Opening::default();
            opening.take(head.as_bytes(), b"", true);
            match (opening.fault(), fault) {
                (None, None) => {}
                (Some(found), Some(part)) => assert!(found.contains(part), "{head:?}: {found}"),
                (found, _) => panic!("{head:?}: {found:?}"),
            }
        }
    }
}
