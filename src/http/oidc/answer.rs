//! What the provider answers, by way of the browser: the query of `/auth/oidc/callback` (RFC 6749 §4.1.2, RFC 9207 §2).

use std::{
    borrow::Cow,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use schemars::JsonSchema;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Pending, Provider};
use crate::{
    crypto,
    domain::sign_in::{SignInFault, is_error_word},
    http::{
        extract::QueryOf,
        openapi::operation::{Argument, Draft},
        problem::Problem,
    },
};

/// The answer. It has no `Debug`: the code is a secret.
#[derive(Default)]
pub struct ProviderAnswer {
    /// Empty where there is none.
    pub(super) state: String,
    code: Option<Zeroizing<String>>,
    error: Option<String>,
    iss: Option<String>,
    /// Whether one of these is there twice (RFC 6749 §3.1), so that two readers could read two answers.
    is_ambiguous: bool,
}

/// The parameters, for the OpenAPI document. What else is there is ignored (RFC 6749 §4.1.2).
#[derive(Deserialize, JsonSchema)]
struct Parameters {
    /// What the provider was sent.
    #[serde(default, rename = "state")]
    _state: Option<String>,
    /// The authorization code.
    #[serde(default, rename = "code")]
    _code: Option<String>,
    /// Why there is no code.
    #[serde(default, rename = "error")]
    _error: Option<String>,
    /// Who answers (RFC 9207).
    #[serde(default, rename = "iss")]
    _iss: Option<String>,
}

impl FromRequest for ProviderAnswer {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::read(request.query_string())))
    }
}

impl Argument for ProviderAnswer {
    fn describe(draft: &mut Draft<'_>) {
        QueryOf::<Parameters>::describe(draft);
    }
}

impl ProviderAnswer {
    fn read(query: &str) -> Self {
        let mut answer = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let known = match &*name {
                "state" if answer.state.is_empty() => {
                    answer.state = value.into_owned();
                    continue;
                }
                "code" => answer.code.replace(Zeroizing::new(value.into_owned())).is_some(),
                "error" => answer.error.replace(value.into_owned()).is_some(),
                "iss" => answer.iss.replace(value.into_owned()).is_some(),
                other => other == "state",
            };
            answer.is_ambiguous |= known;
        }
        answer
    }

    /// The code, if this is an answer to that sign-in and the provider says yes.
    pub(super) async fn code_for(
        self,
        pending: &Pending,
        provider: &Provider,
    ) -> Result<Zeroizing<String>, SignInFault> {
        let names_issuer = provider.sign_ins.endpoints().await.is_some_and(|endpoints| endpoints.names_issuer);
        self.checked(&pending.state, &provider.sign_ins.client().issuer, names_issuer)
    }

    /// The state comes first: before it is right, nothing that is said is the provider's.
    fn checked(self, state: &str, issuer: &str, names_issuer: bool) -> Result<Zeroizing<String>, SignInFault> {
        if self.is_ambiguous || !crypto::is_equal(self.state.as_bytes(), state.as_bytes()) {
            return Err(SignInFault::WrongState);
        }
        if self.iss.as_deref().map_or(names_issuer, |iss| iss != issuer) {
            return Err(SignInFault::OtherIssuer);
        }
        match (self.error.as_deref(), self.code) {
            (Some("access_denied"), _) => Err(SignInFault::Denied),
            (Some(error), _) => {
                tracing::warn!(issuer, error = &*word(error), "the provider refused a sign-in");
                Err(SignInFault::RefusedByProvider)
            }
            (None, code) => code.filter(|code| !code.is_empty()).ok_or(SignInFault::NoCode),
        }
    }
}

/// An error as it is logged, if it is a word as the standards have them.
fn word(error: &str) -> Cow<'_, str> {
    if is_error_word(error) { error.into() } else { "not a word".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_heeded_only_for_its_state_and_its_issuer() {
        use SignInFault::{Denied, NoCode, OtherIssuer, RefusedByProvider, WrongState};
        let (issuer, iss) = ("https://idp", "iss=https%3A%2F%2Fidp");
        for (query, names_issuer, expected) in [
            ("state=s&code=c".to_owned(), false, Ok("c")),
            ("code=c&session_state=x&scope=openid&state=s".into(), false, Ok("c")),
            (format!("state=s&code=c&{iss}"), true, Ok("c")),
            (format!("state=s&code=c&{iss}"), false, Ok("c")),
            ("state=s&code=c".into(), true, Err(OtherIssuer)),
            ("state=s&code=c&iss=https%3A%2F%2Fother".into(), false, Err(OtherIssuer)),
            ("state=s&error=access_denied&iss=https%3A%2F%2Fother".into(), false, Err(OtherIssuer)),
            ("state=t&code=c".into(), false, Err(WrongState)),
            ("state=&code=c".into(), false, Err(WrongState)),
            ("code=c".into(), false, Err(WrongState)),
            ("state=s&state=s&code=c".into(), false, Err(WrongState)),
            ("state=s&code=c&code=d".into(), false, Err(WrongState)),
            ("state=t&error=access_denied".into(), false, Err(WrongState)),
            (String::new(), false, Err(WrongState)),
            ("state=s&error=access_denied&error_description=%3Cscript%3E".into(), false, Err(Denied)),
            ("state=s&error=server_error".into(), false, Err(RefusedByProvider)),
            ("state=s&error=%3Cscript%3E&code=c".into(), false, Err(RefusedByProvider)),
            ("state=s".into(), false, Err(NoCode)),
            ("state=s&code=".into(), false, Err(NoCode)),
        ] {
            let code = ProviderAnswer::read(&query).checked("s", issuer, names_issuer);
            assert_eq!(code.as_ref().map(|code| code.as_str()), expected.as_ref().copied(), "{query}");
        }
    }

    #[test]
    fn an_error_is_logged_only_where_it_is_a_word() {
        assert_eq!(word("login_required"), "login_required");
        for other in ["a\nb", "<b>", "Ä", &"x".repeat(65)] {
            assert_eq!(word(other), "not a word");
        }
    }
}
