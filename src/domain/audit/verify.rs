//! The verifier's rules: what an entry and a checkpoint must be by themselves (`check`), what they must be one after the
//! other (`walk`), which losses the chain of custody explains (`custody`), and what a file of checkpoints must be (`file`).
//!
//! A check by itself needs nothing but the row, so that many are done at a time; a walk only compares what the checks have
//! found. Nothing here reads a store or a file.

mod check;
mod custody;
mod fault;
mod file;
mod walk;

pub use self::{
    check::{Columns, Facts, Keys, Means, Vouched, check_checkpoint, check_entry, said_place},
    custody::{Custody, Losses, Torn},
    fault::{Fault, Finding, Position},
    file::{CheckpointFile, FileFault, FileFinding, Home, Judged},
    walk::{Beginning, Summary, Walk},
};
