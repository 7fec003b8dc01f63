//! Everything that is sealed, sealed anew under another master key, in one transaction. Called by the command line alone.

use std::sync::Arc;

use diesel::{ExpressionMethods, NullableExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;

use super::{
    Store, StoreError,
    connection::{Connection, on_backend},
    revisions,
    schema::{list_entries, sealed_secrets, signing_keys},
};
use crate::domain::entry::EntryKind;

/// What a sealed value is: the name of a signing key, of a shared secret, or of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sealed {
    SigningKey {
        kid: String,
    },
    Secret {
        name: String,
    },
    /// The secret of an upstream that administrators made.
    Upstream {
        name: String,
    },
}

/// Opens a value with the old key and seals it with the new one; `None` if it does not open.
pub type SealAnew = Arc<dyn Fn(&Sealed, &[u8]) -> Option<Vec<u8>> + Send + Sync>;

/// The result of sealing everything anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resealed {
    /// All is sealed anew: the number of values.
    Done(usize),
    /// This value did not open, and nothing was changed.
    DoesNotOpen(Sealed),
}

type Values = Vec<(Sealed, Vec<u8>)>;

impl Store {
    /// Seals every value anew, or none. No key is rotated and no upstream changed meanwhile.
    pub async fn seal_anew(&self, seal: SealAnew) -> Result<Resealed, StoreError> {
        self.transaction("signing_keys", async move |connection: &mut Connection| {
            revisions::next(connection, revisions::KEYS).await?;
            revisions::next(connection, revisions::ROUTING).await?;
            let mut anew = vec![];
            for (value, sealed) in values(connection).await? {
                match seal(&value, &sealed) {
                    Some(sealed) => anew.push((value, sealed)),
                    None => return Ok(Resealed::DoesNotOpen(value)),
                }
            }
            for (value, sealed) in &anew {
                write(connection, value, sealed).await?;
            }
            Ok(Resealed::Done(anew.len()))
        })
        .await
    }
}

async fn values(connection: &mut Connection) -> Result<Values, StoreError> {
    let keys = signing_keys::table.select((signing_keys::kid, signing_keys::sealed_private_key));
    let keys: Vec<(String, Vec<u8>)> = on_backend!(connection, |conn| keys.load(conn).await)?;
    let secrets = sealed_secrets::table.select((sealed_secrets::name, sealed_secrets::sealed));
    let secrets: Vec<(String, Vec<u8>)> = on_backend!(connection, |conn| secrets.load(conn).await)?;
    let upstreams = list_entries::table.filter(list_entries::sealed_secret.is_not_null());
    let upstreams = upstreams.select((list_entries::name, list_entries::sealed_secret.assume_not_null()));
    let upstreams: Vec<(String, Vec<u8>)> = on_backend!(connection, |conn| upstreams.load(conn).await)?;
    let keys = keys.into_iter().map(|(kid, sealed)| (Sealed::SigningKey { kid }, sealed));
    let secrets = secrets.into_iter().map(|(name, sealed)| (Sealed::Secret { name }, sealed));
    let upstreams = upstreams.into_iter().map(|(name, sealed)| (Sealed::Upstream { name }, sealed));
    Ok(keys.chain(secrets).chain(upstreams).collect())
}

async fn write(connection: &mut Connection, value: &Sealed, sealed: &[u8]) -> Result<(), StoreError> {
    match value {
        Sealed::SigningKey { kid } => {
            let key = diesel::update(signing_keys::table.find(kid)).set(signing_keys::sealed_private_key.eq(sealed));
            on_backend!(connection, |conn| key.execute(conn).await)?;
        }
        Sealed::Secret { name } => {
            let secret = diesel::update(sealed_secrets::table.find(name)).set(sealed_secrets::sealed.eq(sealed));
            on_backend!(connection, |conn| secret.execute(conn).await)?;
        }
        Sealed::Upstream { name } => {
            let entry = list_entries::table.find((EntryKind::Upstream.as_str(), name));
            let entry = diesel::update(entry).set(list_entries::sealed_secret.eq(sealed));
            on_backend!(connection, |conn| entry.execute(conn).await)?;
        }
    }
    Ok(())
}
