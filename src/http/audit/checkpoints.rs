//! The signed checkpoints of the audit log, and the key they are verified with.

use std::{fmt, str::FromStr};

use actix_web::web::{Data, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        audit::{checkpoint::Checkpoint, lines::PublicKey},
        hex, name,
        refusal::Refusal,
    },
    http::{
        extract::{Caller, QueryOf},
        failure::unavailable,
        office::AuditLog,
        page::{self, Page, PageSize},
        problem::Problem,
    },
};

/// A signed statement of how far a chain had come.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AuditCheckpoint {
    chain: String,
    /// 1 for the first of a chain, then without a gap.
    number: u64,
    /// The place of the last entry it vouches for.
    seq: u64,
    time: String,
    /// The line of JSON that was signed, byte for byte.
    statement: String,
    /// By Ed25519, in hexadecimal digits.
    signature: String,
}

/// Which checkpoints to list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckpointQuery {
    /// Of one chain only.
    chain: Option<String>,
    #[serde(default)]
    limit: PageSize,
    /// `next_cursor` of the page before.
    #[schemars(regex(pattern = r"^[1-9][0-9]{0,17}\.[A-Za-z0-9._-]{1,64}$"))]
    cursor: Option<String>,
}

impl CheckpointQuery {
    /// The last checkpoint of the page before.
    ///
    /// # Errors
    /// The cursor is none that a page gives.
    pub fn after(&self) -> Result<Option<Place>, Refusal> {
        page::parameter("cursor", self.cursor.as_deref())
    }
}

/// The last checkpoint of a page. As text it is the number and the chain, with a dot between them, in this form alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    chain: String,
    number: u64,
}

/// Text that is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the next_cursor of a page")]
pub struct NoPlace;

/// The most digits of a number: all of them fit into 63 bits.
const MAX_DIGITS: usize = 18;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (number, chain) = text.split_once('.').ok_or(NoPlace)?;
        let plain = number.len() <= MAX_DIGITS && number.bytes().all(|byte| byte.is_ascii_digit());
        if !plain || number.starts_with('0') || name::fault(chain).is_some() {
            return Err(NoPlace);
        }
        Ok(Self { chain: chain.to_owned(), number: number.parse().map_err(|_| NoPlace)? })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.number, self.chain)
    }
}

/// A page of checkpoints.
#[derive(Serialize, JsonSchema)]
pub struct CheckpointPage {
    #[serde(flatten)]
    page: Page<AuditCheckpoint>,
    /// What they are verified with.
    keys: Vec<PublicKey>,
}

/// `GET /admin/audit/checkpoints`.
pub async fn list(
    audit_log: Data<AuditLog>,
    _: Caller,
    QueryOf(query): QueryOf<CheckpointQuery>,
) -> Result<Json<CheckpointPage>, Problem> {
    let limit = query.limit.0;
    let after = query.after()?.map(|place| (place.chain, place.number));
    let rows =
        audit_log.store.checkpoints_page(query.chain, after, limit.saturating_add(1)).await.map_err(unavailable)?;
    let items = rows.into_iter().map(AuditCheckpoint::from).collect();
    let page = Page::of(items, limit, AuditCheckpoint::cursor);
    Ok(Json(CheckpointPage { page, keys: vec![audit_log.checkpoint_key.clone()] }))
}

impl AuditCheckpoint {
    fn cursor(&self) -> String {
        Place { chain: self.chain.clone(), number: self.number }.to_string()
    }
}

impl From<Checkpoint> for AuditCheckpoint {
    fn from(checkpoint: Checkpoint) -> Self {
        Self {
            chain: checkpoint.chain,
            number: checkpoint.number,
            seq: checkpoint.seq,
            time: checkpoint.time.to_string(),
            statement: checkpoint.statement,
            signature: hex::encode(&checkpoint.signature),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_in_the_form_that_a_page_gives_and_in_no_other() {
        for text in ["7.01890a5d-ac96-774b-bcce-b302099a8057", "999999999999999999.a.b", "1.."] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        for text in [
            "", ".", "7", "7.", ".a", "+7.a", "-7.a", "07.a", "0.a", " 7.a", "7 .a", "7\x0c.a", "7.a b", "7.\x0ca",
            "x.a",
        ] {
            assert_eq!(text.parse::<Place>(), Err(NoPlace), "{text:?}");
        }
        assert_eq!("1000000000000000000.a".parse::<Place>(), Err(NoPlace), "more than a page gives");
    }
}
