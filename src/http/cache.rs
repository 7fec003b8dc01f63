//! The cache, for administrators: what is kept can be forgotten.

use actix_web::{HttpRequest, web::Data};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{
    extract::{Caller, QueryOf},
    failure::{no_answer, unavailable},
    no_content::NoContent,
    office::Administration,
    problem::Problem,
};
use crate::{domain::refusal::Refusal, pipeline::audit::Note};

/// What to forget.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PurgeQuery {
    /// The name of a route; without it, what is kept of every route.
    #[schemars(length(min = 1, max = 64))]
    route: Option<String>,
}

/// `DELETE /admin/cache`.
pub async fn purge(
    administration: Data<Administration>,
    request: HttpRequest,
    _: Caller,
    QueryOf(PurgeQuery { route }): QueryOf<PurgeQuery>,
) -> Result<NoContent, Problem> {
    if let Some(name) = &route
        && !administration.routing.read().table.iter().any(|route| *route.name == **name)
    {
        return Err(Refusal::invalid("?route", "names no route").into());
    }
    administration.purges.purge(route.clone()).await.map_err(no_answer)?.map_err(unavailable)?;
    Note::add(&request, |note| note.change = Some(json!({ "before": null, "after": { "purged": route } })));
    Ok(NoContent)
}
