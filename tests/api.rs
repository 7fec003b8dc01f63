//! The gateway as its clients see it: HTTP over a socket, against a real gateway on SQLite and on PostgreSQL.
//!
//! One file a feature; `support` starts the gateway, speaks HTTP to it and fails a test that leaves holds open, audit
//! entries unwritten, or more or fewer audit records than requests.

#[cfg(test)]
mod api {
    #[macro_use]
    mod support;

    mod access;
    mod alerts;
    mod api_keys;
    mod attacks;
    mod audit;
    mod audit_bodies;
    mod audit_list;
    mod audit_secrets;
    mod bad_bodies;
    mod bad_input;
    mod body_matrix;
    mod budgets;
    mod by_name;
    mod cache;
    mod cache_collapsing;
    mod cache_posts;
    mod cache_shared;
    mod cache_sharing;
    mod cache_stale;
    mod clocks;
    mod configured;
    mod console;
    mod cors;
    mod edge;
    mod entries;
    mod entries_refused;
    mod limit_layers;
    mod limits;
    mod limits_admin;
    mod limits_calendar;
    mod limits_told;
    mod login;
    mod meter_clients;
    mod meter_headers;
    mod meter_rows;
    mod metering;
    mod meters;
    mod models;
    mod names;
    mod oauth;
    mod openapi;
    mod password;
    mod permissions;
    mod prices;
    mod refresh;
    mod refusals_on_record;
    mod replay;
    mod replay_bodies;
    mod roster;
    mod sessions;
    mod sign_in;
    mod signing_keys;
    mod subjects_by_name;
    mod team_keys;
    mod teams;
    mod throttle;
    mod traffic;
    mod trusted_issuer_keys;
    mod trusted_issuers;
    mod usage;
    mod users;
    mod users_admin;
}
