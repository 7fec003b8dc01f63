//! Checkpoints as they are stored: appended by the writer of the chain, read by administrators and by the verifier.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable, Selectable,
    SelectableHelper,
};
use diesel_async::RunQueryDsl;

use crate::{
    domain::audit::{Head, checkpoint::Checkpoint},
    store::{
        Store, StoreError,
        connection::{Connection, on_backend},
        schema::audit_checkpoints,
        values::{micros, read_count, read_time, signed},
    },
};

#[derive(Insertable, Queryable, Selectable)]
#[diesel(table_name = audit_checkpoints)]
pub(super) struct Record {
    chain: String,
    number: i64,
    seq: i64,
    time: i64,
    statement: String,
    signature: Vec<u8>,
}

/// The most checkpoints of one page.
const MAX_PAGE: u32 = 10_000;

impl Store {
    /// Appends a checkpoint; it is on the disk when this returns.
    ///
    /// # Errors
    /// `Conflict` if the chain has a checkpoint of this number already.
    pub async fn append_checkpoint(&self, checkpoint: Checkpoint) -> Result<(), StoreError> {
        self.write("INSERT", "audit_checkpoints", async move |connection: &mut Connection| {
            insert(connection, checkpoint).await
        })
        .await
    }

    /// The newest checkpoint of a chain.
    pub async fn last_checkpoint(&self, chain: &str) -> Result<Option<Checkpoint>, StoreError> {
        let chain = chain.to_owned();
        self.read("audit_checkpoints", async move |connection: &mut Connection| last(connection, chain).await).await
    }

    /// Checkpoints of a chain in their order, at most `limit` (and never more than 10,000), from the one after the number
    /// `after` on.
    pub async fn checkpoints_after(&self, chain: &str, after: u64, limit: u32) -> Result<Vec<Checkpoint>, StoreError> {
        let chain = chain.to_owned();
        self.read("audit_checkpoints", async move |connection: &mut Connection| {
            let page = audit_checkpoints::table
                .filter(audit_checkpoints::chain.eq(chain))
                .filter(audit_checkpoints::number.gt(signed(after)))
                .order(audit_checkpoints::number)
                .limit(limit.min(MAX_PAGE).into());
            read(on_backend!(connection, |conn| page.select(Record::as_select()).load(conn).await)?)
        })
        .await
    }

    /// The number of the last checkpoint that vouches for less than this place of a chain; 0 if there is none.
    pub async fn checkpoints_before(&self, chain: &str, seq: u64) -> Result<u64, StoreError> {
        let chain = chain.to_owned();
        self.read("audit_checkpoints", async move |connection: &mut Connection| {
            let last = audit_checkpoints::table
                .filter(audit_checkpoints::chain.eq(chain))
                .filter(audit_checkpoints::seq.lt(signed(seq)))
                .order(audit_checkpoints::number.desc())
                .select(audit_checkpoints::number);
            let last: Option<i64> = on_backend!(connection, |conn| last.first(conn).await.optional())?;
            read_count("audit_checkpoints.number", last.unwrap_or_default())
        })
        .await
    }

    /// The first checkpoint that vouches for this place of a chain.
    pub async fn checkpoint_of(&self, chain: &str, seq: u64) -> Result<Option<Checkpoint>, StoreError> {
        let before = self.checkpoints_before(chain, seq).await?;
        Ok(self.checkpoints_after(chain, before, 1).await?.pop())
    }

    /// Checkpoints of every chain, newest first within each, at most `limit` (and never more than 10,000), from the one
    /// after this chain and number on.
    pub async fn checkpoints_page(
        &self,
        chain: Option<String>,
        after: Option<(String, u64)>,
        limit: u32,
    ) -> Result<Vec<Checkpoint>, StoreError> {
        self.read("audit_checkpoints", async move |connection: &mut Connection| {
            let order = (audit_checkpoints::chain.asc(), audit_checkpoints::number.desc());
            let page = audit_checkpoints::table.order(order).limit(limit.min(MAX_PAGE).into());
            let records = on_backend!(connection, |conn| {
                let mut page = page.select(Record::as_select()).into_boxed();
                if let Some(chain) = chain {
                    page = page.filter(audit_checkpoints::chain.eq(chain));
                }
                if let Some((chain, number)) = after {
                    let in_chain =
                        audit_checkpoints::chain.eq(chain.clone()).and(audit_checkpoints::number.lt(signed(number)));
                    page = page.filter(audit_checkpoints::chain.gt(chain).or(in_chain));
                }
                page.load(conn).await
            })?;
            read(records)
        })
        .await
    }
}

/// Within a transaction of its caller.
pub(super) async fn insert(connection: &mut Connection, checkpoint: Checkpoint) -> Result<(), StoreError> {
    let insert = diesel::insert_into(audit_checkpoints::table).values(Record::from(checkpoint));
    on_backend!(connection, |conn| insert.execute(conn).await)?;
    Ok(())
}

/// Within a transaction of its caller.
pub(super) async fn last(connection: &mut Connection, chain: String) -> Result<Option<Checkpoint>, StoreError> {
    let last =
        audit_checkpoints::table.filter(audit_checkpoints::chain.eq(chain)).order(audit_checkpoints::number.desc());
    let last = on_backend!(connection, |conn| last.select(Record::as_select()).first(conn).await.optional())?;
    last.map(Checkpoint::try_from).transpose()
}

/// The link at this place of a chain, as the newest checkpoint has it that vouches for it; nothing if none does.
pub(super) async fn vouched_at(
    connection: &mut Connection,
    chain: String,
    seq: u64,
) -> Result<Option<Head>, StoreError> {
    let newest = audit_checkpoints::table
        .filter(audit_checkpoints::chain.eq(chain))
        .filter(audit_checkpoints::seq.eq(signed(seq)))
        .order(audit_checkpoints::number.desc());
    let newest: Option<Record> =
        on_backend!(connection, |conn| newest.select(Record::as_select()).first(conn).await.optional())?;
    let Some(newest) = newest.map(Checkpoint::try_from).transpose()? else {
        return Ok(None);
    };
    let head = newest.read().ok().and_then(|statement| statement.head()).filter(|head| head.seq == seq);
    head.map(Some).ok_or_else(|| StoreError::Corrupt("audit_checkpoints.statement".into()))
}

fn read(records: Vec<Record>) -> Result<Vec<Checkpoint>, StoreError> {
    records.into_iter().map(Checkpoint::try_from).collect()
}

impl From<Checkpoint> for Record {
    fn from(checkpoint: Checkpoint) -> Self {
        Self {
            chain: checkpoint.chain,
            number: signed(checkpoint.number),
            seq: signed(checkpoint.seq),
            time: micros(checkpoint.time),
            statement: checkpoint.statement,
            signature: checkpoint.signature,
        }
    }
}

impl TryFrom<Record> for Checkpoint {
    type Error = StoreError;

    fn try_from(record: Record) -> Result<Self, StoreError> {
        Ok(Self {
            chain: record.chain,
            number: read_count("audit_checkpoints.number", record.number)?,
            seq: read_count("audit_checkpoints.seq", record.seq)?,
            time: read_time("audit_checkpoints.time", record.time)?,
            statement: record.statement,
            signature: record.signature,
        })
    }
}
