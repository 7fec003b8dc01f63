//! A name for models is asked for in a format that its targets do not speak: nothing is translated, so the caller is told which
//! format the name has, and where it can be asked for.

use std::{collections::BTreeSet, sync::Arc};

use super::visit::Visit;
use crate::domain::{
    access::may_call,
    principal::Principal,
    refusal::Refusal,
    route::{Meter, Route},
};

/// Refuses a call on this route by a name for models whose targets speak other formats. A name that is also that of a model with
/// a price is that model on such a route.
pub fn check(visit: &Visit<'_>, caller: &Principal, route: &Route, name: &str) -> Result<(), Refusal> {
    let method = visit.call.method.as_str();
    let routing = visit.gate.routing.read();
    let Some(alias) = routing.alias(name).filter(|alias| !alias.is_spoken(route.meter)) else { return Ok(()) };
    if visit.gate.prices.read().find(name).is_some() {
        return Ok(());
    }
    let takes = |other: &&Arc<Route>| {
        let is_spoken = other.meter.bills_tokens() && alias.is_spoken(other.meter);
        let is_its = || routing.route_of(other, method, name).is_some_and(|found| found.name == other.name);
        is_spoken && may_call(other, caller, method) && is_its()
    };
    let places: BTreeSet<String> =
        routing.table.iter().filter(takes).map(|other| format!("{} ({})", other.path, other.meter.as_str())).collect();
    let formats: Vec<&str> = alias.formats().iter().copied().map(Meter::as_str).collect();
    Err(Refusal::invalid("/model", reason(name, &formats, route, &places)))
}

fn reason(name: &str, formats: &[&str], route: &Route, places: &BTreeSet<String>) -> String {
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    let advice = match places.as_slice() {
        [] => "and there is no route for you that takes it: ask an administrator for one".to_owned(),
        places => format!("so ask for it at {}", places.join(" or ")),
    };
    format!(
        "the models behind \"{name}\" speak {}, and the route \"{}\" takes {}: requests are not translated, {advice}",
        formats.join(" and "),
        route.name,
        route.meter.as_str()
    )
}
