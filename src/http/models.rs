//! The models that the caller may call, in the form of OpenAI's API, or of Anthropic's where `anthropic-version` is sent.
//!
//! A model is listed if it has a price, is on every list of the caller's, and a route to a model takes the caller's
//! calls; so is a name that stands for one. In Anthropic's form a model is listed if a route of Anthropic's format does: a client
//! of Anthropic's API can call no other. A configured route with the path of these URLs goes before them: see
//! `pipeline::authorize`.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    web::{Data, Json},
};
use apistos_models::paths::Parameter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    extract::{Caller, QueryOf, header_text, path_text},
    office::Administration,
    openapi::operation::{Argument, Draft},
    problem::{Problem, documented::RefusalKind},
};
use crate::{
    domain::{
        access,
        failover::Aim,
        name::ModelName,
        path, percent,
        price::book::{PriceBook, Priced},
        principal::Principal,
        refusal::Refusal,
        route::{Meter, Route},
    },
    snapshot::routing::Routing,
};

/// Sent by clients of Anthropic's API.
const ANTHROPIC_VERSION: &str = "anthropic-version";

/// Who the models of a gateway belong to, as far as a client of OpenAI's API is told.
const OWNER: &str = "tollgate";

/// As Anthropic's API writes a time of release that is not known.
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// Calls to models are made with it.
const METHOD: &str = "POST";

/// Which page, in Anthropic's form; OpenAI's has all on one. Other parameters are ignored: clients send their own.
#[derive(Deserialize, JsonSchema)]
pub struct ModelsQuery {
    #[serde(default = "twenty")]
    #[schemars(range(min = 1, max = 1000))]
    limit: u32,
    /// The page begins behind this model: `last_id` of the page before.
    after_id: Option<String>,
    /// The page ends before this model: `first_id` of the page behind.
    before_id: Option<String>,
}

const fn twenty() -> u32 {
    20
}

/// Models in the order of their names.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ModelList {
    Openai(OpenaiList),
    Anthropic(AnthropicList),
}

/// All of them, as OpenAI's API has it.
#[derive(Serialize, JsonSchema)]
pub struct OpenaiList {
    object: &'static str,
    data: Vec<OpenaiModel>,
}

/// A page of them, as Anthropic's API has it.
#[derive(Serialize, JsonSchema)]
pub struct AnthropicList {
    data: Vec<AnthropicModel>,
    has_more: bool,
    first_id: Option<String>,
    last_id: Option<String>,
}

/// One model.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Model {
    Openai(OpenaiModel),
    Anthropic(AnthropicModel),
}

/// As OpenAI's API has it.
#[derive(Serialize, JsonSchema)]
pub struct OpenaiModel {
    id: String,
    object: &'static str,
    /// Seconds since 1970; 0, for it is not known.
    created: u32,
    owned_by: &'static str,
}

/// As Anthropic's API has it.
#[derive(Serialize, JsonSchema)]
pub struct AnthropicModel {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
    display_name: String,
    created_at: &'static str,
}

/// The `{model}` of a path; it may have slashes, escaped or not.
pub struct PathModel(String);

impl FromRequest for PathModel {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // As it was written: the framework leaves some escapes as they are.
        let name = path::model_in(request.uri().path()).and_then(percent::decoded);
        ready(Ok(Self(name.unwrap_or_default())))
    }
}

impl Argument for PathModel {
    fn describe(draft: &mut Draft<'_>) {
        path_text::<ModelName>(draft, "model");
        draft.refuses(&[RefusalKind::NotFound]);
    }
}

/// The form of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Also of clients of every other API, and of people: it has the models of all routes.
    Openai,
    Anthropic,
}

impl Form {
    /// Whether what calls on a route of this meter are let through to is listed.
    const fn lists(self, meter: Meter) -> bool {
        match self {
            Self::Openai => meter.bills_tokens(),
            Self::Anthropic => matches!(meter, Meter::AnthropicMessages),
        }
    }
}

impl FromRequest for Form {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(if request.headers().contains_key(ANTHROPIC_VERSION) { Self::Anthropic } else { Self::Openai }))
    }
}

impl Argument for Form {
    fn describe(draft: &mut Draft<'_>) {
        let text = "With any version the answer has the form of Anthropic's API; without the field that of OpenAI's.";
        draft.parameter(Parameter { description: Some(text.into()), ..header_text(ANTHROPIC_VERSION, None) });
    }
}

impl OpenaiModel {
    fn of(id: String) -> Self {
        Self { id, object: "model", created: 0, owned_by: OWNER }
    }
}

impl AnthropicModel {
    fn of(id: String) -> Self {
        Self { kind: "model", display_name: id.clone(), id, created_at: EPOCH }
    }
}

/// `GET /v1/models`.
pub async fn list(
    office: Data<Administration>,
    form: Form,
    Caller(principal): Caller,
    QueryOf(query): QueryOf<ModelsQuery>,
) -> Result<Json<ModelList>, Problem> {
    let names = names(&office, &principal, form);
    if form == Form::Openai {
        let data = names.into_iter().map(OpenaiModel::of).collect();
        return Ok(Json(ModelList::Openai(OpenaiList { object: "list", data })));
    }
    let (page, has_more) = page(names, &query)?;
    let (first_id, last_id) = (page.first().cloned(), page.last().cloned());
    let data = page.into_iter().map(AnthropicModel::of).collect();
    Ok(Json(ModelList::Anthropic(AnthropicList { data, has_more, first_id, last_id })))
}

/// `GET /v1/models/{model}`.
pub async fn show(
    office: Data<Administration>,
    form: Form,
    Caller(principal): Caller,
    PathModel(name): PathModel,
) -> Result<Json<Model>, Problem> {
    let is_there = {
        let (prices, routing) = (office.accounting.prices.read(), office.routing.read());
        may_call(&routing, &prices, &principal, form, &name)
    };
    match form {
        _ if !is_there => Err(Refusal::NotFound.into()),
        Form::Anthropic => Ok(Json(Model::Anthropic(AnthropicModel::of(name)))),
        Form::Openai => Ok(Json(Model::Openai(OpenaiModel::of(name)))),
    }
}

/// The models that the caller may call, in order: those with a price, and names that stand for some.
fn names(office: &Administration, principal: &Principal, form: Form) -> Vec<String> {
    let (prices, routing) = (office.accounting.prices.read(), office.routing.read());
    let known = prices.iter().map(|priced| &priced.model).chain(routing.aliases().map(|alias| &alias.name));
    let callable = known.filter(|name| may_call(&routing, &prices, principal, form, name));
    let mut names: Vec<String> = callable.map(ToString::to_string).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Whether a route to models takes the caller's calls to this one, and it is served at one of the places where these may go. A
/// model whose answers have no bound can be called only where none is needed.
fn may_call(routing: &Routing, prices: &PriceBook, principal: &Principal, form: Form, name: &str) -> bool {
    let serves = |route: &Route, aim: &Aim| {
        let model = aim.model.as_deref().unwrap_or(name);
        let fits = |priced: &Priced| priced.price.max_output_tokens > 0 || !route.meter.needs_output_bound();
        let is_allowed = principal.who_forbids(&[name, model]).is_none();
        is_allowed && prices.find(model).is_some_and(|priced| fits(priced)) && routing.serves(&aim.upstream, model)
    };
    let takes = |route: &Route| {
        let is_callers = route.methods.iter().any(|method| method == METHOD);
        is_callers && access::may_call(route, principal, METHOD)
    };
    let mut routes = routing.table.iter().filter(|route| form.lists(route.meter) && takes(route));
    let is_its = |route: &Route| routing.route_of(route, METHOD, name).is_some_and(|found| found.name == route.name);
    routes.any(|route| is_its(route) && routing.aims(route, Some(name)).iter().any(|aim| serves(route, aim)))
}

/// A page of names that are in order, and whether more follow in the direction that was asked for.
fn page(mut names: Vec<String>, query: &ModelsQuery) -> Result<(Vec<String>, bool), Refusal> {
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    match (&query.after_id, &query.before_id) {
        (Some(_), Some(_)) => return Err(Refusal::invalid("?before_id", "give after_id or before_id, not both")),
        (_, Some(before)) => {
            names.retain(|name| name < before);
            let more = names.len().saturating_sub(limit);
            return Ok((names.split_off(more), more > 0));
        }
        (Some(after), None) => names.retain(|name| name > after),
        (None, None) => {}
    }
    let has_more = names.len() > limit;
    names.truncate(limit);
    Ok((names, has_more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_go_forward_and_backward_without_a_gap() {
        let all = || ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        let page = |limit, after: Option<&str>, before: Option<&str>| {
            let query = ModelsQuery { limit, after_id: after.map(str::to_owned), before_id: before.map(str::to_owned) };
            page(all(), &query).map(|(page, has_more)| (page.concat(), has_more)).map_err(|_| ())
        };
        for (limit, after, before, expected) in [
            (2, None, None, Ok(("ab".into(), true))),
            (2, Some("b"), None, Ok(("cd".into(), true))),
            (2, Some("d"), None, Ok(("e".into(), false))),
            (2, Some("e"), None, Ok((String::new(), false))),
            (2, None, Some("d"), Ok(("bc".into(), true))),
            (2, None, Some("c"), Ok(("ab".into(), false))),
            (9, Some("bb"), None, Ok(("cde".into(), false))),
            (1, Some("a"), Some("b"), Err(())),
        ] {
            assert_eq!(page(limit, after, before), expected, "{limit} {after:?} {before:?}");
        }
    }
}
