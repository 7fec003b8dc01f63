//! New limits: by an administrator, and those of the configuration when there has never been one.

use diesel::ExpressionMethods;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{LimitRow, living, misfit, routes_text, subject_exists};
use crate::{
    domain::limit::{Misfit, Policy, Spec},
    store::{
        Store, StoreError,
        connection::{Connection, on_backend},
        idempotency::{self, Idempotency, Known},
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

/// What came of creating a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one a creation, and it is taken apart at once")]
pub enum LimitCreated {
    New(LimitRow),
    /// The same request came before. This is its answer, and nothing was changed.
    Replayed {
        location: Option<String>,
        body: String,
    },
    /// The `Idempotency-Key` came before with another request.
    RequestReused,
    Refused(Misfit),
}

/// What came of the limits of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstLimits {
    Made,
    /// There have been limits before; nothing was changed.
    MadeBefore,
    /// The one at this place speaks of a subject that is not there; nothing was changed.
    NoSuchSubject(usize),
}

impl Store {
    /// Creates a limit and, with it, keeps the answer under the key of the request.
    ///
    /// # Errors
    /// `Conflict` if the id is taken.
    pub async fn create_limit(
        &self,
        limit: NewLimit,
        request: Option<Idempotency>,
    ) -> Result<LimitCreated, StoreError> {
        self.transaction(async move |connection: &mut Connection| {
            let revision = revisions::next(connection, revisions::LIMITS).await?;
            if let Some(request) = &request {
                match idempotency::look_up(connection, request).await? {
                    Known::Fresh => {}
                    Known::Answered { location, body, .. } => return Ok(LimitCreated::Replayed { location, body }),
                    Known::Reused => return Ok(LimitCreated::RequestReused),
                }
            }
            if let Some(misfit) = misfit(connection, &limit.spec, &limit.policy).await? {
                return Ok(LimitCreated::Refused(misfit));
            }
            if let Some(request) = &request {
                idempotency::keep(connection, request).await?;
            }
            insert(connection, &limit, revision).await?;
            let made = living(connection, limit.policy.id).await?;
            made.map(LimitCreated::New).ok_or_else(|| StoreError::Other("a new limit is not there".into()))
        })
        .await
    }

    /// Creates these limits, which fit to each other, if nobody has ever created or changed one. Of several replicas
    /// that do so at once only one does.
    pub async fn create_first_limits(&self, limits: Vec<NewLimit>) -> Result<FirstLimits, StoreError> {
        if self.read(async |connection: &mut Connection| revisions::last(connection, revisions::LIMITS).await).await?
            > 0
        {
            return Ok(FirstLimits::MadeBefore);
        }
        self.transaction(async move |connection: &mut Connection| {
            for (i, limit) in limits.iter().enumerate() {
                if !subject_exists(connection, limit.spec.per, limit.spec.subject.as_deref()).await? {
                    return Ok(FirstLimits::NoSuchSubject(i));
                }
            }
            let revision = revisions::next(connection, revisions::LIMITS).await?;
            if revision > 1 {
                return Ok(FirstLimits::MadeBefore);
            }
            for limit in &limits {
                insert(connection, limit, revision).await?;
            }
            Ok(FirstLimits::Made)
        })
        .await
    }
}

async fn insert(connection: &mut Connection, limit: &NewLimit, revision: i64) -> Result<(), StoreError> {
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
