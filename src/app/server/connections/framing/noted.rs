//! The lines of a head that something depends on which the HTTP library does not see to: an offer of WebSocket among others in one
//! line (RFC 9110 §7.8), which the library knows in a line of its own alone, and the origin of a page, which an answer needs also
//! where the library refuses the head.

const UPGRADE: &[u8] = b"upgrade:";
const ORIGIN: &[u8] = b"origin:";
/// The longest line that is looked at.
const MAX_BYTES: usize = 1_024;

/// The present line, if it begins as one of these does.
#[derive(Debug, Default)]
pub(super) struct Noted {
    line: Vec<u8>,
}

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// WebSocket is offered, and something else too.
    WebSocketAmongOthers,
    Origin(Vec<u8>),
}

impl Noted {
    /// Takes a part of the present line, which has begun with `start` so far.
    pub fn read(&mut self, start: &[u8], text: &[u8]) {
        if self.line.len() <= MAX_BYTES && [UPGRADE, ORIGIN].iter().any(|name| may_begin(start, name)) {
            self.line.extend_from_slice(text);
        }
    }

    /// Ends the line, and says what it says.
    pub fn end_line(&mut self) -> Option<Said> {
        let line = std::mem::take(&mut self.line);
        let colon = memchr::memchr(b':', &line).filter(|_| line.len() <= MAX_BYTES)?;
        let (name, value) = line.split_at_checked(colon.saturating_add(1))?;
        let value = value.trim_ascii();
        if name.eq_ignore_ascii_case(ORIGIN) {
            return Some(Said::Origin(value.to_vec()));
        }
        let is_websocket = |protocol: &[u8]| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket");
        let is_among_others = !is_websocket(value) && value.split(|byte| *byte == b',').any(is_websocket);
        (name.eq_ignore_ascii_case(UPGRADE) && is_among_others).then_some(Said::WebSocketAmongOthers)
    }
}

fn may_begin(start: &[u8], name: &[u8]) -> bool {
    let known = start.len().min(name.len());
    start.get(..known).zip(name.get(..known)).is_some_and(|(start, name)| start.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &[u8], size: usize) -> Option<Said> {
        let (mut noted, mut start) = (Noted::default(), vec![]);
        for piece in line.chunks(size) {
            start.extend_from_slice(piece);
            noted.read(&start, piece);
        }
        let said = noted.end_line();
        assert!(noted.line.is_empty());
        said
    }

    #[test]
    fn a_line_is_read_however_it_is_cut() {
        let origin = |value: &str| Some(Said::Origin(value.into()));
        for (line, expected) in [
            ("Upgrade: h2c, websocket\r", Some(Said::WebSocketAmongOthers)),
            ("upgrade:WebSocket ,\tTLS/1.0", Some(Said::WebSocketAmongOthers)),
            ("upgrade: websocket,", Some(Said::WebSocketAmongOthers)),
            ("upgrade: websocket\r", None),
            ("upgrade: h2c", None),
            ("upgrade: websocket/13, xwebsocket", None),
            ("upgrades: h2c, websocket", None),
            ("upgrade : h2c, websocket", None),
            ("user-agent: h2c, websocket", None),
            ("Origin: https://a.example\r", origin("https://a.example")),
            ("ORIGIN:", origin("")),
            ("original: https://a.example", None),
            ("other", None),
            ("", None),
        ] {
            for size in 1..=line.len().max(1) {
                assert_eq!(said(line.as_bytes(), size), expected, "{line:?} in {size}s");
            }
        }
        let long = format!("upgrade: websocket, {}", "x".repeat(MAX_BYTES));
        assert_eq!((said(long.as_bytes(), 100), said(long.as_bytes(), long.len())), (None, None));
    }
}
