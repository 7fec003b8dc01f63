//! Budgets: how much money calls may cost, whose calls, to which models, and in what time.

mod alert;
mod period;
pub mod spec;

use std::{collections::BTreeSet, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use jiff::Timestamp;

use super::{
    allowed::stands_for,
    ids::BudgetId,
    ledger::{Balance, BudgetAccount, Claim},
    limit::{Mode, Per, Subject},
    money::Money,
};

pub use self::{
    alert::Alert,
    period::Period,
    spec::{Misfit, Spec},
};

/// Whose calls share one balance of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// All calls.
    Global,
    Team,
    User,
    /// The API key a call came with, or that its token was exchanged for; calls with another credential are not counted.
    Key,
}

impl Scope {
    /// The same in the vocabulary of limits.
    pub const fn per(self) -> Per {
        match self {
            Self::Global => Per::Global,
            Self::Team => Per::Team,
            Self::User => Per::User,
            Self::Key => Per::Key,
        }
    }
}

/// The models that a budget counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSet {
    All,
    /// These; `gpt-*` stands for each that begins so, as in the lists of [`Allowed`](super::allowed::Allowed).
    Named(BTreeSet<String>),
}

/// A budget that can be enforced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    pub id: BudgetId,
    pub name: Arc<str>,
    pub scope: Scope,
    /// Its only subject; `None`: each one of its kind.
    pub subject: Option<Subject>,
    pub models: ModelSet,
    pub limit: Money,
    pub period: Period,
    pub mode: Mode,
    /// When to say how much is spent, in millionths of the limit.
    pub alert_at_ppm: Vec<u64>,
}

/// A budget without room for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    pub budget: Arc<Budget>,
    pub balance: Balance,
    pub needed: Money,
    pub resets_at: Option<Timestamp>,
    /// Whole seconds until then, rounded up.
    pub resets_in_s: Option<u64>,
    /// The output bound with which the call would have room, where there is one.
    pub max_tokens: Option<u64>,
}

impl Budget {
    /// Whether this budget decides as another one does: it has its name and its subjects, counts the same calls over the same
    /// periods, and allows as much.
    #[must_use]
    pub fn decides_as(&self, other: &Self) -> bool {
        let of = |budget: &Self| (budget.scope, budget.subject, budget.limit, budget.period);
        self.name == other.name && self.models == other.models && of(self) == of(other)
    }

    /// The claim of `subject` on this budget at `now`.
    pub fn claim(&self, subject: Subject, now: Timestamp) -> Claim {
        let account = BudgetAccount { budget: self.id, subject, since: self.period.window(now).since };
        Claim { account, limit: self.limit, mode: self.mode }
    }

    /// What a refusal says of this budget at `now`, where it has no room.
    pub fn shortfall(self: &Arc<Self>, balance: Balance, needed: Money, now: Timestamp) -> Shortfall {
        let resets_at = self.period.window(now).until;
        let resets_in_s = resets_at.and_then(|at| {
            let ms = at.as_millisecond().saturating_sub(now.as_millisecond());
            u64::try_from(ms).ok().map(|ms| ms.div_ceil(1_000))
        });
        Shortfall { budget: Arc::clone(self), balance, needed, resets_at, resets_in_s, max_tokens: None }
    }
}

impl ModelSet {
    /// Whether it counts this model. A call that names none counts only where every model does.
    pub fn contains(&self, model: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => model.is_some_and(|model| names.iter().any(|listed| stands_for(listed, model))),
        }
    }
}
