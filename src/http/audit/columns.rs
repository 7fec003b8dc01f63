//! The columns of records in CSV: all of a record's fields, in the order in which people look for them.

use super::{AuditPage, AuditRecord};
use crate::http::csv::Table;

impl Table for AuditPage {
    type Row = AuditRecord;

    const COLUMNS: &'static [&'static str] = &[
        "time",
        "id",
        "request_id",
        "trace_id",
        "chain",
        "seq",
        "user_id",
        "username",
        "user_name",
        "team_id",
        "team_name",
        "role",
        "credential",
        "key_name",
        "session_id",
        "peer",
        "client",
        "client_certificate",
        "forwarded_for",
        "method",
        "path",
        "route",
        "decision",
        "reason",
        "refused",
        "fields",
        "status",
        "upstream",
        "upstream_status",
        "attempts",
        "limited_at",
        "weight",
        "reserved_at",
        "estimated_tokens",
        "hold_usd",
        "refunded",
        "request_bytes",
        "response_bytes",
        "duration_us",
        "model",
        "served_model",
        "input_tokens",
        "output_tokens",
        "cost_usd",
        "outcome",
        "change",
        "about",
        "about_name",
        "act",
        "by",
        "request_body",
        "response_body",
        "erased",
        "prev_hash",
        "hash",
    ];

    fn rows(&self) -> &[AuditRecord] {
        &self.page.items
    }

    fn next_cursor(&self) -> Option<&str> {
        self.page.next_cursor.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_field_of_a_record_has_a_column() {
        let record: AuditRecord = serde_json::from_value(json!({
            "chain": "c", "seq": 1, "id": "i", "time": "t", "request_id": "r", "erased": false, "prev_hash": "", "hash": "",
            "user_name": null, "team_name": null, "key_name": null, "about_name": null,
            "limited_at": "2026-11-30T00:00:00Z", "weight": 2, "reserved_at": "2026-11-30T00:00:00Z", "estimated_tokens": 1,
            "hold_usd": "1", "refunded": true,
        }))
        .unwrap();
        let record = serde_json::to_value(record).unwrap();
        let fields = record.as_object().unwrap();
        for field in fields.keys() {
            assert!(AuditPage::COLUMNS.contains(&field.as_str()), "{field} has no column");
        }
        for column in AuditPage::COLUMNS {
            assert!(fields.contains_key(*column), "no record has {column}");
        }
    }
}
