//! Requests that ask to be acted on otherwise than their first line and their credential say: by another method, or as somebody else.
//!
//! Authorised, limited and put on record is the method of the request line, for the caller. A header field that asks for something
//! else does not pass; to leave it out would make another request of it, so the request is refused. A query passes as it is: what it
//! asks for must be allowed as well.

use actix_web::http::header::HeaderMap;

use super::{authorize::Authorized, urls::Destination, visit::Visit};
use crate::domain::{
    access::may_call,
    method, percent,
    principal::Principal,
    refusal::{Fault, Refusal},
    route::{Found, Route},
};

/// What the fields begin with that ask Kubernetes to act as another user.
const IMPERSONATE: &str = "impersonate-";

/// Refuses a call to a route that asks for what the gateway has not decided on.
pub fn check(visit: &Visit<'_>, headers: &HeaderMap, authorized: &Authorized) -> Result<(), Refusal> {
    let (Destination::Route(route), Some(caller)) = (authorized.destination(), authorized.principal()) else {
        return Ok(());
    };
    let method = &visit.call.method;
    let mut faults: Vec<Fault> =
        headers.iter().filter_map(|(name, value)| in_header(name.as_str(), value.as_bytes(), method, route)).collect();
    for (name, named) in named_in_query(visit.call.query.as_deref().unwrap_or_default()) {
        if is_another(&named, method, route) && !may_use(visit, caller, &named) {
            let detail =
                "asks for a method that this caller may not use here; leave it out, or ask for one that is allowed";
            faults.push(Fault::new(format!("?{name}"), detail));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Refusal::InvalidRequest(faults)) }
}

fn in_header(name: &str, value: &[u8], method: &str, route: &Route) -> Option<Fault> {
    let detail = if name.starts_with(IMPERSONATE) {
        "asks to be acted on as somebody whom the gateway does not know, and does not pass; leave it out"
    } else if mentions_method(name)
        && names_method(name)
        && is_another(&std::str::from_utf8(value).ok()?.trim().to_ascii_uppercase(), method, route)
    {
        "asks for another method than that of the request line, and does not pass; send the request with that method itself"
    } else {
        return None;
    };
    Some(Fault::new(format!("header:{name}"), detail))
}

/// Whether this is a method, and not that of the request.
fn is_another(named: &str, method: &str, route: &Route) -> bool {
    named != method
        && (method::known().any(|known| known == named) || route.methods.iter().any(|listed| listed == named))
}

/// Whether the caller may call what is at the path of a call by this method.
fn may_use(visit: &Visit<'_>, caller: &Principal, method: &str) -> bool {
    let routing = visit.gate.routing.read();
    match routing.table.find(method, &visit.call.path) {
        Found::Route(route) => routing.table.siblings(&route, method).any(|route| may_call(route, caller, method)),
        Found::OtherMethods(_) | Found::Ambiguous | Found::Nothing => false,
    }
}

/// The parameters of a query that some frameworks take a method from, each with that method.
fn named_in_query(query: &str) -> Vec<(String, String)> {
    // Nearly every query has none.
    if !query.contains('%') && !mentions_method(query) {
        return vec![];
    }
    let text = |written: &str| percent::decoded(&written.replace('+', " "));
    let named = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let name = text(name).filter(|name| names_method(name))?;
        Some((name, text(value)?.trim().to_ascii_uppercase()))
    };
    query.split(['&', ';']).filter_map(named).collect()
}

/// Whether the word is in a text at all. Every header field of a call is asked, so it is looked for as short as it is.
fn mentions_method(text: &str) -> bool {
    text.as_bytes().windows(b"method".len()).any(|word| word.eq_ignore_ascii_case(b"method"))
}

/// Whether a header field or a parameter names a method: `X-HTTP-Method-Override`, `x-http-method`, `_method`, `$httpMethod` and
/// the like, in the spellings that frameworks take for one.
fn names_method(name: &str) -> bool {
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    match &*letters {
        "httpmethodoverride"
        | "methodoverride"
        | "xhttpmethod"
        | "xhttpmethodoverride"
        | "xmethod"
        | "xmethodoverride" => true,
        "method" | "httpmethod" => !name.starts_with(|c: char| c.is_ascii_alphanumeric()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::route::test_route;

    #[test]
    fn a_parameter_that_frameworks_take_a_method_from_is_found() {
        for (query, expected) in [
            ("_method=DELETE", Some(("_method", "DELETE"))),
            ("a=b&_METHOD=delete", Some(("_METHOD", "DELETE"))),
            ("a=b;_method=PUT", Some(("_method", "PUT"))),
            ("%5Fm%65thod=%44ELETE", Some(("_method", "DELETE"))),
            ("_method=+delete%20", Some(("_method", "DELETE"))),
            (".method=PUT", Some((".method", "PUT"))),
            ("x-http-method-override=PATCH", Some(("x-http-method-override", "PATCH"))),
            ("X_HTTP_Method=PATCH", Some(("X_HTTP_Method", "PATCH"))),
            ("_HttpMethod=DELETE", Some(("_HttpMethod", "DELETE"))),
            ("$httpmethod=DELETE", Some(("$httpmethod", "DELETE"))),
            ("%24httpMethod=DELETE", Some(("$httpMethod", "DELETE"))),
            ("method=DELETE", None),
            ("httpMethod=DELETE", None),
            ("payment_method=card", None),
            ("_methods=DELETE", None),
            ("_method", None),
            ("%ff=DELETE", None),
            ("", None),
        ] {
            let expected = expected.map(|(name, method)| (name.to_owned(), method.to_owned()));
            assert_eq!(named_in_query(query), Vec::from_iter(expected), "{query}");
        }
    }

    #[test]
    fn a_field_that_asks_for_something_else_is_at_fault() {
        let mut route = test_route("r");
        route.methods = vec!["POST".into(), "$X".into()];
        for (name, value, is_fault) in [
            ("x-http-method", "MERGE", true),
            ("x-http-method", "delete", true),
            ("x-http-method-override", " PUT ", true),
            ("x-method-override", "GET", true),
            ("x-method", "$X", true),
            ("x-http-method", "POST", false),
            ("x-http-method", "post", false),
            ("x-http-method", "", false),
            ("x-http-method", "evil", false),
            ("x-stainless-helper-method", "DELETE", false),
            ("access-control-request-method", "DELETE", false),
            ("impersonate-user", "ann", true),
            ("impersonate-extra-scopes", "", true),
            ("x-impersonate", "ann", false),
        ] {
            let fault = in_header(name, value.as_bytes(), "POST", &route);
            assert_eq!(fault.map(|fault| fault.pointer), is_fault.then(|| format!("header:{name}")), "{name}: {value}");
        }
    }
}
