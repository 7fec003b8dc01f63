//! The model itself: a tokenizer and a reply, both functions of their input and of nothing else.

/// The only model there is.
pub const NAME: &str = "demo";

/// The longest reply, whatever a request asks for; the model's price states the same bound.
pub const MAX_OUTPUT_TOKENS: u64 = 4096;

/// A token is never longer, so bytes bound tokens from above.
const MAX_TOKEN_BYTES: usize = 4;

/// A reply goes on to the end of the sentence in which it gets this long.
const NATURAL_TOKENS: usize = 48;

const FILLER: &str = " I am an offline model, so this is all I can say about it.";

/// What the model says, already cut to the tokens allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub text: String,
    pub tokens: u64,
    /// Whether the model came to its own end, rather than to the limit.
    pub is_complete: bool,
}

/// The tokens of a text: runs of one kind of character, no longer than `MAX_TOKEN_BYTES`. Together they are the text.
#[derive(Debug, Clone)]
pub(super) struct Tokens<'a> {
    rest: &'a str,
}

/// The tokens of a reply, one at a time.
#[derive(Debug)]
pub(super) struct Typing {
    text: String,
    at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CharKind {
    Space,
    Word,
    Mark,
}

pub(super) fn count(text: &str) -> u64 {
    u64::try_from(tokens(text).count()).unwrap_or(u64::MAX)
}

pub(super) fn tokens(text: &str) -> Tokens<'_> {
    Tokens { rest: text }
}

/// Repeats the user's last message and fills up to a natural length; the longer the message, the longer the reply.
pub(super) fn reply(last_user_text: &str, max_tokens: u64) -> Reply {
    let max_tokens = max_tokens.min(MAX_OUTPUT_TOKENS);
    let mut text = format!("You said: {last_user_text}.");
    while tokens(&text).take(NATURAL_TOKENS).count() < NATURAL_TOKENS {
        text.push_str(FILLER);
    }
    let (length, tokens) = tokens(&text)
        .zip(1..=max_tokens)
        .fold((0_usize, 0), |(length, _), (token, number)| (length.saturating_add(token.len()), number));
    let is_complete = length == text.len();
    text.truncate(length);
    Reply { text, tokens, is_complete }
}

impl Reply {
    /// The reply in the pieces of a stream.
    pub fn into_typing(self) -> Typing {
        Typing { text: self.text, at: 0 }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let kind = CharKind::of(self.rest.chars().next()?);
        let ends_before =
            |(at, char): &(usize, char)| at + char.len_utf8() > MAX_TOKEN_BYTES || CharKind::of(*char) != kind;
        let end = self.rest.char_indices().find(ends_before).map_or(self.rest.len(), |(at, _)| at);
        let (token, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(token)
    }
}

impl Iterator for Typing {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let token = tokens(self.text.get(self.at..)?).next()?;
        self.at = self.at.saturating_add(token.len());
        Some(token.to_owned())
    }
}

impl CharKind {
    fn of(char: char) -> Self {
        match char {
            _ if char.is_whitespace() => Self::Space,
            _ if char.is_alphanumeric() => Self::Word,
            _ => Self::Mark,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 6] =
        ["", "Hello, world!", "a  b\n\n\tc", "naïve café 你好吗朋友 🦀🦀", "aaaaaaaaa", "..!?.. x1y2"];

    #[test]
    fn the_tokens_of_a_text_are_the_text_and_never_more_than_its_bytes() {
        for text in TEXTS {
            assert_eq!(tokens(text).collect::<String>(), text);
            assert!(tokens(text).all(|token| !token.is_empty() && token.len() <= MAX_TOKEN_BYTES));
            assert!(tokens(text).count() <= text.len());
        }
    }

    #[test]
    fn a_token_is_a_run_of_one_kind_of_character() {
        assert_eq!(tokens("Hello, world!").collect::<Vec<_>>(), ["Hell", "o", ",", " ", "worl", "d", "!"]);
    }

    #[test]
    fn a_reply_is_the_same_every_time_and_its_tokens_are_counted_truly() {
        for text in TEXTS {
            let reply = reply(text, MAX_OUTPUT_TOKENS);
            assert_eq!(reply, super::reply(text, MAX_OUTPUT_TOKENS));
            assert!(reply.is_complete && tokens(&reply.text).count() >= NATURAL_TOKENS);
            assert_eq!(reply.tokens, count(&reply.text));
            assert_eq!(reply.clone().into_typing().collect::<String>(), reply.text);
            assert!(reply.clone().into_typing().eq(tokens(&reply.text)));
        }
    }

    #[test]
    fn a_reply_is_cut_at_the_tokens_allowed() {
        let whole = reply("hi", MAX_OUTPUT_TOKENS);
        for max_tokens in [1, 7, whole.tokens - 1] {
            let cut = reply("hi", max_tokens);
            assert_eq!((cut.tokens, count(&cut.text), cut.is_complete), (max_tokens, max_tokens, false));
            assert!(whole.text.starts_with(&cut.text));
        }
        assert_eq!(reply("hi", whole.tokens), whole);
    }

    #[test]
    fn no_reply_is_longer_than_the_models_maximum() {
        let reply = reply(&"word ".repeat(10_000), u64::MAX);
        assert_eq!((reply.tokens, reply.is_complete), (MAX_OUTPUT_TOKENS, false));
    }
}
