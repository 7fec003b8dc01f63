//! New limits, their changes and their deletion.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, SelectableHelper};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{LimitRow, Record, misfit, routes_text};
use crate::{
    domain::{
        calendar::Every,
        ids::LimitId,
        limit::{Misfit, Policy, Spec},
    },
    store::{
        StoreError,
        administered::{Administered, Stamp},
        connection::{Connection, on_backend},
        revisions,
        schema::limits,
        values::{micros, signed},
    },
};

/// A limit to be, checked. Its id is that of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLimit {
    pub spec: Spec,
    /// What the spec makes.
    pub policy: Policy,
    pub created_at: Timestamp,
}

/// What a limit is to be, checked. Its id is that of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitChange {
    pub spec: Spec,
    /// What the spec makes.
    pub policy: Policy,
    /// Makes the change only if the limit still is as it was at this revision.
    pub only_at: i64,
}

impl Administered for LimitRow {
    type Id = LimitId;
    type New = NewLimit;
    type Change = LimitChange;
    type Refused = Misfit;

    const TABLE: &'static str = "limits";
    const REVISION: &'static str = revisions::LIMITS;

    fn id_of(new: &NewLimit) -> LimitId {
        new.policy.id
    }

    fn revision(&self) -> i64 {
        self.revision
    }

    fn only_at(change: &LimitChange) -> Option<i64> {
        Some(change.only_at)
    }

    async fn living(connection: &mut Connection, id: LimitId) -> Result<Option<Self>, StoreError> {
        let limit = limits::table.find(id.to_string()).filter(limits::deleted_at.is_null());
        let record: Option<Record> =
            on_backend!(connection, |conn| limit.select(Record::as_select()).first(conn).await.optional())?;
        record.map(Self::try_from).transpose()
    }

    async fn refuse_new(connection: &mut Connection, new: &NewLimit) -> Result<Option<Misfit>, StoreError> {
        misfit(connection, &new.spec, &new.policy).await
    }

    async fn insert(connection: &mut Connection, new: &NewLimit, revision: i64) -> Result<(), StoreError> {
        let spec = &new.spec;
        let insert = diesel::insert_into(limits::table).values((
            limits::id.eq(new.policy.id.to_string()),
            limits::name.eq(&spec.name),
            limits::routes.eq(routes_text(spec)?),
            limits::per.eq(spec.per.as_str()),
            limits::subject.eq(&spec.subject),
            limits::unit.eq(spec.unit.as_str()),
            limits::quantity.eq(signed(spec.limit)),
            limits::window_s.eq(spec.window_s.map(signed)),
            limits::burst.eq(spec.burst.map(signed)),
            limits::calendar.eq(spec.window.map(Every::as_str)),
            limits::time_zone.eq(&spec.time_zone),
            limits::mode.eq(spec.mode.as_str()),
            limits::on_error.eq(spec.on_error.as_str()),
            limits::created_at.eq(micros(new.created_at)),
            limits::updated_at.eq(micros(new.created_at)),
            limits::revision.eq(revision),
        ));
        on_backend!(connection, |conn| insert.execute(conn).await)?;
        Ok(())
    }

    fn changed(&self, change: &LimitChange) -> Option<Self> {
        let LimitChange { spec, policy, .. } = change.clone();
        // Of calls at a time the window means nothing, and is kept as it is written.
        let is_same = policy.is_same(&self.policy) && spec.window_s == self.spec.window_s;
        (!is_same).then(|| Self { spec, policy, ..self.clone() })
    }

    /// A subject that stays may be gone; one that takes its place may not.
    async fn refuse_change(
        connection: &mut Connection,
        before: &Self,
        after: &Self,
    ) -> Result<Option<Misfit>, StoreError> {
        let whose = |row: &Self| (row.policy.per, row.policy.subject);
        let stays = whose(after) == whose(before);
        let found = misfit(connection, &after.spec, &after.policy).await?;
        Ok(found.filter(|found| !(stays && *found == Misfit::NoSuchSubject)))
    }

    async fn update(
        connection: &mut Connection,
        _: &Self,
        after: Self,
        _: LimitChange,
        stamp: Stamp,
    ) -> Result<Self, StoreError> {
        let after = Self { updated_at: stamp.now, revision: stamp.revision, ..after };
        update(connection, &after).await?;
        Ok(after)
    }

    async fn delete(connection: &mut Connection, row: &Self, stamp: Stamp) -> Result<Self, StoreError> {
        let delete = diesel::update(limits::table.find(row.id().to_string())).set((
            limits::updated_at.eq(micros(stamp.now)),
            limits::deleted_at.eq(micros(stamp.now)),
            limits::revision.eq(stamp.revision),
        ));
        on_backend!(connection, |conn| delete.execute(conn).await)?;
        Ok(Self { updated_at: stamp.now, revision: stamp.revision, ..row.clone() })
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
        limits::calendar.eq(spec.window.map(Every::as_str)),
        limits::time_zone.eq(&spec.time_zone),
        limits::mode.eq(spec.mode.as_str()),
        limits::on_error.eq(spec.on_error.as_str()),
        limits::updated_at.eq(micros(limit.updated_at)),
        limits::revision.eq(limit.revision),
    ));
    on_backend!(connection, |conn| update.execute(conn).await)?;
    Ok(())
}
