//! What ids stand for: the names of users, teams and API keys, also of those that were deleted.
//!
//! Handlers read through it. Deleted users and teams stay as rows; of a key that is purged the name stays in a table of
//! its own, written by the purge. A deleted user whose records were erased has no name any more.

use std::collections::{BTreeSet, HashMap};

use diesel::{BoolExpressionMethods, CombineDsl, ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;

use super::{
    Store, StoreError,
    connection::{Connection, on_backend},
    schema::{api_keys, audit_erasures, purged_api_keys, teams, users},
};
use crate::domain::limit::{Per, UnknownSubject};

/// How many ids one statement looks for. SQLite takes 32,766 values in it, and each id is in it four times.
const IDS_AT_ONCE: usize = 5_000;

/// Names by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(HashMap<String, String>);

impl Names {
    /// The name of the user, team or key with this id; `None` if there never was one.
    #[must_use]
    pub fn of(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }
}

impl Store {
    /// The names that these ids stand for.
    pub async fn names(&self, ids: BTreeSet<String>) -> Result<Names, StoreError> {
        if ids.is_empty() {
            return Ok(Names::default());
        }
        let ids: Vec<String> = ids.into_iter().collect();
        self.read("users", async move |connection: &mut Connection| {
            let mut names = HashMap::with_capacity(ids.len());
            for some in ids.chunks(IDS_AT_ONCE) {
                names.extend(find(connection, some).await?);
            }
            Ok(Names(names))
        })
        .await
    }
}

impl Store {
    /// The id of the subject that a text names: of the living user, team or API key that alone has this name; of a key also as
    /// `user/key`. An id and an address stand for themselves, whether there is such a one or not.
    pub async fn subject_id(&self, per: Per, text: &str) -> Result<Result<String, UnknownSubject>, StoreError> {
        if !per.is_name(text) {
            return Ok(Ok(text.to_owned()));
        }
        let mut ids = self.subjects_named(per, text).await?;
        Ok(match (ids.pop(), ids.is_empty()) {
            (Some(id), true) => Ok(id),
            (Some(_), false) => Err(UnknownSubject::Several(per)),
            (None, _) => Err(UnknownSubject::Nobody(per)),
        })
    }

    /// The ids of all users, teams or API keys that have this name, or had it when they were deleted; of keys also as
    /// `user/key`. An id stands for itself, whether there is such a one or not. None of a user who was erased.
    pub async fn ids_of(&self, per: Per, text: &str) -> Result<Vec<String>, StoreError> {
        if !per.is_name(text) {
            return Ok(vec![text.to_owned()]);
        }
        if !can_be_stored(text) {
            return Ok(vec![]);
        }
        let name = text.to_owned();
        self.read("users", async move |connection: &mut Connection| match per {
            Per::Global | Per::Address => Ok(vec![]),
            Per::User => ever_users(connection, name).await,
            Per::Team => {
                let found = teams::table.filter(teams::name.eq(name)).select(teams::id);
                Ok(on_backend!(connection, |conn| found.load(conn).await)?)
            }
            Per::Key => ever_keys(connection, name).await,
        })
        .await
    }

    /// The same of a subject that there need not be.
    pub async fn subject_id_of(
        &self,
        per: Per,
        subject: Option<&str>,
    ) -> Result<Result<Option<String>, UnknownSubject>, StoreError> {
        match subject {
            None => Ok(Ok(None)),
            Some(text) => Ok(self.subject_id(per, text).await?.map(Some)),
        }
    }

    /// The ids of those that have this name. Two where there are more.
    async fn subjects_named(&self, per: Per, name: &str) -> Result<Vec<String>, StoreError> {
        if !can_be_stored(name) {
            return Ok(vec![]);
        }
        let name = name.to_owned();
        self.read("users", async move |connection: &mut Connection| match per {
            Per::Global | Per::Address => Ok(vec![]),
            Per::User => {
                let found = users::table.filter(users::username.eq(name)).filter(users::deleted_at.is_null());
                Ok(on_backend!(connection, |conn| found.select(users::id).limit(2).load(conn).await)?)
            }
            Per::Team => {
                let found = teams::table.filter(teams::name.eq(name)).filter(teams::deleted_at.is_null());
                Ok(on_backend!(connection, |conn| found.select(teams::id).limit(2).load(conn).await)?)
            }
            Per::Key => keys_named(connection, name).await,
        })
        .await
    }
}

/// Whether something can have this name: PostgreSQL takes no text with NUL in it, not even to look for it.
fn can_be_stored(name: &str) -> bool {
    !name.contains('\0')
}

async fn keys_named(connection: &mut Connection, name: String) -> Result<Vec<String>, StoreError> {
    let living = || users::table.filter(users::deleted_at.is_null()).select(users::id);
    let of_name = |name: String| {
        let live = api_keys::table.filter(api_keys::name.eq(name)).filter(api_keys::revoked_at.is_null());
        live.filter(api_keys::user_id.eq_any(living()))
    };
    let found = of_name(name.clone()).select(api_keys::id).limit(2);
    let found: Vec<String> = on_backend!(connection, |conn| found.load(conn).await)?;
    let Some((user, key)) = name.split_once('/').filter(|_| found.is_empty()) else { return Ok(found) };
    let owner = users::table.filter(users::username.eq(user.to_owned())).filter(users::deleted_at.is_null());
    let of_owner = of_name(key.to_owned()).filter(api_keys::user_id.eq_any(owner.select(users::id)));
    let of_owner = of_owner.select(api_keys::id).limit(2);
    Ok(on_backend!(connection, |conn| of_owner.load(conn).await)?)
}

/// The ids of users who have this name or had it last.
async fn ever_users(connection: &mut Connection, name: String) -> Result<Vec<String>, StoreError> {
    let erased = audit_erasures::table.select(audit_erasures::user_id);
    let has_a_name = users::deleted_at.is_null().or(users::id.ne_all(erased));
    let found = users::table.filter(users::username.eq(name)).filter(has_a_name).select(users::id);
    Ok(on_backend!(connection, |conn| found.load(conn).await)?)
}

/// The ids of API keys that have this name or had it last. Of one that is purged the owner is not known any more.
async fn ever_keys(connection: &mut Connection, name: String) -> Result<Vec<String>, StoreError> {
    let there = api_keys::table.filter(api_keys::name.eq(name.clone())).select(api_keys::id);
    let purged = purged_api_keys::table.filter(purged_api_keys::name.eq(name.clone())).select(purged_api_keys::id);
    let found = there.union_all(purged);
    let found: Vec<String> = on_backend!(connection, |conn| found.load(conn).await)?;
    let Some((user, key)) = name.split_once('/').filter(|_| found.is_empty()) else { return Ok(found) };
    let owners = ever_users(connection, user.to_owned()).await?;
    let of_owners = api_keys::table.filter(api_keys::name.eq(key.to_owned())).filter(api_keys::user_id.eq_any(owners));
    let of_owners = of_owners.select(api_keys::id);
    Ok(on_backend!(connection, |conn| of_owners.load(conn).await)?)
}

async fn find(connection: &mut Connection, ids: &[String]) -> Result<Vec<(String, String)>, StoreError> {
    let erased = audit_erasures::table.select(audit_erasures::user_id);
    let has_a_name = users::deleted_at.is_null().or(users::id.ne_all(erased));
    let of_users = users::table.filter(users::id.eq_any(ids.to_vec())).filter(has_a_name);
    let of_teams = teams::table.filter(teams::id.eq_any(ids.to_vec())).select((teams::id, teams::name));
    let of_keys = api_keys::table.filter(api_keys::id.eq_any(ids.to_vec())).select((api_keys::id, api_keys::name));
    let purged = purged_api_keys::table.filter(purged_api_keys::id.eq_any(ids.to_vec()));
    let all = of_users
        .select((users::id, users::username))
        .union_all(of_teams)
        .union_all(of_keys)
        .union_all(purged.select((purged_api_keys::id, purged_api_keys::name)));
    Ok(on_backend!(connection, |conn| all.load(conn).await)?)
}
