//! The audit record of an alert: an entry that no request made.

use super::Blueprint;
use crate::{
    domain::{
        audit::{Decision, Draft, Findings, Outcome, Stage, Subject},
        budget::{Alert, Scope},
        ids::{EntryId, RequestId, UserId},
        traffic::count::{ALERT, ALERT_REASON},
    },
    store::{StoreError, ledger::AlertRow},
};

/// In slot of a method: nobody asked.
const METHOD: &str = ALERT;

/// Says it in the log and puts it on record, unless that was done and only not kept; true if it is on record now.
pub(super) async fn record(blueprint: &Blueprint, row: &AlertRow, is_told: bool) -> Result<bool, StoreError> {
    let Blueprint { store, clock, audit, .. } = blueprint;
    let alert = &row.alert;
    if !store.is_recorded(EntryId(alert.id.0)).await? {
        tracing::warn!(
            alert = %alert.id,
            budget = %alert.budget,
            subject = %uuid::Uuid::from(alert.account.subject),
            spent_usd = %alert.spent,
            limit_usd = %alert.limit,
            fraction = alert.fraction(),
            "a budget is spent to a fraction of `alert_at`"
        );
        let Ok(slot) = audit.slot() else { return Ok(false) };
        if audit.append(slot, draft(blueprint, row)).await.is_err() {
            return Ok(false);
        }
    }
    store.alert_recorded(alert.id, is_told, clock.now()).await?;
    Ok(true)
}

fn draft(blueprint: &Blueprint, row: &AlertRow) -> Draft {
    let alert = &row.alert;
    let scope = blueprint.budgets.read().budget(alert.account.budget).map(|budget| budget.scope);
    let subject = uuid::Uuid::from(alert.account.subject);
    Draft {
        id: EntryId(alert.id.0),
        request_id: RequestId(alert.id.0),
        time: row.raised_at,
        stage: Stage::Whole,
        subject: Some(Subject {
            user_id: (scope == Some(Scope::User)).then_some(UserId(subject)),
            method: METHOD.into(),
            path: format!("/admin/budgets/{}", alert.account.budget),
            ..Subject::default()
        }),
        findings: Findings {
            decision: Some(Decision::Allowed),
            reason: Some(reason(row, scope)),
            outcome: Some(Outcome::Complete),
            ..Findings::default()
        },
    }
}

/// A user is named by the subject of the record alone, where it can be taken out.
fn reason(row: &AlertRow, scope: Option<Scope>) -> String {
    let Alert { budget, spent, limit, account, .. } = &row.alert;
    let (fraction, since) = (row.alert.fraction(), account.since);
    let whose = match scope {
        Some(Scope::Team | Scope::Key) => format!(", subject {}", uuid::Uuid::from(account.subject)),
        _ => String::new(),
    };
    format!("{ALERT_REASON}: {budget} at {fraction}: {spent} of {limit} USD, since {since}{whose}")
}
