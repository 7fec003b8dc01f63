//! How a row stands in the spool: one line of text, the columns parted by tabs, `None` as nothing.
//!
//! The texts that are hashed stand in it byte for byte. They are JSON, in which control characters are escaped (RFC 8259
//! §7), so that no tab and no line feed is in them; the name of a route is written as JSON for the same reason.

use std::str::FromStr;

use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    domain::{audit::Hash, hex},
    store::audit::AuditRow,
};

/// A line of the spool that is not a row.
#[derive(Debug, thiserror::Error)]
#[error("a record of the audit spool is none of this version")]
pub(in crate::actors::audit_writer) struct NoRow;

/// Room for the columns besides the texts.
const COLUMN_BYTES: usize = 400;

/// The line of a row.
pub(super) fn write(row: &AuditRow) -> Result<String, serde_json::Error> {
    let AuditRow {
        seq,
        id,
        request_id,
        stage,
        time,
        user_id,
        route,
        decision,
        status,
        about,
        prev_hash,
        hash,
        entry,
        personal,
        change,
    } = row;
    let texts = [Some(entry.as_str()), personal.as_deref(), change.as_deref()];
    let bytes = texts.iter().flatten().map(|text| text.len()).fold(COLUMN_BYTES, usize::saturating_add);
    let mut line = String::with_capacity(bytes);
    let route = route.as_ref().map(serde_json::to_string).transpose()?;
    // Without `write!`, which costs more than the texts: every call has a line or two.
    line.push_str(&seq.to_string());
    push_id(&mut line, Some(id.0));
    push_id(&mut line, Some(request_id.0));
    push_text(&mut line, stage.as_str());
    push_text(&mut line, &time.as_nanosecond().to_string());
    push_id(&mut line, user_id.map(|id| id.0));
    push_id(&mut line, about.map(|id| id.0));
    push_text(&mut line, decision.map_or("", |decision| decision.as_str()));
    push_text(&mut line, &status.map(|status| status.to_string()).unwrap_or_default());
    let (prev_hash, hash) = (hex::encode(prev_hash), hex::encode(hash));
    for text in [route.as_deref(), Some(&prev_hash), Some(&hash)].into_iter().chain(texts) {
        push_text(&mut line, text.unwrap_or_default());
    }
    Ok(line)
}

/// Adds a column behind others.
fn push_text(line: &mut String, text: &str) {
    line.push('\t');
    line.push_str(text);
}

/// Adds an id behind others.
fn push_id(line: &mut String, id: Option<Uuid>) {
    line.push('\t');
    if let Some(id) = id {
        line.push_str(id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    }
}

/// The row of a line.
pub(super) fn read(line: &str) -> Result<AuditRow, NoRow> {
    let mut columns = Columns(line.split('\t'));
    let row = AuditRow {
        seq: columns.needed()?,
        id: columns.needed()?,
        request_id: columns.needed()?,
        stage: columns.needed()?,
        time: Timestamp::from_nanosecond(columns.needed()?).map_err(|_| NoRow)?,
        user_id: columns.next()?,
        about: columns.next()?,
        decision: columns.next()?,
        status: columns.next()?,
        route: columns.text()?.map(serde_json::from_str).transpose().map_err(|_| NoRow)?,
        prev_hash: columns.hash()?,
        hash: columns.hash()?,
        entry: columns.needed()?,
        personal: columns.next()?,
        change: columns.next()?,
    };
    if columns.0.next().is_none() { Ok(row) } else { Err(NoRow) }
}

/// The columns of a line that were not read yet.
struct Columns<'l>(std::str::Split<'l, char>);

impl<'l> Columns<'l> {
    fn text(&mut self) -> Result<Option<&'l str>, NoRow> {
        self.0.next().map(|text| Some(text).filter(|text| !text.is_empty())).ok_or(NoRow)
    }

    fn next<T: FromStr>(&mut self) -> Result<Option<T>, NoRow> {
        self.text()?.map(str::parse).transpose().map_err(|_| NoRow)
    }

    fn needed<T: FromStr>(&mut self) -> Result<T, NoRow> {
        self.next()?.ok_or(NoRow)
    }

    fn hash(&mut self) -> Result<Hash, NoRow> {
        self.text()?.and_then(hex::decode).ok_or(NoRow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        audit::{Decision, Stage},
        ids::{EntryId, RequestId, UserId},
    };

    fn row() -> AuditRow {
        AuditRow {
            seq: 7,
            id: EntryId(Uuid::from_u128(1)),
            request_id: RequestId(Uuid::from_u128(2)),
            stage: Stage::Outcome,
            time: Timestamp::from_nanosecond(1_800_000_000_123_456_789).unwrap(),
            user_id: None,
            route: None,
            decision: None,
            status: None,
            about: None,
            prev_hash: [0; 32],
            hash: [0xab; 32],
            entry: r#"{"reason":"a\tb\nc"}"#.into(),
            personal: None,
            change: None,
        }
    }

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let full = AuditRow {
            user_id: Some(UserId(Uuid::from_u128(3))),
            about: Some(UserId(Uuid::from_u128(4))),
            route: Some("a\troute\n\"é".into()),
            decision: Some(Decision::Refused),
            status: Some(429),
            personal: Some(r#"{"path":"/é"}"#.into()),
            change: Some("{}".into()),
            ..row()
        };
        let about_only = AuditRow { about: full.about, change: full.change.clone(), ..row() };
        for row in [row(), full, about_only] {
            let line = write(&row).unwrap();
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(read(&line).unwrap(), row, "{line}");
        }
    }

    #[test]
    fn what_is_no_row_is_no_panic() {
        let line = write(&row()).unwrap();
        for part in (0..line.len()).filter_map(|end| line.get(..end)).filter(|part| !part.ends_with('}')) {
            assert!(read(part).is_err(), "{part}");
        }
        for wrong in ["", "\t\t\t", "{}", &format!("{line}\t"), &line.replacen('7', "x", 1), &line.replace("ab", "zz")]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
