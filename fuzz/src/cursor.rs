//! A cursor is the one text that a page gave for its place, or it is refused at `?cursor`.

use std::borrow::Cow;

use tollgate::{
    domain::{ids::EntryId, refusal::Refusal},
    http::{
        audit::{AuditQuery, checkpoints::CheckpointQuery},
        input,
        page::{FilterQuery, PageQuery},
        prices::PricesQuery,
    },
};

use super::{admin_body, choice};

/// Reads a query, and gives the text of its cursor as a page would write it.
type Reader = fn(&str) -> Result<Option<String>, Refusal>;

const READERS: [Reader; 5] = [
    |query| Ok(input::query::<PageQuery>(query)?.after::<EntryId>()?.map(|id| id.to_string())),
    |query| Ok(input::query::<FilterQuery>(query)?.after::<EntryId>()?.map(|id| id.to_string())),
    |query| Ok(input::query::<AuditQuery>(query)?.before()?.map(|id| id.to_string())),
    |query| Ok(input::query::<CheckpointQuery>(query)?.after()?.map(|place| place.to_string())),
    // A model's name as it is; none is the first page.
    |query| Ok(Some(input::query::<PricesQuery>(query)?.after()?).filter(|model| !model.is_empty())),
];

/// `data` is the kind of list, whether what follows is a whole query, and the cursor or the query.
pub fn run(data: &[u8]) {
    let (kind, rest) = choice(data);
    let (is_query, rest) = choice(rest);
    let text = String::from_utf8_lossy(rest);
    let query: Cow<str> = if is_query % 2 == 1 {
        text
    } else {
        form_urlencoded::Serializer::new(String::new()).append_pair("cursor", &text).finish().into()
    };
    let Some(read) = READERS.get(kind % READERS.len()) else { return };
    let given: Vec<Cow<str>> = form_urlencoded::parse(query.as_bytes())
        .filter_map(|(name, value)| (name == "cursor").then_some(value))
        .collect();
    match read(&query) {
        Ok(cursor) => {
            let expected = given.iter().map(|text| &**text).rfind(|text| !text.is_empty());
            assert!(given.len() <= 1, "{query}: the cursor stands there twice");
            assert_eq!(cursor.as_deref(), expected, "{query}: read as another place");
        }
        Err(refusal) => admin_body::check(&refusal, '?'),
    }
}
