//! The limit policies in force, arranged so that a call finds those that apply to it. Owned and published by the
//! `Regulator`.

use std::{collections::HashMap, sync::Arc};

use crate::domain::limit::{Per, Policy, RouteSet, Subject, Unit, shard::LONGEST_PATIENCE_NS};

/// Calls that read the book before are decided by then: each is in a queue at most, or waits for units. So no bucket that
/// is at rest when its rate changes was charged under the old one later than that.
const LAST_CALLS_NS: u64 = LONGEST_PATIENCE_NS + 50_000_000;

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
    /// The one policy that applies to this subject on this route: its own, or else the general one.
    #[must_use]
    pub fn policy_for(&self, subject: Subject, route: &str) -> Option<&Arc<Policy>> {
        let policy = self.particular.get(&subject).or(self.general.as_ref())?;
        policy.routes.contains(route).then_some(policy)
    }

    /// The one policy that applies to this subject on any route.
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
    /// For a route that some policy names: all groups that may apply to it. For the others: `elsewhere`.
    by_route: Arc<HashMap<String, Arc<[Arc<Group>]>>>,
    elsewhere: Arc<[Arc<Group>]>,
    /// The number of every name, kind and unit that ever was.
    series: Arc<HashMap<Counted, u32>>,
}

/// What makes a series.
type Counted = (Arc<str>, Per, Unit);

impl PolicyBook {
    /// The book of these policies, in this order, that comes after the book `before` in this process, at `now_ns` of its
    /// monotonic clock.
    #[must_use]
    pub fn new(policies: impl IntoIterator<Item = Policy>, before: &Self, now_ns: u64) -> Self {
        let mut series = HashMap::clone(&before.series);
        let mut groups: Vec<Group> = vec![];
        for policy in policies {
            let next = u32::try_from(series.len()).unwrap_or(u32::MAX);
            let series = *series.entry((Arc::clone(&policy.name), policy.per, policy.unit)).or_insert(next);
            match groups.iter_mut().find(|group| group.series == series) {
                Some(group) => group.add(policy),
                None => groups.push(Group::of(policy, series)),
            }
        }
        let changed_ns = now_ns.saturating_add(LAST_CALLS_NS);
        for group in &mut groups {
            group.follow(before.groups.iter().find(|before| before.series == group.series), changed_ns);
        }
        let groups: Arc<[Arc<Group>]> = groups.into_iter().map(Arc::new).collect();
        let names = groups.iter().flat_map(|group| group.policies()).filter_map(|policy| match &policy.routes {
            RouteSet::All => None,
            RouteSet::Named(names) => Some(names.clone()),
        });
        let applying = |route: &str| select(&groups, |policy| policy.routes.contains(route));
        let by_route = names.flatten().map(|route| (route.clone(), applying(&route))).collect();
        let elsewhere = select(&groups, |policy| policy.routes == RouteSet::All);
        Self { by_route: Arc::new(by_route), elsewhere, groups, series: Arc::new(series) }
    }

    /// The groups that may apply to a route, in the order of their policies.
    #[must_use]
    pub fn on(&self, route: &str) -> Arc<[Arc<Group>]> {
        Arc::clone(self.by_route.get(route).unwrap_or(&self.elsewhere))
    }

    /// All groups.
    pub fn groups(&self) -> &[Arc<Group>] {
        &self.groups
    }
}

impl Group {
    fn of(policy: Policy, series: u32) -> Self {
        let (name, per, unit) = (Arc::clone(&policy.name), policy.per, policy.unit);
        let mut group = Self { series, name, per, unit, general: None, particular: HashMap::new() };
        group.add(policy);
        group
    }

    fn add(&mut self, policy: Policy) {
        match policy.subject {
            None => self.general = Some(Arc::new(policy)),
            Some(subject) => drop(self.particular.insert(subject, Arc::new(policy))),
        }
    }

    /// Notes of each policy since when it is in force, given what was in force for the same subject before. A subject whose
    /// own policy is gone falls under the general one from now on only.
    fn follow(&mut self, before: Option<&Arc<Self>>, changed_ns: u64) {
        let was_general = before.and_then(|before| before.general.as_ref());
        let general = self.general.take().map(|policy| in_force(&policy, was_general, changed_ns));
        for (subject, policy) in &mut self.particular {
            *policy = in_force(policy, before.and_then(|before| before.policy_of(*subject)), changed_ns);
        }
        for (subject, was) in before.iter().flat_map(|before| &before.particular) {
            let fallen = general.as_ref().map(|general| in_force(general, Some(was), changed_ns));
            if let Some(fallen) = fallen.filter(|fallen| Some(fallen.since_ns) != general.as_ref().map(|g| g.since_ns))
            {
                self.particular.entry(*subject).or_insert(fallen);
            }
        }
        self.general = general;
    }
}

/// The policy, in force as long as what was before allows as much.
fn in_force(policy: &Arc<Policy>, was: Option<&Arc<Policy>>, changed_ns: u64) -> Arc<Policy> {
    let same = was.filter(|was| was.allowance == policy.allowance);
    let since_ns = same.map_or(changed_ns, |was| was.since_ns);
    Arc::new(Policy { since_ns, ..Policy::clone(policy) })
}

fn select(groups: &[Arc<Group>], applies: impl Fn(&Policy) -> bool) -> Arc<[Arc<Group>]> {
    groups.iter().filter(|group| group.policies().any(|policy| applies(policy))).map(Arc::clone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        ids::LimitId,
        limit::{Allowance, Mode, OnError, rate::Rate},
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
            since_ns: 0,
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
        let book = PolicyBook::new(policies, &PolicyBook::default(), 0);
        assert_eq!(limits(&book, "x", 1), [1, 3]);
        assert_eq!(limits(&book, "x", 7), [2, 3]);
        assert_eq!(limits(&book, "y", 1), [1]);
        // Theirs does not apply to this route, and the general one is not theirs.
        assert_eq!(limits(&book, "y", 7), [0; 0]);
    }

    #[test]
    fn a_series_keeps_its_number_from_book_to_book() {
        let first =
            PolicyBook::new([policy("a", &["*"], None, 1), policy("b", &["*"], None, 1)], &PolicyBook::default(), 0);
        let second = PolicyBook::new([policy("c", &["*"], None, 9), policy("b", &["x"], Some(4), 9)], &first, 0);
        let third = PolicyBook::new([policy("a", &["*"], None, 5)], &second, 0);
        let numbers = |book: &PolicyBook| book.groups().iter().map(|group| group.series).collect::<Vec<_>>();
        assert_eq!((numbers(&first), numbers(&second), numbers(&third)), (vec![0, 1], vec![2, 1], vec![0]));
    }

    #[test]
    fn a_policy_is_in_force_since_its_numbers_changed_for_the_subject() {
        let general = |limit| policy("a", &["*"], None, limit);
        let own = |limit| policy("a", &["*"], Some(7), limit);
        let mut book = PolicyBook::default();
        let mut since = |now_ns: u64, policies: &[Policy]| {
            book = PolicyBook::new(policies.to_vec(), &book, now_ns);
            let group = &book.groups()[0];
            [1, 7].map(|id| group.policy_of(Uuid::from_u128(id).into()).unwrap().since_ns - LAST_CALLS_NS)
        };
        assert_eq!(since(1, &[general(5)]), [1, 1]);
        assert_eq!(since(2, &[general(5), policy("b", &["x"], None, 1)]), [1, 1]);
        assert_eq!(since(3, &[general(5), own(5)]), [1, 1]);
        assert_eq!(since(4, &[general(5), own(6)]), [1, 4]);
        assert_eq!(since(5, &[Policy { routes: RouteSet::Named(vec!["x".into()]), ..general(5) }, own(6)]), [1, 4]);
        assert_eq!(since(6, &[general(9), own(6)]), [6, 4]);
        // What was the subject's own is deleted.
        assert_eq!(since(7, &[general(9)]), [6, 7]);
        assert_eq!(since(8, &[general(9)]), [6, 7]);
        assert_eq!(since(9, &[general(8)]), [9, 9]);
    }
}
