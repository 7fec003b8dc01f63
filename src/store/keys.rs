//! The ring of signing keys, and other secrets that all replicas share; private parts are sealed before they get here.
//!
//! The token issuer reads and extends the ring. Nothing here seals, opens, signs or retires.

use diesel::{ExpressionMethods, QueryDsl, Queryable, Selectable, SelectableHelper};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::{
    Store, StoreError,
    connection::{Connection, on_backend},
    revisions,
    schema::{sealed_secrets, signing_keys},
    values::{micros, read_time},
};

/// A key of the ring.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKeyRow {
    /// As in the `kid` of a token's header.
    pub kid: String,
    /// As in the `alg` of a token's header.
    pub algorithm: String,
    pub public_key: Vec<u8>,
    pub sealed_private_key: Vec<u8>,
    pub created_at: Timestamp,
    /// Since when it signs no more; it still verifies.
    pub retired_at: Option<Timestamp>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = signing_keys)]
struct Record {
    kid: String,
    algorithm: String,
    public_key: Vec<u8>,
    sealed_private_key: Vec<u8>,
    created_at: i64,
    retired_at: Option<i64>,
}

impl Store {
    /// The whole ring, oldest first.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKeyRow>, StoreError> {
        self.read(ring).await
    }

    /// Puts a key into the ring if there is none of its algorithm yet, and returns the ring as it is then. Of several
    /// replicas that do so at once one wins, and all get the same ring.
    pub async fn insert_first_signing_key(&self, key: SigningKeyRow) -> Result<Vec<SigningKeyRow>, StoreError> {
        self.transaction(async move |connection: &mut Connection| {
            revisions::next(connection, revisions::KEYS).await?;
            let mut keys = ring(connection).await?;
            if !keys.iter().any(|known| known.algorithm == key.algorithm) {
                insert(connection, &key).await?;
                keys = ring(connection).await?;
            }
            Ok(keys)
        })
        .await
    }

    /// The secret of this name: the one that is there, or else the one given, which is then kept.
    pub async fn secret_or_insert(&self, name: &str, sealed: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let name = name.to_owned();
        self.transaction(async move |connection: &mut Connection| {
            let new = (sealed_secrets::name.eq(&name), sealed_secrets::sealed.eq(&sealed));
            let insert = diesel::insert_into(sealed_secrets::table).values(new).on_conflict_do_nothing();
            on_backend!(connection, |conn| insert.execute(conn).await)?;
            let kept = sealed_secrets::table.find(&name).select(sealed_secrets::sealed);
            Ok(on_backend!(connection, |conn| kept.get_result(conn).await)?)
        })
        .await
    }
}

async fn ring(connection: &mut Connection) -> Result<Vec<SigningKeyRow>, StoreError> {
    let keys = signing_keys::table.order((signing_keys::created_at, signing_keys::kid));
    let records: Vec<Record> = on_backend!(connection, |conn| keys.select(Record::as_select()).load(conn).await)?;
    records.into_iter().map(SigningKeyRow::try_from).collect()
}

async fn insert(connection: &mut Connection, key: &SigningKeyRow) -> Result<(), StoreError> {
    let insert = diesel::insert_into(signing_keys::table).values((
        signing_keys::kid.eq(&key.kid),
        signing_keys::algorithm.eq(&key.algorithm),
        signing_keys::public_key.eq(&key.public_key),
        signing_keys::sealed_private_key.eq(&key.sealed_private_key),
        signing_keys::created_at.eq(micros(key.created_at)),
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
            algorithm: record.algorithm,
            public_key: record.public_key,
            sealed_private_key: record.sealed_private_key,
            created_at: read_time("signing_keys.created_at", record.created_at)?,
            retired_at: record.retired_at.map(|time| read_time("signing_keys.retired_at", time)).transpose()?,
        })
    }
}
