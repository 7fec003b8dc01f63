//! The actors: they own the mutable state and exchange messages. The only folder that names actix actors.
//!
//! | actor | how many, where | accepts at once | one transaction takes | when it is full, dead or late |
//! |---|---|---|---|---|
//! | [`token_issuer::TokenIssuer`] | 1, own arbiter | `actors.max_in_flight` | one session | 503; tokens still verify |
//! | [`registrar::Registrar`] | 1, own arbiter | `actors.max_in_flight` | one user, team or API key | 503 |
//! | [`regulator::Regulator`] | 1 each for limits, budgets, prices and purges, own arbiters | `actors.max_in_flight` | one limit, budget or purge, or one change of the price list | 503; the last rules stay |
//! | [`doorkeeper::Doorkeeper`] | 1, own arbiter | `actors.max_in_flight` | — (memory) | 503: no password is checked |
//! | [`quota_keeper::QuotaKeeper`] | 1 a worker thread | `actors.max_in_flight` each, and room for the end of each call | — (memory) | 503 |
//! | [`quota_lender::QuotaLender`] | 1, own arbiter | `actors.max_in_flight` a worker thread | 512 asks | each policy's `on_error` |
//! | [`budget_ledger::BudgetLedger`] | 1, own arbiter | `audit.max_in_flight` holds | 512 orders | 503 `ledger-unavailable` |
//! | [`announcer::Announcer`] | 1, own arbiter | `actors.max_in_flight` | one alert | alerts wait in the store |
//! | [`audit_writer::AuditWriter`] | 1, own arbiter | `audit.max_in_flight` requests | `audit.max_batch` entries | the spool, up to `audit.spool_max_bytes`; then 503 `audit-unavailable` |
//! | [`notary::Notary`] | 1, own arbiter | 16 questions | one checkpoint | no checkpoint until the store answers |
//! | [`traffic_counter::TrafficCounter`] | 1, own arbiter | 256 questions | 2,000 entries | sums of traffic stand still until the store answers |
//! | [`key_fetcher::KeyFetcher`] | 1, own arbiter; another for the provider of `[auth.login]` | `actors.max_in_flight` | — (memory) | the keys that are known stay |
//! | [`code_redeemer::CodeRedeemer`] | 1 where people sign in at a provider, own arbiter | `actors.max_in_flight` | one row | nobody signs in there |
//!
//! Nobody outside this folder holds an address: each actor has a typed handle, built on [`handle::Handle`], that counts
//! permits and keeps deadlines. [`supervisor`] starts each actor from the store, and again when it dies; [`roster`] lists them all.
//! A handle is named for what its callers use it for: `Issuer` (of `TokenIssuer`), `Users` (`Registrar`), `Rulebook`
//! (`Regulator`), `LoginThrottle` (`Doorkeeper`), `Quotas` (`QuotaKeeper`), `Lender` (`QuotaLender`), `Ledger`
//! (`BudgetLedger`), `Announcements` (`Announcer`), `Audit` (`AuditWriter`), `Checkpoints` (`Notary`), `OutsideKeys`
//! (`KeyFetcher`), `SignIns` (`CodeRedeemer`), `Traffic` (`TrafficCounter`).

pub mod administration;
pub mod announcer;
pub mod audit_writer;
pub mod budget_ledger;
mod catch_up;
pub mod code_redeemer;
pub mod doorkeeper;
pub mod handle;
pub mod key_fetcher;
pub mod notary;
mod outage;
pub mod quota_keeper;
pub mod quota_lender;
pub mod registrar;
pub mod regulator;
pub mod roster;
pub mod supervisor;
pub mod token_issuer;
pub mod traffic_counter;
