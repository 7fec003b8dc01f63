//! What a webhook is told of a budget: by names, and in a sentence that a chat shows (`text`).

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Blueprint, webhook::escaped};
use crate::{
    domain::budget::{Alert, Scope},
    store::{StoreError, ledger::AlertRow},
};

/// Whose balance it is.
struct Whose {
    /// Not known of a budget that was deleted meanwhile.
    scope: Option<Scope>,
    /// None of a budget that all share.
    subject: Option<Uuid>,
    name: Option<String>,
}

/// The body of the call about an alert.
pub(super) async fn body(blueprint: &Blueprint, row: &AlertRow) -> Value {
    let Alert { account, .. } = &row.alert;
    let (scope, resets_at) = {
        let book = blueprint.budgets.read();
        let budget = book.budget(account.budget);
        (budget.map(|budget| budget.scope), budget.and_then(|budget| budget.period.window(account.since).until))
    };
    let subject = (scope != Some(Scope::Global)).then(|| Uuid::from(account.subject));
    let name = match subject {
        None => None,
        Some(subject) => name_of(blueprint, subject).await.unwrap_or_else(|error| {
            tracing::warn!(%error, alert = %row.alert.id, "an alert is sent without the name of whom it is about");
            None
        }),
    };
    rendered(row, &Whose { scope, subject, name }, resets_at)
}

async fn name_of(blueprint: &Blueprint, subject: Uuid) -> Result<Option<String>, StoreError> {
    let subject = subject.as_hyphenated().to_string();
    let names = blueprint.store.names(BTreeSet::from([subject.clone()])).await?;
    Ok(names.of(&subject).map(str::to_owned))
}

fn rendered(row: &AlertRow, whose: &Whose, resets_at: Option<Timestamp>) -> Value {
    let alert = &row.alert;
    json!({
        "type": "budget.alert",
        "timestamp": row.raised_at,
        "text": escaped(&sentence(alert, whose, resets_at)),
        "data": {
            "id": alert.id,
            "budget": { "id": alert.account.budget, "name": &*alert.budget },
            "scope": whose.scope,
            "subject": whose.subject,
            "subject_name": whose.name,
            "fraction": alert.fraction(),
            "spent_usd": alert.spent,
            "limit_usd": alert.limit,
            "period_began_at": alert.account.since,
            "resets_at": resets_at,
        }
    })
}

fn sentence(alert: &Alert, Whose { scope, subject, name }: &Whose, resets_at: Option<Timestamp>) -> String {
    let noun = scope.map_or("subject", |scope| scope.per().noun());
    let whose = match (subject, name) {
        (None, _) => String::new(),
        (Some(_), Some(name)) => format!(" of the {noun} \"{name}\""),
        (Some(subject), None) => format!(" of the {noun} {subject}"),
    };
    let Alert { budget, spent, limit, .. } = alert;
    let again = resets_at.map_or_else(String::new, |at| format!(" It begins anew at {at}."));
    format!(
        "The budget \"{budget}\"{whose} has come to {} %: {spent} of {limit} USD are spent.{again}",
        alert.percent()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        ids::{AlertId, BudgetId},
        ledger::BudgetAccount,
        money::Money,
    };

    #[test]
    fn a_sentence_says_whose_budget_it_is_and_how_much_is_spent() {
        let subject = Uuid::from_u128(7);
        let since = Timestamp::UNIX_EPOCH;
        let alert = Alert {
            id: AlertId(Uuid::nil()),
            account: BudgetAccount { budget: BudgetId(Uuid::nil()), subject: subject.into(), since },
            fraction_ppm: 825_000,
            budget: "month".into(),
            spent: Money::from_pusd(20_000_000_000_000),
            limit: Money::from_pusd(24_000_000_000_000),
        };
        let told = |scope, subject, name: Option<&str>, resets_at| {
            sentence(&alert, &Whose { scope, subject, name: name.map(str::to_owned) }, resets_at)
        };
        assert_eq!(
            told(Some(Scope::User), Some(subject), Some("ann"), Some(since)),
            "The budget \"month\" of the user \"ann\" has come to 82.5 %: 20 of 24 USD are spent. It begins anew at \
             1970-01-01T00:00:00Z."
        );
        assert_eq!(
            told(Some(Scope::Global), None, None, None),
            "The budget \"month\" has come to 82.5 %: 20 of 24 USD are spent."
        );
        assert!(told(None, Some(subject), None, None).contains(&format!(" of the subject {subject} ")));
    }
}
