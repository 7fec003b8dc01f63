//! Sign-ins at a provider that were redeemed. Replicas share the store, so over all of them each sign-in is redeemed once.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{
    PURGE_ROWS, Store, StoreError,
    connection::{Connection, on_backend},
    schema::redeemed_sign_ins,
    values::micros,
};

/// The most redeemed sign-ins that are stored at a time; what would be one more is refused until some are purged.
pub const MAX_REDEEMED: i64 = 100_000;

/// What became of the redemption of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redemption {
    /// It is the first.
    First,
    /// The sign-in was redeemed before.
    Repeated,
    /// [`MAX_REDEEMED`] are stored.
    NoRoom,
}

impl Store {
    /// Notes that the sign-in whose state has this SHA-256 is redeemed now. Of several at once one is the first.
    pub async fn redeem_sign_in(&self, state_hash: [u8; 32], now: Timestamp) -> Result<Redemption, StoreError> {
        let at = redeemed_sign_ins::redeemed_at;
        self.transaction("redeemed_sign_ins", async move |connection: &mut Connection| {
            let last = redeemed_sign_ins::table.select(at).order(at).offset(MAX_REDEEMED.saturating_sub(1));
            let last: Option<i64> = on_backend!(connection, |conn| last.first(conn).await.optional())?;
            if last.is_some() {
                return Ok(Redemption::NoRoom);
            }
            let row = (redeemed_sign_ins::state_hash.eq(state_hash.as_slice()), at.eq(micros(now)));
            let insert = diesel::insert_into(redeemed_sign_ins::table).values(row).on_conflict_do_nothing();
            let is_new = on_backend!(connection, |conn| insert.execute(conn).await)? == 1;
            Ok(if is_new { Redemption::First } else { Redemption::Repeated })
        })
        .await
    }

    /// Deletes sign-ins redeemed before `before`, the oldest first, and gives their number; about [`PURGE_ROWS`] at most, so that
    /// it never holds the database for long: call it again while it finds that many.
    pub async fn purge_sign_ins(&self, before: Timestamp) -> Result<usize, StoreError> {
        let at = redeemed_sign_ins::redeemed_at;
        self.write("DELETE", "redeemed_sign_ins", async move |connection: &mut Connection| {
            let oldest = redeemed_sign_ins::table.select(at).order(at).offset(PURGE_ROWS);
            let stop: Option<i64> = on_backend!(connection, |conn| oldest.first(conn).await.optional())?;
            let old = redeemed_sign_ins::table.filter(at.lt(micros(before))).filter(at.le(stop.unwrap_or(i64::MAX)));
            let purge = diesel::delete(old);
            Ok(on_backend!(connection, |conn| purge.execute(conn).await)?)
        })
        .await
    }
}
