//! The HTTP side: URLs, extractors, handlers, and the OpenAPI document.
//!
//! [`entry`] hands every request to the pipeline; [`routes`] is the table of the gateway's own URLs. Handlers are thin:
//! they read from the store, write through an actor's handle, and know nothing of limits, money or the audit log.

mod administered;
pub mod api_keys;
pub mod audit;
pub mod auth;
pub mod budgets;
mod by_name;
pub mod cache;
mod conditional;
pub mod configured;
pub mod console;
pub mod created;
mod csv;
pub mod docs;
pub mod entry;
pub mod extract;
mod failure;
pub mod grouping;
mod guarded_password;
pub mod health;
pub mod idempotency;
pub mod input;
pub mod keys;
mod lead;
pub mod limits;
pub mod me;
pub mod models;
mod named;
mod no_content;
pub mod oauth;
pub mod office;
pub mod oidc;
pub mod openapi;
pub mod ops;
mod packed;
pub mod page;
pub mod password;
mod patch;
mod preflight;
pub mod prices;
pub mod provider;
mod put;
pub mod rehearsal;
pub mod replay;
pub mod routes;
pub mod sessions;
pub mod signing_keys;
mod subject;
pub mod teams;
pub mod token_pair;
pub mod traffic;
pub mod usage;
pub mod users;

pub use crate::answer::problem;
