//! Changes of limits and their deletion.

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{LimitRow, living, misfit, routes_text};
use crate::{
    domain::{
        ids::LimitId,
        limit::{Misfit, Policy, Spec},
    },
    store::{
        Store, StoreError,
        connection::{Connection, on_backend},
        revisions,
        schema::limits,
        values::{micros, signed},
    },
};

/// What a limit is to be, checked. Its id is that of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitChange {
    pub spec: Spec,
    /// What the spec makes.
    pub policy: Policy,
    /// Makes the change only if the limit still is as it was at this revision.
    pub only_at: i64,
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one a change, and it is taken apart at once")]
pub enum LimitChanged {
    /// They are equal, and nothing was written, if the change asked for what is so already.
    Done {
        before: LimitRow,
        after: LimitRow,
    },
    NotFound,
    /// The limit is not as it was at the revision that was asked for.
    Stale,
    Refused(Misfit),
}

impl Store {
    /// Changes a limit.
    pub async fn change_limit(&self, change: LimitChange, now: Timestamp) -> Result<LimitChanged, StoreError> {
        self.transaction(async move |connection: &mut Connection| {
            let revision = revisions::next(connection, revisions::LIMITS).await?;
            let LimitChange { spec, policy, only_at } = change;
            let Some(before) = living(connection, policy.id).await? else { return Ok(LimitChanged::NotFound) };
            if before.revision != only_at {
                return Ok(LimitChanged::Stale);
            }
            if before.spec == spec {
                return Ok(LimitChanged::Done { after: before.clone(), before });
            }
            if let Some(misfit) = misfit(connection, &spec, &policy).await? {
                return Ok(LimitChanged::Refused(misfit));
            }
            let after = LimitRow { spec, policy, updated_at: now, revision, ..before.clone() };
            update(connection, &after).await?;
            Ok(LimitChanged::Done { before, after })
        })
        .await
    }

    /// Deletes a limit and tells what it was; `None` if there is none. The row stays; the name becomes free.
    pub async fn delete_limit(&self, id: LimitId, now: Timestamp) -> Result<Option<LimitRow>, StoreError> {
        self.transaction(async move |connection: &mut Connection| {
            let revision = revisions::next(connection, revisions::LIMITS).await?;
            let Some(before) = living(connection, id).await? else { return Ok(None) };
            let delete = diesel::update(limits::table.find(id.to_string())).set((
                limits::updated_at.eq(micros(now)),
                limits::deleted_at.eq(micros(now)),
                limits::revision.eq(revision),
            ));
            on_backend!(connection, |conn| delete.execute(conn).await)?;
            Ok(Some(before))
        })
        .await
    }
}

async fn update(connection: &mut Connection, limit: &LimitRow) -> Result<(), StoreError> {
    let spec = &limit.spec;
    let update = diesel::update(limits::table.find(limit.id().to_string())).set((
        limits::name.eq(&spec.name),
        limits::routes.eq(routes_text(spec)?),
        limits::per.eq(spec.per.as_str()),
        limits::subject.eq(&spec.subject),
        limits::unit.eq(spec.unit.as_str()),
        limits::quantity.eq(signed(spec.limit)),
        limits::window_s.eq(spec.window_s.map(signed)),
        limits::burst.eq(spec.burst.map(signed)),
        limits::mode.eq(spec.mode.as_str()),
        limits::on_error.eq(spec.on_error.as_str()),
        limits::updated_at.eq(micros(limit.updated_at)),
        limits::revision.eq(limit.revision),
    ));
    on_backend!(connection, |conn| update.execute(conn).await)?;
    Ok(())
}
