//! A call that goes on although its client leaves before the answer: what it costs is still to come, and the record waits for
//! that, as it does behind a stream.

use super::record::Record;
use crate::{
    domain::refusal::Refusal,
    pipeline::{call::Call, gate::Gate},
    telemetry::Trace,
};

/// Does the work to its end, whether or not it is waited for. Where it is not, the record is written once it is known what the
/// call costs, if it is billed, and at once otherwise.
///
/// # Errors
/// `Internal` if the work panicked.
pub async fn outlive<T: 'static>(
    record: &mut Record,
    gate: &Gate,
    call: &Call,
    work: impl Future<Output = T> + 'static,
) -> Result<T, Refusal> {
    let mut waiting = Waiting { record, gate, call, is_over: false };
    let done = actix_web::rt::spawn(work).await;
    waiting.is_over = true;
    done.map_err(|_| Refusal::Internal)
}

/// Somebody waits for the work.
struct Waiting<'v> {
    record: &'v mut Record,
    gate: &'v Gate,
    call: &'v Call,
    is_over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let cost = self.record.known.cost_note();
        if !self.is_over && cost.is_open() {
            cost.wait();
            // What stays leaves no entry.
            let rest = Record::of(self.gate, self.call, Trace::default(), None);
            std::mem::replace(self.record, rest).leave_when_paid();
        }
    }
}
