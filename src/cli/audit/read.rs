//! `tollgate audit tail` and `tollgate audit show`: records for the eye.

use std::{collections::VecDeque, thread, time::Duration};

use clap::Args;
use jiff::SignedDuration;
use serde_json::{Map, Value};

use super::{Failure, failed};
use crate::{
    app::audit_store,
    cli::{is_printed, print},
    config::Config,
    domain::{
        audit::{Refused, RefusedByBudget, RefusedByLimit, act, fields},
        hex,
        ids::{EntryId, RequestId},
    },
    store::{
        Store,
        audit::{AuditEntryRow, AuditFilter, AuditRecordRow},
    },
};

/// How often it is looked for new records, and how far back: clocks of replicas differ.
const LOOK: Duration = Duration::from_secs(1);
const OVERLAP: SignedDuration = SignedDuration::from_secs(10);

/// The most records at a time, and how many that were shown are kept in mind.
const PAGE: u32 = 1_000;
const REMEMBERED: usize = 10_000;

/// What a record says first, in this order; the rest follows by name.
const FIRST: [&str; 12] =
    ["time", "request_id", "id", "decision", "reason", "status", "method", "path", "route", "username", "role", "peer"];

#[derive(Args)]
pub(in crate::cli) struct Tail {
    /// How many of the newest records.
    #[arg(short = 'n', long, default_value = "20", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    lines: u32,
    /// Go on with new records until it is stopped.
    #[arg(short, long)]
    follow: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Show {
    /// The id of a record, or of its request.
    id: String,
    #[arg(long)]
    json: bool,
}

impl Tail {
    pub(super) async fn run(&self, config: &Config) -> Result<(), Failure> {
        let store = audit_store(config).await?;
        let mut shown = VecDeque::new();
        let mut filter = AuditFilter::default();
        let mut count = self.lines;
        loop {
            let mut page = store.audit_page(&filter, None, count).await.map_err(failed)?;
            page.reverse();
            page.retain(|row| !shown.contains(&row.opening.id));
            for row in page {
                let record = record(&row)?;
                let text = if self.json { format!("{}\n", Value::Object(record.clone())) } else { line(&record) };
                if !is_printed(&text) {
                    return Ok(());
                }
                filter.from = time(&record).or(filter.from);
                shown.push_back(row.opening.id);
            }
            if !self.follow {
                return Ok(());
            }
            shown.drain(..shown.len().saturating_sub(REMEMBERED));
            filter.from = filter.from.and_then(|from| from.checked_sub(OVERLAP).ok());
            count = PAGE;
            thread::sleep(LOOK);
        }
    }
}

impl Show {
    pub(super) async fn run(&self, config: &Config) -> Result<(), Failure> {
        let store = audit_store(config).await?;
        let nothing = || Failure::Failed(format!("there is no record {}", self.id));
        let row = find(&store, &self.id).await?.ok_or_else(nothing)?;
        let record = named(&store, record(&row)?).await?;
        print(&if self.json { format!("{:#}\n", Value::Object(record)) } else { paragraph(&record) });
        Ok(())
    }
}

async fn find(store: &Store, id: &str) -> Result<Option<AuditRecordRow>, Failure> {
    let no_id = || Failure::Configuration(format!("\"{id}\" is not the id of a record or of a request"));
    let entry: EntryId = id.parse().map_err(|_| no_id())?;
    if let Some(row) = store.audit_record(entry).await.map_err(failed)? {
        return Ok(Some(row));
    }
    let request: RequestId = id.parse().map_err(|_| no_id())?;
    let filter = AuditFilter { request_id: Some(request), ..AuditFilter::default() };
    Ok(store.audit_page(&filter, None, 1).await.map_err(failed)?.pop())
}

/// One record a request: the outcome laid over the opening entry.
fn record(row: &AuditRecordRow) -> Result<Map<String, Value>, Failure> {
    let mut record = read(&row.opening)?;
    if let Some(outcome) = &row.outcome {
        let mut later = read(outcome)?;
        for place in ["chain", "seq", "id", "time", "request_id"] {
            later.remove(place);
        }
        record.extend(later);
    }
    record.insert("prev_hash".into(), hex::encode(&row.opening.prev_hash).into());
    record.insert("hash".into(), hex::encode(&row.opening.hash).into());
    record.retain(|_, value| !value.is_null());
    Ok(record)
}

/// The record with the names beside the ids that stand for users, teams and API keys, also of those that were deleted. Who
/// was erased has none.
async fn named(store: &Store, mut record: Map<String, Value>) -> Result<Map<String, Value>, Failure> {
    let is_erased = record.get("erased") == Some(&Value::Bool(true));
    let text = |field: &str| record.get(field).and_then(Value::as_str).map(str::to_owned);
    let credential = |field: &str| record.get("credential")?.get(field)?.as_str().map(str::to_owned);
    let key = credential("kind").filter(|kind| kind == "api_key").and_then(|_| credential("id"));
    let ids = [
        ("user_name", text("user_id").filter(|_| !is_erased)),
        ("team_name", text("team_id")),
        ("key_name", key),
        ("about_name", text("about").filter(|_| !is_erased)),
    ];
    let ids: Vec<_> = ids.into_iter().filter_map(|(name, id)| Some((name, id?))).collect();
    let names = store.names(ids.iter().map(|(_, id)| id.clone()).collect()).await.map_err(failed)?;
    record.extend(ids.iter().filter_map(|(field, id)| Some(((*field).to_owned(), names.of(id)?.into()))));
    Ok(record)
}

fn read(entry: &AuditEntryRow) -> Result<Map<String, Value>, Failure> {
    fields(&entry.entry, entry.personal.as_deref(), entry.change.as_deref()).map_err(failed)
}

fn time(record: &Map<String, Value>) -> Option<jiff::Timestamp> {
    record.get("time")?.as_str()?.parse().ok()
}

fn word(record: &Map<String, Value>, field: &str) -> String {
    match record.get(field) {
        None | Some(Value::Null) => "-".into(),
        Some(Value::String(text)) => visible(text),
        Some(other) => other.to_string(),
    }
}

/// Text that came from a client moves no cursor.
fn visible(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}

/// Time, status, decision, who, what, where, the rest by name.
fn line(record: &Map<String, Value>) -> String {
    let time =
        time(record).map_or_else(|| word(record, "time"), |time| time.strftime("%Y-%m-%d %H:%M:%S%.3fZ").to_string());
    let word = |field| word(record, field);
    let author = record.get("act").and_then(act::author);
    let of_author = |field: &str| author.and_then(|author| author.get(field)?.as_str()).map(visible);
    let user = of_author("os_user").unwrap_or_else(|| word("username"));
    let (status, decision) = (word("status"), word("decision"));
    let mut line = format!("{time} {status:>3} {decision:<7} {user} {} {}", word("method"), word("path"));
    for (name, field) in
        [("route", "route"), ("reason", "reason"), ("model", "model"), ("cost", "cost_usd"), ("request", "request_id")]
    {
        if record.contains_key(field) {
            line.extend([" ", name, "=", &word(field)]);
        }
    }
    if let Some(why) = of_author("reason") {
        line.extend([" why=", &why]);
    }
    line.push('\n');
    line
}

fn paragraph(record: &Map<String, Value>) -> String {
    let first = FIRST.iter().copied().filter(|name| record.contains_key(*name));
    let rest = record.keys().map(String::as_str).filter(|name| !FIRST.contains(name));
    let lines = first.chain(rest).flat_map(|name| {
        let texts = if name == "refused" { refused(record) } else { vec![word(record, name)] };
        texts.into_iter().map(move |text| format!("{name:<20} {text}\n"))
    });
    lines.collect()
}

/// A line for each limit or budget that refused.
fn refused(record: &Map<String, Value>) -> Vec<String> {
    let refused = record.get("refused").cloned().unwrap_or_default();
    let Ok(Refused { limits, budgets }) = serde_json::from_value(refused) else { return vec![word(record, "refused")] };
    let by_limit = |by: RefusedByLimit| {
        let RefusedByLimit { name, limit, window_s, window, remaining, needed, retry_after_s } = by;
        let span = match (window, window_s) {
            (Some(every), _) => format!(" a calendar {}", every.as_str()),
            (None, Some(seconds)) => format!(" in {seconds} s"),
            (None, None) => " at a time".into(),
        };
        let again = retry_after_s.map_or_else(String::new, |seconds| format!(", room again in {seconds} s"));
        format!("limit {name}: {limit}{span}, {remaining} left, {needed} needed{again}")
    };
    let by_budget = |by: RefusedByBudget| {
        let RefusedByBudget { name, limit_usd, spent_usd, held_usd, remaining_usd, needed_usd, resets_at, .. } = by;
        let again = resets_at.map_or_else(String::new, |at| format!(", resets at {at}"));
        format!(
            "budget {name}: {limit_usd} USD, {spent_usd} spent, {held_usd} held, {remaining_usd} left, {needed_usd} needed{again}"
        )
    };
    limits.into_iter().map(by_limit).chain(budgets.into_iter().map(by_budget)).map(|line| visible(&line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Map<String, Value> {
        let record = serde_json::json!({
            "time": "2026-11-29T09:05:01.5Z", "status": 429, "decision": "refused", "username": "ann", "method": "GET",
            "path": "/echo/\u{1b}[2J", "route": "echo", "reason": "quota", "request_id": "r", "hash": "00",
        });
        record.as_object().unwrap().clone()
    }

    #[test]
    fn a_record_is_a_line_that_moves_no_cursor() {
        assert_eq!(
            line(&some()),
            "2026-11-29 09:05:01.500Z 429 refused ann GET /echo/\\u{1b}[2J route=echo reason=quota request=r\n"
        );
    }

    #[test]
    fn an_act_is_a_line_with_who_did_it_and_why() {
        let act = serde_json::json!({ "command": { "command": "keys rotate", "by": { "os_user": "ops", "reason": "it was time" } } });
        let record = serde_json::json!({ "time": "2026-11-29T09:05:01.5Z", "decision": "allowed", "reason": "keys rotate", "act": act });
        assert_eq!(
            line(record.as_object().unwrap()),
            "2026-11-29 09:05:01.500Z   - allowed ops - - reason=keys rotate why=it was time\n"
        );
    }

    #[test]
    fn a_refusal_is_told_with_what_was_left_and_needed() {
        let mut record = some();
        let budget = serde_json::json!({ "id": "01890a5d-ac96-774b-bcce-b302099a8057", "name": "month", "limit_usd": "25",
            "spent_usd": "24", "held_usd": "0.5", "remaining_usd": "0.5", "needed_usd": "0.75",
            "resets_at": "2026-12-01T00:00:00Z" });
        let limit = serde_json::json!({ "name": "five", "limit": 5, "window_s": 60, "remaining": 0, "needed": 1, "retry_after_s": 12 });
        record.insert("refused".into(), serde_json::json!({ "limits": [limit], "budgets": [budget] }));
        let text = paragraph(&record);
        for line in [
            "refused              limit five: 5 in 60 s, 0 left, 1 needed, room again in 12 s\n",
            "refused              budget month: 25 USD, 24 spent, 0.5 held, 0.5 left, 0.75 needed, resets at 2026-12-01T00:00:00Z\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn a_record_is_a_paragraph_with_the_most_important_first() {
        let text = paragraph(&some());
        assert!(text.starts_with("time                 2026-11-29T09:05:01.5Z\nrequest_id           r\n"), "{text}");
        assert!(text.contains("\nhash                 00\n"), "{text}");
    }
}
