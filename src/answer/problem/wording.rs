//! What a refusal says to people: its title, and what was wrong and what to do.

use std::collections::BTreeSet;

use super::oauth;
use crate::{
    answer::retry_after::retry_after_s,
    domain::{
        budget::Shortfall,
        limit::Standing,
        refusal::{Refusal, Revocation, TokenFault, Unavailable},
        throttle::{ACCOUNT_POLICY, ADDRESS_POLICY},
    },
};

pub(super) const fn title_of(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::InvalidRequest(_) => "The request is not valid",
        Refusal::AmbiguousCredentials => "More than one credential",
        Refusal::UnsafePath(_) => "The path could be read in two ways",
        Refusal::InvalidHost(_) => "The Host header is not valid",
        Refusal::MissingCredential => "No credential",
        Refusal::InvalidToken(_) => "The credential is not valid",
        Refusal::ExpiredToken => "The token has expired",
        Refusal::ExpiredApiKey => "The API key has expired",
        Refusal::RevokedToken(Revocation::ApiKey) => "The API key was revoked",
        Refusal::RevokedToken(_) => "The token is no longer valid",
        Refusal::OAuth(error, _) => oauth::title(*error),
        Refusal::InvalidCredentials => "Wrong user name or password",
        Refusal::SignIn(_) => "The sign-in came to nothing",
        Refusal::Forbidden(_) | Refusal::NotByThisCredential | Refusal::OriginNotAllowed => "Not allowed",
        Refusal::NotFound | Refusal::NothingHere { .. } | Refusal::NoSuchName { .. } => "Not found",
        Refusal::ModelNotServed(_) => "The model is not served here",
        Refusal::MethodNotAllowed(_) => "Method not allowed",
        Refusal::RequestTimeout => "The request came too slowly",
        Refusal::Disconnected => "The request body ended early",
        Refusal::Conflict(_) => "Conflict",
        Refusal::PreconditionFailed(_) => "The precondition does not hold",
        Refusal::BodyTooLarge { .. } => "The body is too large",
        Refusal::HeadTooLarge { .. } => "The header fields are too large",
        Refusal::TargetTooLong { .. } => "The URL is too long",
        Refusal::LengthRequired => "The length of the body is missing",
        Refusal::VersionNotSupported => "The version of HTTP is not served",
        Refusal::UnsupportedMediaType { .. } | Refusal::ContentCoding => "Unsupported media type",
        Refusal::ExpectationFailed => "The expectation is unknown",
        Refusal::NoWebSocket => "No WebSocket is served here",
        Refusal::WebSocketVersion => "The version of WebSocket is not served",
        Refusal::Throttled { .. } | Refusal::QuotaExceeded(_) => "A limit is reached",
        Refusal::UnpricedModel(_) => "The model has no price",
        Refusal::ModelNotAllowed { .. } => "The model is not allowed",
        Refusal::BudgetExhausted(_) => "A budget is exhausted",
        Refusal::UpstreamFailed => "The upstream failed",
        Refusal::UpstreamTimeout => "The upstream was too slow",
        Refusal::Loop { .. } => "The request goes in circles",
        Refusal::NotCached => "No answer is kept",
        Refusal::LimitsUnknown(_) => "A limit cannot be counted now",
        Refusal::Unavailable(Unavailable::Capacity) => "The gateway is at its capacity",
        Refusal::Unavailable(Unavailable::LeftAlone { .. }) => "The upstream is left alone for now",
        Refusal::Unavailable(Unavailable::Ledger) => "The budget ledger is not available",
        Refusal::Unavailable(Unavailable::Audit | Unavailable::Outcome) => "The audit log is not available",
        Refusal::Internal => "The gateway failed",
    }
}

const UNKNOWN_OUTCOME: &str =
    "It is not known what was done: the outcome could not be put on record. Look before you send it again.";
const NOT_CACHED: &str =
    "The request has Cache-Control: only-if-cached, and no answer is kept that fits it. Send it without.";
const NO_CREDENTIAL: &str =
    "Send an access token or an API key: Authorization: Bearer <token>. POST /auth/login gives one.";

const NO_SCHEME: &str =
    "Authorization must begin with Bearer and a blank: Authorization: Bearer <access token or API key>.";
const NO_API_KEY: &str =
    "x-api-key takes API keys only, which begin with tg_. Send an access token as Authorization: Bearer <token>.";
const NO_USER: &str = "The user of this credential was disabled or deleted. Ask an administrator.";

const fn token_detail(fault: TokenFault) -> &'static str {
    match fault {
        TokenFault::UnknownScheme => NO_SCHEME,
        TokenFault::NoApiKey => NO_API_KEY,
        _ => "The credential is not one that this gateway gave, or it is damaged. Log in again.",
    }
}

pub(super) fn detail_of(refusal: &Refusal) -> String {
    match refusal {
        Refusal::InvalidRequest(faults) => match faults.as_slice() {
            [fault] if !fault.pointer.is_empty() => format!("{}: {}", fault.pointer, fault.detail),
            [fault] => fault.detail.clone(),
            _ => "see errors".into(),
        },
        Refusal::AmbiguousCredentials => "The request has several credentials that differ. Send one.".into(),
        Refusal::UnsafePath(why) => format!("{why}. Send the path in its plain form."),
        Refusal::InvalidHost(why) => format!("{why}."),
        Refusal::MissingCredential => NO_CREDENTIAL.into(),
        Refusal::InvalidToken(fault) => token_detail(*fault).into(),
        Refusal::ExpiredToken => "Exchange the refresh token at POST /auth/refresh, or log in again.".into(),
        Refusal::ExpiredApiKey | Refusal::RevokedToken(Revocation::ApiKey) => {
            "Use another API key, or log in and make one at POST /me/api-keys.".into()
        }
        Refusal::OAuth(error, reason) => oauth::detail(*error, reason),
        Refusal::RevokedToken(Revocation::UserDisabled | Revocation::UserDeleted) => NO_USER.into(),
        Refusal::RevokedToken(Revocation::Session | Revocation::RoleChanged) => {
            "The session has ended, or the user was changed. Log in again.".into()
        }
        Refusal::InvalidCredentials => "The user name or the password is wrong, or the user may not log in.".into(),
        Refusal::SignIn(_) => "The sign-in at the provider came to nothing. Begin again at /console/.".into(),
        Refusal::Forbidden(_) => "Your role, or this credential, may not do this here. Ask an administrator.".into(),
        Refusal::NotByThisCredential => {
            "Only the tokens of a login, with the whole role of the user, may do this. Log in and try again.".into()
        }
        Refusal::OriginNotAllowed => "Pages of this origin may not call: cors.allowed_origins has others.".into(),
        Refusal::NotFound => "There is nothing at this path.".into(),
        Refusal::NothingHere { instead } => elsewhere_detail(instead),
        Refusal::NoSuchName { noun, name, hint } => unnamed_detail(noun, name, *hint),
        Refusal::MethodNotAllowed(methods) => format!("This path takes {}.", allowed(methods)),
        Refusal::RequestTimeout => "The request paused for longer than the gateway waits. Send it again.".into(),
        Refusal::Disconnected => "The connection was closed within the body.".into(),
        Refusal::Conflict(why) | Refusal::PreconditionFailed(why) => why.clone(),
        Refusal::BodyTooLarge { limit_bytes } => format!("At most {limit_bytes} bytes are accepted here."),
        Refusal::HeadTooLarge { limit_bytes } => {
            format!("At most {limit_bytes} bytes of header names and values are read.")
        }
        Refusal::TargetTooLong { limit_bytes } => format!("A request line of at most {limit_bytes} bytes is read."),
        Refusal::LengthRequired => "Send Content-Length, also where it is 0, or use HTTP/1.1.".into(),
        Refusal::VersionNotSupported => "Send HTTP/1.1.".into(),
        Refusal::ContentCoding => "Send the body without a content coding.".into(),
        Refusal::UnsupportedMediaType { expected } => format!("Send the body with Content-Type: {expected}."),
        Refusal::NoWebSocket => "Send the request without Upgrade, with a method that is allowed here.".into(),
        Refusal::WebSocketVersion => "Open the WebSocket with Sec-WebSocket-Version: 13.".into(),
        Refusal::ExpectationFailed => "Expect takes 100-continue and nothing else.".into(),
        Refusal::Throttled { .. } | Refusal::QuotaExceeded(_) => limit_detail(refusal),
        Refusal::ModelNotServed(model) => {
            format!("No route of this path serves {model}. GET /v1/models lists what can be called.")
        }
        Refusal::UnpricedModel(model) => {
            format!("What a call to {model} costs is not known here. An administrator can say it at /admin/prices.")
        }
        Refusal::ModelNotAllowed { model, whose } => {
            format!(
                "{model} is not among the models of {whose}. An administrator can add it; GET /v1/models lists yours."
            )
        }
        Refusal::BudgetExhausted(shortfalls) => budget_detail(shortfalls),
        Refusal::UpstreamFailed => "The service behind this path could not be reached or gave no usable answer.".into(),
        Refusal::UpstreamTimeout => "The service behind this path did not answer in time.".into(),
        Refusal::Loop { passes } => loop_detail(*passes),
        Refusal::NotCached => NOT_CACHED.into(),
        Refusal::Unavailable(Unavailable::LeftAlone { retry_after_s }) => left_alone_detail(*retry_after_s),
        Refusal::Unavailable(Unavailable::Outcome) => UNKNOWN_OUTCOME.into(),
        Refusal::LimitsUnknown(_) | Refusal::Unavailable(_) => "Try again in a moment; nothing was done.".into(),
        Refusal::Internal => "The gateway could not do this. Tell its operator the request id.".into(),
    }
}

/// The methods of a path, sorted and each once, as `Allow` has them (RFC 9110 §10.2.1).
pub(super) fn allowed(methods: &[String]) -> String {
    let each = methods.iter().flat_map(|methods| methods.split(", ")).collect::<BTreeSet<_>>();
    each.into_iter().collect::<Vec<_>>().join(", ")
}

/// The field that says which media types are taken, and these (RFC 9110 §15.5.16; of a PATCH, RFC 5789 §3.1).
pub(super) fn media_types(expected: &str) -> (&'static str, String) {
    let types: Vec<&str> = expected.split([' ', ';', ',']).filter(|word| word.contains('/')).collect();
    let is_patch = types.iter().any(|media| media.contains("patch"));
    (if is_patch { "accept-patch" } else { "accept" }, types.join(", "))
}

fn elsewhere_detail(instead: &str) -> String {
    format!(
        "There is nothing at this path, and {instead} is served. Check the base URL of the client: with or without /v1, and \
         no slash at the end."
    )
}

fn unnamed_detail(noun: &str, name: &str, hint: Option<&str>) -> String {
    let hint = hint.map(|hint| format!(" {hint}")).unwrap_or_default();
    format!("There is no {noun} named \"{name}\".{hint}")
}

fn left_alone_detail(seconds: u64) -> String {
    format!(
        "The service behind this path has failed repeatedly and is not called for the moment. Try again in {seconds} s; nothing was done."
    )
}

fn loop_detail(passes: usize) -> String {
    format!(
        "It has passed {passes} gateways of this kind, as Via says: the service behind this path leads back here. Tell the operator."
    )
}

fn budget_detail(shortfalls: &[Shortfall]) -> String {
    let one = |short: &Shortfall| {
        let Shortfall { budget, balance, needed, resets_at, .. } = short;
        let left = balance.remaining(budget.limit);
        let when = resets_at.map_or_else(|| "It does not reset".into(), |at| format!("It resets at {at}"));
        format!("{} has {left} USD left and the call may cost {needed}. {when}.", budget.name)
    };
    let all: Vec<String> = shortfalls.iter().map(one).collect();
    let fits: Option<Vec<u64>> = shortfalls.iter().map(|short| short.max_tokens).collect();
    let fits = fits.and_then(|fits| fits.into_iter().min());
    let fits = fits.map_or_else(String::new, |tokens| format!(" A max_tokens of at most {tokens} would fit."));
    let names: Vec<&str> = shortfalls.iter().map(|short| &*short.budget.name).collect();
    format!(
        "{}{fits} For more, ask an administrator of this gateway, who can raise limit_usd of {} (Budgets in the console, or PATCH \
         /admin/budgets/{{id}}).",
        all.join(" "),
        names.join(", ")
    )
}

fn limit_detail(refusal: &Refusal) -> String {
    let names: Vec<&str> = refusal.refusing_policies().collect();
    let seconds = retry_after_s(refusal).unwrap_or(0);
    if let Refusal::Throttled { policy: policy @ (ACCOUNT_POLICY | ADDRESS_POLICY), .. } = refusal {
        let whose = if *policy == ACCOUNT_POLICY { "for this name" } else { "from this network" };
        return format!("Too many wrong passwords {whose}. Try again in {seconds} s.");
    }
    let turns: Vec<String> = standings(refusal).iter().filter_map(turn).collect();
    format!("No room left in {}. One call will be admitted in {seconds} s.{}", names.join(", "), turns.concat())
}

fn standings(refusal: &Refusal) -> &[Standing] {
    if let Refusal::QuotaExceeded(standings) = refusal { standings } else { &[] }
}

/// What a calendar window is that has no room.
fn turn(standing: &Standing) -> Option<String> {
    let (calendar, resets_at) = (standing.policy.calendar()?, standing.resets_at()?);
    standing.retry_after_ns?;
    let (name, every, zone) = (&standing.policy.name, calendar.every.as_str(), calendar.zone.name());
    Some(format!(" {name} counts a calendar {every} of {zone}, and the next begins at {resets_at}."))
}
