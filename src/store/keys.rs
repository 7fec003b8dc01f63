//! The ring of signing keys, and other secrets that all replicas share; private parts are sealed before they get here.
//!
//! The token issuer reads and extends the ring; the command line seals it anew under another master key. Nothing here
//! seals, opens or signs.

use std::sync::Arc;

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, Queryable, Selectable, SelectableHelper};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{
    Store, StoreError,
    administered::Created,
    connection::{Connection, on_backend},
    idempotency::{self, Idempotency, Known},
    revisions::{self, Seen},
    schema::{sealed_secrets, signing_keys},
    values::{micros, read_text, read_time},
};
use crate::domain::algorithm::Algorithm;

/// A key of the ring.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKeyRow {
    /// As in the `kid` of a token's header.
    pub kid: String,
    pub algorithm: Algorithm,
    pub public_key: Vec<u8>,
    pub sealed_private_key: Vec<u8>,
    pub created_at: Timestamp,
    /// From when on it signs; until then it is only published.
    pub activates_at: Timestamp,
    /// Since when it signs no more, which may be ahead; it still verifies.
    pub retired_at: Option<Timestamp>,
}

/// The ring as it was when its revision was read, or later.
#[derive(Clone)]
pub struct StoredRing {
    /// Up to which change it is read at least.
    pub seen: Seen,
    /// Oldest first.
    pub keys: Vec<SigningKeyRow>,
}

/// A new key that is to take over from the ring's present one.
pub struct Rotation {
    pub new: SigningKeyRow,
    /// The sealed form of the newest key that its maker has seen: proof that both are sealed under one master key.
    pub newest_sealed: Vec<u8>,
    pub now: Timestamp,
    /// What to keep for a repetition of the request, once it is known which key will take over.
    pub remember: Option<Remember>,
}

/// Words the answer that is kept under an `Idempotency-Key`.
pub type Remember = Arc<dyn Fn(&SigningKeyRow) -> Idempotency + Send + Sync>;

/// What came of a rotation: the key that takes over is the new one, or one that another replica has added and that does
/// not sign yet.
pub type Rotated = Created<SigningKeyRow, OtherNewest>;

/// The newest key is another now: read the ring again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtherNewest;

#[derive(Queryable, Selectable)]
#[diesel(table_name = signing_keys)]
struct Record {
    kid: String,
    algorithm: String,
    public_key: Vec<u8>,
    sealed_private_key: Vec<u8>,
    created_at: i64,
    activates_at: i64,
    retired_at: Option<i64>,
}

impl Store {
    /// The signing keys, those that only verify among them.
    pub async fn signing_ring(&self) -> Result<StoredRing, StoreError> {
        self.read("signing_keys", stored_ring).await
    }

    /// Puts a key into the ring if there is none that signs or will sign, and returns the ring as it is then. Of several
    /// replicas that do so at once one wins, and all get the same ring.
    pub async fn insert_first_signing_key(&self, key: SigningKeyRow) -> Result<StoredRing, StoreError> {
        self.transaction("signing_keys", async move |connection: &mut Connection| {
            revisions::next(connection, revisions::KEYS).await?;
            if !ring(connection).await?.iter().any(|known| known.retired_at.is_none()) {
                insert(connection, &key).await?;
            }
            stored_ring(connection).await
        })
        .await
    }

    /// Adds a key that takes over when it activates; all others are retired then. While another key waits to take over,
    /// that one is the answer and nothing changes: replicas that rotate at once end with one ring.
    pub async fn rotate_signing_key(&self, rotation: Rotation) -> Result<Rotated, StoreError> {
        self.transaction("signing_keys", async move |connection: &mut Connection| rotate(connection, rotation).await)
            .await
    }

    /// Deletes the keys that were retired before `before`, and gives their number.
    pub async fn purge_signing_keys(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.write("DELETE", "signing_keys", async move |connection: &mut Connection| {
            let purge = diesel::delete(signing_keys::table.filter(signing_keys::retired_at.lt(micros(before))));
            Ok(on_backend!(connection, |conn| purge.execute(conn).await)?)
        })
        .await
    }

    /// The secret of this name, if there is one.
    pub async fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let name = name.to_owned();
        self.read("sealed_secrets", async move |connection: &mut Connection| {
            let kept = sealed_secrets::table.find(name).select(sealed_secrets::sealed);
            Ok(on_backend!(connection, |conn| kept.first(conn).await.optional())?)
        })
        .await
    }

    /// The secret of this name: the one that is there, or else the one given, which is then kept.
    pub async fn secret_or_insert(&self, name: &str, sealed: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let name = name.to_owned();
        self.transaction("sealed_secrets", async move |connection: &mut Connection| {
            let new = (sealed_secrets::name.eq(&name), sealed_secrets::sealed.eq(&sealed));
            let insert = diesel::insert_into(sealed_secrets::table).values(new).on_conflict_do_nothing();
            on_backend!(connection, |conn| insert.execute(conn).await)?;
            let kept = sealed_secrets::table.find(&name).select(sealed_secrets::sealed);
            Ok(on_backend!(connection, |conn| kept.get_result(conn).await)?)
        })
        .await
    }
}

async fn rotate(connection: &mut Connection, rotation: Rotation) -> Result<Rotated, StoreError> {
    revisions::next(connection, revisions::KEYS).await?;
    let keys = ring(connection).await?;
    let waiting = keys.iter().find(|key| key.activates_at > rotation.now && key.retired_at.is_none());
    let newest = keys.iter().max_by_key(|key| key.activates_at);
    let is_stale = newest.is_none_or(|newest| newest.sealed_private_key != rotation.newest_sealed);
    if waiting.is_none() && is_stale {
        return Ok(Created::Refused(OtherNewest));
    }
    let takes_over = waiting.unwrap_or(&rotation.new).clone();
    let request = rotation.remember.map(|remember| remember(&takes_over));
    match idempotency::look_up(connection, request.as_ref()).await? {
        Known::Fresh => idempotency::keep(connection, request.as_ref()).await?,
        Known::Answered(answer) => return Ok(Created::Replayed(answer)),
        Known::Reused => return Ok(Created::KeyReused),
    }
    if waiting.is_none() {
        retire(connection, takes_over.activates_at).await?;
        insert(connection, &takes_over).await?;
    }
    Ok(Created::New(takes_over))
}

async fn stored_ring(connection: &mut Connection) -> Result<StoredRing, StoreError> {
    // The revision first: keys that are newer than it are only read once more.
    let seen = revisions::current(connection, revisions::KEYS).await?;
    Ok(StoredRing { seen, keys: ring(connection).await? })
}

async fn ring(connection: &mut Connection) -> Result<Vec<SigningKeyRow>, StoreError> {
    let keys = signing_keys::table.order((signing_keys::activates_at, signing_keys::kid));
    let records: Vec<Record> = on_backend!(connection, |conn| keys.select(Record::as_select()).load(conn).await)?;
    records.into_iter().map(SigningKeyRow::try_from).collect()
}

async fn retire(connection: &mut Connection, at: Timestamp) -> Result<(), StoreError> {
    let active = signing_keys::table.filter(signing_keys::retired_at.is_null());
    let retire = diesel::update(active).set(signing_keys::retired_at.eq(micros(at)));
    on_backend!(connection, |conn| retire.execute(conn).await)?;
    Ok(())
}

async fn insert(connection: &mut Connection, key: &SigningKeyRow) -> Result<(), StoreError> {
    let insert = diesel::insert_into(signing_keys::table).values((
        signing_keys::kid.eq(&key.kid),
        signing_keys::algorithm.eq(key.algorithm.as_str()),
        signing_keys::public_key.eq(&key.public_key),
        signing_keys::sealed_private_key.eq(&key.sealed_private_key),
        signing_keys::created_at.eq(micros(key.created_at)),
        signing_keys::activates_at.eq(micros(key.activates_at)),
        signing_keys::retired_at.eq(key.retired_at.map(micros)),
    ));
    on_backend!(connection, |conn| insert.execute(conn).await)?;
    Ok(())
}

impl TryFrom<Record> for SigningKeyRow {
    type Error = StoreError;

    fn try_from(record: Record) -> Result<Self, StoreError> {
        Ok(Self {
            kid: record.kid,
            algorithm: read_text("signing_keys.algorithm", &record.algorithm)?,
            public_key: record.public_key,
            sealed_private_key: record.sealed_private_key,
            created_at: read_time("signing_keys.created_at", record.created_at)?,
            activates_at: read_time("signing_keys.activates_at", record.activates_at)?,
            retired_at: record.retired_at.map(|time| read_time("signing_keys.retired_at", time)).transpose()?,
        })
    }
}
