//! `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11), as lists of RFC 9651.

use std::{cell::RefCell, sync::Arc};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::domain::limit::{Policy, Standing, Unit};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// About as much as an item takes.
const ITEM_BYTES: usize = 48;

/// Adds how each policy stands, before what an upstream says of its own in the same form: `q` units in a window of `w` seconds; `r` are left, and in `t` seconds all are back.
pub fn add_headers(headers: &mut HeaderMap, standings: &[Standing]) {
    if standings.is_empty() {
        return;
    }
    insert(headers, RATE_LIMIT_POLICY, policies(standings));
    let left = written(standings, |list, standing| {
        list.parameter(";r=", Some(standing.remaining));
        list.parameter(";t=", standing.reset_s());
    });
    insert(headers, RATE_LIMIT, left);
}

/// The list of policies as a thread told it last: most of its answers are of the same policies.
struct Told {
    policies: Vec<Arc<Policy>>,
    list: HeaderValue,
}

impl Told {
    fn is_of(&self, standings: &[Standing]) -> bool {
        let is_same = |(policy, standing): (&Arc<Policy>, &Standing)| Arc::ptr_eq(policy, &standing.policy);
        self.policies.len() == standings.len() && self.policies.iter().zip(standings).all(is_same)
    }
}

fn policies(standings: &[Standing]) -> Option<HeaderValue> {
    thread_local! {
        static LAST: RefCell<Option<Told>> = const { RefCell::new(None) };
    }
    // A calendar's windows are not of one length.
    if standings.iter().any(|standing| standing.window.is_some()) {
        return written(standings, policy);
    }
    LAST.with_borrow_mut(|last| {
        if let Some(told) = last.as_ref().filter(|told| told.is_of(standings)) {
            return Some(told.list.clone());
        }
        let list = written(standings, policy)?;
        let policies = standings.iter().map(|standing| Arc::clone(&standing.policy)).collect();
        *last = Some(Told { policies, list: list.clone() });
        Some(list)
    })
}

fn policy(list: &mut List, standing: &Standing) {
    list.parameter(";q=", Some(standing.policy.limit()));
    list.parameter(";w=", standing.window_s());
    if standing.policy.unit == Unit::Concurrent {
        list.0.push_str(";qu=\"concurrent-requests\"");
    }
}

fn written(standings: &[Standing], parameters: impl Fn(&mut List, &Standing)) -> Option<HeaderValue> {
    let mut list = List(String::with_capacity(standings.len().saturating_mul(ITEM_BYTES)));
    for standing in standings {
        list.item(&standing.policy.name);
        parameters(&mut list, standing);
    }
    HeaderValue::try_from(list.0).ok()
}

/// The gateway's own list stands before what an upstream says in the same form.
fn insert(headers: &mut HeaderMap, name: HeaderName, own: Option<HeaderValue>) {
    let Some(own) = own else { return };
    let upstream = headers.get_all(&name).filter_map(|value| value.to_str().ok()).filter(|line| is_list(line));
    let upstream: Vec<&str> = upstream.collect();
    let list = if upstream.is_empty() {
        own
    } else {
        let lists = [own.as_bytes(), upstream.join(", ").as_bytes()].join(&b", "[..]);
        HeaderValue::from_bytes(&lists).unwrap_or(own)
    };
    headers.insert(name, list);
}

/// Whether a line is a list of strings with parameters, as the draft has it since its eighth version. Before, it was a
/// dictionary (`limit=10, remaining=5`), which no list can take in.
fn is_list(line: &str) -> bool {
    line.split(',').all(|item| {
        let name = item.trim().split(';').next().unwrap_or_default();
        name.len() > 2 && name.starts_with('"') && name.ends_with('"')
    })
}

/// A list in the making. Every answer of a limited route has two, so it is written in one piece.
struct List(String);

impl List {
    /// Names of policies have no character that a string of RFC 9651 would escape.
    fn item(&mut self, name: &str) {
        self.0.push_str(if self.0.is_empty() { "\"" } else { ", \"" });
        self.0.push_str(name);
        self.0.push('"');
    }

    fn parameter(&mut self, name: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.0.push_str(name);
            self.0.push_str(itoa::Buffer::new().format(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{
        calendar::{Calendar, Every},
        ids::LimitId,
        limit::{Allowance, Mode, OnError, Per, RouteSet, rate::Rate},
    };

    fn standing(name: &str, allowance: Allowance, remaining: u64) -> Standing {
        let (unit, full_in_ns) = match allowance {
            Allowance::Rate(_) => (Unit::Requests, Some(1_000_000_001)),
            Allowance::Concurrent(_) => (Unit::Concurrent, None),
        };
        let policy = Policy {
            id: LimitId(Uuid::nil()),
            name: name.into(),
            routes: RouteSet::All,
            per: Per::User,
            subject: None,
            unit,
            allowance,
            mode: Mode::Enforce,
            on_error: OnError::Deny,
            version: 0,
            since_ns: 0,
        };
        Standing { policy: Arc::new(policy), remaining, full_in_ns, window: None, retry_after_ns: None, taken: 0 }
    }

    #[test]
    fn each_policy_is_an_item_of_both_lists() {
        let rate = Allowance::Rate(Rate::new(50, 1, 50).unwrap());
        let mut headers = HeaderMap::new();
        add_headers(&mut headers, &[standing("a", rate, 49), standing("b.c", rate, 0)]);
        assert_eq!(headers.get("ratelimit").unwrap(), "\"a\";r=49;t=2, \"b.c\";r=0;t=2");
        assert_eq!(headers.get("ratelimit-policy").unwrap(), "\"a\";q=50;w=1, \"b.c\";q=50;w=1");
    }

    #[test]
    fn a_policy_is_told_as_it_is_now() {
        let rate = |units| Allowance::Rate(Rate::new(units, 1, units).unwrap());
        let told = |standings: &[Standing]| {
            let mut headers = HeaderMap::new();
            add_headers(&mut headers, standings);
            headers.get("ratelimit-policy").unwrap().to_str().unwrap().to_owned()
        };
        let (before, after) = (standing("a", rate(50), 49), standing("a", rate(60), 59));
        assert_eq!(told(std::slice::from_ref(&before)), "\"a\";q=50;w=1");
        assert_eq!(told(std::slice::from_ref(&before)), "\"a\";q=50;w=1");
        assert_eq!(told(std::slice::from_ref(&after)), "\"a\";q=60;w=1");
        assert_eq!(told(&[before, after]), "\"a\";q=50;w=1, \"a\";q=60;w=1");
    }

    #[test]
    fn the_list_of_an_upstream_is_joined_and_another_form_is_replaced() {
        let rate = Allowance::Rate(Rate::new(50, 1, 50).unwrap());
        for (lines, expected) in [
            (vec!["\"up\";r=5;t=9"], "\"a\";r=49;t=2, \"up\";r=5;t=9"),
            (vec!["\"up\";r=5, \"day\";r=7", "\"b\";r=1"], "\"a\";r=49;t=2, \"up\";r=5, \"day\";r=7, \"b\";r=1"),
            (vec!["limit=10, remaining=5, reset=9"], "\"a\";r=49;t=2"),
            (vec!["5"], "\"a\";r=49;t=2"),
            (vec![""], "\"a\";r=49;t=2"),
        ] {
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(RATE_LIMIT, HeaderValue::from_str(line).unwrap());
            }
            add_headers(&mut headers, &[standing("a", rate, 49)]);
            let got: Vec<_> = headers.get_all(RATE_LIMIT).collect();
            assert_eq!(got, [expected], "{lines:?}");
        }
    }

    #[test]
    fn a_calendar_window_is_as_long_as_it_is_and_ends_with_all_back() {
        let berlin = Calendar { every: Every::Day, zone: "Europe/Berlin".parse().unwrap() };
        let now = "2026-10-25T12:00:00Z".parse().unwrap();
        let of_day = standing("day", Allowance::Rate(Rate::calendar(20, berlin).unwrap()), 19);
        let of_day = Standing { window: Some(berlin.at(now)), full_in_ns: Some(39_600_000_000_000), ..of_day };
        let mut headers = HeaderMap::new();
        add_headers(&mut headers, &[of_day]);
        // The clocks are set back on that day.
        assert_eq!(headers.get("ratelimit-policy").unwrap(), "\"day\";q=20;w=90000");
        assert_eq!(headers.get("ratelimit").unwrap(), "\"day\";r=19;t=39600");
    }

    #[test]
    fn calls_under_way_have_a_unit_and_no_window() {
        let mut headers = HeaderMap::new();
        add_headers(&mut headers, &[standing("c", Allowance::Concurrent(5), 4)]);
        assert_eq!(headers.get("ratelimit").unwrap(), "\"c\";r=4");
        assert_eq!(headers.get("ratelimit-policy").unwrap(), "\"c\";q=5;qu=\"concurrent-requests\"");
    }

    #[test]
    fn a_route_without_policies_has_neither() {
        let mut headers = HeaderMap::new();
        add_headers(&mut headers, &[]);
        assert!(headers.is_empty());
    }
}
