//! The check of the books: every call's entries against the rules, and every balance against what the entries add up to.
//!
//! It reads one snapshot while others go on booking. Calls are read page by page in the order of their ids, and
//! balances are added up by the database: neither is ever in memory as a whole.

use diesel::{
    ExpressionMethods, QueryDsl, QueryableByName,
    sql_types::{BigInt, Text},
};
use diesel_async::RunQueryDsl;

use crate::{
    domain::ledger::check::{CallBooks, Fault, Line},
    store::{
        Store, StoreError,
        connection::{Connection, on_backend},
        schema::{ledger_entries, ledger_holds},
    },
};

/// Entries of one page.
const PAGE: usize = 10_000;

/// No text comes after it.
const LAST: &str = "\u{10ffff}";

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LedgerReport {
    pub calls: u64,
    pub entries: u64,
    /// Holds of calls that are under way.
    pub open: u64,
    pub balances: u64,
    /// Calls whose books are wrong, as many as were asked for at most.
    pub wrong_calls: Vec<CallFinding>,
    /// Balances that are not what the entries add up to, as many as were asked for at most.
    pub wrong_accounts: Vec<AccountFinding>,
    /// Whether there are more than were asked for.
    pub more: bool,
    /// Whether balances were looked at: not where an entry does not say in which it is counted.
    pub balances_checked: bool,
}

/// A call whose books break rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFinding {
    /// As it is stored.
    pub request: String,
    pub faults: Vec<Fault>,
}

/// A balance that is wrong; amounts in pico-USD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountFinding {
    /// As it is stored: `budget/subject/since`.
    pub account: String,
    pub spent: i128,
    pub spent_by_entries: i128,
    pub held: i128,
    pub held_by_holds: i128,
}

impl LedgerReport {
    /// Whether nothing wrong was found, and everything was looked at.
    pub fn is_right(&self) -> bool {
        self.wrong_calls.is_empty() && self.wrong_accounts.is_empty() && self.balances_checked
    }
}

impl Store {
    /// Checks the whole ledger as it is at one moment, and returns at most `max_findings` calls and as many balances
    /// that are wrong. It takes as long as an operation may.
    pub async fn check_ledger(&self, max_findings: usize) -> Result<LedgerReport, StoreError> {
        self.snapshot("ledger_entries", async move |connection: &mut Connection| {
            let mut report = LedgerReport::default();
            check_calls(connection, &mut report, max_findings).await?;
            let readable = |call: &CallFinding| !call.faults.contains(&Fault::UnreadableAccounts);
            report.balances_checked = !report.more && report.wrong_calls.iter().all(readable);
            if report.balances_checked {
                check_balances(connection, &mut report, max_findings).await?;
            }
            Ok(report)
        })
        .await
    }
}

/// A line and its call.
type Row = (String, Line);

async fn check_calls(connection: &mut Connection, report: &mut LedgerReport, most: usize) -> Result<(), StoreError> {
    let mut after = String::new();
    loop {
        let mut entries = entries_after(connection, &after).await?;
        let until = if entries.len() < PAGE { None } else { Some(cut(&mut entries)) };
        let open = holds_between(connection, &after, until.as_deref()).await?;
        report.entries = report.entries.saturating_add(count(entries.len()));
        report.open = report.open.saturating_add(count(open.len()));
        check_page(entries, open, report, most);
        match until {
            Some(until) => after = until,
            None => return Ok(()),
        }
    }
}

async fn entries_after(connection: &mut Connection, after: &str) -> Result<Vec<Row>, StoreError> {
    let entries = ledger_entries::table.filter(ledger_entries::request_id.gt(after));
    let entries = entries.order((ledger_entries::request_id, ledger_entries::kind)).limit(signed(PAGE)).select((
        ledger_entries::request_id,
        ledger_entries::kind,
        ledger_entries::amount_pusd,
        ledger_entries::accounts,
    ));
    let rows: Vec<(String, String, i64, String)> = on_backend!(connection, |conn| entries.load(conn).await)?;
    let line = |(request, kind, amount_pusd, accounts)| (request, Line { kind, amount_pusd, accounts });
    Ok(rows.into_iter().map(line).collect())
}

async fn holds_between(connection: &mut Connection, after: &str, until: Option<&str>) -> Result<Vec<Row>, StoreError> {
    let until = until.unwrap_or(LAST);
    let holds = ledger_holds::table.filter(ledger_holds::request_id.gt(after));
    let holds = holds.filter(ledger_holds::request_id.le(until)).order(ledger_holds::request_id).select((
        ledger_holds::request_id,
        ledger_holds::amount_pusd,
        ledger_holds::accounts,
    ));
    let rows: Vec<(String, i64, String)> = on_backend!(connection, |conn| holds.load(conn).await)?;
    let line = |(request, amount_pusd, accounts)| (request, Line { kind: "hold".to_owned(), amount_pusd, accounts });
    Ok(rows.into_iter().map(line).collect())
}

/// Takes the last call off a full page, because it may go on with the next one, and names the last that is whole. A call
/// that fills a page alone is taken as it is.
fn cut(entries: &mut Vec<Row>) -> String {
    let last = entries.last().map(|(request, _)| request.clone()).unwrap_or_default();
    let whole = entries.iter().rposition(|(request, _)| *request != last);
    let Some(whole) = whole else { return last };
    entries.truncate(whole.saturating_add(1));
    entries.last().map(|(request, _)| request.clone()).unwrap_or_default()
}

/// Both lists are in the order of their calls.
fn check_page(entries: Vec<Row>, open: Vec<Row>, report: &mut LedgerReport, most: usize) {
    let mut calls = std::collections::BTreeMap::<String, CallBooks>::new();
    for (request, line) in entries {
        calls.entry(request).or_default().entries.push(line);
    }
    for (request, line) in open {
        calls.entry(request).or_default().open = Some(line);
    }
    report.calls = report.calls.saturating_add(count(calls.len()));
    for (request, books) in calls {
        let faults = books.faults();
        if faults.is_empty() {
            continue;
        }
        if report.wrong_calls.len() < most {
            report.wrong_calls.push(CallFinding { request, faults });
        } else {
            report.more = true;
        }
    }
}

/// Sums are micro-USD and what is left of them in pico-USD: many amounts are more than a column holds.
#[derive(QueryableByName)]
struct Rebuilt {
    #[diesel(sql_type = Text)]
    account: String,
    #[diesel(sql_type = BigInt)]
    spent: i64,
    #[diesel(sql_type = BigInt)]
    held: i64,
    #[diesel(sql_type = BigInt)]
    spent_micro: i64,
    #[diesel(sql_type = BigInt)]
    spent_rest: i64,
    #[diesel(sql_type = BigInt)]
    held_micro: i64,
    #[diesel(sql_type = BigInt)]
    held_rest: i64,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

async fn check_balances(connection: &mut Connection, report: &mut LedgerReport, most: usize) -> Result<(), StoreError> {
    let each = match connection {
        Connection::Sqlite(_) => "json_each(accounts) AS each",
        Connection::Postgres(_) => "jsonb_array_elements_text(accounts::jsonb) AS each (value)",
    };
    let count = diesel::sql_query("SELECT COUNT(*) AS count FROM ledger_balances");
    let count: Count = on_backend!(connection, |conn| count.get_result(conn).await)?;
    report.balances = u64::try_from(count.count).unwrap_or(0);
    let wrong = diesel::sql_query(sql(each)).bind::<BigInt, _>(signed(most.saturating_add(1)));
    let mut wrong: Vec<Rebuilt> = on_backend!(connection, |conn| wrong.load(conn).await)?;
    report.more = report.more || wrong.len() > most;
    wrong.truncate(most);
    report.wrong_accounts = wrong.into_iter().map(AccountFinding::from).collect();
    Ok(())
}

/// The balances that are not what the entries and the open holds add up to.
fn sql(each: &str) -> String {
    let sum = |column: &str, name: &str| {
        format!(
            "CAST(SUM({column} / 1000000) AS BIGINT) AS {name}_micro, \
             CAST(SUM({column} % 1000000) AS BIGINT) AS {name}_rest"
        )
    };
    // A rest is carried, so that both sides of a comparison are in the same form.
    let differs = |name: &str| {
        let (micro, rest) = (format!("COALESCE({name}_micro, 0)"), format!("COALESCE({name}_rest, 0)"));
        // Not below zero, though refunds are.
        let left = format!("((({rest}) % 1000000 + 1000000) % 1000000)");
        format!(
            "COALESCE({name}_pusd, 0) / 1000000 <> {micro} + ({rest} - {left}) / 1000000 \
             OR COALESCE({name}_pusd, 0) % 1000000 <> {left}"
        )
    };
    format!(
        "WITH moved AS ( \
             SELECT each.value AS account, CASE WHEN kind = 'refund' THEN -amount_pusd ELSE amount_pusd END AS spent, \
             0 AS held FROM ledger_entries, {each} WHERE kind IN ('settle', 'forced', 'refund') \
             UNION ALL SELECT each.value, 0, amount_pusd FROM ledger_holds, {each} \
         ), rebuilt AS (SELECT account, {spent}, {held} FROM moved GROUP BY account) \
         SELECT COALESCE(ledger_balances.account, rebuilt.account) AS account, \
             COALESCE(spent_pusd, 0) AS spent, COALESCE(held_pusd, 0) AS held, \
             COALESCE(spent_micro, 0) AS spent_micro, COALESCE(spent_rest, 0) AS spent_rest, \
             COALESCE(held_micro, 0) AS held_micro, COALESCE(held_rest, 0) AS held_rest \
         FROM ledger_balances FULL JOIN rebuilt ON rebuilt.account = ledger_balances.account \
         WHERE {spent_differs} OR {held_differs} ORDER BY 1 LIMIT $1",
        spent = sum("spent", "spent"),
        held = sum("held", "held"),
        spent_differs = differs("spent"),
        held_differs = differs("held"),
    )
}

impl From<Rebuilt> for AccountFinding {
    fn from(row: Rebuilt) -> Self {
        let sum = |micro: i64, rest: i64| i128::from(micro).saturating_mul(1_000_000).saturating_add(rest.into());
        Self {
            account: row.account,
            spent: row.spent.into(),
            spent_by_entries: sum(row.spent_micro, row.spent_rest),
            held: row.held.into(),
            held_by_holds: sum(row.held_micro, row.held_rest),
        }
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
