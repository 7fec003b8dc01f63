//! A limit as it is written, in the configuration and by administrators, and the rules that make a policy of it.

use std::collections::HashSet;

use schemars::{
    JsonSchema,
    r#gen::SchemaGenerator,
    schema::{Schema, StringValidation},
};
use serde::{Deserialize, Serialize};

use super::{
    policy::{Allowance, Home, Mode, OnError, Policy, RouteSet, Unit},
    subject::{Per, Subject},
};
use crate::domain::{
    ids::LimitId,
    lease::ExactTerms,
    limit::rate::{InvalidRate, Rate},
    name,
    refusal::Fault,
    route::Route,
};

/// The most calls that a limit may allow at a time.
pub const MAX_PLACES: u64 = 1_000_000;

/// All routes.
const EVERYWHERE: &str = "*";

/// A limit: `limit` units every `window_s` seconds, at most `burst` of them at once; or `limit` calls at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "LimitCreate")]
pub struct Spec {
    #[schemars(with = "name::Name")]
    pub name: String,
    /// `["*"]`, or names of routes.
    #[schemars(length(min = 1))]
    pub routes: Vec<String>,
    pub per: Per,
    /// The id of the one user, team or key, or the address, that this limit applies to, in place of the general one of
    /// the same name. Null: each one of its kind has as much.
    #[schemars(with = "Option<SubjectText>")]
    pub subject: Option<String>,
    pub unit: Unit,
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub limit: u64,
    /// Seconds; not needed for `concurrent`.
    #[schemars(range(min = 1, max = 315_360_000))]
    pub window_s: Option<u64>,
    /// How many units may be taken at once; `limit` unless given.
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub burst: Option<u64>,
    #[serde(default)]
    pub mode: Mode,
    #[serde(default)]
    pub on_error: OnError,
}

/// Stands in schemas for the id of a subject.
pub struct SubjectText;

impl SubjectText {
    /// How a schema names this form of text.
    pub const FORMAT: &str = "subject";

    /// Whether a text is the id of a subject of any kind.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        [Per::User, Per::Address].into_iter().any(|per| Subject::parse(per, text).is_ok())
    }
}

impl JsonSchema for SubjectText {
    fn schema_name() -> String {
        "Subject".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let description = "The id of a user, a team or a key, or an IP address.";
        name::text(Self::FORMAT, description, StringValidation { min_length: Some(2), ..StringValidation::default() })
    }
}

/// Why a policy does not fit to what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// There is a policy of this name for this subject.
    Taken,
    /// Policies of one name apply to one kind of subject.
    OtherPer,
    /// Policies of one name count one thing.
    OtherUnit,
    NoSuchSubject,
}

impl Misfit {
    /// The fault as a refusal names it.
    #[must_use]
    pub fn fault(self) -> Fault {
        match self {
            Self::Taken => Fault::new("/name", "there is a limit with this name and subject"),
            Self::OtherPer => Fault::new("/per", "a limit with this name is per something else"),
            Self::OtherUnit => Fault::new("/unit", "a limit with this name counts something else"),
            Self::NoSuchSubject => Fault::new("/subject", "there is none with this id"),
        }
    }
}

impl Policy {
    /// Whether this policy conflicts with another.
    #[must_use]
    pub fn misfit(&self, other: &Self) -> Option<Misfit> {
        match other {
            _ if other.name != self.name => None,
            _ if other.per != self.per => Some(Misfit::OtherPer),
            _ if other.unit != self.unit => Some(Misfit::OtherUnit),
            _ if other.subject == self.subject => Some(Misfit::Taken),
            _ => None,
        }
    }
}

impl Spec {
    /// The policy, if it makes sense by itself and on the routes that are known; else all its faults.
    pub fn check(&self, id: LimitId, known: &[&Route]) -> Result<Policy, Vec<Fault>> {
        let mut faults = self.unknown_routes(known);
        match self.policy(id) {
            Ok(policy) => faults.extend(too_small(&policy, known).into_iter().chain(too_fine(&policy))),
            Err(own) => faults.extend(own),
        }
        if faults.is_empty() { self.policy(id) } else { Err(faults) }
    }

    /// The policy, if it makes sense by itself; else all its faults.
    pub fn policy(&self, id: LimitId) -> Result<Policy, Vec<Fault>> {
        let mut faults: Vec<Fault> = name::fault(&self.name).into_iter().chain(self.list_faults()).collect();
        let subject = self.subject().map_err(|fault| faults.push(fault));
        let allowance = self.allowance().map_err(|of_numbers| faults.extend(of_numbers));
        match (subject, allowance) {
            (Ok(subject), Ok(allowance)) if faults.is_empty() => Ok(Policy {
                id,
                name: self.name.as_str().into(),
                routes: self.route_set(),
                per: self.per,
                subject,
                unit: self.unit,
                allowance,
                mode: self.mode,
                on_error: self.on_error,
                version: 0,
                since_ns: 0,
            }),
            _ => Err(faults),
        }
    }

    fn route_set(&self) -> RouteSet {
        match self.routes.as_slice() {
            [all] if all == EVERYWHERE => RouteSet::All,
            names => RouteSet::Named(names.to_vec()),
        }
    }

    fn list_faults(&self) -> Vec<Fault> {
        if self.routes.is_empty() {
            return vec![Fault::new("/routes", "must be [\"*\"] or name at least one route")];
        }
        let (alone, mut seen, mut faults) = (self.routes.len() == 1, HashSet::new(), vec![]);
        for (i, name) in self.routes.iter().enumerate() {
            if name == EVERYWHERE && !alone {
                faults.push(at_route(i, "\"*\" stands alone"));
            } else if !seen.insert(name) {
                faults.push(at_route(i, "is named twice"));
            }
        }
        faults
    }

    fn subject(&self) -> Result<Option<Subject>, Fault> {
        let parsed = self.subject.as_deref().map(|text| Subject::parse(self.per, text)).transpose();
        parsed.map_err(|error| Fault::new("/subject", error.to_string()))
    }

    fn allowance(&self) -> Result<Allowance, Vec<Fault>> {
        match self.unit {
            Unit::Concurrent => self.slots(),
            Unit::Requests | Unit::Tokens => self.rate().map(Allowance::Rate),
        }
    }

    fn rate(&self) -> Result<Rate, Vec<Fault>> {
        let Some(window_s) = self.window_s else {
            let missing = Fault::new("/window_s", "is needed for a rate");
            return Err(self.number_faults(1).into_iter().chain([missing]).collect());
        };
        Rate::new(self.limit, window_s, self.burst.unwrap_or(self.limit)).map_err(|_| self.number_faults(window_s))
    }

    /// What is wrong with each number of a rate, whatever the others are.
    fn number_faults(&self, window_s: u64) -> Vec<Fault> {
        let numbers =
            [Rate::new(self.limit, 1, 1), Rate::new(1, window_s, 1), Rate::new(1, 1, self.burst.unwrap_or(1))];
        numbers.into_iter().filter_map(Result::err).map(rate_fault).collect()
    }

    fn slots(&self) -> Result<Allowance, Vec<Fault>> {
        let mut faults = vec![];
        if !(1..=MAX_PLACES).contains(&self.limit) {
            faults.push(Fault::new("/limit", format!("must be from 1 to {MAX_PLACES} calls at a time")));
        }
        faults.extend(self.window_s.and_then(|window_s| Rate::new(1, window_s, 1).err()).map(rate_fault));
        if self.burst.is_some_and(|burst| burst != self.limit) {
            faults.push(Fault::new("/burst", "calls at a time have no burst"));
        }
        if faults.is_empty() { Ok(Allowance::Concurrent(self.limit)) } else { Err(faults) }
    }

    /// Tokens are counted on metered routes only.
    fn unknown_routes(&self, known: &[&Route]) -> Vec<Fault> {
        let fault = |(i, name): (usize, &String)| match known.iter().find(|route| *route.name == **name) {
            _ if name == EVERYWHERE => None,
            None => Some(at_route(i, format!("{name:?} is not the name of a route"))),
            Some(route) if self.unit == Unit::Tokens && !route.meter.counts_tokens() => {
                Some(at_route(i, format!("{name:?} is not metered: no tokens are counted on it")))
            }
            Some(_) => None,
        };
        self.routes.iter().enumerate().filter_map(fault).collect()
    }
}

/// A call that weighs more than can ever be taken at once would never pass.
fn too_small(policy: &Policy, known: &[&Route]) -> Option<Fault> {
    let mut routes = known.iter().filter(|route| policy.routes.contains(&route.name));
    let too_heavy = routes.any(|route| policy.unit == Unit::Requests && route.weight > policy.most_at_once());
    let reason = "is less than the weight of a route that it applies to: no call would ever pass";
    too_heavy.then(|| Fault::new("/burst", reason))
}

/// A rate that replicas could not count exactly together is not made, whether there are others now or not.
fn too_fine(policy: &Policy) -> Option<Fault> {
    let Allowance::Rate(rate) = policy.allowance else { return None };
    let is_exact = |rate| ExactTerms::rate(rate, 0).is_some();
    if policy.home(true) != Home::Redis || is_exact(rate) {
        return None;
    }
    let alone = Rate::new(rate.limit(), rate.window_s(), 1).is_ok_and(is_exact);
    let pointer = if alone { "/burst" } else { "/limit" };
    Some(Fault::new(pointer, "is more than replicas can count exactly together in such a window"))
}

fn at_route(index: usize, detail: impl Into<String>) -> Fault {
    Fault::new(format!("/routes/{index}"), detail)
}

fn rate_fault(error: InvalidRate) -> Fault {
    let pointer = match error {
        InvalidRate::Limit => "/limit",
        InvalidRate::Window => "/window_s",
        InvalidRate::Burst => "/burst",
    };
    Fault::new(pointer, error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::domain::route::{Meter, Metering, Only, PathMatch};

    const ID: LimitId = LimitId(Uuid::nil());

    fn route(name: &str, weight: u64, meter: Meter) -> Route {
        Route {
            name: name.into(),
            path: format!("/{name}"),
            matching: PathMatch::Exact,
            methods: vec![],
            only: Only::default(),
            roles: vec![],
            aims: [crate::domain::failover::Aim::only("up".into())].into(),
            retry: std::sync::Arc::default(),
            strip_prefix: false,
            weight,
            durability: None,
            bodies: None,
            meter,
            metering: Metering::default(),
            models: crate::domain::allowed::Allowed::default(),
            importance: crate::domain::importance::Importance::default(),
            websocket: false,
            identity: false,
            caching: None,
        }
    }

    fn spec(changes: Value) -> Spec {
        let mut spec = json!({
            "name": "a", "routes": ["*"], "per": "user", "unit": "requests", "limit": 10, "window_s": 60
        });
        for (field, value) in changes.as_object().unwrap() {
            spec[field] = value.clone();
        }
        serde_json::from_value(spec).unwrap()
    }

    fn check(changes: Value) -> Result<Policy, Vec<String>> {
        let routes =
            [route("light", 1, Meter::None), route("heavy", 9, Meter::None), route("chat", 1, Meter::OpenaiChat)];
        let known: Vec<&Route> = routes.iter().collect();
        let pointers = |faults: Vec<Fault>| faults.into_iter().map(|fault| fault.pointer).collect();
        spec(changes).check(ID, &known).map_err(pointers)
    }

    #[test]
    fn every_fault_is_named_by_its_place_and_all_at_once() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        for (changes, pointers) in [
            (json!({ "name": "" }), vec!["/name"]),
            (json!({ "name": "a b" }), vec!["/name"]),
            (json!({ "name": "x".repeat(65) }), vec!["/name"]),
            (json!({ "routes": [] }), vec!["/routes"]),
            (json!({ "routes": ["light", "*"] }), vec!["/routes/1"]),
            (json!({ "routes": ["light", "nope"] }), vec!["/routes/1"]),
            (json!({ "routes": ["light", "light"] }), vec!["/routes/1"]),
            (json!({ "routes": ["chat", "light"], "unit": "tokens" }), vec!["/routes/1"]),
            (json!({ "limit": 0 }), vec!["/limit"]),
            (json!({ "window_s": 0 }), vec!["/window_s"]),
            (json!({ "window_s": null }), vec!["/window_s"]),
            (json!({ "window_s": 315_360_001 }), vec!["/window_s"]),
            (json!({ "burst": 0 }), vec!["/burst"]),
            (json!({ "burst": 8 }), vec!["/burst"]),
            // A prime number of units, and a burst that is too large in such a window.
            (json!({ "limit": 999_999_999_989_u64 }), vec!["/limit"]),
            (json!({ "limit": 1_000, "window_s": 3_599, "burst": 900_000_000_000_u64 }), vec!["/burst"]),
            (json!({ "limit": 8 }), vec!["/burst"]),
            (json!({ "subject": "x" }), vec!["/subject"]),
            (json!({ "subject": id, "per": "global" }), vec!["/subject"]),
            (json!({ "subject": id, "per": "address" }), vec!["/subject"]),
            (json!({ "unit": "concurrent", "limit": 1_000_001 }), vec!["/limit"]),
            (json!({ "unit": "concurrent", "window_s": 0 }), vec!["/window_s"]),
            (json!({ "unit": "concurrent", "burst": 9 }), vec!["/burst"]),
            (
                json!({ "name": "", "routes": ["nope"], "subject": "x", "limit": 0, "window_s": 0, "burst": 0 }),
                vec!["/routes/0", "/name", "/subject", "/limit", "/window_s", "/burst"],
            ),
        ] {
            assert_eq!(check(changes.clone()).unwrap_err(), pointers, "{changes}");
        }
    }

    #[test]
    fn a_limit_that_makes_sense_is_a_policy() {
        let rate = |changes| check(changes).unwrap().allowance;
        assert_eq!(rate(json!({})), Allowance::Rate(Rate::new(10, 60, 10).unwrap()));
        assert_eq!(rate(json!({ "burst": 20 })), Allowance::Rate(Rate::new(10, 60, 20).unwrap()));
        assert_eq!(
            rate(json!({ "unit": "tokens", "routes": ["chat"], "limit": 1 })).clone(),
            Allowance::Rate(Rate::new(1, 60, 1).unwrap())
        );
        // What the store keeps has larger numbers.
        let large = Rate::new(999_999_999_989, 3_600, 999_999_999_989).unwrap();
        assert_eq!(rate(json!({ "limit": 999_999_999_989_u64, "window_s": 3_600 })), Allowance::Rate(large));
        // A call under way is one, whatever its route weighs.
        let slots = json!({ "unit": "concurrent", "limit": 1, "window_s": null, "burst": 1 });
        assert_eq!(rate(slots), Allowance::Concurrent(1));
        assert_eq!(check(json!({ "routes": ["light"] })).unwrap().routes, RouteSet::Named(vec!["light".into()]));
    }

    #[test]
    fn policies_of_one_name_differ_in_their_subject_alone() {
        let policy = |changes| check(changes).unwrap();
        let first = policy(json!({ "per": "address", "subject": "192.0.2.1" }));
        for (other, misfit) in [
            (json!({ "per": "address", "subject": "::ffff:192.0.2.1", "limit": 99 }), Some(Misfit::Taken)),
            (json!({ "per": "address", "subject": "192.0.2.2" }), None),
            (json!({ "per": "address" }), None),
            (json!({ "per": "user" }), Some(Misfit::OtherPer)),
            (json!({ "per": "address", "unit": "tokens" }), Some(Misfit::OtherUnit)),
            (json!({ "per": "user", "name": "b" }), None),
        ] {
            assert_eq!(first.misfit(&policy(other.clone())), misfit, "{other}");
        }
    }
}
