//! How an OAuth client says who it is (RFC 6749 §2.3.1): the id and the secret of an API key, in one way of two.

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use actix_web_httpauth::headers::authorization::{Basic, Scheme};

use super::TokenRequest;
use crate::{
    credentials::api_key::ApiKey,
    domain::refusal::{OAuthError, Refusal},
};

/// The key that the client authenticates with. Whether it is good is not looked at here.
pub(super) fn key(headers: &HeaderMap, form: &TokenRequest) -> Result<ApiKey, Refusal> {
    let (id, secret) = (form.client_id.as_deref(), form.client_secret.as_ref().map(|secret| secret.0.as_str()));
    let key = match basic(headers)? {
        // The id alone may stand in the form as well: it names the client, it is no second proof.
        Some((user, _)) if secret.is_some() || id.is_some_and(|id| id != user) => {
            return Err(invalid("the client authenticates in two ways"));
        }
        Some((user, password)) => of_parts(&user, &password),
        None => id.zip(secret).and_then(|(id, secret)| of_parts(id, secret)),
    };
    key.ok_or_else(|| unknown("malformed-or-missing"))
}

/// The key of this id and secret. Its owner was given both in one text, which is taken for the secret as well.
fn of_parts(id: &str, secret: &str) -> Option<ApiKey> {
    ApiKey::of(id, secret).or_else(|| ApiKey::read(secret).filter(|key| key.id.text() == id))
}

/// Whether the client says who it is, with a proof.
pub(super) fn is_named(headers: &HeaderMap, form: &TokenRequest) -> bool {
    headers.contains_key(AUTHORIZATION) || form.client_secret.is_some()
}

/// Id and secret of HTTP Basic (RFC 7617), if the request has it. Both are form-encoded inside.
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, Refusal> {
    let mut all = headers.get_all(AUTHORIZATION);
    let Some(first) = all.next() else {
        return Ok(None);
    };
    if all.next().is_some() {
        return Err(invalid("Authorization is there more than once"));
    }
    let basic = parse(first).ok_or_else(|| unknown("unknown-scheme"))?;
    let decoded = decode(basic.user_id()).zip(decode(basic.password().unwrap_or_default()));
    decoded.map(Some).ok_or_else(|| unknown("malformed"))
}

/// The scheme's name has no case, and any number of spaces follows it (RFC 9110 §11.1 and §11.4); not so in the library.
fn parse(value: &HeaderValue) -> Option<Basic> {
    let (scheme, credentials) = value.to_str().ok()?.split_once(' ')?;
    let value = HeaderValue::from_str(&format!("Basic {}", credentials.trim_start_matches(' '))).ok()?;
    scheme.eq_ignore_ascii_case("basic").then(|| Basic::parse(&value).ok()).flatten()
}

/// One form-encoded value.
fn decode(text: &str) -> Option<String> {
    let pair = format!("v={text}");
    let mut pairs = form_urlencoded::parse(pair.as_bytes());
    let value = pairs.next().map(|(_, value)| value.into_owned());
    value.filter(|_| pairs.next().is_none())
}

fn invalid(why: &str) -> Refusal {
    Refusal::OAuth(OAuthError::InvalidRequest, why.into())
}

fn unknown(why: &str) -> Refusal {
    Refusal::OAuth(OAuthError::InvalidClient, why.into())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;

    fn read(authorization: &[&str]) -> Result<Option<(String, String)>, &'static str> {
        let mut request = TestRequest::get();
        for value in authorization {
            request = request.append_header(("authorization", *value));
        }
        basic(request.to_http_request().headers()).map_err(|refusal| refusal.code())
    }

    #[test]
    fn the_two_values_are_form_encoded_inside() {
        let header = |scheme: &str, text: &str| format!("{scheme} {}", STANDARD.encode(text));
        let pair = |id: &str, secret: &str| Ok(Some((id.to_owned(), secret.to_owned())));
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[&header("Basic", "id:secret")]), pair("id", "secret"));
        assert_eq!(read(&[&header("Basic  ", "id:secret")]), pair("id", "secret"));
        assert_eq!(read(&[&header("bASIC", "i%64:s+%3A%26")]), pair("id", "s :&"));
        assert_eq!(read(&[&header("Basic", "id:a:b=c")]), pair("id", "a:b=c"));
        assert_eq!(read(&[&header("Basic", "id:a&b")]), Err("invalid-client"));
        assert_eq!(read(&[&header("Basic", "id")]), Err("invalid-client"));
        assert_eq!(read(&["Basic !"]), Err("invalid-client"));
        assert_eq!(read(&["Bearer x"]), Err("invalid-client"));
        assert_eq!(read(&[&header("Basic", "a:b"), &header("Basic", "a:b")]), Err("invalid-request"));
    }
}
