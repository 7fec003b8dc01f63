//! The ways to Redis: by TLS, to a cluster, and to the master that a sentinel names.

use std::{io::Read, net::TcpListener, time::Duration};

use tempfile::TempDir;
use tollgate::{
    domain::lease::{Ask, HolderId, Kind, Terms},
    store::{
        StoreError,
        redis::{
            Redis, Timeouts, Way,
            cache::{Age, Keeping},
            leases::{Exchanged, PriorUse},
        },
    },
};

use super::support::{Authority, Home, RedisServer, eventually, free_address};

/// More than there are slots of accounts: on a cluster no two of these need to lie together.
const ACCOUNTS: u64 = 200;

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn ask(seq: u64) -> Ask {
    let kind = Kind::Rate { limit: 5, window: 3_600_000_000, burst: 5 };
    Ask {
        terms: Terms { kind, version: 1 },
        holder: HolderId(7),
        seq,
        keep: 0,
        back: 0,
        used_ago: 0,
        forced: vec![],
        refunds: vec![],
        window: 0,
        sent: None,
        need: 1,
        waiting: 1,
        want: 1,
        lease: 1_000_000,
        at_least: 0,
        terms_ago: 0,
    }
}

/// All that the gateway asks of Redis is answered.
fn serves(url: &str, way: &Way) {
    let redis = Redis::connect(url, way, Timeouts::default()).unwrap();
    // A busy machine may need longer than 50 ms for its first connections.
    eventually("Redis answers", || block_on(redis.ping()).is_ok().then_some(()));
    eventually("a generation begins", || block_on(redis.begin_generation(PriorUse::None)).ok());
    for n in 0..ACCOUNTS {
        let exchanged =
            eventually("an exchange", || block_on(redis.exchange(&format!("account-{n}"), &ask(n + 1), 1)).ok());
        assert!(matches!(&exchanged, Exchanged::Answered(answer) if answer.granted == 1), "{n}: {exchanged:?}");
    }
    let (url, name) = ([1; 32], [2; 32]);
    eventually("an epoch begins", || block_on(redis.begin_cache_epoch(&url, "e".into())).ok());
    let ttl = Duration::from_mins(1);
    let age = Age { answered_ms: 2, fresh: ttl };
    let keeping = || Keeping { name, url, epoch: "e".into(), bytes: b"kept".to_vec(), ttl, age };
    assert!(eventually("an answer is kept", || block_on(redis.keep_cached(keeping(), 1 << 20)).ok()));
    let found = eventually("an answer is found", || block_on(redis.cached(&url, &name)).ok());
    assert_eq!(found.as_deref(), Some(&b"kept"[..]));
    assert_eq!(eventually("replicas are counted", || block_on(redis.count_replica("a")).ok()), 1);
    assert_eq!(eventually("the eviction policy is read", || block_on(redis.eviction_policy()).ok()), None);
    assert!(redis.connections().idle > 0);
}

/// A gateway that is configured so finds its Redis.
fn is_ready(home: Home) {
    let gateway = home.start();
    eventually("Redis is ready", || {
        let ready = gateway.send("GET /readyz HTTP/1.1\r\nhost: gateway.test\r\n\r\n");
        (ready.json()["dependencies"]["redis"] == "ok").then_some(())
    });
}

#[test]
fn a_redis_by_tls_is_trusted_by_its_own_authority_alone() {
    let (folder, authority) = (TempDir::new().unwrap(), Authority::new());
    authority.server(&["127.0.0.1"]).write(folder.path(), "redis");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &authority.pem).unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let port = free_address().port().to_string();
    let (certificate, key) = (path("redis.pem"), path("redis.key"));
    let server = RedisServer::with(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "no",
    ]);
    server.tell("CONFIG SET requirepass hunter2");
    let url = format!("rediss://:hunter2@127.0.0.1:{port}");
    serves(&url, &Way::Trusted(ca.clone()));
    let stranger = Redis::connect(&url, &Way::Server, Timeouts::default()).unwrap();
    let refused = block_on(stranger.ping()).unwrap_err().to_string();
    assert!(!refused.contains("hunter2"), "{refused}");
    let missing = Redis::connect(&url, &Way::Trusted(path("none.pem").into()), Timeouts::default()).unwrap_err();
    assert!(missing.to_string().contains("none.pem"), "{missing}");
    let home =
        Home::new().config(&format!("[redis]\nurl = \"rediss://127.0.0.1:{port}\"\nca_file = \"{}\"\n", ca.display()));
    is_ready(home.env("TOLLGATE__REDIS__PASSWORD", "hunter2"));
    drop(server);
}

#[test]
fn a_cluster_of_redis_serves_whatever_the_slot() {
    let node = RedisServer::with(&["--cluster-enabled", "yes"]);
    node.tell("CLUSTER ADDSLOTSRANGE 0 16383");
    // The node says its own slots a moment later.
    eventually("the cluster is whole", || {
        node.asked("CLUSTER INFO").filter(|info| info.contains("cluster_state:ok")).map(drop)
    });
    serves(&node.url(), &Way::Cluster);
    is_ready(Home::new().config(&format!("[redis]\nurl = \"{}\"\ncluster = true\n", node.url())));
}

#[test]
fn the_master_is_the_one_that_a_sentinel_names() {
    let master = RedisServer::start();
    let sentinel = master.sentinel("tollgate");
    let nodes = vec![sentinel.address.to_string()];
    // The host of the URL is that of nobody.
    let url = "redis://nowhere.invalid";
    serves(url, &Way::Sentinels { master: "tollgate".into(), nodes });
    let text = format!(
        "[redis]\nurl = \"{url}\"\nsentinel = {{ master = \"tollgate\", nodes = [\"{}\"] }}\n",
        sentinel.address
    );
    is_ready(Home::new().config(&text));
}

#[test]
fn a_sentinel_that_has_no_answer_is_passed_over() {
    let master = RedisServer::start();
    let sentinel = master.sentinel("tollgate");
    // It takes connections and says nothing, as a machine does that is gone.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nodes = [silent.local_addr().unwrap(), sentinel.address].map(|address| address.to_string()).to_vec();
    serves("redis://nowhere.invalid", &Way::Sentinels { master: "tollgate".into(), nodes });
}

#[test]
fn sentinels_are_spoken_to_by_tls_whatever_the_word_for_it_in_the_url() {
    for url in ["rediss://nowhere.invalid", "REDISS://nowhere.invalid", "valkeys://nowhere.invalid"] {
        let sentinel = TcpListener::bind("127.0.0.1:0").unwrap();
        let nodes = vec![sentinel.local_addr().unwrap().to_string()];
        let redis = Redis::connect(url, &Way::Sentinels { master: "m".into(), nodes }, Timeouts::default()).unwrap();
        let first_byte = std::thread::spawn(move || {
            sentinel.incoming().find_map(|connection| {
                let mut byte = [0];
                connection.unwrap().read_exact(&mut byte).ok().map(|()| byte[0])
            })
        });
        eventually("the sentinel is asked", || {
            block_on(redis.ping()).unwrap_err();
            first_byte.is_finished().then_some(())
        });
        // The begin of a handshake.
        assert_eq!(first_byte.join().unwrap(), Some(0x16), "{url}");
    }
}

#[test]
fn a_connection_to_what_has_become_a_replica_is_closed() {
    let server = RedisServer::start();
    let redis = Redis::connect(&server.url(), &Way::Server, Timeouts::default()).unwrap();
    let takes = || block_on(redis.ping());
    eventually("Redis takes something", || takes().is_ok().then_some(()));
    assert!(redis.connections().idle > 0);
    // As a failover leaves the old master, while its name leads to the new one.
    server.tell("REPLICAOF 127.0.0.1 1");
    let refusal = |error: StoreError| error.to_string().contains("read only replica").then_some(());
    eventually("it takes nothing any more", || takes().err().and_then(refusal));
    assert_eq!(redis.connections().idle, 0);
    server.tell("REPLICAOF NO ONE");
    eventually("it takes something again", || takes().is_ok().then_some(()));
}

#[test]
fn a_redis_that_answers_and_takes_nothing_is_away() {
    let server = RedisServer::start();
    let home = Home::new().config(&format!("[redis]\nurl = \"{}\"\n", server.url()));
    let gateway = home.start();
    for (max_bytes, state) in [("0", "ok"), ("1", "unavailable"), ("0", "ok")] {
        server.tell(&format!("CONFIG SET maxmemory {max_bytes}"));
        eventually(state, || {
            let ready = gateway.send("GET /readyz HTTP/1.1\r\nhost: gateway.test\r\n\r\n");
            (ready.json()["dependencies"]["redis"] == state).then_some(())
        });
    }
}

#[test]
fn a_cluster_that_is_away_is_told_of_once() {
    let home = Home::new().config(&format!("[redis]\nurl = \"redis://{}\"\ncluster = true\n", free_address()));
    let gateway = home.start();
    eventually("the log tells of it", || gateway.log().contains("Redis is away").then_some(()));
    // The library has a line for each attempt, before it fails.
    assert!(!gateway.log().contains("Failed to connect to node"), "{}", gateway.log());
}
