//! The budgets in force, arranged so that a call finds those that apply to it. Owned and published by the `Regulator`.

use std::{collections::HashMap, sync::Arc};

use crate::domain::{
    budget::{Budget, Scope},
    ids::BudgetId,
    limit::Subject,
};

/// All budgets of one name, which count for the same kind of subject.
#[derive(Debug, Clone)]
struct Group {
    name: Arc<str>,
    scope: Scope,
    general: Option<Arc<Budget>>,
    particular: HashMap<Subject, Arc<Budget>>,
}

/// The budgets in force.
#[derive(Debug, Clone, Default)]
pub struct BudgetBook {
    groups: Vec<Group>,
    by_id: HashMap<BudgetId, Arc<Budget>>,
}

impl BudgetBook {
    /// A book of these budgets.
    pub fn new(budgets: impl IntoIterator<Item = Budget>) -> Self {
        let mut book = Self::default();
        for budget in budgets.into_iter().map(Arc::new) {
            book.by_id.insert(budget.id, Arc::clone(&budget));
            book.add(budget);
        }
        book
    }

    fn add(&mut self, budget: Arc<Budget>) {
        let place = self.groups.iter().position(|group| group.name == budget.name);
        let mut group = place.map_or_else(|| Group::of(&budget), |place| self.groups.swap_remove(place));
        match budget.subject {
            Some(subject) => drop(group.particular.insert(subject, budget)),
            None => group.general = Some(budget),
        }
        self.groups.push(group);
    }

    /// Every budget that applies to a caller, on whatever model, and as which subject: of each name their own, or else
    /// the general one. `subject` gives the caller's id in a scope.
    pub fn of(&self, subject: impl Fn(Scope) -> Option<Subject>) -> impl Iterator<Item = (Subject, &Arc<Budget>)> {
        self.groups.iter().filter_map(move |group| {
            let subject = subject(group.scope)?;
            let budget = group.particular.get(&subject).or(group.general.as_ref())?;
            Some((subject, budget))
        })
    }

    /// All budgets.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Budget>> {
        self.by_id.values()
    }

    /// The budget with this id.
    pub fn budget(&self, id: BudgetId) -> Option<&Arc<Budget>> {
        self.by_id.get(&id)
    }
}

impl Group {
    fn of(budget: &Budget) -> Self {
        Self { name: Arc::clone(&budget.name), scope: budget.scope, general: None, particular: HashMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::budget::Spec;

    fn budget(id: u128, name: &str, scope: &str, subject: Option<u128>) -> Budget {
        let subject = subject.map(|subject| Uuid::from_u128(subject).to_string());
        let spec = serde_json::json!({
            "name": name, "scope": scope, "subject": subject, "limit_usd": "1", "period": "day"
        });
        serde_json::from_value::<Spec>(spec).unwrap().budget(BudgetId(Uuid::from_u128(id))).unwrap()
    }

    #[test]
    fn a_budget_for_one_subject_stands_in_for_the_general_one_of_its_name() {
        let book = BudgetBook::new([
            budget(1, "all", "global", None),
            budget(2, "each", "user", None),
            budget(3, "each", "user", Some(7)),
            budget(4, "team", "team", Some(8)),
        ]);
        let of = |user: u128| {
            let subject = |scope| match scope {
                Scope::Global => Some(Subject::EVERYBODY),
                Scope::User => Some(Uuid::from_u128(user).into()),
                Scope::Team | Scope::Key => None,
            };
            let mut ids: Vec<u128> = book.of(subject).map(|(_, budget)| budget.id.0.as_u128()).collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!(of(6), [1, 2]);
        assert_eq!(of(7), [1, 3]);
        assert_eq!(book.budget(BudgetId(Uuid::from_u128(4))).unwrap().scope, Scope::Team);
    }
}
