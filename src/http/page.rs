//! Lists in pages: `?limit=` and `?cursor=` in, `{items, next_cursor}` out.

use std::str::FromStr;

use jiff::Timestamp;
use schemars::{JsonSchema, r#gen::SchemaGenerator, schema::Schema};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        ids::{EntryId, TeamId},
        refusal::Refusal,
    },
    store::filter::Filter,
};

/// How many items a page has at most.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PageSize(pub u32);

impl JsonSchema for PageSize {
    fn schema_name() -> String {
        "PageSize".into()
    }

    fn is_referenceable() -> bool {
        false
    }

    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        let mut schema = u32::json_schema(schemas).into_object();
        schema.number().minimum = Some(1.0);
        schema.number().maximum = Some(200.0);
        schema.into()
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self(50)
    }
}

/// A page of a list.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Give it as `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// Which page of a list, by id.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    #[serde(default)]
    limit: PageSize,
    /// `next_cursor` of the page before.
    #[schemars(with = "Option<EntryId>")]
    cursor: Option<String>,
}

impl PageQuery {
    /// The most items of the page.
    pub fn limit(&self) -> u32 {
        self.limit.0
    }

    /// The last item of the page before.
    pub fn after<Id: FromStr<Err: std::fmt::Display>>(&self) -> Result<Option<Id>, Refusal> {
        parameter("cursor", self.cursor.as_deref())
    }
}

/// Which page of which rows of a list, by id.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilterQuery {
    #[serde(default)]
    limit: PageSize,
    /// `next_cursor` of the page before.
    #[schemars(with = "Option<EntryId>")]
    cursor: Option<String>,
    /// Only what has exactly this name.
    name: Option<String>,
    /// Only this team, its users, their API keys, or the limits and budgets whose subject it is.
    team_id: Option<TeamId>,
}

impl FilterQuery {
    /// The most items of the page.
    pub fn limit(&self) -> u32 {
        self.limit.0
    }

    /// The last item of the page before.
    pub fn after<Id: FromStr<Err: std::fmt::Display>>(&self) -> Result<Option<Id>, Refusal> {
        parameter("cursor", self.cursor.as_deref())
    }

    /// Which rows are asked for.
    pub fn filter(&self) -> Filter {
        Filter { name: self.name.clone(), team: self.team_id }
    }
}

/// A query parameter that has a form of its own.
pub fn parameter<T: FromStr<Err: std::fmt::Display>>(name: &str, text: Option<&str>) -> Result<Option<T>, Refusal> {
    text.map(|text| text.parse().map_err(|error: T::Err| Refusal::invalid(format!("?{name}"), error.to_string())))
        .transpose()
}

/// The times between which a list is wanted, each as far as it is given: `from` is the first moment, `to` the first one after.
///
/// # Errors
/// One is no time, or there is no moment between the two.
pub fn span(from: Option<&str>, to: Option<&str>) -> Result<(Option<Timestamp>, Option<Timestamp>), Refusal> {
    let (from, to) = (parameter("from", from)?, parameter("to", to)?);
    if from.zip(to).is_some_and(|(from, to)| to <= from) {
        let detail = "must be later than from; a day is its first moment, so one day ends with the next: \
                      from=2026-11-29&to=2026-11-30";
        return Err(Refusal::invalid("?to", detail));
    }
    Ok((from, to))
}

impl<T> Page<T> {
    /// Makes a page of `limit` items from a list that was asked for one more.
    pub fn of(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = if more { items.last().map(cursor) } else { None };
        Self { items, next_cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_given_only_where_there_is_more() {
        let page = |n| Page::of((0..n).collect::<Vec<i32>>(), 3, ToString::to_string);
        assert_eq!((page(3).items.len(), page(3).next_cursor), (3, None));
        assert_eq!((page(4).items.len(), page(4).next_cursor), (3, Some("2".into())));
        assert_eq!((page(0).items.len(), page(0).next_cursor), (0, None));
    }
}
