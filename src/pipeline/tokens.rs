//! The tokens that a call to a model takes from limits: estimated before it is limited, corrected by its answer.

use actix_web::http::StatusCode;

use super::{Gate, audit::Record, body::ClientBody};
use crate::{
    domain::{
        limit::Unit,
        refusal::Refusal,
        route::{Meter, Route},
    },
    upstream::{Answer, meter},
};

/// About how many tokens a call will take; `None` where no limit counts them. Only for that the body is read.
pub async fn estimate(
    gate: &Gate,
    route: &Route,
    body: &mut ClientBody,
    record: &Record,
) -> Result<Option<u64>, Refusal> {
    let counts = |unit| gate.policies.read().on(&route.name).iter().any(|group| group.unit == unit);
    if !route.meter.counts_tokens() || !counts(Unit::Tokens) {
        return Ok(None);
    }
    let bytes = body.read(&gate.shape, &record.request_bytes()).await?;
    Ok(Some(meter::estimate(&bytes, route.meter != Meter::OpenaiEmbeddings)))
}

/// Reads off an answer how many tokens the call took.
pub struct Tally {
    reader: meter::UsageReader,
    /// An answer that is an error and states no usage took none.
    is_error: bool,
}

impl Tally {
    #[must_use]
    pub fn of(answer: &Answer, status: StatusCode) -> Self {
        let content_type = answer.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_error = status.is_client_error() || status.is_server_error();
        Self { reader: meter::UsageReader::new(content_type), is_error }
    }

    pub fn read(&mut self, piece: &[u8]) {
        self.reader.read(piece);
    }

    /// What the call took, if the answer, which is over, has said so. Otherwise the estimate stands.
    #[must_use]
    pub fn total_tokens(self) -> Option<u64> {
        self.reader.total_tokens().or_else(|| self.is_error.then_some(0))
    }
}
