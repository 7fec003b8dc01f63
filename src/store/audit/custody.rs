//! What is done to the log itself: put on record first, and then done in small batches.
//!
//! The record of an act, the checkpoint that vouches for it and the row that lets the triggers allow it are one
//! transaction. What it allows is done afterwards; after a kill in between it is done when it is asked for again.

use std::sync::Arc;

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, dsl::min};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{AuditRow, checkpoints, insert};
use crate::{
    domain::{
        audit::{
            act::{Act, CUSTODY},
            checkpoint::Checkpoint,
        },
        ids::UserId,
    },
    store::{
        Store, StoreError,
        connection::{Connection, on_backend},
        schema::{audit_checkpoints, audit_drops, audit_entries, audit_erasures},
        values::{micros, read_count, signed},
    },
};

/// How many entries are dropped or erased in one transaction.
const AT_A_TIME: i64 = 1_000;

impl Store {
    /// Puts an act on record, and lets it happen.
    ///
    /// # Errors
    /// `Conflict` if somebody else has put one on record meanwhile: read the ends of the chain of custody again.
    pub async fn keep_custody(&self, act: Act, row: AuditRow, checkpoint: Checkpoint) -> Result<(), StoreError> {
        self.transaction("audit_entries", async move |connection: &mut Connection| {
            insert(connection, CUSTODY.into(), [Arc::new(row)].into()).await?;
            checkpoints::insert(connection, checkpoint).await?;
            match act {
                Act::Drop { chain, through, .. } => allow_drop(connection, chain, through).await,
                Act::Erase { user_id, through, .. } => {
                    for (chain, through) in through {
                        allow_erasure(connection, user_id, chain, through).await?;
                    }
                    Ok(())
                }
                // Nothing is taken away from the log.
                Act::Restore { .. } | Act::Command { .. } => Ok(()),
            }
        })
        .await
    }

    /// Up to where a chain may be dropped: what has been put on record so far.
    pub async fn dropped_through(&self, chain: &str) -> Result<u64, StoreError> {
        let chain = chain.to_owned();
        self.read("audit_drops", async move |connection: &mut Connection| dropped_through(connection, chain).await)
            .await
    }

    /// The last entry that the newest checkpoint from before this time vouches for.
    pub async fn vouched_before(&self, chain: &str, before: Timestamp) -> Result<Option<u64>, StoreError> {
        let chain = chain.to_owned();
        self.read("audit_checkpoints", async move |connection: &mut Connection| {
            let newest = audit_checkpoints::table
                .filter(audit_checkpoints::chain.eq(chain))
                .filter(audit_checkpoints::time.lt(micros(before)))
                .order(audit_checkpoints::number.desc())
                .select(audit_checkpoints::seq);
            let seq: Option<i64> = on_backend!(connection, |conn| newest.first(conn).await.optional())?;
            seq.map(|seq| read_count("audit_checkpoints.seq", seq)).transpose()
        })
        .await
    }

    /// Deletes some of the first entries of a chain, none behind `through`; how many. None are left when it gives 0.
    pub async fn drop_entries(&self, chain: &str, through: u64) -> Result<usize, StoreError> {
        let chain = chain.to_owned();
        self.transaction("audit_entries", async move |connection: &mut Connection| {
            let of_chain = audit_entries::table.filter(audit_entries::chain.eq(chain.clone()));
            let first = of_chain.select(min(audit_entries::seq));
            let first: Option<i64> = on_backend!(connection, |conn| first.first(conn).await)?;
            let Some(first) = first else {
                return Ok(0);
            };
            let last = first.saturating_add(AT_A_TIME).min(signed(through));
            let entries =
                audit_entries::table.filter(audit_entries::chain.eq(chain)).filter(audit_entries::seq.le(last));
            let delete = diesel::delete(entries);
            Ok(on_backend!(connection, |conn| delete.execute(conn).await)?)
        })
        .await
    }

    /// How many entries of the log have a part that is personal to a user.
    pub async fn personal_parts(&self, user: UserId) -> Result<u64, StoreError> {
        let user = user.to_string();
        self.read("audit_entries", async move |connection: &mut Connection| {
            let personal = audit_entries::table
                .filter(audit_entries::user_id.eq(user.clone()))
                .filter(audit_entries::personal.is_not_null())
                .count();
            let personal: i64 = on_backend!(connection, |conn| personal.get_result(conn).await)?;
            let changes = audit_entries::table.filter(audit_entries::about.eq(user));
            let changes = changes.filter(audit_entries::change.is_not_null()).count();
            let changes: i64 = on_backend!(connection, |conn| changes.get_result(conn).await)?;
            read_count("audit_entries", personal.saturating_add(changes))
        })
        .await
    }

    /// Erases some of a user's parts in a chain up to the place `through`; how many. None are left when it gives 0.
    pub async fn erase_parts(&self, user: UserId, chain: &str, through: u64) -> Result<usize, StoreError> {
        let (user, chain, through) = (user.to_string(), chain.to_owned(), signed(through));
        self.transaction("audit_entries", async move |connection: &mut Connection| {
            let of_chain = || {
                audit_entries::table
                    .filter(audit_entries::chain.eq(chain.clone()))
                    .filter(audit_entries::seq.le(through))
                    .select(audit_entries::seq)
                    .limit(AT_A_TIME)
            };
            let personal = of_chain()
                .filter(audit_entries::user_id.eq(user.clone()))
                .filter(audit_entries::personal.is_not_null());
            let personal: Vec<i64> = on_backend!(connection, |conn| personal.load(conn).await)?;
            let changes = of_chain().filter(audit_entries::about.eq(user)).filter(audit_entries::change.is_not_null());
            let changes: Vec<i64> = on_backend!(connection, |conn| changes.load(conn).await)?;
            let these = |seqs: &[i64]| {
                audit_entries::table
                    .filter(audit_entries::chain.eq(chain.clone()))
                    .filter(audit_entries::seq.eq_any(seqs.to_vec()))
            };
            let erase = diesel::update(these(&personal)).set(audit_entries::personal.eq(None::<String>));
            let erased = on_backend!(connection, |conn| erase.execute(conn).await)?;
            let erase = diesel::update(these(&changes)).set(audit_entries::change.eq(None::<String>));
            Ok(erased.saturating_add(on_backend!(connection, |conn| erase.execute(conn).await)?))
        })
        .await
    }
}

/// Up to where a chain may be dropped; 0 if it may not.
pub(super) async fn dropped_through(connection: &mut Connection, chain: String) -> Result<u64, StoreError> {
    let through = audit_drops::table.find(chain).select(audit_drops::through_seq);
    let through: Option<i64> = on_backend!(connection, |conn| through.get_result(conn).await.optional())?;
    read_count("audit_drops.through_seq", through.unwrap_or_default())
}

async fn allow_drop(connection: &mut Connection, chain: String, through: u64) -> Result<(), StoreError> {
    let raise = diesel::update(audit_drops::table.find(&chain)).set(audit_drops::through_seq.eq(signed(through)));
    if on_backend!(connection, |conn| raise.execute(conn).await)? == 0 {
        let new = (audit_drops::chain.eq(&chain), audit_drops::through_seq.eq(signed(through)));
        let insert = diesel::insert_into(audit_drops::table).values(new);
        on_backend!(connection, |conn| insert.execute(conn).await)?;
    }
    Ok(())
}

async fn allow_erasure(
    connection: &mut Connection,
    user: UserId,
    chain: String,
    through: u64,
) -> Result<(), StoreError> {
    let user = user.to_string();
    let known = audit_erasures::table.find((&user, &chain));
    let raise = diesel::update(known).set(audit_erasures::through_seq.eq(signed(through)));
    if on_backend!(connection, |conn| raise.execute(conn).await)? == 0 {
        let insert = diesel::insert_into(audit_erasures::table).values((
            audit_erasures::user_id.eq(&user),
            audit_erasures::chain.eq(&chain),
            audit_erasures::through_seq.eq(signed(through)),
        ));
        on_backend!(connection, |conn| insert.execute(conn).await)?;
    }
    Ok(())
}
