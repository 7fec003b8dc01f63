//! The tokens of a call to a model: about how many it will take, and how many it took by the answer's own account.
//!
//! Called by the pipeline, before a call is limited and while its answer passes. It changes no byte, keeps no text, and
//! believes no number that is not a plain count.

mod answer;
mod request;

pub use self::{answer::UsageReader, request::estimate};
