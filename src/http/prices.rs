//! The price list, for administrators.

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    extract::{Caller, DraftBody, QueryOf},
    failure::{no_answer, unavailable},
    office::Administration,
    page::{Page, PageSize},
    problem::Problem,
};
use crate::{
    domain::{
        price::{
            PriceSpec,
            list::{Difference, ListChange, MAX_MODELS},
            spec::is_model_name,
        },
        principal::Principal,
        refusal::{Fault, Refusal},
    },
    pipeline::audit::Note,
    store::prices::{PriceChange, PricesChanged},
};

/// How many prices of a kind of change are written into its audit record; all are in the store, by version.
const MAX_RECORDED: usize = 10;

/// Which prices to show.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PricesQuery {
    #[serde(default)]
    limit: PageSize,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// The prices as they were at this version; the present ones unless given.
    version: Option<i64>,
    /// The price of this model only.
    model: Option<String>,
}

/// Prices of one version of the list, in the order of their models.
#[derive(Serialize, JsonSchema)]
pub struct PriceListPage {
    /// Each change of the list makes one; every entry of usage names the version that it was billed by.
    version: i64,
    #[schemars(with = "String")]
    created_at: Timestamp,
    /// What the change came from.
    source: String,
    #[serde(flatten)]
    page: Page<PriceSpec>,
}

/// Prices to set, and models that are to have none. All others stay as they are.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PricesPut {
    /// Each replaces the price of its model, or adds it.
    #[serde(default)]
    items: Vec<PriceSpec>,
    /// Names of models; `["*"]`: all that `items` does not name, so that the list becomes `items`.
    #[serde(default)]
    remove: Vec<String>,
    /// Change the list only if this is still its version; otherwise 409.
    version: Option<i64>,
}

/// What became of the list.
#[derive(Serialize, JsonSchema)]
pub struct PricesOutcome {
    /// The version now; the one before if nothing was to be changed.
    version: i64,
    added: usize,
    changed: usize,
    removed: usize,
}

impl PricesQuery {
    /// The last model of the page before; empty on the first.
    ///
    /// # Errors
    /// The cursor is no name of a model.
    pub fn after(&self) -> Result<String, Refusal> {
        let cursor = self.cursor.clone().unwrap_or_default();
        let sound = cursor.is_empty() || is_model_name(&cursor);
        if sound { Ok(cursor) } else { Err(Refusal::invalid("?cursor", "must be next_cursor of the page before")) }
    }
}

/// `GET /admin/prices`: a page of one version of the list.
pub async fn list(
    administration: Data<Administration>,
    _: Caller,
    QueryOf(query): QueryOf<PricesQuery>,
) -> Result<Json<PriceListPage>, Problem> {
    let (limit, after) = (query.limit.0, query.after()?);
    let version =
        administration.store.price_version(query.version).await.map_err(unavailable)?.ok_or(Refusal::NotFound)?;
    let rows = match query.model {
        Some(model) if !is_model_name(&model) => vec![],
        Some(model) => {
            administration.store.price(version.version, model).await.map_err(unavailable)?.into_iter().collect()
        }
        None => {
            let page = administration.store.prices_page(version.version, after, limit.saturating_add(1));
            page.await.map_err(unavailable)?
        }
    };
    let specs = rows.into_iter().map(|row| row.spec).collect();
    Ok(Json(PriceListPage {
        version: version.version,
        created_at: version.created_at,
        source: version.source,
        page: Page::of(specs, limit, |spec: &PriceSpec| spec.model.clone()),
    }))
}

/// `PUT /admin/prices`: the next version of the list.
pub async fn put(
    administration: Data<Administration>,
    request: HttpRequest,
    Caller(admin): Caller,
    DraftBody(draft): DraftBody<PricesPut>,
) -> Result<Json<PricesOutcome>, Problem> {
    let own = |body: &PricesPut| match ListChange::new("items", &body.items, &body.remove) {
        _ if body.items.is_empty() && body.remove.is_empty() => {
            vec![Fault::new("/items", "must set a price, or `remove` must name a model")]
        }
        change => change.err().unwrap_or_default(),
    };
    let body = draft.checked(own).map_err(Refusal::InvalidRequest)?;
    let change = ListChange::new("items", &body.items, &body.remove).map_err(Refusal::InvalidRequest)?;
    let change =
        PriceChange { change, only_at: body.version, source: source(&admin), made_at: administration.clock.now() };
    let changed = administration.prices.put(change).await.map_err(no_answer)?.map_err(unavailable)?;
    let (before, version, difference) = done(changed)?;
    Note::add(&request, |note| note.change = Some(recorded(before, version, &difference)));
    let Difference { added, changed, removed } = difference;
    Ok(Json(PricesOutcome { version, added: added.len(), changed: changed.len(), removed: removed.len() }))
}

fn source(admin: &Principal) -> String {
    format!("administrator {}", admin.account.username)
}

fn done(changed: PricesChanged) -> Result<(i64, i64, Difference), Refusal> {
    match changed {
        PricesChanged::Done { before, version, difference } => Ok((before, version, difference)),
        PricesChanged::Stale(version) => {
            Err(Refusal::Conflict(format!("The price list is at version {version}. Look again.")))
        }
        PricesChanged::TooMany => {
            Err(Refusal::invalid("/items", format!("the list would have more than {MAX_MODELS} models")))
        }
    }
}

/// The change as the audit record has it: the versions, how much was changed, and the first prices before and after.
fn recorded(before: i64, version: i64, difference: &Difference) -> Value {
    let first = |specs: &mut dyn Iterator<Item = &PriceSpec>| specs.take(MAX_RECORDED).cloned().collect::<Vec<_>>();
    let Difference { added, changed, removed } = difference;
    json!({
        "before": {
            "version": before,
            "changed": first(&mut changed.iter().map(|(before, _)| before)),
            "removed": first(&mut removed.iter()),
        },
        "after": {
            "version": version,
            "added": first(&mut added.iter()),
            "changed": first(&mut changed.iter().map(|(_, after)| after)),
            "counts": { "added": added.len(), "changed": changed.len(), "removed": removed.len() },
        },
    })
}
