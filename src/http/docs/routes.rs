//! `/docs/routes`: what this gateway forwards, for the page of the documentation.
//!
//! As public as that page, so it has what a client must know to call, and nothing of who may call, of models, prices or upstreams.

use actix_web::web::{Data, Json};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    config::routing::MatchEntry,
    domain::route::{Meter, PathMatch, Route, RouteTable},
    http::{office::Operations, problem::Problem},
};

/// A route as anybody may see it who sees the documentation.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct ServedRoute {
    path: String,
    /// `prefix`: the path and everything below it.
    #[serde(rename = "match")]
    matching: MatchEntry,
    /// HEAD besides, where there is GET.
    methods: Vec<String>,
    /// The format of its requests, as `meter` has it in the configuration; null where calls are to no model.
    format: Option<Meter>,
}

/// All routes, by path.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ServedRoutes {
    items: Vec<ServedRoute>,
}

impl From<&Route> for ServedRoute {
    fn from(route: &Route) -> Self {
        Self {
            path: route.path.clone(),
            matching: match route.matching {
                PathMatch::Exact => MatchEntry::Exact,
                PathMatch::Prefix => MatchEntry::Prefix,
            },
            methods: route.methods.clone(),
            format: Some(route.meter).filter(|meter| meter.counts_tokens()),
        }
    }
}

impl ServedRoutes {
    /// What is the same but for the models that are served, or for what is not shown, stands here once.
    fn of(table: &RouteTable) -> Self {
        let mut items: Vec<ServedRoute> = table.iter().map(|route| ServedRoute::from(&**route)).collect();
        items.sort_by(|one, other| one.path.cmp(&other.path).then_with(|| one.methods.cmp(&other.methods)));
        items.dedup();
        Self { items }
    }
}

/// `GET /docs/routes`: the routes in force.
pub async fn routes(operations: Data<Operations>) -> Result<Json<ServedRoutes>, Problem> {
    Ok(Json(ServedRoutes::of(&operations.routing.read().table)))
}
