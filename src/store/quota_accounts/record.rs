//! An account as JSON text. Numbers that JSON readers may round are written as text.

use serde::{Deserialize, Serialize};

use crate::domain::{
    calendar::{Calendar, Every, UnknownZone},
    lease::{Counting, HolderId, Holding, Kind, LeaseAccount, Terms},
};

#[derive(Serialize, Deserialize)]
struct Record {
    version: i64,
    kind: KindRecord,
    at: u64,
    level: String,
    /// Of a calendar: the window that is counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<[u64; 2]>,
    holders: Vec<HolderRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindRecord {
    Rate {
        limit: u64,
        window: u64,
        burst: u64,
    },
    Calendar {
        limit: u64,
        window: Every,
        time_zone: String,
    },
    #[serde(rename = "places")]
    Concurrent {
        limit: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct HolderRecord {
    id: String,
    units: u64,
    seq: u64,
    until: u64,
}

pub(super) fn written(account: &LeaseAccount) -> String {
    let kind = match account.terms.kind {
        Kind::Rate { limit, window, burst } => KindRecord::Rate { limit, window, burst },
        Kind::Calendar { limit, calendar: Calendar { every, zone } } => {
            KindRecord::Calendar { limit, window: every, time_zone: zone.name().to_owned() }
        }
        Kind::Concurrent { limit } => KindRecord::Concurrent { limit },
    };
    let holder = |(id, holding): (&HolderId, &Holding)| HolderRecord {
        id: format!("{:032x}", id.0),
        units: holding.units,
        seq: holding.seq,
        until: holding.until,
    };
    let record = Record {
        version: account.terms.version,
        kind,
        at: account.at,
        level: account.level.to_string(),
        window: matches!(account.terms.kind, Kind::Calendar { .. })
            .then_some([account.window.since, account.window.until]),
        holders: account.holders.iter().map(holder).collect(),
    };
    // Numbers and text under names that are known here: nothing in it can fail to be JSON.
    serde_json::to_string(&record).unwrap_or_default()
}

/// # Errors
/// Why the text is no account.
pub(super) fn read(text: &str) -> Result<LeaseAccount, String> {
    let record: Record = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let kind = match record.kind {
        KindRecord::Rate { limit: 0, .. } | KindRecord::Rate { window: 0, .. } => return Err("a rate of zero".into()),
        KindRecord::Rate { limit, window, burst } => Kind::Rate { limit, window, burst },
        KindRecord::Calendar { limit, window, time_zone } => {
            let zone = time_zone.parse().map_err(|error: UnknownZone| error.to_string())?;
            Kind::Calendar { limit, calendar: Calendar { every: window, zone } }
        }
        KindRecord::Concurrent { limit } => Kind::Concurrent { limit },
    };
    let window = record.window.map(|[since, until]| Counting { since, until }).unwrap_or_default();
    let level = record.level.parse().map_err(|_| format!("level is {:?}", record.level))?;
    let holder = |holder: HolderRecord| {
        let id = u128::from_str_radix(&holder.id, 16).map_err(|_| format!("a holder is {:?}", holder.id))?;
        Ok((HolderId(id), Holding { units: holder.units, seq: holder.seq, until: holder.until }))
    };
    Ok(LeaseAccount {
        terms: Terms { kind, version: record.version },
        at: record.at,
        level,
        // The store has forgotten nothing.
        since: 0,
        window,
        holders: record.holders.into_iter().map(holder).collect::<Result<_, String>>()?,
    })
}
