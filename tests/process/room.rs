//! Who is refused where an upstream has too little room, and a bound that is found by measurement.

use serde_json::json;

use super::{
    failover::Row,
    support::{Wire, request},
};

fn route(name: &str, importance: &str) -> String {
    format!(
        "[[routes]]\nname=\"{name}\"\npath=\"/{name}\"\nmatch=\"exact\"\nmethods=[\"GET\"]\nroles=[\"admin\"]\n\
         upstream=\"a\"\nimportance=\"{importance}\"\n"
    )
}

fn call(row: &Row, name: &str) -> Wire {
    let mut client = row.gateway.connect();
    client.say(request("GET", &format!("/{name}"), &row.token));
    client
}

/// So many calls that the upstream has and does not answer.
fn held(row: &Row, name: &str, count: usize) -> Vec<(Wire, super::support::Exchange)> {
    (0..count).map(|_| (call(row, name), row.upstreams[0].exchange())).collect()
}

#[test]
fn what_may_be_left_out_is_refused_first_and_those_under_way_go_on() {
    let routes = [route("shed", "sheddable"), route("plain", "default")].concat();
    let row = Row::start("max_in_flight = 4", &routes);
    let mut under_way = held(&row, "shed", 3);
    let refused = call(&row, "shed").message();
    refused.assert_problem(503, "temporary-reduced-capacity");
    assert_eq!(refused.header("retry-after"), Some("1"));
    under_way.extend(held(&row, "plain", 1));
    call(&row, "plain").message().assert_problem(503, "temporary-reduced-capacity");
    for (mut client, mut exchange) in under_way {
        exchange.answer("done");
        assert_eq!(client.message().text(), "done");
    }
}

#[test]
fn a_measured_bound_keeps_its_last_places_for_what_matters_more() {
    let routes = [route("shed", "sheddable"), route("plain", "default"), route("vital", "critical")].concat();
    let row = Row::start("max_in_flight = \"auto\"", &routes);
    let mut under_way = vec![];
    // It begins with 20.
    for (name, places) in [("shed", 15), ("plain", 3), ("vital", 2)] {
        under_way.extend(held(&row, name, places));
        call(&row, name).message().assert_problem(503, "temporary-reduced-capacity");
    }
    assert_eq!(under_way.len(), 20);
    let record = row.gateway.get("/admin/audit?limit=1", &row.token).json();
    assert_eq!(record["items"][0]["status"], json!(503), "{record}");
}
