//! The signed checkpoints of the audit log, and the key they are verified with.

use actix_web::web::{Data, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        audit::{checkpoint::Checkpoint, lines::PublicKey},
        hex,
        refusal::Refusal,
    },
    http::{
        extract::{Caller, QueryOf},
        failure::unavailable,
        office::AuditLog,
        page::{Page, PageSize},
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
    #[schemars(regex(pattern = r"^[0-9]{1,18}\.[A-Za-z0-9._-]{1,64}$"))]
    cursor: Option<String>,
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
    let after = query.cursor.as_deref().map(place).transpose()?;
    let rows =
        audit_log.store.checkpoints_page(query.chain, after, limit.saturating_add(1)).await.map_err(unavailable)?;
    let items = rows.into_iter().map(AuditCheckpoint::from).collect();
    let page = Page::of(items, limit, |last: &AuditCheckpoint| format!("{}.{}", last.number, last.chain));
    Ok(Json(CheckpointPage { page, keys: vec![audit_log.checkpoint_key.clone()] }))
}

/// A cursor: the number and the chain of the last checkpoint of a page.
fn place(cursor: &str) -> Result<(String, u64), Refusal> {
    let place = cursor.split_once('.').and_then(|(number, chain)| Some((chain.to_owned(), number.parse().ok()?)));
    place.ok_or_else(|| Refusal::invalid("?cursor", "must be the next_cursor of a page"))
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
