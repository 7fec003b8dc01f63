//! What is done to API keys that nobody asked for: when they were used is kept, and those that are dead for long are deleted.

use std::collections::BTreeMap;

use diesel::{BoolExpressionMethods, ExpressionMethods, Insertable, QueryDsl, Queryable};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use crate::{
    domain::ids::ApiKeyId,
    store::{
        PURGE_ROWS, Store, StoreError,
        connection::{Connection, insert_rows, on_backend},
        row_insert::row_insert,
        schema::{api_keys, purged_api_keys, users},
        values::micros,
    },
};

/// How many uses one statement keeps.
const USES_AT_ONCE: usize = 500;

/// How many names one statement of a purge keeps.
const NAMES_PER_INSERT: usize = 1_000;

/// What is left of a purged key.
#[derive(Insertable, Queryable)]
#[diesel(table_name = purged_api_keys)]
struct Name {
    id: String,
    name: String,
}
row_insert!(Name, purged_api_keys, [id, name]);

impl Store {
    /// Deletes keys that were revoked or expired before `before`, but for their names, and gives their number; at most
    /// [`PURGE_ROWS`]: call it again while it finds that many.
    pub async fn purge_api_keys(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.transaction("api_keys", async move |connection: &mut Connection| {
            let before = micros(before);
            let dead = api_keys::revoked_at.lt(before).or(api_keys::expires_at.lt(before));
            let dead = api_keys::table.filter(dead).select(api_keys::id).limit(PURGE_ROWS);
            let ids: Vec<String> = on_backend!(connection, |conn| dead.load(conn).await)?;
            let names = api_keys::table.filter(api_keys::id.eq_any(ids.clone())).select((api_keys::id, api_keys::name));
            let names: Vec<Name> = on_backend!(connection, |conn| names.load(conn).await)?;
            insert_rows!(connection, purged_api_keys::table, names, NAMES_PER_INSERT);
            let purge = diesel::delete(api_keys::table.filter(api_keys::id.eq_any(ids)));
            Ok(on_backend!(connection, |conn| purge.execute(conn).await)?)
        })
        .await
    }

    /// Revokes the keys of users who are deleted, and gives their number: versions before left them as they were. It is no
    /// change that anybody follows, because such a key opens nothing.
    pub async fn revoke_keys_of_deleted(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.write("UPDATE", "api_keys", async move |connection: &mut Connection| {
            let deleted = users::table.filter(users::deleted_at.is_not_null()).select(users::id);
            let keys = api_keys::table.filter(api_keys::user_id.eq_any(deleted)).filter(api_keys::revoked_at.is_null());
            let revoke = diesel::update(keys).set(api_keys::revoked_at.eq(micros(now)));
            Ok(on_backend!(connection, |conn| revoke.execute(conn).await)?)
        })
        .await
    }

    /// Keeps when keys were used, each at a time or later.
    pub async fn keep_key_uses(&self, uses: Vec<(ApiKeyId, Timestamp)>) -> Result<(), StoreError> {
        let mut at: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for (id, time) in uses {
            at.entry(micros(time)).or_default().push(id.to_string());
        }
        for (time, ids) in &at {
            for some in ids.chunks(USES_AT_ONCE) {
                let (some, time) = (some.to_vec(), *time);
                self.write("UPDATE", "api_keys", async move |connection: &mut Connection| {
                    keep_uses(connection, some, time).await
                })
                .await?;
            }
        }
        Ok(())
    }
}

/// It is no change of the keys: nobody follows it.
async fn keep_uses(connection: &mut Connection, ids: Vec<String>, time: i64) -> Result<(), StoreError> {
    let earlier = api_keys::last_used_at.is_null().or(api_keys::last_used_at.lt(time));
    let keys = api_keys::table.filter(api_keys::id.eq_any(ids)).filter(earlier);
    let keep = diesel::update(keys).set(api_keys::last_used_at.eq(time));
    on_backend!(connection, |conn| keep.execute(conn).await)?;
    Ok(())
}
