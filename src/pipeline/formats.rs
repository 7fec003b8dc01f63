//! A name for models is asked for in a format that its targets do not speak: nothing is translated, so the caller is told which
//! format the name has, and where it can be asked for.

use std::{collections::BTreeSet, sync::Arc};

use super::visit::Visit;
use crate::domain::{access::may_call, principal::Principal, refusal::Refusal, route::Route};

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
    let formats: BTreeSet<String> = alias.formats().iter().map(|format| format.as_str().to_owned()).collect();
    Err(Refusal::invalid("/model", reason(name, &formats, route, &places)))
}

fn reason(name: &str, formats: &BTreeSet<String>, route: &Route, places: &BTreeSet<String>) -> String {
    let joined = |words: &BTreeSet<String>, between: &str| words.iter().cloned().collect::<Vec<_>>().join(between);
    let advice = if places.is_empty() {
        "and there is no route for you that takes it: ask an administrator for one".to_owned()
    } else {
        format!("so ask for it at {}", joined(places, " or "))
    };
    format!(
        "the models behind \"{name}\" speak {}, and the route \"{}\" takes {}: requests are not translated, {advice}",
        joined(formats, " and "),
        route.name,
        route.meter.as_str()
    )
}
