//! Answers kept for requests that carried an `Idempotency-Key`, so that a retry gets the same answer and changes nothing.
//!
//! Used by the aggregates that create something, inside the transaction that creates it: an answer is kept if and only
//! if the change was made. It never looks at what a request means; the fingerprint does that for it.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{
    PURGE_ROWS, Store, StoreError,
    connection::{Connection, on_backend},
    schema::idempotency_keys,
    values::{micros, read_status},
};
use crate::domain::ids::UserId;

/// The key of a request, and the answer that will be given if the change is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// Who sent the request; keys of different users have nothing to do with each other.
    pub user_id: UserId,
    /// The text of the header.
    pub key: String,
    /// SHA-256 of all that makes two requests the same request.
    pub fingerprint: [u8; 32],
    pub status: u16,
    pub location: Option<String>,
    /// JSON.
    pub body: String,
    pub created_at: Timestamp,
    /// A key kept before this time has expired and may be used anew.
    pub not_before: Timestamp,
}

/// An answer that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    /// JSON.
    pub body: String,
}

/// What is known of a key.
pub(super) enum Known {
    Fresh,
    Answered(Answer),
    /// It came before with another request.
    Reused,
}

impl Store {
    /// Deletes keys made before `before`, the oldest first, and gives their number; about [`PURGE_ROWS`] at most, so that it
    /// never holds the database for long: call it again while it finds that many.
    pub async fn purge_idempotency_keys(&self, before: Timestamp) -> Result<usize, StoreError> {
        let made = idempotency_keys::created_at;
        self.write("DELETE", "idempotency_keys", async move |connection: &mut Connection| {
            let oldest = idempotency_keys::table.select(made).order(made).offset(PURGE_ROWS);
            let stop: Option<i64> = on_backend!(connection, |conn| oldest.first(conn).await.optional())?;
            let old = idempotency_keys::table.filter(made.lt(micros(before))).filter(made.le(stop.unwrap_or(i64::MAX)));
            let purge = diesel::delete(old);
            Ok(on_backend!(connection, |conn| purge.execute(conn).await)?)
        })
        .await
    }
}

/// Looks a key up; a request without one is fresh. The caller's transaction keeps others with the same key waiting.
pub(super) async fn look_up(connection: &mut Connection, new: Option<&Idempotency>) -> Result<Known, StoreError> {
    let Some(new) = new else { return Ok(Known::Fresh) };
    let kept = idempotency_keys::table
        .find((new.user_id.to_string(), &new.key))
        .filter(idempotency_keys::created_at.ge(micros(new.not_before)))
        .select((
            idempotency_keys::fingerprint,
            idempotency_keys::status,
            idempotency_keys::location,
            idempotency_keys::body,
        ));
    let row = on_backend!(connection, |conn| kept.first(conn).await.optional())?;
    let Some((fingerprint, status, location, body)): Option<(Vec<u8>, i32, _, _)> = row else {
        return Ok(Known::Fresh);
    };
    if fingerprint != new.fingerprint {
        return Ok(Known::Reused);
    }
    let status = read_status("idempotency_keys.status", status)?;
    Ok(Known::Answered(Answer { status, location, body }))
}

/// Keeps the answer, in place of an expired one; nothing of a request without a key.
pub(super) async fn keep(connection: &mut Connection, new: Option<&Idempotency>) -> Result<(), StoreError> {
    let Some(new) = new else { return Ok(()) };
    let expired = diesel::delete(idempotency_keys::table.find((new.user_id.to_string(), &new.key)));
    on_backend!(connection, |conn| expired.execute(conn).await)?;
    let kept = diesel::insert_into(idempotency_keys::table).values((
        idempotency_keys::user_id.eq(new.user_id.to_string()),
        idempotency_keys::idempotency_key.eq(&new.key),
        idempotency_keys::fingerprint.eq(new.fingerprint.as_slice()),
        idempotency_keys::status.eq(i32::from(new.status)),
        idempotency_keys::location.eq(&new.location),
        idempotency_keys::body.eq(&new.body),
        idempotency_keys::created_at.eq(micros(new.created_at)),
    ));
    on_backend!(connection, |conn| kept.execute(conn).await)?;
    Ok(())
}
