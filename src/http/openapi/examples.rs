//! A body for each operation that takes one, and the names in the paths of all: as they stand, they are taken by a gateway with the
//! built-in configuration, in the order in which they stand here. Where one is a credential it stands for the reader's own, and
//! nothing else is refused. Tests send them all.

use apistos_models::{
    paths::{Examples, Operation, ParameterIn},
    reference_or::ReferenceOr,
};
use serde_json::Value;

use super::NoDocument;

/// What is sent to an operation.
struct Example {
    /// The handler's path below `http`.
    operation: &'static str,
    /// What stands for the parameters of the path that are names.
    names: &'static [(&'static str, &'static str)],
    /// JSON; empty where the operation takes none.
    body: &'static str,
}

const fn sent(operation: &'static str, names: &'static [(&'static str, &'static str)], body: &'static str) -> Example {
    Example { operation, names, body }
}

/// What is seen or ended at an address.
const fn at(operation: &'static str, names: &'static [(&'static str, &'static str)]) -> Example {
    Example { operation, names, body: "" }
}

const ANN: (&str, &str) = ("username", "ann");

const EXAMPLES: &[Example] = &[
    sent("auth::login", &[], r#"{ "username": "admin", "password": "the password of your first start" }"#),
    sent("auth::refresh", &[], r#"{ "refresh_token": "tgr_the_one_that_you_were_given_last" }"#),
    sent(
        "oauth::token",
        &[],
        r#"{
            "grant_type": "client_credentials", "client_id": "01933a5e-7c1b-7d2e-9f3a-4b5c6d7e8f90",
            "client_secret": "the part of the API key behind its id"
        }"#,
    ),
    sent("oauth::revoke", &[], r#"{ "token": "tgr_the_one_that_is_to_end" }"#),
    sent(
        "me::password::change",
        &[],
        r#"{ "current_password": "your present password", "new_password": "seven quiet herons on the north pier" }"#,
    ),
    sent("teams::create", &[], r#"{ "name": "Sales" }"#),
    sent("teams::change", &[], r#"{ "models": ["demo"] }"#),
    sent("teams::by_name::put", &[("name", "research")], r#"{ "models": ["demo"] }"#),
    sent("teams::by_name::change", &[("name", "research")], r#"{ "models": ["*"] }"#),
    sent("users::create", &[], r#"{ "username": "bob", "role": "user" }"#),
    sent("users::change", &[], r#"{ "role": "readonly" }"#),
    sent("users::by_name::put", &[ANN], r#"{ "role": "user", "models": ["demo"] }"#),
    sent("users::by_name::change", &[ANN], r#"{ "models": ["*"] }"#),
    sent("api_keys::create_own", &[], r#"{ "name": "laptop" }"#),
    sent("api_keys::rotation::rotate_own", &[], r#"{ "overlap_s": 3600 }"#),
    sent("api_keys::create_for_user", &[], r#"{ "name": "desk", "models": ["demo"] }"#),
    sent("api_keys::terms::change", &[], r#"{ "expires_at": "2099-12-31" }"#),
    sent("api_keys::rotation::rotate_any", &[], r#"{ "overlap_s": 86400 }"#),
    sent(
        "api_keys::by_name::put",
        &[ANN, ("name", "ci")],
        r#"{ "routes": ["*"], "models": ["demo"], "expires_at": "2099-12-31" }"#,
    ),
    sent("api_keys::by_name::change", &[ANN, ("name", "ci")], r#"{ "role": "readonly" }"#),
    sent(
        "api_keys::of_team::create",
        &[],
        r#"{
            "username": "pipeline", "name": "nightly",
            "budget": { "limit_usd": "5", "period": "month" },
            "limits": [{ "name": "of-the-key", "unit": "requests", "limit": 60, "window_s": 60 }]
        }"#,
    ),
    sent(
        "limits::create",
        &[],
        r#"{ "name": "per-minute", "routes": ["*"], "per": "user", "unit": "requests", "limit": 100, "window_s": 60 }"#,
    ),
    sent("limits::change", &[], r#"{ "limit": 200 }"#),
    sent(
        "limits::by_name::put",
        &[("name", "daily")],
        r#"{ "routes": ["*"], "per": "team", "unit": "requests", "limit": 10000, "window": "day" }"#,
    ),
    sent("limits::by_name::change", &[("name", "daily")], r#"{ "limit": 20000 }"#),
    sent(
        "budgets::create",
        &[],
        r#"{ "name": "each-user", "scope": "user", "limit_usd": "25", "period": "month", "alert_at": [0.8] }"#,
    ),
    sent("budgets::change", &[], r#"{ "limit_usd": "30" }"#),
    sent(
        "budgets::by_name::put",
        &[("name", "all")],
        r#"{ "scope": "global", "limit_usd": "1000", "period": "month" }"#,
    ),
    sent("budgets::by_name::change", &[("name", "all")], r#"{ "limit_usd": "1500" }"#),
    sent("configured::create_upstream", &[], r#"{ "name": "own", "url": "http://127.0.0.1:8000" }"#),
    sent("configured::put_upstream", &[("name", "other")], r#"{ "url": "http://127.0.0.1:8001", "timeout_s": 60 }"#),
    sent("configured::change_upstream", &[("name", "other")], r#"{ "timeout_s": 120 }"#),
    sent(
        "configured::create_route",
        &[],
        r#"{
            "name": "own", "path": "/own", "match": "prefix", "methods": ["GET", "POST"], "roles": ["admin", "user"],
            "upstream": "builtin:echo"
        }"#,
    ),
    sent(
        "configured::put_route",
        &[("name", "other")],
        r#"{ "path": "/other", "match": "exact", "methods": ["GET"], "roles": ["admin"], "upstream": "builtin:echo" }"#,
    ),
    sent("configured::change_route", &[("name", "other")], r#"{ "roles": ["admin", "readonly"] }"#),
    sent(
        "configured::create_model",
        &[],
        r#"{ "name": "fast", "targets": [{ "upstream": "builtin:llm", "model": "demo" }] }"#,
    ),
    sent(
        "configured::put_model",
        &[("model", "team/best")],
        r#"{ "targets": [{ "upstream": "builtin:llm", "model": "demo" }] }"#,
    ),
    sent(
        "configured::change_model",
        &[("model", "team/best")],
        r#"{ "targets": [{ "upstream": "builtin:llm", "model": "demo", "weight": 2 }] }"#,
    ),
    sent(
        "prices::put",
        &[],
        r#"{ "items": [{ "model": "in-house", "input_usd": "0.50", "output_usd": "1.50", "max_output_tokens": 8192 }] }"#,
    ),
    at("models::show", &[("model", "demo")]),
    at("console::file", &[("file", "main.js")]),
    at("teams::by_name::show", &[("name", "research")]),
    at("users::by_name::show", &[ANN]),
    at("api_keys::by_name::list", &[ANN]),
    at("api_keys::by_name::show", &[ANN, ("name", "ci")]),
    at("limits::by_name::show", &[("name", "daily")]),
    at("budgets::by_name::show", &[("name", "all")]),
    at("configured::upstream", &[("name", "other")]),
    at("configured::route", &[("name", "other")]),
    at("configured::model", &[("model", "team/best")]),
    at("api_keys::by_name::revoke", &[ANN, ("name", "ci")]),
    at("users::by_name::delete", &[ANN]),
    at("teams::by_name::delete", &[("name", "research")]),
    at("limits::by_name::delete", &[("name", "daily")]),
    at("budgets::by_name::delete", &[("name", "all")]),
    at("configured::delete_upstream", &[("name", "other")]),
    at("configured::delete_route", &[("name", "other")]),
    at("configured::delete_model", &[("model", "team/best")]),
];

/// Puts the example of an operation into it, where it has one.
///
/// # Errors
/// The body is no JSON.
pub(super) fn put(handler: &str, operation: &mut Operation) -> Result<(), NoDocument> {
    let Some(Example { names, body, .. }) = EXAMPLES.iter().find(|example| example.operation == handler) else {
        return Ok(());
    };
    if let Some(ReferenceOr::Object(request)) = &mut operation.request_body {
        let body: Value = serde_json::from_str(body).map_err(|_| NoDocument::Unwritable)?;
        request.content.values_mut().for_each(|media| media.example = Some(Examples::Example(body.clone())));
    }
    for parameter in &mut operation.parameters {
        if let ReferenceOr::Object(parameter) = parameter
            && matches!(parameter._in, ParameterIn::Path)
        {
            let name = names.iter().find(|(name, _)| *name == parameter.name);
            parameter.example = name.map(|(_, value)| Examples::Example((*value).into()));
        }
    }
    Ok(())
}
