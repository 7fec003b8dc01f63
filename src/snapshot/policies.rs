//! The limit policies in force, arranged so that a call finds those that speak of it. Owned and published by the
//! `Regulator`.

use std::{collections::HashMap, sync::Arc};

use crate::domain::limit::{Per, Policy, RouteSet, Subject, Unit};

/// All policies of one name, which count the same thing for the same kind of subject.
#[derive(Debug, Clone)]
pub struct Group {
    /// A number for the name, kind and unit that stays the same as long as the process lives, whatever is changed: what
    /// was used is kept under it.
    pub series: u32,
    pub name: Arc<str>,
    pub per: Per,
    pub unit: Unit,
    general: Option<Arc<Policy>>,
    particular: HashMap<Subject, Arc<Policy>>,
}

impl Group {
    /// The one policy that speaks of this subject on this route: its own, or else the general one.
    #[must_use]
    pub fn policy_for(&self, subject: Subject, route: &str) -> Option<&Arc<Policy>> {
        let policy = self.particular.get(&subject).or(self.general.as_ref())?;
        policy.routes.contains(route).then_some(policy)
    }

    /// The one policy that speaks of this subject on whatever route.
    #[must_use]
    pub fn policy_of(&self, subject: Subject) -> Option<&Arc<Policy>> {
        self.particular.get(&subject).or(self.general.as_ref())
    }

    fn policies(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.general.iter().chain(self.particular.values())
    }
}

/// The policies in force.
#[derive(Debug, Clone, Default)]
pub struct PolicyBook {
    groups: Arc<[Arc<Group>]>,
    /// For a route that some policy names: all groups that may speak of it. For the others: `elsewhere`.
    by_route: Arc<HashMap<String, Arc<[Arc<Group>]>>>,
    elsewhere: Arc<[Arc<Group>]>,
    /// The number of every name, kind and unit that ever was.
    series: Arc<HashMap<Counted, u32>>,
}

/// What makes a series.
type Counted = (Arc<str>, Per, Unit);

impl PolicyBook {
    /// The book of these policies, in this order, that comes after the book `before` in this process.
    #[must_use]
    pub fn new(policies: impl IntoIterator<Item = Policy>, before: &Self) -> Self {
        let mut series = HashMap::clone(&before.series);
        let mut groups: Vec<Group> = vec![];
        for policy in policies.into_iter().map(Arc::new) {
            let next = u32::try_from(series.len()).unwrap_or(u32::MAX);
            let series = *series.entry((Arc::clone(&policy.name), policy.per, policy.unit)).or_insert(next);
            match groups.iter_mut().find(|group| group.series == series) {
                Some(group) => group.add(policy),
                None => groups.push(Group::of(policy, series)),
            }
        }
        let groups: Arc<[Arc<Group>]> = groups.into_iter().map(Arc::new).collect();
        let names = groups.iter().flat_map(|group| group.policies()).filter_map(|policy| match &policy.routes {
            RouteSet::All => None,
            RouteSet::Named(names) => Some(names.clone()),
        });
        let speaking = |route: &str| select(&groups, |policy| policy.routes.contains(route));
        let by_route = names.flatten().map(|route| (route.clone(), speaking(&route))).collect();
        let elsewhere = select(&groups, |policy| policy.routes == RouteSet::All);
        Self { by_route: Arc::new(by_route), elsewhere, groups, series: Arc::new(series) }
    }

    /// The groups that may speak of a route, in the order of their policies.
    #[must_use]
    pub fn on(&self, route: &str) -> Arc<[Arc<Group>]> {
        Arc::clone(self.by_route.get(route).unwrap_or(&self.elsewhere))
    }

    /// All groups.
    #[must_use]
    pub fn groups(&self) -> &[Arc<Group>] {
        &self.groups
    }
}

impl Group {
    fn of(policy: Arc<Policy>, series: u32) -> Self {
        let (name, per, unit) = (Arc::clone(&policy.name), policy.per, policy.unit);
        let mut group = Self { series, name, per, unit, general: None, particular: HashMap::new() };
        group.add(policy);
        group
    }

    fn add(&mut self, policy: Arc<Policy>) {
        match policy.subject {
            None => self.general = Some(policy),
            Some(subject) => drop(self.particular.insert(subject, policy)),
        }
    }
}

fn select(groups: &[Arc<Group>], speaks: impl Fn(&Policy) -> bool) -> Arc<[Arc<Group>]> {
    groups.iter().filter(|group| group.policies().any(|policy| speaks(policy))).map(Arc::clone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        ids::LimitId,
        limit::{Allowance, Mode, OnError},
        quota::Rate,
    };
    use uuid::Uuid;

    fn policy(name: &str, routes: &[&str], subject: Option<u128>, limit: u64) -> Policy {
        Policy {
            id: LimitId(Uuid::nil()),
            name: name.into(),
            routes: if routes == ["*"] {
                RouteSet::All
            } else {
                RouteSet::Named(routes.iter().map(ToString::to_string).collect())
            },
            per: Per::User,
            subject: subject.map(|id| Uuid::from_u128(id).into()),
            unit: Unit::Requests,
            allowance: Allowance::Rate(Rate::new(limit, 1, limit).unwrap()),
            mode: Mode::Enforce,
            on_error: OnError::AllowLocalShare,
            version: 0,
        }
    }

    fn limits(book: &PolicyBook, route: &str, user: u128) -> Vec<u64> {
        let subject = Uuid::from_u128(user).into();
        book.on(route)
            .iter()
            .filter_map(|group| group.policy_for(subject, route))
            .map(|policy| policy.limit())
            .collect()
    }

    #[test]
    fn a_policy_for_one_subject_stands_in_for_the_general_one() {
        let policies = [policy("a", &["*"], None, 1), policy("a", &["x"], Some(7), 2), policy("b", &["x"], None, 3)];
        let book = PolicyBook::new(policies, &PolicyBook::default());
        assert_eq!(limits(&book, "x", 1), [1, 3]);
        assert_eq!(limits(&book, "x", 7), [2, 3]);
        assert_eq!(limits(&book, "y", 1), [1]);
        // Theirs does not speak of this route, and the general one is not theirs.
        assert_eq!(limits(&book, "y", 7), [0; 0]);
    }

    #[test]
    fn a_series_keeps_its_number_from_book_to_book() {
        let first =
            PolicyBook::new([policy("a", &["*"], None, 1), policy("b", &["*"], None, 1)], &PolicyBook::default());
        let second = PolicyBook::new([policy("c", &["*"], None, 9), policy("b", &["x"], Some(4), 9)], &first);
        let third = PolicyBook::new([policy("a", &["*"], None, 5)], &second);
        let numbers = |book: &PolicyBook| book.groups().iter().map(|group| group.series).collect::<Vec<_>>();
        assert_eq!((numbers(&first), numbers(&second), numbers(&third)), (vec![0, 1], vec![2, 1], vec![0]));
    }
}
