//! Lists in pages: `?limit=` and `?cursor=` in, `{items, next_cursor}` out.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::refusal::Refusal;

/// The most items of a page, and how many there are unless asked.
const MAX_ITEMS: u32 = 200;
const DEFAULT_ITEMS: u32 = 50;

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
    /// 1 to 200; 50 unless given.
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl PageQuery {
    pub fn limit(&self) -> Result<u32, Refusal> {
        limit(self.limit.as_deref())
    }

    /// The last item of the page before.
    pub fn after<Id: FromStr<Err: std::fmt::Display>>(&self) -> Result<Option<Id>, Refusal> {
        parameter("cursor", self.cursor.as_deref())
    }
}

/// The size of the page asked for.
pub fn limit(asked: Option<&str>) -> Result<u32, Refusal> {
    let Some(text) = asked else {
        return Ok(DEFAULT_ITEMS);
    };
    let limit = text.parse().ok().filter(|limit| (1..=MAX_ITEMS).contains(limit));
    limit.ok_or_else(|| Refusal::invalid("?limit", format!("must be a number from 1 to {MAX_ITEMS}")))
}

/// A query parameter that has a form of its own.
pub fn parameter<T: FromStr<Err: std::fmt::Display>>(name: &str, text: Option<&str>) -> Result<Option<T>, Refusal> {
    text.map(|text| text.parse().map_err(|error: T::Err| Refusal::invalid(format!("?{name}"), error.to_string())))
        .transpose()
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

    #[test]
    fn a_page_has_from_one_to_two_hundred_items() {
        assert_eq!(limit(None), Ok(50));
        assert_eq!(limit(Some("200")), Ok(200));
        for bad in ["0", "201", "-1", "x", "", "1.5"] {
            assert!(limit(Some(bad)).is_err(), "{bad}");
        }
    }
}
