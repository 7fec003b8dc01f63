//! Puts together the records of an export, whose entries come chain by chain: an outcome behind its decision.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::request::{Lines, Unreadable};
use crate::domain::audit::{Stage, lines::Exported};

/// Which request of which chain, and which part of its record.
#[derive(Deserialize)]
struct Head {
    chain: String,
    request_id: String,
    stage: Stage,
    time: Timestamp,
}

/// The decisions whose outcome has not come yet: of the calls that were under way at a time.
#[derive(Default)]
pub struct Joiner(HashMap<(String, String), (Timestamp, Lines)>);

impl Joiner {
    /// Takes the next entry; gives a record that is whole with it, and when its request began.
    ///
    /// # Errors
    /// It is no entry.
    pub fn add(&mut self, entry: Exported) -> Result<Option<(Timestamp, Lines)>, Unreadable> {
        let Head { chain, request_id, stage, time } = serde_json::from_str(&entry.entry)?;
        let record = || Lines { opening: entry.entry.clone(), personal: entry.personal.clone(), outcome: None };
        Ok(match stage {
            Stage::Whole => Some((time, record())),
            Stage::Decision => {
                self.0.insert((chain, request_id), (time, record()));
                None
            }
            // Of a decision that lies before the export, nothing is known.
            Stage::Outcome => {
                let opening = self.0.remove(&(chain, request_id));
                opening.map(|(time, lines)| (time, Lines { outcome: Some(entry.entry), ..lines }))
            }
        })
    }

    /// Those that have no outcome.
    pub fn rest(self) -> impl Iterator<Item = (Timestamp, Lines)> {
        self.0.into_values()
    }
}
