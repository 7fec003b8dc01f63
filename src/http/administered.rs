//! The one flow of the handlers that make, change and delete administered rows: what was done goes into the audit
//! record, what was refused becomes a [`Refusal`].
//!
//! A noun implements [`Exposed`] and calls [`create`], [`change`] and [`delete`]. What a row looks like in an answer, and
//! which fields may be changed, is the noun's own file.

use actix_web::HttpRequest;
use serde_json::{Map, Value, json};

use super::{
    failure::{no_answer, unavailable},
    idempotency,
    no_content::NoContent,
};
use crate::{
    actors::administration::Administers,
    domain::{ids::UserId, refusal::Refusal},
    pipeline::audit::Note,
    store::{
        administered::{Administered, Changed, ChangedRow, Created, CreatedRow},
        idempotency::{Answer, Idempotency},
    },
};

/// A kind of row that administrators work with over HTTP.
pub(super) trait Exposed: Administered {
    /// What refusals call one.
    const NOUN: &'static str;

    /// The row as audit records show it, without secrets.
    fn record(&self) -> Value;

    /// The deleted row as audit records show it after the deletion.
    fn record_deleted(&self) -> Value {
        Value::Null
    }

    /// What audit records show of a change besides the row before and after it.
    fn record_besides(_: &Self::Change) -> Map<String, Value> {
        Map::new()
    }

    /// The user that a change of the row concerns.
    fn about(&self) -> Option<UserId> {
        None
    }

    /// Why the store does not take the row.
    fn refusal(refused: Self::Refused) -> Refusal;
}

/// What came of a POST: a new row, or the answer that the same request was given before.
pub(super) enum Made<N> {
    New(N),
    Again(Answer),
}

/// Makes a row, once for each `Idempotency-Key`.
pub(super) async fn create<N: Exposed>(
    request: &HttpRequest,
    keeper: &impl Administers<N>,
    new: N::New,
    idempotency: Option<Idempotency>,
) -> Result<Made<N>, Refusal> {
    let created: CreatedRow<N> = keeper.create(new, idempotency).await.map_err(no_answer)?.map_err(unavailable)?;
    match created {
        Created::New(row) => {
            note(request, row.about(), json!({ "before": null, "after": row.record() }));
            Ok(Made::New(row))
        }
        Created::Replayed(answer) => Ok(Made::Again(answer)),
        Created::KeyReused => Err(idempotency::reused()),
        Created::Refused(refused) => Err(N::refusal(refused)),
    }
}

/// Changes a row and gives it as it is then.
pub(super) async fn change<N: Exposed>(
    request: &HttpRequest,
    keeper: &impl Administers<N>,
    id: N::Id,
    change: N::Change,
) -> Result<N, Refusal> {
    match change_once(request, keeper, id, change).await? {
        Made::New(row) => Ok(row),
        // Only a change that names an `Idempotency-Key` is answered again.
        Made::Again(_) => Err(Refusal::Internal),
    }
}

/// Changes a row once for each `Idempotency-Key`, and gives it as it is then.
pub(super) async fn change_once<N: Exposed>(
    request: &HttpRequest,
    keeper: &impl Administers<N>,
    id: N::Id,
    change: N::Change,
) -> Result<Made<N>, Refusal> {
    let mut record = N::record_besides(&change);
    let changed = keeper.change(id, change).await.map_err(no_answer)?.map_err(unavailable)?;
    if let Changed::Replayed(answer) = changed {
        return Ok(Made::Again(answer));
    }
    let (before, after) = done(changed)?;
    record.insert("before".into(), before.record());
    record.insert("after".into(), after.record());
    note(request, after.about(), record.into());
    Ok(Made::New(after))
}

/// Deletes a row.
pub(super) async fn delete<N: Exposed>(
    request: &HttpRequest,
    keeper: &impl Administers<N>,
    id: N::Id,
) -> Result<NoContent, Refusal> {
    let deleted = keeper.delete(id).await.map_err(no_answer)?.map_err(unavailable)?;
    let (before, after): (N, N) = done(deleted)?;
    note(request, before.about(), json!({ "before": before.record(), "after": after.record_deleted() }));
    Ok(NoContent)
}

/// The row before and after a change that was made.
pub(super) fn done<N: Exposed>(changed: ChangedRow<N>) -> Result<(N, N), Refusal> {
    match changed {
        Changed::Done { before, after } => Ok((before, after)),
        Changed::NotFound => Err(Refusal::NotFound),
        Changed::Stale => Err(Refusal::Conflict(format!("The {} was changed meanwhile. Look again.", N::NOUN))),
        Changed::KeyReused => Err(idempotency::reused()),
        Changed::Replayed(_) => Err(Refusal::Internal),
        Changed::Refused(refused) => Err(N::refusal(refused)),
    }
}

fn note(request: &HttpRequest, about: Option<UserId>, change: Value) {
    Note::add(request, |note| {
        note.change = Some(change);
        note.about = about.or(note.about);
    });
}
