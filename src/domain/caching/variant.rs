//! `Vary`: which of several answers at one URL a request gets (RFC 9111 §4.1).

use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING},
};

use super::fields::{elements, lower_elements};
use crate::domain::token::is_token;

/// The most fields that an answer may vary by.
const MAX_FIELDS: usize = 16;

/// Fields that the gateway makes for each call: an answer that varies by one of them is for that call alone.
const MADE_FOR_EACH_CALL: [&str; 3] = ["forwarded", "x-real-ip", "x-request-id"];
const MADE_PREFIXES: [&str; 2] = ["x-forwarded-", "x-tollgate-"];

/// The request fields that an answer was selected by: names in lower case, sorted, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vary(Vec<String>);

impl Vary {
    /// Of an answer; `None` where no other request can be given it. One that is coded varies by what codings a request takes, whether or
    /// not it says so: whoever takes none could not read it (RFC 9110 §12.5.3).
    #[must_use]
    pub fn of(answer: &HeaderMap) -> Option<Self> {
        let coding = answer.contains_key(CONTENT_ENCODING).then(|| ACCEPT_ENCODING.as_str().to_owned());
        Self::named(lower_elements(answer, "vary").into_iter().chain(coding).collect())
    }

    /// By these fields; `None` where they select no answer for another request, or one is no name of a field, so that it is not known by
    /// what they select.
    #[must_use]
    pub fn named(mut names: Vec<String>) -> Option<Self> {
        names.sort_unstable();
        names.dedup();
        let is_for_one_call = |name: &String| {
            name == "*"
                || !is_token(name)
                || MADE_FOR_EACH_CALL.contains(&name.as_str())
                || MADE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        };
        (names.len() <= MAX_FIELDS && !names.iter().any(is_for_one_call)).then_some(Self(names))
    }

    /// The names of the fields.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// What a request says in these fields. Two requests with the same text are given the same answer: blanks and lines
    /// make no difference, an empty field and none do.
    #[must_use]
    pub fn selecting(&self, request: &HeaderMap) -> Vec<Option<String>> {
        let value = |name: &String| lines(request, name).map(|list| elements(&list).join(","));
        self.0.iter().map(value).collect()
    }
}

/// All lines of a field as one list, each byte as one character: bytes that are no UTF-8 are told apart as well.
fn lines(request: &HeaderMap, name: &str) -> Option<String> {
    let line = |value: &HeaderValue| value.as_bytes().iter().copied().map(char::from).collect::<String>();
    let lines: Vec<String> = request.get_all(name).iter().map(line).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    #[test]
    fn an_answer_for_one_call_varies_by_what_no_other_has() {
        for (vary, expected) in [
            (vec![], Some(vec![])),
            (vec!["Accept, ,accept-language"], Some(vec!["accept", "accept-language"])),
            (vec!["Foo", "accept, FOO"], Some(vec!["accept", "foo"])),
            (vec!["*"], None),
            (vec!["foo, *"], None),
            (vec!["foo", "*"], None),
            (vec!["X-Forwarded-Host"], None),
            (vec!["X-Tollgate-User"], None),
            (vec!["x-request-id"], None),
            (vec!["x-real-ip"], None),
            (vec!["Accept; Cookie"], None),
            (vec!["Accept Cookie"], None),
            (vec!["\"Accept\""], None),
            (vec!["*;"], None),
        ] {
            let found = Vary::of(&headers("vary", &vary));
            assert_eq!(found.map(|vary| vary.0), expected.map(|names| names.into_iter().map(str::to_owned).collect()));
        }
        for vary in [vec![], vec!["Accept-Encoding"]] {
            let mut coded = headers("vary", &vary);
            coded.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            assert_eq!(Vary::of(&coded), Vary::named(vec!["accept-encoding".into()]), "{vary:?}");
        }
        let many: Vec<String> = (0..=MAX_FIELDS).map(|n| format!("x{n}")).collect();
        assert_eq!(Vary::named(many), None);
    }

    #[test]
    fn requests_are_told_apart_by_what_they_say_and_not_by_how() {
        let vary = Vary::named(vec!["foo".into()]).unwrap();
        let says = |lines: &[&str]| vary.selecting(&headers("foo", lines));
        assert_eq!(says(&["1, 2"]), says(&["1", " 2 "]));
        assert_eq!(says(&["1,2"]), says(&["1 , 2"]));
        assert_ne!(says(&["1, 2"]), says(&["2, 1"]));
        assert_ne!(says(&["a"]), says(&["A"]));
        assert_ne!(says(&[]), says(&[""]));
        // No UTF-8, and the sign that stands for such bytes.
        let bytes = [b"\xfe".as_slice(), b"\xff", "\u{fffd}".as_bytes(), "\u{fe}".as_bytes()];
        let said = bytes.map(|bytes| {
            let value = HeaderValue::from_bytes(bytes).unwrap();
            vary.selecting(&HeaderMap::from_iter([(http::HeaderName::from_static("foo"), value)]))
        });
        for (at, one) in said.iter().enumerate() {
            assert!(!said[at + 1..].contains(one), "{at}");
        }
    }
}
