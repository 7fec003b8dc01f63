//! Tollgate, an API gateway.
//!
//! A request's life, in the order of the files: [`http::entry`] takes it in, [`pipeline::serve`] carries it through
//! authenticate → authorize → limit → cache → reserve → forward → settle → audit, and [`answer`] words a refusal. The
//! state behind it is owned by the [`actors`] and kept by the [`store`]; what the hot path only reads is published as a
//! [`snapshot`]. `docs/architecture.md` has the picture.
//!
//! Reading order: [`domain`] (the vocabulary) · [`pipeline`] · [`answer`] · [`actors`] · [`snapshot`] · [`upstream`] · [`http`] ·
//! [`cache`] · [`store`] · [`app`] (how it is put together) · [`config`] · [`cli`]; and [`clock`], [`credentials`], [`crypto`],
//! [`data_dir`], [`meter`], [`telemetry`].

pub mod actors;
pub mod answer;
pub mod app;
pub mod cache;
pub mod cli;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod crypto;
pub mod data_dir;
pub mod domain;
pub mod http;
pub mod meter;
pub mod pipeline;
pub mod snapshot;
pub mod store;
pub mod telemetry;
pub mod upstream;
