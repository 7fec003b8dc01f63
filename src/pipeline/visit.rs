//! One request on its way through the steps.

use super::{audit::record::Record, buffered::Buffered, call::Call, gate::Gate};

/// What every step works on. The proof of the step before it is no part of it: proofs are arguments and results.
pub struct Visit<'g> {
    pub gate: &'g Gate,
    /// The facts of the request.
    pub call: Call,
    /// What is known of the request by now, for the audit log.
    pub record: Record,
    /// The memory of its body, where that is read whole.
    pub buffered: Buffered,
}
