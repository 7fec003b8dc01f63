//! Alerts: a budget has come to a fraction of its limit at which somebody wants to know.

use std::sync::Arc;

use super::Budget;
use crate::domain::{
    ids::AlertId,
    ledger::{BudgetAccount, Movement},
    money::Money,
};

/// All of a budget, in millionths.
const ALL_PPM: u64 = 1_000_000;

/// A hundredth of a budget, in millionths.
const PERCENT_PPM: u64 = 10_000;

/// What is to be reported. There is one at most for each account and fraction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub id: AlertId,
    pub account: BudgetAccount,
    /// In millionths of the limit.
    pub fraction_ppm: u64,
    /// As the budget was called and limited when it came to this.
    pub budget: Arc<str>,
    pub spent: Money,
    pub limit: Money,
}

impl Alert {
    /// The fraction as it is written in `alert_at`: `0.8`, `1`.
    pub fn fraction(&self) -> String {
        decimal(self.fraction_ppm / ALL_PPM, &format!("{:06}", self.fraction_ppm % ALL_PPM))
    }

    /// The fraction in percent: `80`, `82.5`.
    pub fn percent(&self) -> String {
        decimal(self.fraction_ppm / PERCENT_PPM, &format!("{:04}", self.fraction_ppm % PERCENT_PPM))
    }
}

/// A number with these decimal places, without the zeros at its end.
fn decimal(whole: u64, places: &str) -> String {
    match places.trim_end_matches('0') {
        "" => whole.to_string(),
        digits => format!("{whole}.{digits}"),
    }
}

impl Budget {
    /// The fractions that a balance has come to, in millionths. Those below may have been reported long ago: who keeps
    /// them knows.
    pub fn fractions_at(&self, spent: Money) -> impl Iterator<Item = u64> {
        let limit = i128::from(self.limit.pusd());
        let spent = i128::from(spent.pusd()).saturating_mul(ALL_PPM.into());
        self.alert_at_ppm.iter().copied().filter(move |ppm| limit.saturating_mul(i128::from(*ppm)) <= spent)
    }

    /// The alerts of a movement of this budget's money, whether or not they were reported before.
    pub fn alerts(&self, movement: &Movement, id: impl Fn() -> AlertId) -> Vec<Alert> {
        if movement.after.spent <= movement.before.spent {
            return vec![];
        }
        let alert = |fraction_ppm| Alert {
            id: id(),
            account: movement.account,
            fraction_ppm,
            budget: Arc::clone(&self.name),
            spent: movement.after.spent,
            limit: self.limit,
        };
        self.fractions_at(movement.after.spent).map(alert).collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{budget::Spec, ids::BudgetId, ledger::Balance, limit::Subject};

    fn budget(limit_usd: &str) -> Budget {
        let spec = serde_json::json!({
            "name": "all", "scope": "global", "limit_usd": limit_usd, "period": "day", "alert_at": [0.5, 0.800_001, 1]
        });
        serde_json::from_value::<Spec>(spec).unwrap().budget(BudgetId(Uuid::nil())).unwrap()
    }

    fn fractions(budget: &Budget, before: i64, after: i64) -> Vec<String> {
        let account = BudgetAccount { budget: budget.id, subject: Subject::EVERYBODY, since: Timestamp::UNIX_EPOCH };
        let balance = |spent| Balance { spent: Money::from_pusd(spent), held: Money::ZERO };
        let movement = Movement { account, before: balance(before), after: balance(after) };
        budget.alerts(&movement, || AlertId(Uuid::nil())).iter().map(Alert::fraction).collect()
    }

    #[test]
    fn a_fraction_is_reached_at_its_last_unit_and_not_before() {
        let budget = budget("0.000001");
        assert_eq!(fractions(&budget, 0, 499_999), Vec::<String>::new());
        assert_eq!(fractions(&budget, 0, 500_000), ["0.5"]);
        assert_eq!(fractions(&budget, 500_000, 800_001), ["0.5", "0.800001"]);
        assert_eq!(fractions(&budget, 0, 1_000_000), ["0.5", "0.800001", "1"]);
    }

    #[test]
    fn nothing_is_told_of_money_that_is_only_held_or_given_back() {
        assert_eq!(fractions(&budget("0.000001"), 900_000, 900_000), Vec::<String>::new());
    }

    #[test]
    fn the_largest_limit_does_not_wrap() {
        assert_eq!(fractions(&budget("9000000"), 0, i64::MAX), ["0.5", "0.800001", "1"]);
    }

    #[test]
    fn of_nothing_at_all_everything_is_spent_by_the_first_unit() {
        assert_eq!(fractions(&budget("0"), 0, 1), ["0.5", "0.800001", "1"]);
    }
}
