//! Tests of the real process: they start the `tollgate` binary, speak to it over sockets, send it signals and kill it.
//!
//! SQLite always. The tests that name PostgreSQL need the URL of a server in `TOLLGATE_TEST_POSTGRES`, which
//! `scripts/test` provides; they fail without it. Tests that share limits start a `redis-server` of their own.

#[cfg(test)]
mod process {
    mod support;

    mod access_log;
    mod acted_as;
    mod aliases;
    mod answers;
    mod answers_under_way;
    mod apply;
    mod audit_count;
    mod backup;
    mod bodies_and_heads;
    mod bodies_that_wait;
    mod canaries;
    mod canonical_path;
    mod check_config;
    mod clients;
    mod command_line;
    mod connections;
    mod durability;
    mod entries;
    mod expectations;
    mod failing_upstream;
    mod failover;
    mod failover_fitness;
    mod forwarding;
    mod four_gateways;
    mod framing;
    mod hosts;
    mod identity;
    mod issuer_tls;
    mod kept_connections;
    mod lent_limits;
    mod long_windows;
    mod lost_replica;
    mod metered_ends;
    mod move_to;
    mod offline;
    mod operating;
    mod prices;
    mod proxies;
    mod proxy_protocol;
    mod raw_fields;
    mod redis_ways;
    mod refused_early;
    mod reload_and_drain;
    mod repeated_headers;
    mod replay;
    mod replicas;
    mod room;
    mod shared_limits;
    mod spending;
    mod start;
    mod store_loss;
    mod streaming;
    mod tampering;
    mod tls;
    mod traces;
    mod unread_heads;
    mod upstream_faults;
    mod upstream_tls;
    mod versions;
    mod warnings;
    mod websockets;
}
