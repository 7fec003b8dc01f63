//! An example of each code of a refusal for the OpenAPI document, worded as a gateway words it.

use std::{collections::BTreeMap, sync::Arc};

use apistos_models::{
    OpenApi,
    paths::{Example, ExampleValue, Examples},
    reference_or::ReferenceOr,
};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::{body, oauth::OAuthBody};
use crate::domain::{
    barrier::Barrier,
    budget::{Budget, ModelSet, Period, Scope, Shortfall},
    ids::{BudgetId, RequestId},
    ledger::Balance,
    limit::Mode,
    money::Money,
    path::UnsafePath,
    refusal::{OAuthError, Refusal, Revocation, TokenFault, Unavailable},
};

/// Stands for the ids in all of them.
const ID: Uuid = Uuid::from_u128(0x0193_3a5e_7c1b_7d2e_9f3a_4b5c_6d7e_8f90);

/// When the budget of the example is whole again: 2026-12-01T00:00:00Z.
const RESETS_AT_S: i64 = 1_796_083_200;

/// All examples by their codes, for `components`.
pub fn all() -> BTreeMap<String, ReferenceOr<Example>> {
    let refusals = of_requests().into_iter().chain(of_callers()).chain(of_rules()).chain(of_failures());
    refusals.map(|refusal| (refusal.code().to_owned(), ReferenceOr::Object(example(&refusal)))).collect()
}

/// References to the examples of these codes.
pub(super) fn of(codes: &[&str]) -> Option<Examples> {
    let reference = |code: &&str| ReferenceOr::Reference { _ref: format!("#/components/examples/{code}") };
    let named = codes.iter().map(|code| ((*code).to_owned(), reference(code)));
    (!codes.is_empty()).then(|| Examples::Examples(named.collect()))
}

fn example(refusal: &Refusal) -> Example {
    let problem = body(refusal, RequestId(ID), "/");
    let summary = Some(problem.title.to_owned());
    let value = match refusal {
        Refusal::OAuth(error, _) => serde_json::to_value(OAuthBody::of(*error, problem)),
        _ => serde_json::to_value(problem),
    };
    let value = ExampleValue::Value(value.unwrap_or(Value::Null));
    Example { summary, description: None, value, extensions: OpenApi::default().extensions }
}

fn of_requests() -> Vec<Refusal> {
    vec![
        Refusal::invalid("/name", "is missing"),
        Refusal::AmbiguousCredentials,
        Refusal::UnsafePath(UnsafePath::DotSegment),
        Refusal::InvalidHost("Host is missing"),
        Refusal::MethodNotAllowed(vec!["GET, HEAD".into(), "POST".into()]),
        Refusal::RequestTimeout,
        Refusal::Conflict("There is a team of this name already.".into()),
        Refusal::PreconditionFailed("If-Match does not name \"17\", which is the present version. Look again.".into()),
        Refusal::BodyTooLarge { limit_bytes: 10_485_760 },
        Refusal::HeadTooLarge { limit_bytes: 65_536 },
        Refusal::TargetTooLong { limit_bytes: 65_534 },
        Refusal::LengthRequired,
        Refusal::VersionNotSupported,
        Refusal::UnsupportedMediaType { expected: "application/json" },
        Refusal::ExpectationFailed,
        Refusal::WebSocketVersion,
        Refusal::NotFound,
    ]
}

fn of_callers() -> Vec<Refusal> {
    vec![
        Refusal::MissingCredential,
        Refusal::InvalidToken(TokenFault::Malformed),
        Refusal::ExpiredToken,
        Refusal::RevokedToken(Revocation::Session),
        Refusal::InvalidCredentials,
        Refusal::OAuth(OAuthError::InvalidClient, String::new()),
        Refusal::OAuth(OAuthError::InvalidGrant, String::new()),
        Refusal::OAuth(OAuthError::UnsupportedGrantType, String::new()),
        Refusal::Forbidden(Barrier::Roles),
    ]
}

fn of_rules() -> Vec<Refusal> {
    vec![
        Refusal::Throttled { policy: "per-minute", limit: 100, window_s: 60, retry_after_ns: 12_000_000_000 },
        budget_exhausted(),
        Refusal::UnpricedModel("in-house".into()),
        Refusal::ModelNotAllowed { model: "in-house".into(), whose: "the team Research".into() },
        Refusal::NotCached,
    ]
}

fn of_failures() -> Vec<Refusal> {
    vec![
        Refusal::UpstreamFailed,
        Refusal::UpstreamTimeout,
        Refusal::Loop { passes: 6 },
        Refusal::Unavailable(Unavailable::Capacity),
        Refusal::Unavailable(Unavailable::Ledger),
        Refusal::Unavailable(Unavailable::Audit),
        Refusal::Internal,
    ]
}

/// Of 50 USD a month there are 0.10 left, and the call may cost 0.25.
fn budget_exhausted() -> Refusal {
    let budget = Budget {
        id: BudgetId(ID),
        name: "research-month".into(),
        scope: Scope::Team,
        subject: None,
        models: ModelSet::All,
        limit: Money::from_pusd(50_000_000_000_000),
        period: Period::Month,
        mode: Mode::Enforce,
        alert_at_ppm: vec![],
    };
    Refusal::BudgetExhausted(vec![Shortfall {
        budget: Arc::new(budget),
        balance: Balance { spent: Money::from_pusd(49_500_000_000_000), held: Money::from_pusd(400_000_000_000) },
        needed: Money::from_pusd(250_000_000_000),
        resets_at: Timestamp::from_second(RESETS_AT_S).ok(),
        resets_in_s: Some(86_400),
        max_tokens: Some(400),
    }])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What no client is answered with: the connection is gone, or a browser is led elsewhere.
    const UNANSWERED: [&str; 2] = ["client-disconnected", "sign-in-failed"];

    #[test]
    fn each_code_that_is_answered_has_one_example_with_its_type_and_status() {
        let table = include_str!("../../../docs/errors.md").lines().filter(|line| line.starts_with("| "));
        let rows = table.filter_map(|line| {
            let mut cells = line.split('|').skip(1).map(str::trim);
            Some((cells.next()?.parse::<u64>().ok()?, cells.next()?))
        });
        let explained =
            rows.flat_map(|(status, codes)| codes.split('`').skip(1).step_by(2).map(move |code| (code, status)));
        let explained: BTreeMap<&str, u64> = explained.filter(|(code, _)| !UNANSWERED.contains(code)).collect();
        let all = all();
        let codes = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(codes(all.keys().map(String::as_str).collect()), codes(explained.keys().copied().collect()));
        for (code, example) in all {
            let value = serde_json::to_value(example).unwrap()["value"].clone();
            assert!(value["type"].as_str().unwrap().ends_with(&code), "{code}: {value}");
            assert_eq!(value["status"], explained[&*code], "{code}");
            assert!(value["detail"].as_str().is_some_and(|detail| detail.len() > 5), "{code}: {value}");
        }
    }
}
