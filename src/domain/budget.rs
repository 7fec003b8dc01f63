//! Budgets: how much money calls may cost, whose calls, to which models, and in what time.

mod period;
pub mod spec;

use std::{collections::BTreeSet, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ids::BudgetId,
    limit::{Mode, Per, Subject},
    money::Money,
};

pub use self::{
    period::{Period, Window},
    spec::Spec,
};

/// Whose calls share one balance of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// All calls.
    Global,
    Team,
    User,
    /// The API key a call came with; calls with another credential are not counted.
    Key,
}

impl Scope {
    /// The same in the vocabulary of limits.
    #[must_use]
    pub const fn per(self) -> Per {
        match self {
            Self::Global => Per::Global,
            Self::Team => Per::Team,
            Self::User => Per::User,
            Self::Key => Per::Key,
        }
    }
}

/// The models a budget speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSet {
    All,
    Named(BTreeSet<String>),
}

/// A budget that can be enforced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    pub id: BudgetId,
    pub name: Arc<str>,
    pub scope: Scope,
    /// The only one it speaks of; `None`: each one of its kind.
    pub subject: Option<Subject>,
    pub models: ModelSet,
    pub limit: Money,
    pub period: Period,
    pub mode: Mode,
    /// When to say how much is spent, in millionths of the limit.
    pub alert_at_ppm: Vec<u64>,
}

impl ModelSet {
    /// Whether it speaks of this model. A call that names none counts only where every model does.
    #[must_use]
    pub fn contains(&self, model: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => model.is_some_and(|model| names.contains(model)),
        }
    }
}
