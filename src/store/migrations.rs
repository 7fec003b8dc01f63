//! The schema's history: brings a database up to date, or back to nothing, and says how far one has come.
//!
//! Called before the store is opened (`tollgate migrate`, `serve`) and by commands that need a store that is there.

mod apply;
mod found;
mod sources;

pub use self::{
    apply::{revert_all, run},
    found::{Found, applied, check_unused, has_sealed, look, pending, shared_secrets, shown, unknown},
};
