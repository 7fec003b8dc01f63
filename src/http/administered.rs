//! The one flow of the handlers that make, change and delete administered rows: what was done goes into the audit
//! record, what was refused becomes a [`Refusal`].
//!
//! A noun implements [`Exposed`] and calls [`create`], [`change`], [`delete`] and, with a [`Wanted`], [`put`]. What a row looks like in an answer, and
//! which fields may be changed, is the noun's own file.

use actix_web::{HttpRequest, http::header::EntityTag};
use serde_json::{Map, Value, json};

use super::{
    conditional::{Conditions, tag_of},
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

    /// Names the version of what was set.
    fn tag(&self) -> EntityTag {
        tag_of(self.revision())
    }

    /// Why the store does not take the row.
    fn refusal(refused: Self::Refused) -> Refusal;
}

/// What a row of a name is to be.
pub(super) trait Wanted<N: Exposed> {
    /// The row of this name, if there is one.
    async fn present(&self) -> Result<Option<N>, Refusal>;

    /// The id of the row of this name.
    fn id_of(&self, present: &N) -> N::Id;

    /// The row, where there is none.
    async fn made(&self) -> Result<N::New, Refusal>;

    /// What makes the present row the wanted one, only as long as it is the present one.
    async fn change(&self, present: &N) -> Result<N::Change, Refusal>;
}

/// What came of a PUT: a new row, or one that was there and is as it was wanted now.
pub(super) enum Placed<N> {
    Made(N),
    Kept(N),
}

impl<N> Placed<N> {
    pub(super) const fn row(&self) -> &N {
        match self {
            Self::Made(row) | Self::Kept(row) => row,
        }
    }
}

/// How often a PUT looks again after others have made, changed or deleted the row meanwhile.
const LOOKS: usize = 8;

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
    match ask_to_create(request, keeper, new, idempotency).await? {
        Created::New(row) => Ok(Made::New(row)),
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
    conditions: &Conditions,
) -> Result<N, Refusal> {
    let changed = ask_to_change(request, keeper, id, change).await?;
    Ok(done(changed, conditions.names_version())?.1)
}

/// Changes a row once for each `Idempotency-Key`, and gives it as it is then.
pub(super) async fn change_once<N: Exposed>(
    request: &HttpRequest,
    keeper: &impl Administers<N>,
    id: N::Id,
    change: N::Change,
) -> Result<Made<N>, Refusal> {
    match ask_to_change(request, keeper, id, change).await? {
        Changed::Replayed(answer) => Ok(Made::Again(answer)),
        changed => Ok(Made::New(done(changed, false)?.1)),
    }
}

/// Makes the row that is wanted, or makes the one that is there what is wanted. A row that is so already is left alone: there is
/// no new version of it, and nothing is noted.
pub(super) async fn put<N: Exposed>(
    request: &HttpRequest,
    keeper: &impl Administers<N>,
    conditions: &Conditions,
    wanted: &impl Wanted<N>,
) -> Result<Placed<N>, Refusal> {
    for _ in 0..LOOKS {
        let present = wanted.present().await?;
        conditions.check(present.as_ref().map(N::tag).as_ref())?;
        let placed = match present {
            None => made(request, keeper, wanted).await?,
            Some(present) => kept(request, keeper, wanted, present).await?,
        };
        if let Some(placed) = placed {
            return Ok(placed);
        }
    }
    Err(Refusal::Conflict(format!("Others are changing the {} at this moment. Send the request again.", N::NOUN)))
}

/// Makes the row; `None` if another has made it meanwhile.
async fn made<N: Exposed>(
    request: &HttpRequest,
    keeper: &impl Administers<N>,
    wanted: &impl Wanted<N>,
) -> Result<Option<Placed<N>>, Refusal> {
    match ask_to_create(request, keeper, wanted.made().await?, None).await? {
        Created::New(row) => Ok(Some(Placed::Made(row))),
        Created::Refused(_) if wanted.present().await?.is_some() => Ok(None),
        Created::Refused(refused) => Err(N::refusal(refused)),
        Created::Replayed(_) | Created::KeyReused => Err(Refusal::Internal),
    }
}

/// Changes the row where that is needed; `None` if another has changed or deleted it meanwhile.
async fn kept<N: Exposed>(
    request: &HttpRequest,
    keeper: &impl Administers<N>,
    wanted: &impl Wanted<N>,
    present: N,
) -> Result<Option<Placed<N>>, Refusal> {
    let change = wanted.change(&present).await?;
    if present.changed(&change).is_none() {
        return Ok(Some(Placed::Kept(present)));
    }
    match ask_to_change(request, keeper, wanted.id_of(&present), change).await? {
        Changed::Stale | Changed::NotFound => Ok(None),
        changed => Ok(Some(Placed::Kept(done(changed, false)?.1))),
    }
}

/// Asks for a new row, and notes one that was made.
async fn ask_to_create<N: Exposed>(
    request: &HttpRequest,
    keeper: &impl Administers<N>,
    new: N::New,
    idempotency: Option<Idempotency>,
) -> Result<CreatedRow<N>, Refusal> {
    let created = keeper.create(new, idempotency).await.map_err(no_answer)?.map_err(unavailable)?;
    if let Created::New(row) = &created {
        note(request, row.about(), json!({ "before": null, "after": row.record() }));
    }
    Ok(created)
}

/// Asks for a change, and notes one that was made. A row that was so already has made no new version.
async fn ask_to_change<N: Exposed>(
    request: &HttpRequest,
    keeper: &impl Administers<N>,
    id: N::Id,
    change: N::Change,
) -> Result<ChangedRow<N>, Refusal> {
    let mut record = N::record_besides(&change);
    let changed = keeper.change(id, change).await.map_err(no_answer)?.map_err(unavailable)?;
    if let Changed::Done { before, after } = &changed
        && before.revision() != after.revision()
    {
        record.insert("before".into(), before.record());
        record.insert("after".into(), after.record());
        note(request, after.about(), record.into());
    }
    Ok(changed)
}

/// At which revision a row has to be still, where the request says so.
///
/// # Errors
/// `PreconditionFailed` if it is not what the request asks for.
pub(super) fn only_at<N: Exposed>(row: &N, conditions: &Conditions) -> Result<Option<i64>, Refusal> {
    conditions.check(Some(&row.tag()))?;
    Ok(conditions.names_version().then(|| row.revision()))
}

/// Deletes a row that was found, if it is at a version that the request asks for.
///
/// # Errors
/// `PreconditionFailed` if it is not; else as [`delete`].
pub(super) async fn delete_present<N: Exposed>(
    request: &HttpRequest,
    keeper: &impl Administers<N>,
    (id, present): (N::Id, &N),
    conditions: &Conditions,
) -> Result<NoContent, Refusal> {
    let only_at = only_at(present, conditions)?;
    delete(request, keeper, id, only_at).await
}

/// Deletes a row; with a revision, only if it is at that still.
pub(super) async fn delete<N: Exposed>(
    request: &HttpRequest,
    keeper: &impl Administers<N>,
    id: N::Id,
    only_at: Option<i64>,
) -> Result<NoContent, Refusal> {
    let deleted = keeper.delete(id, only_at).await.map_err(no_answer)?.map_err(unavailable)?;
    let (before, after): (N, N) = done(deleted, only_at.is_some())?;
    note(request, before.about(), json!({ "before": before.record(), "after": after.record_deleted() }));
    Ok(NoContent)
}

/// The row before and after a change that was made. Where the request has named a version, a row at another one is not what it
/// asked for.
pub(super) fn done<N: Exposed>(changed: ChangedRow<N>, names_version: bool) -> Result<(N, N), Refusal> {
    match changed {
        Changed::Done { before, after } => Ok((before, after)),
        Changed::NotFound => Err(Refusal::NotFound),
        Changed::Stale if names_version => {
            Err(Refusal::PreconditionFailed(format!("The {} was changed at this moment. Look again.", N::NOUN)))
        }
        Changed::Stale => Err(Refusal::Conflict(format!("The {} was changed meanwhile. Look again.", N::NOUN))),
        Changed::KeyReused => Err(idempotency::reused()),
        Changed::Replayed(_) => Err(Refusal::Internal),
        Changed::Refused(refused) => Err(N::refusal(refused)),
    }
}

pub(super) fn note(request: &HttpRequest, about: Option<UserId>, change: Value) {
    Note::add(request, |note| {
        note.change = Some(change);
        note.about = about.or(note.about);
    });
}
