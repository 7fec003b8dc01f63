//! `tollgate usage`: who spent what, straight from the store, as a table, CSV or JSON.

use std::{collections::HashMap, path::Path, time::Duration};

use clap::Args;
use jiff::{Span, Timestamp, civil::Date};
use serde_json::{Map, Value};

use super::{Failure, load, print};
use crate::{
    app::{StartError, existing_store},
    domain::usage::Dimension,
    store::{
        Store, StoreError,
        ledger::{UsageFilter, UsageRow},
    },
};

/// How long one statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_mins(10);

/// The most sums.
const MAX_ROWS: u32 = 100_000;

const SUMS: [&str; 5] = ["requests", "input_tokens", "output_tokens", "cached_tokens", "cost_usd"];

#[derive(Args)]
pub(super) struct Usage {
    /// A day of UTC or a time: calls that were settled then or later.
    #[arg(long, value_parser = moment)]
    from: Option<Timestamp>,
    /// A day of UTC or a time: calls that were settled before.
    #[arg(long, value_parser = moment)]
    to: Option<Timestamp>,
    /// Some of user, team, key, model, route, day, with commas; empty: one sum of all.
    #[arg(long, default_value = "user")]
    group_by: String,
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    #[arg(long)]
    csv: bool,
}

impl Usage {
    pub(super) fn run(self, file: Option<&Path>) -> Result<(), Failure> {
        let group_by = Dimension::list(&self.group_by);
        let group_by = group_by.map_err(|error| Failure::Configuration(format!("--group-by: {error}")))?;
        let store = existing_store(&load(file)?, STATEMENT_TIMEOUT)?;
        let heads: Vec<&str> = self.group_by.split(',').filter(|word| !word.is_empty()).chain(SUMS).collect();
        let filter = UsageFilter {
            from: self.from.unwrap_or(Timestamp::MIN),
            to: self.to.unwrap_or(Timestamp::MAX),
            user: None,
            group_by: group_by.clone(),
        };
        let lines = actix::System::new().block_on(lines(&store, filter, &group_by)).map_err(StartError::from)?;
        print(&if self.json {
            json(&heads, &lines)
        } else if self.csv {
            csv(&heads, &lines)
        } else {
            table(&heads, &lines)
        });
        Ok(())
    }
}

/// A day means its beginning.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let day = text.parse::<Date>().ok().and_then(|day| format!("{day}T00:00:00Z").parse().ok());
    day.ok_or_else(|| "a day such as 2026-11-24, or a time such as 2026-11-24T08:00:00Z".into())
}

async fn lines(store: &Store, filter: UsageFilter, group_by: &[Dimension]) -> Result<Vec<Vec<String>>, StoreError> {
    let mut names = Names { store, known: HashMap::new() };
    let mut lines = vec![];
    for UsageRow { group, totals } in store.usage(filter, MAX_ROWS).await? {
        let mut line = vec![];
        for (dimension, value) in group_by.iter().zip(group) {
            line.push(match value {
                None => "-".into(),
                Some(value) => names.of(*dimension, value).await?,
            });
        }
        let counts = [totals.requests, totals.input_tokens, totals.output_tokens, totals.cached_tokens];
        line.extend(counts.map(|count| count.to_string()));
        line.push(totals.cost.to_string());
        lines.push(line);
    }
    Ok(lines)
}

/// The names of users and teams that are not deleted; of all else, and of keys, what the books say.
struct Names<'s> {
    store: &'s Store,
    known: HashMap<String, String>,
}

impl Names<'_> {
    async fn of(&mut self, dimension: Dimension, value: String) -> Result<String, StoreError> {
        if let Some(name) = self.known.get(&value) {
            return Ok(name.clone());
        }
        let name = match dimension {
            Dimension::Day => date(&value),
            Dimension::User => match value.parse() {
                Ok(id) => self.store.user(id).await?.map(|user| user.username.to_string()),
                Err(_) => None,
            },
            Dimension::Team => match value.parse() {
                Ok(id) => self.store.team(id).await?.map(|team| team.name.to_string()),
                Err(_) => None,
            },
            _ => None,
        };
        let name = name.unwrap_or_else(|| value.clone());
        self.known.insert(value, name.clone());
        Ok(name)
    }
}

/// The date of a day that is counted from 1970-01-01.
fn date(day: &str) -> Option<String> {
    let days = Span::new().try_days(day.parse::<i64>().ok()?).ok()?;
    Date::constant(1970, 1, 1).checked_add(days).ok().map(|date| date.to_string())
}

fn json(heads: &[&str], lines: &[Vec<String>]) -> String {
    let value = |head: &str, text: &String| match text.parse::<u64>() {
        Ok(count) if SUMS.contains(&head) && head != "cost_usd" => Value::from(count),
        _ if text == "-" => Value::Null,
        _ => Value::from(text.clone()),
    };
    let item = |line: &Vec<String>| -> Map<String, Value> {
        heads.iter().zip(line).map(|(head, text)| ((*head).to_owned(), value(head, text))).collect()
    };
    let items: Vec<_> = lines.iter().map(item).map(Value::Object).collect();
    format!("{:#}\n", serde_json::json!({ "items": items }))
}

fn csv(heads: &[&str], lines: &[Vec<String>]) -> String {
    let quoted = |text: &str| {
        if text.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_owned()
        }
    };
    let row = |fields: Vec<String>| fields.join(",") + "\r\n";
    let head = row(heads.iter().map(|head| quoted(head)).collect());
    lines.iter().fold(head, |text, line| text + &row(line.iter().map(|field| quoted(field)).collect()))
}

/// Names to the left, numbers to the right.
fn table(heads: &[&str], lines: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count());
        cells.chain(heads.get(column).map(|head| head.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let first_sum = heads.len().saturating_sub(SUMS.len());
    let row = |cells: Vec<&str>| {
        let cell = |(column, (text, &width)): (usize, (&str, &usize))| {
            if column < first_sum { format!("{text:<width$}") } else { format!("{text:>width$}") }
        };
        let cells: Vec<String> = cells.into_iter().zip(&widths).enumerate().map(cell).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    let head = row(heads.to_vec());
    lines.iter().fold(head, |text, line| text + &row(line.iter().map(String::as_str).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_names_to_the_left_and_numbers_to_the_right() {
        let lines = [["ann", "1", "10", "5", "0", "0.25"], ["bo, the second", "12", "9", "5", "0", "1"]];
        let lines = lines.map(|line| line.map(str::to_owned).to_vec());
        let heads: Vec<&str> = ["user"].into_iter().chain(SUMS).collect();
        let text = table(&heads, &lines);
        let second = text.lines().nth(1).unwrap();
        assert!(second.starts_with("ann             ") && second.ends_with("      0.25"), "{text}");
        assert!(csv(&heads, &lines).ends_with("\"bo, the second\",12,9,5,0,1\r\n"));
        assert!(json(&heads, &lines).contains("\"requests\": 12"));
    }

    #[test]
    fn a_day_is_its_beginning() {
        assert_eq!(moment("2026-11-24").unwrap().to_string(), "2026-11-24T00:00:00Z");
        assert_eq!(moment("2026-11-24T08:00:00Z").unwrap().to_string(), "2026-11-24T08:00:00Z");
        assert!(moment("yesterday").is_err());
    }
}
