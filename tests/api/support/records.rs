//! The audit log read straight from the store, past every handler.

use serde_json::{Map, Value};
use tollgate::{
    domain::audit::fields,
    store::{
        Store,
        audit::{AuditEntryRow, AuditFilter, AuditRecordRow},
    },
};

use super::TestGateway;

const PAGE: u32 = 200;

impl TestGateway {
    /// All records, newest first; each as its opening with its outcome laid over it.
    pub async fn records(&self) -> Vec<Value> {
        all_of(self.running().office.audit_log.settled().await).await
    }

    /// The record of one request.
    pub async fn record(&self, request_id: &str) -> Option<Value> {
        let filter = AuditFilter { request_id: Some(request_id.parse().unwrap()), ..AuditFilter::default() };
        let rows = self.running().office.audit_log.settled().await.audit_page(&filter, None, PAGE).await.unwrap();
        assert!(rows.len() < 2, "two records of one request");
        rows.first().map(merged)
    }

    /// The text of every entry and of its parts, byte for byte as it is stored.
    pub async fn entries(&self) -> Vec<String> {
        let rows = rows_of(self.running().office.audit_log.settled().await).await;
        let texts = rows.into_iter().flat_map(|row| [Some(row.opening), row.outcome]);
        let texts = texts.flatten().flat_map(|row| [Some(row.entry), row.personal, row.change]);
        texts.flatten().collect()
    }
}

/// All records of a store, newest first.
pub async fn all_of(store: &Store) -> Vec<Value> {
    rows_of(store).await.iter().map(merged).collect()
}

async fn rows_of(store: &Store) -> Vec<AuditRecordRow> {
    let mut rows: Vec<AuditRecordRow> = vec![];
    loop {
        let before = rows.last().map(|row| row.opening.id);
        let page = store.audit_page(&AuditFilter::default(), before, PAGE).await.unwrap();
        if page.is_empty() {
            return rows;
        }
        rows.extend(page);
    }
}

fn read(row: &AuditEntryRow) -> Map<String, Value> {
    fields(&row.entry, row.personal.as_deref(), row.change.as_deref()).unwrap()
}

/// The outcome laid over the opening entry, whose place in the chain and whose time are those of the record.
fn merged(row: &AuditRecordRow) -> Value {
    let mut record = read(&row.opening);
    if let Some(outcome) = &row.outcome {
        let of_the_opening = ["chain", "seq", "id", "time", "request_id"];
        record.extend(read(outcome).into_iter().filter(|(field, _)| !of_the_opening.contains(&field.as_str())));
    }
    record.into()
}
