//! The entries: one append-only table of all movements of money. Triggers in the database refuse every change of one.

use diesel::Insertable;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;

use super::holds::{OpenHold, accounts_text};
use crate::{
    domain::{
        ids::{ApiKeyId, RequestId, TeamId},
        ledger::{Purpose, Served},
        money::Money,
        usage::Usage,
    },
    store::{
        StoreError,
        connection::{Connection, insert_rows},
        row_insert::row_insert,
        schema::ledger_entries,
        values::{micros, signed},
    },
};

/// The fields of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// So much was set aside.
    Hold,
    /// So much of it was spent, and the rest given back.
    Settle,
    /// All of it was given back.
    Release,
    /// So much was spent beyond it.
    Forced,
    /// So much of what was settled is given back: another replica had ended the hold at more than the call cost.
    Refund,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Settle => "settle",
            Self::Release => "release",
            Self::Forced => "forced",
            Self::Refund => "refund",
        }
    }
}

/// One entry.
pub(super) struct Entry {
    request: RequestId,
    kind: Kind,
    time: Timestamp,
    amount: Money,
    accounts: String,
    purpose: Purpose,
    upstream: Option<String>,
    served_model: Option<String>,
    usage: Usage,
    estimated: bool,
}

#[derive(Insertable)]
#[diesel(table_name = ledger_entries, treat_none_as_default_value = false)]
struct Record {
    request_id: String,
    kind: &'static str,
    time: i64,
    amount_pusd: i64,
    accounts: String,
    user_id: String,
    team_id: Option<String>,
    key_id: Option<String>,
    route: String,
    model: Option<String>,
    price_version: Option<i64>,
    upstream: Option<String>,
    served_model: Option<String>,
    input_tokens: i64,
    cached_tokens: i64,
    cache_write_tokens: i64,
    output_tokens: i64,
    reasoning_tokens: i64,
    estimated: bool,
}
row_insert!(
    Record,
    ledger_entries,
    [
        request_id,
        kind,
        time,
        amount_pusd,
        accounts,
        user_id,
        team_id,
        key_id,
        route,
        model,
        price_version,
        upstream,
        served_model,
        input_tokens,
        cached_tokens,
        cache_write_tokens,
        output_tokens,
        reasoning_tokens,
        estimated,
    ]
);

/// The most rows of one statement: PostgreSQL takes 65,535 values in it, and a row is 19.
const ROWS_PER_INSERT: usize = 1_500;

impl Entry {
    /// An entry without tokens.
    pub(super) fn new(kind: Kind, amount: Money, time: Timestamp, open: &OpenHold) -> Self {
        Self {
            request: open.hold.request,
            kind,
            time,
            amount,
            accounts: accounts_text(&open.hold.accounts),
            purpose: open.purpose.clone(),
            upstream: None,
            served_model: None,
            usage: Usage::default(),
            estimated: false,
        }
    }

    /// The same, of a call that these served.
    pub(super) fn by(self, served: Option<&Served>) -> Self {
        let Some(served) = served else { return self };
        let accounts = served.accounts.as_ref().map_or(self.accounts, |accounts| accounts_text(accounts));
        let price_version = served.price_version.or(self.purpose.price_version);
        let purpose = Purpose { price_version, ..self.purpose };
        let (upstream, served_model) = (Some(served.upstream.clone()), served.model.clone());
        Self { accounts, purpose, upstream, served_model, ..self }
    }

    /// The same, with what the call took.
    pub(super) fn of(self, usage: Usage, estimated: bool) -> Self {
        Self { usage, estimated, ..self }
    }
}

pub(super) async fn append(connection: &mut Connection, entries: Vec<Entry>) -> Result<(), StoreError> {
    let records: Vec<Record> = entries.into_iter().map(Record::from).collect();
    insert_rows!(connection, ledger_entries::table, records, ROWS_PER_INSERT);
    Ok(())
}

impl From<Entry> for Record {
    fn from(entry: Entry) -> Self {
        let Entry { request, kind, time, amount, accounts, purpose, upstream, served_model, usage, estimated } = entry;
        Self {
            request_id: request.text(),
            kind: kind.as_str(),
            time: micros(time),
            amount_pusd: amount.pusd(),
            accounts,
            user_id: purpose.user.text(),
            team_id: purpose.team.map(TeamId::text),
            key_id: purpose.key.map(ApiKeyId::text),
            route: purpose.route,
            model: purpose.model,
            price_version: purpose.price_version,
            upstream,
            served_model,
            input_tokens: signed(usage.input_tokens),
            cached_tokens: signed(usage.cached_tokens),
            cache_write_tokens: signed(usage.cache_write_tokens),
            output_tokens: signed(usage.output_tokens),
            reasoning_tokens: signed(usage.reasoning_tokens),
            estimated,
        }
    }
}
