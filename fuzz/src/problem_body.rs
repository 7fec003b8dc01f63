//! Whatever stands in a refusal, its answer is one JSON object that says the same as the head, and no text ends a header line.

use std::sync::Arc;

use actix_web::{HttpResponse, body::MessageBody, http::header};
use serde_json::Value;
use tollgate::{
    answer::problem::render,
    domain::{
        budget::{Budget, ModelSet, Period, Scope, Shortfall},
        ids::{BudgetId, LimitId, RequestId},
        ledger::Balance,
        limit::{Allowance, Mode, OnError, Per, Policy, RouteSet, Standing, Unit},
        money::Money,
        refusal::{Fault, OAuthError, Refusal, Unavailable},
    },
};
use uuid::Uuid;

use super::choice;

const ID: RequestId = RequestId(Uuid::from_u128(7));
const PATHS: [&str; 3] = ["/admin/users", "/v1/chat/completions", "/oauth/token"];

/// `data` is the path, the kind of refusal, and texts in lines.
pub fn run(data: &[u8]) {
    let (path, rest) = choice(data);
    let (kind, rest) = choice(rest);
    let text = String::from_utf8_lossy(rest);
    let texts: Vec<&str> = text.split('\n').take(16).collect();
    let path = PATHS.get(path % PATHS.len()).copied().unwrap_or_default();
    let refusal = refusal(kind, &texts);
    let response = render(&refusal, ID, path);
    check(&refusal, path, response);
}

fn refusal(kind: usize, texts: &[&str]) -> Refusal {
    let first = texts.first().copied().unwrap_or_default();
    let number = u64::try_from(texts.concat().len()).unwrap_or(u64::MAX).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    match kind % 14 {
        0 => {
            let fault = |pair: &[&str]| Fault::new(*pair.first().unwrap_or(&""), *pair.get(1).unwrap_or(&""));
            Refusal::InvalidRequest(texts.chunks(2).map(fault).collect())
        }
        1 => Refusal::MethodNotAllowed(texts.iter().map(|text| (*text).to_owned()).collect()),
        2 => Refusal::Conflict(first.into()),
        3 => Refusal::OAuth(OAuthError::InvalidRequest, first.into()),
        4 => Refusal::OAuth(OAuthError::InvalidClient, first.into()),
        5 => Refusal::ModelNotServed(first.into()),
        6 => Refusal::UnpricedModel(first.into()),
        7 => Refusal::ModelNotAllowed { model: first.into(), whose: texts.concat() },
        8 => Refusal::LimitsUnknown(texts.iter().map(|text| Arc::from(*text)).collect()),
        9 => Refusal::QuotaExceeded(texts.iter().map(|text| standing(text, number)).collect()),
        10 => Refusal::BudgetExhausted(texts.iter().map(|text| shortfall(text, number)).collect()),
        11 => Refusal::Throttled { policy: "logins", limit: number, window_s: number, retry_after_ns: number },
        12 => Refusal::BodyTooLarge { limit_bytes: number },
        _ => Refusal::Unavailable(Unavailable::Capacity),
    }
}

fn standing(name: &str, number: u64) -> Standing {
    let policy = Policy {
        id: LimitId(Uuid::from_u128(1)),
        name: name.into(),
        routes: RouteSet::All,
        per: Per::User,
        subject: None,
        unit: Unit::Concurrent,
        allowance: Allowance::Concurrent(number),
        mode: Mode::Enforce,
        on_error: OnError::Deny,
        version: 1,
        since_ns: 0,
    };
    let retry_after_ns = (!number.is_multiple_of(3)).then_some(number);
    Standing { policy: policy.into(), remaining: number, full_in_ns: None, window: None, retry_after_ns, taken: 0 }
}

fn shortfall(name: &str, number: u64) -> Shortfall {
    let money = Money::from_pusd(i64::try_from(number / 2).unwrap_or(i64::MAX));
    let budget = Budget {
        id: BudgetId(Uuid::from_u128(2)),
        name: name.into(),
        scope: Scope::Global,
        subject: None,
        models: ModelSet::All,
        limit: money,
        period: Period::Total,
        mode: Mode::Enforce,
        alert_at_ppm: vec![],
    };
    Shortfall {
        budget: budget.into(),
        balance: Balance { spent: money, held: money },
        needed: money,
        resets_at: None,
        resets_in_s: Some(number),
        max_tokens: number.is_multiple_of(2).then_some(number),
    }
}

fn check(refusal: &Refusal, path: &str, response: HttpResponse) {
    let (head, body) = response.into_parts();
    let bytes = body.try_into_bytes().unwrap_or_else(|_| panic!("a body in one piece"));
    let body: Value = serde_json::from_slice(&bytes).expect("the body is JSON");
    let status = head.status().as_u16();
    assert!((400..600).contains(&status), "{refusal:?}");
    assert_eq!(body.get("status"), Some(&status.into()), "{body}");
    assert_eq!(body.get("instance"), Some(&ID.to_string().into()), "{body}");
    let kind = body.get("type").and_then(Value::as_str).unwrap_or_default();
    assert_eq!(kind.rsplit('/').next().and_then(|kind| kind.rsplit('#').next()), Some(refusal.code()), "{body}");
    let text = |member: &str| body.get(member).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    assert!(text("title"), "{body}");
    let is_oauth = matches!(refusal, Refusal::OAuth(..));
    let media = if is_oauth { "application/json" } else { "application/problem+json" };
    assert_eq!(head.headers().get(header::CONTENT_TYPE).map(header::HeaderValue::as_bytes), Some(media.as_bytes()));
    assert_eq!(body.get("error").is_some_and(Value::is_object), path.starts_with("/v1/") && !is_oauth, "{body}");
    assert_eq!(body.get("error").is_some_and(Value::is_string), is_oauth, "{body}");
    if let Refusal::InvalidRequest(faults) = refusal {
        let errors = body.get("errors").and_then(Value::as_array).map(Vec::len).unwrap_or_default();
        // Above 100 faults the last entry says how many more there are.
        assert_eq!(errors, faults.len().min(101), "a fault is lost: {body}");
    }
    for (name, value) in head.headers() {
        assert!(!value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{name} has two lines");
    }
}
