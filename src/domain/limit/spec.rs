//! A limit as it is written, in the configuration and by administrators, and the rules that make a policy of it.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use schemars::{
    JsonSchema,
    r#gen::SchemaGenerator,
    schema::{Schema, StringValidation},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    policy::{Allowance, Home, Mode, OnError, Policy, RouteSet, Unit},
    subject::{Per, Subject},
};
use crate::domain::{
    calendar::{Calendar, Every, UnknownZone, Zone},
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

/// A limit: `limit` units every `window_s` seconds, at most `burst` of them at once; `limit` units in each calendar `window`; or
/// `limit` calls at a time.
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
    /// The one user, team or API key, by its name or its id, or the address, that this limit applies to, in place of the
    /// general one of the same name. Null: each one of its kind has as much.
    #[schemars(with = "Option<SubjectText>")]
    pub subject: Option<String>,
    pub unit: Unit,
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub limit: u64,
    /// Seconds in which `limit` units come back little by little. A rate has this or `window`; `concurrent` has neither.
    #[schemars(range(min = 1, max = 315_360_000))]
    pub window_s: Option<u64>,
    /// The calendar day, week or month in which `limit` units may be taken. All of them are back when the next one begins.
    pub window: Option<Every>,
    /// Beside `window`: the time zone in which it turns, by its name in the IANA database, such as `Europe/Berlin`. UTC unless
    /// given.
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
    /// Beside `window_s`: how many units may be taken at once; `limit` unless given.
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub burst: Option<u64>,
    #[serde(default)]
    pub mode: Mode,
    #[serde(default)]
    pub on_error: OnError,
}

/// Stands in schemas for the name or the id of a subject.
pub struct SubjectText;

impl SubjectText {
    /// How a schema names this form of text.
    pub const FORMAT: &str = "subject";

    /// What such a text must be.
    pub const WANTED: &str = "must be the name or the id of a user, a team or an API key, or an IP address";

    /// The longest one, in characters: a user's name and a key's, with a slash between.
    const MAX_CHARS: u16 = 1_024;

    /// Whether a text can be the name or the id of a subject of any kind.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        let fits = text.chars().count() <= usize::from(Self::MAX_CHARS);
        fits && !text.trim().is_empty() && !text.contains(char::is_control)
    }
}

/// A subject of this kind as a file has it, held against rules where nobody can be asked whose name it is: in the place of a name
/// stands an id, of the same name always the same.
#[must_use]
pub fn rehearsed(per: Per, subject: &str) -> String {
    if !per.is_name(subject) || !SubjectText::is_one(subject) {
        return subject.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    subject.hash(&mut hasher);
    let high = hasher.finish();
    subject.hash(&mut hasher);
    Uuid::from_u64_pair(high, hasher.finish()).as_hyphenated().to_string()
}

impl JsonSchema for SubjectText {
    fn schema_name() -> String {
        "Subject".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let description = "The name or the id of a user, a team or an API key (`user/key` where several keys have one name), or an \
                           IP address.";
        let max_length = Some(u32::from(Self::MAX_CHARS));
        let rules = StringValidation { min_length: Some(1), max_length, ..name::matching(name::ANY_CHARACTERS) };
        name::text(Self::FORMAT, description, rules)
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
            Self::NoSuchSubject => Fault::new("/subject", "there is none with this name or id"),
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
        self.check_with(self.route_faults(known, false), id, known)
    }

    /// As [`Self::check`], of a limit whose routes stay as they are: some may be gone by now.
    pub fn check_kept(&self, id: LimitId, known: &[&Route]) -> Result<Policy, Vec<Fault>> {
        self.check_with(self.route_faults(known, true), id, known)
    }

    fn check_with(&self, mut faults: Vec<Fault>, id: LimitId, known: &[&Route]) -> Result<Policy, Vec<Fault>> {
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

    /// The limit of a file, whose subject may be a name, as it can be held against the rules: see [`rehearsed`].
    #[must_use]
    pub fn rehearsed(&self) -> Self {
        let subject = self.subject.as_deref().map(|text| rehearsed(self.per, text));
        Self { subject, ..self.clone() }
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
        match (self.window_s, self.window) {
            (Some(window_s), None) => self.steady(window_s),
            (None, Some(every)) => self.by_calendar(every),
            (Some(window_s), Some(_)) => {
                let both = Fault::new(
                    "/window",
                    "stands in place of window_s: a limit has one of the two, and null for the other",
                );
                let zone = self.zone().err();
                Err(self.number_faults(window_s).into_iter().chain([both]).chain(zone).collect())
            }
            (None, None) => {
                let missing = Fault::new("/window_s", "is needed for a rate; or window, which is day, week or month");
                Err(self.number_faults(1).into_iter().chain([missing]).chain(self.stray_zone()).collect())
            }
        }
    }

    fn steady(&self, window_s: u64) -> Result<Rate, Vec<Fault>> {
        let rate = Rate::new(self.limit, window_s, self.burst.unwrap_or(self.limit));
        match (rate, self.stray_zone()) {
            (Ok(rate), None) => Ok(rate),
            (_, zone) => Err(self.number_faults(window_s).into_iter().chain(zone).collect()),
        }
    }

    fn by_calendar(&self, every: Every) -> Result<Rate, Vec<Fault>> {
        let no_burst = "has no meaning beside window: all of limit may be taken at once, at any time of the window";
        let burst = self.burst.map(|_| Fault::new("/burst", no_burst));
        let zone = self.zone();
        let rate = Rate::calendar(self.limit, Calendar { every, zone: zone.clone().unwrap_or(Zone::UTC) });
        match (rate, burst, zone) {
            (Ok(rate), None, Ok(_)) => Ok(rate),
            (rate, burst, zone) => Err(rate.err().map(rate_fault).into_iter().chain(zone.err()).chain(burst).collect()),
        }
    }

    /// The time zone of a calendar.
    fn zone(&self) -> Result<Zone, Fault> {
        let zone = self.time_zone.as_deref().map_or(Ok(Zone::UTC), str::parse);
        zone.map_err(|error: UnknownZone| Fault::new("/time_zone", error.to_string()))
    }

    /// A time zone where there is no calendar.
    fn stray_zone(&self) -> Option<Fault> {
        let reason = "stands beside window only: what comes back little by little has no calendar";
        self.time_zone.as_ref().map(|_| Fault::new("/time_zone", reason))
    }

    /// What is wrong with each number of a steady rate, whatever the others are.
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
        faults.extend(self.window.map(|_| Fault::new("/window", "calls at a time have no window")));
        faults.extend(self.stray_zone());
        if faults.is_empty() { Ok(Allowance::Concurrent(self.limit)) } else { Err(faults) }
    }

    /// Tokens are counted on metered routes only.
    fn route_faults(&self, known: &[&Route], may_be_gone: bool) -> Vec<Fault> {
        let fault = |(i, name): (usize, &String)| match known.iter().find(|route| *route.name == **name) {
            _ if name == EVERYWHERE => None,
            None if may_be_gone => None,
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
    let pointer = if policy.calendar().is_some() { "/limit" } else { "/burst" };
    too_heavy.then(|| Fault::new(pointer, reason))
}

/// A rate that replicas could not count exactly together is not made, whether there are others now or not.
fn too_fine(policy: &Policy) -> Option<Fault> {
    let Allowance::Rate(rate) = policy.allowance else { return None };
    let is_exact = |rate| ExactTerms::rate(rate, 0).is_some();
    if policy.home(true) != Home::Redis || is_exact(rate) {
        return None;
    }
    let alone = rate.with_limit(rate.limit(), 1).is_ok_and(is_exact);
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
mod tests;
