//! An answer, and what is asked of every one of its kind.

use std::fmt;

use serde_json::Value;

const OURS: &str = "https://tollgate.dev/problems/";
const REGISTERED: &str = "https://iana.org/assignments/http-problem-types#";

#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {:.300}", self.status, self.headers, String::from_utf8_lossy(&self.body))
    }
}

impl Answer {
    /// The value of a header that is there once or not at all.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let (first, second) = (values.next(), values.next());
        assert_eq!(second, None, "{name} is there twice");
        first
    }

    pub fn request_id(&self) -> &str {
        self.header("x-request-id").unwrap_or_else(|| panic!("no X-Request-Id: {self:?}"))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Fails the test unless this is the status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// Fails the test unless this is a whole and honest problem (RFC 9457) with this status and code.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        self.expect(status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        let registered = matches!(code, "quota-exceeded" | "temporary-reduced-capacity");
        let prefix = if registered { REGISTERED } else { OURS };
        assert_eq!(problem["type"], format!("{prefix}{code}"), "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["instance"], self.request_id(), "{problem}");
        for text in ["title", "detail"] {
            assert!(problem[text].as_str().is_some_and(|text| !text.is_empty()), "{text}: {problem}");
        }
        problem
    }

    /// Fails the test unless this is an error of an OAuth endpoint (RFC 6749 §5.2) that is a problem as well.
    #[track_caller]
    pub fn oauth_error(&self, status: u16, error: &str) {
        self.expect(status);
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        let body = self.json();
        assert_eq!(body["error"], error, "{body}");
        assert!(body["error_description"].as_str().is_some_and(|text| !text.contains(['"', '\\'])), "{body}");
        assert_eq!(body["type"], format!("{OURS}{}", error.replace('_', "-")), "{body}");
        assert_eq!((&body["status"], &body["instance"]), (&status.into(), &self.request_id().into()), "{body}");
        assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
    }

    /// A 400 that names this place.
    #[track_caller]
    pub fn invalid(&self, pointer: &str) -> Value {
        let problem = self.problem(400, "invalid-request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert!(problem["errors"][0]["detail"].is_string(), "{problem}");
        problem
    }

    /// The parameters of one policy in `RateLimit` or `RateLimit-Policy`, such as `r=9;t=1`.
    pub fn rate_limit(&self, header: &str, policy: &str) -> String {
        let list = self.header(header).unwrap_or_else(|| panic!("no {header}: {self:?}"));
        let item = list.split(", ").find_map(|item| item.strip_prefix(&format!("\"{policy}\";")));
        item.unwrap_or_else(|| panic!("{policy} is not in {list}")).to_owned()
    }
}
