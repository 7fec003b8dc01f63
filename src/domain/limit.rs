//! Limit policies: who is limited, on which routes, and by how much; and what a call takes of them.

pub mod bucket;
mod count;
mod policy;
pub mod rate;
pub mod shard;
pub mod spec;
mod standing;
mod subject;
mod words;

pub use self::{
    policy::{Allowance, DURABLE_WINDOW_S, Home, Mode, OnError, Policy, RouteSet, Unit},
    spec::{Misfit, Spec, SubjectText},
    standing::Standing,
    subject::{InvalidSubject, Per, Subject, UnknownSubject},
    words::UnknownWord,
};
