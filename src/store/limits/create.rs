//! New limits.

use diesel::ExpressionMethods;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::routes_text;
use crate::{
    domain::limit::{Policy, Spec},
    store::{
        StoreError,
        connection::{Connection, on_backend},
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

pub(super) async fn insert(connection: &mut Connection, limit: &NewLimit, revision: i64) -> Result<(), StoreError> {
    let spec = &limit.spec;
    let insert = diesel::insert_into(limits::table).values((
        limits::id.eq(limit.policy.id.to_string()),
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
        limits::created_at.eq(micros(limit.created_at)),
        limits::updated_at.eq(micros(limit.created_at)),
        limits::revision.eq(revision),
    ));
    on_backend!(connection, |conn| insert.execute(conn).await)?;
    Ok(())
}
