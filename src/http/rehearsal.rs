//! What an administrator's body would be refused for, told without a gateway: by its schema and the rules between its fields.
//!
//! Called by `tollgate apply`, so that a file is told all its mistakes before anything is changed. What only the others there
//! are can say (a taken name, a path of another route) is not known here.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    api_keys::ApiKeyCreate, budgets::BudgetCreate, input, limits::LimitCreate, put::Nameable, teams::TeamCreate,
    users::UserCreate,
};
use crate::{
    config::{
        models::ModelEntry,
        routing::{RouteEntry, UpstreamEntry},
    },
    domain::refusal::{Fault, Refusal},
};

/// All that is wrong with the fields of something of this list, which is to be made, or to be what it is not yet of `present`.
#[must_use]
pub fn faults(
    list: &str,
    fields: &Map<String, Value>,
    present: Option<&Map<String, Value>>,
    now: Timestamp,
) -> Vec<Fault> {
    let find = match list {
        "teams" => of::<TeamCreate>,
        "users" => of::<UserCreate>,
        "api_keys" => of::<ApiKeyCreate>,
        "limits" => of::<LimitCreate>,
        "budgets" => of::<BudgetCreate>,
        "upstreams" => of::<UpstreamEntry>,
        "routes" => of::<RouteEntry>,
        "models" => of::<ModelEntry>,
        _ => return vec![],
    };
    find(fields, present, now)
}

fn of<T: Nameable>(fields: &Map<String, Value>, present: Option<&Map<String, Value>>, now: Timestamp) -> Vec<Fault> {
    let mut body = present.map(|present| kept::<T>(present, fields)).unwrap_or_default();
    body.extend(fields.clone());
    let bytes = Value::Object(body).to_string();
    let checked = input::draft::<T>(bytes.as_bytes()).map_err(Refusal::into_faults);
    let checked = checked.and_then(|draft| draft.checked(|body| body.own_faults(now)));
    let mut faults = checked.err().unwrap_or_default();
    if present.is_some() {
        // What is there already was judged when it was made.
        faults.retain(|fault| fault.pointer.split('/').nth(1).is_some_and(|field| fields.contains_key(field)));
    }
    faults
}

/// The fields of what is there that stay, in the form of a body.
fn kept<T: Nameable>(present: &Map<String, Value>, fields: &Map<String, Value>) -> Map<String, Value> {
    let schema = schemars::schema_for!(T).schema;
    let known = |field: &str| schema.object.as_ref().is_some_and(|object| object.properties.contains_key(field));
    // A limit has one kind of window: the other goes with it.
    let is_replaced = |field: &str| match field {
        "window_s" | "burst" => fields.contains_key("window"),
        "window" | "time_zone" => fields.contains_key("window_s"),
        "upstream" => fields.contains_key("targets"),
        "targets" => fields.contains_key("upstream"),
        _ => false,
    };
    let stays = |(field, value): &(&String, &Value)| known(field) && !value.is_null() && !is_replaced(field);
    present.iter().filter(stays).map(|(field, value)| (field.clone(), value.clone())).collect()
}
