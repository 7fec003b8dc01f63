//! Which made-up password was never printed: a start that failed, or was killed, between making the first administrator and
//! printing the password has lost it.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, JoinOnDsl, NullableExpressionMethods, OptionalExtension, QueryDsl,
};
use diesel_async::RunQueryDsl;
use jiff::{SignedDuration, Timestamp};

use crate::{
    domain::ids::UserId,
    store::{
        Store, StoreError,
        connection::{Connection, on_backend},
        schema::{unshown_passwords, users},
        values::micros,
    },
};

/// How long another replica may take from making the first administrator to printing the password.
const OTHERS_START: SignedDuration = SignedDuration::from_mins(1);

impl Store {
    /// The name of a user whose made-up password was never printed and is still in force. That of another replica counts
    /// when it is a minute old: until then it may be about to be printed.
    pub async fn unshown_password(&self, replica: &str, now: Timestamp) -> Result<Option<String>, StoreError> {
        let (replica, old) = (replica.to_owned(), micros(now.saturating_sub(OTHERS_START).unwrap_or(Timestamp::MIN)));
        self.read("unshown_passwords", async move |connection: &mut Connection| {
            let in_force = unshown_passwords::user_id
                .eq(users::id)
                .and(users::password_hash.eq(unshown_passwords::password_hash.nullable()));
            let found = unshown_passwords::table
                .inner_join(users::table.on(in_force))
                .filter(users::deleted_at.is_null())
                .filter(unshown_passwords::replica.eq(replica).or(users::created_at.lt(old)))
                .select(users::username);
            Ok(on_backend!(connection, |conn| found.first(conn).await.optional())?)
        })
        .await
    }

    /// Says that the password of a user was printed.
    pub async fn note_shown_password(&self, user: UserId) -> Result<(), StoreError> {
        let user = user.to_string();
        self.write("DELETE", "unshown_passwords", async move |connection: &mut Connection| {
            let delete = diesel::delete(unshown_passwords::table.find(user));
            on_backend!(connection, |conn| delete.execute(conn).await)?;
            Ok(())
        })
        .await
    }
}

/// Notes that the password of a new user was made up by a replica and is yet to be printed.
pub(super) async fn note(
    connection: &mut Connection,
    user: UserId,
    password_hash: &str,
    replica: &str,
) -> Result<(), StoreError> {
    let insert = diesel::insert_into(unshown_passwords::table).values((
        unshown_passwords::user_id.eq(user.to_string()),
        unshown_passwords::password_hash.eq(password_hash),
        unshown_passwords::replica.eq(replica),
    ));
    on_backend!(connection, |conn| insert.execute(conn).await)?;
    Ok(())
}
