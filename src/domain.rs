//! The vocabulary of the gateway: plain types and pure rules.
//!
//! Everything else imports this module and it imports nothing of the crate. Nothing here does I/O, awaits, reads a
//! clock or names a framework; `now` is always a parameter.

pub mod access;
pub mod algorithm;
pub mod alias;
pub mod allowed;
pub mod api_key;
pub mod audit;
pub mod barrier;
pub mod budget;
pub mod caching;
pub mod calendar;
pub mod csv;
pub mod dimensions;
pub mod display_name;
pub mod entry;
pub mod failover;
pub mod fault;
pub mod forwarded;
pub mod hex;
pub mod host;
pub mod ids;
pub mod importance;
pub mod lease;
pub mod ledger;
pub mod limit;
pub mod method;
pub mod money;
pub mod name;
pub mod network;
pub mod password;
pub mod path;
pub mod percent;
pub mod price;
pub mod principal;
pub mod proxy_header;
pub mod recording;
pub mod redaction;
pub mod refusal;
pub mod replay;
pub mod route;
pub mod session;
pub mod sign_in;
pub mod throttle;
pub mod token;
pub mod token_fault;
pub mod traffic;
pub mod usage;
