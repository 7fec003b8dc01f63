//! How the keys of a trusted outside issuer are fetched, whatever becomes of the place where they are published.

use std::{
    io::Write,
    net::SocketAddr,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use tollgate::clock::Clock;

use super::support::{OutsideIssuer, OutsideKey, RawUpstream, Setup, TestGateway, TestStore, eventually};

on_both_stores!(
    a_new_key_is_fetched_when_a_token_names_it,
    made_up_keys_cause_a_fetch_at_most_once_in_ten_seconds,
    an_issuer_that_is_down_at_start_is_trusted_once_it_is_up,
    the_old_keys_stay_while_the_issuer_fails,
    an_issuer_that_hangs_delays_nobody_whose_key_is_known,
    a_key_set_is_read_whatever_plain_type_it_is_served_as,
    what_is_no_short_json_key_set_brings_no_keys,
    a_key_that_changed_under_its_name_is_fetched_again,
    a_key_set_that_is_compressed_all_the_same_is_read,
    a_key_set_with_a_byte_order_mark_is_read,
    the_keys_are_found_by_the_name_of_the_issuer_alone,
);

/// A period after which keys are fetched again by themselves.
const PERIOD: Duration = Duration::from_secs(301);

struct Scene {
    clock: Clock,
    gateway: TestGateway,
}

impl Scene {
    async fn start(store: &TestStore, trusted: &str) -> Self {
        let clock = Clock::manual(1_800_000_000);
        let gateway = Setup::default().clock(&clock).more_lists(trusted).start(store).await;
        Self { clock, gateway }
    }

    async fn status(&self, issuer: &OutsideIssuer, key: &OutsideKey) -> u16 {
        let token = key.token(&issuer.claims("ada", self.clock.now().as_second()));
        self.gateway.get("/me").token(&token).send().await.status
    }
}

async fn until_connections(issuer: &OutsideIssuer, count: usize) {
    eventually("a fetch", async || (issuer.connections() >= count).then_some(())).await;
    assert_eq!(issuer.connections(), count);
}

async fn a_new_key_is_fetched_when_a_token_names_it(store: &TestStore) {
    let (old, new) = (OutsideKey::ed25519("old"), OutsideKey::ed25519("new"));
    let issuer = OutsideIssuer::start(&[&old]).await;
    let scene = Scene::start(store, &issuer.trusted()).await;
    assert_eq!((scene.status(&issuer, &old).await, issuer.connections()), (200, 1));
    issuer.publish(&[&new]);
    let calls = (0..20).map(|_| scene.status(&issuer, &new));
    let statuses = futures_util::future::join_all(calls).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(issuer.connections(), 2);
    // A key that is published no more is good for nothing.
    assert_eq!((scene.status(&issuer, &old).await, issuer.connections()), (401, 2));
    scene.gateway.finish().await;
}

async fn made_up_keys_cause_a_fetch_at_most_once_in_ten_seconds(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let issuer = OutsideIssuer::start(&[&key]).await;
    let scene = Scene::start(store, &issuer.trusted()).await;
    assert_eq!((scene.status(&issuer, &key).await, issuer.connections()), (200, 1));
    for n in 0..30 {
        assert_eq!(scene.status(&issuer, &OutsideKey::ed25519(&format!("made-up-{n}"))).await, 401);
    }
    assert_eq!(issuer.connections(), 2);
    scene.clock.advance(Duration::from_secs(10));
    for n in 0..5 {
        assert_eq!(scene.status(&issuer, &OutsideKey::ed25519(&format!("made-up-{n}"))).await, 401);
    }
    assert_eq!((scene.status(&issuer, &key).await, issuer.connections()), (200, 3));
    scene.gateway.finish().await;
}

async fn an_issuer_that_is_down_at_start_is_trusted_once_it_is_up(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let address: SocketAddr = RawUpstream::nowhere().await;
    let scene = Scene::start(store, &OutsideIssuer::trusted_at(address)).await;
    let issuer = OutsideIssuer::start_at(address, &[&key]).await;
    scene.clock.advance(Duration::from_mins(1));
    until_connections(&issuer, 1).await;
    assert_eq!((scene.status(&issuer, &key).await, issuer.connections()), (200, 1));
    scene.gateway.finish().await;
}

async fn the_old_keys_stay_while_the_issuer_fails(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let issuer = OutsideIssuer::start(&[&key]).await;
    let scene = Scene::start(store, &issuer.trusted()).await;
    assert_eq!(scene.status(&issuer, &key).await, 200);
    issuer.answer("500 Internal Server Error", "application/json", b"{\"keys\":[]}");
    for fetches in 2..5 {
        scene.clock.advance(PERIOD);
        until_connections(&issuer, fetches).await;
        assert_eq!(scene.status(&issuer, &key).await, 200);
    }
    scene.gateway.finish().await;
}

async fn an_issuer_that_hangs_delays_nobody_whose_key_is_known(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let issuer = OutsideIssuer::start(&[&key]).await;
    let scene = Scene::start(store, &issuer.trusted()).await;
    assert_eq!(scene.status(&issuer, &key).await, 200);
    issuer.hang();
    scene.clock.advance(PERIOD);
    until_connections(&issuer, 2).await;
    let waits_for_nothing = async {
        for _ in 0..10 {
            assert_eq!(scene.status(&issuer, &key).await, 200);
        }
        assert_eq!(issuer.connections(), 2);
    };
    let waits_two_seconds = async {
        let asked = elapsed();
        assert_eq!(scene.status(&issuer, &OutsideKey::ed25519("made-up")).await, 401);
        asked()
    };
    // Both at once: the calls with a known key are through while the other waits.
    let known = async {
        let asked = elapsed();
        waits_for_nothing.await;
        asked()
    };
    let (known, unknown) = futures_util::future::join(known, waits_two_seconds).await;
    assert!(known < unknown && unknown >= Duration::from_secs(2), "{known:?} {unknown:?}");
    scene.gateway.finish().await;
}

#[expect(clippy::disallowed_methods, reason = "how long a client waits is measured from outside")]
fn elapsed() -> impl Fn() -> Duration {
    let began = Instant::now();
    move || began.elapsed()
}

/// As what serves plain files calls them: object stores, GitHub, a directory of nginx.
async fn a_key_set_is_read_whatever_plain_type_it_is_served_as(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let good = serde_json::json!({ "keys": [key.jwk] }).to_string();
    let types = ["text/plain; charset=utf-8", "application/octet-stream", "binary/octet-stream", "text/json"];
    let mut issuers = vec![];
    for content_type in types {
        let issuer = OutsideIssuer::start(&[]).await;
        issuer.answer("200 OK", content_type, good.as_bytes());
        issuers.push(issuer);
    }
    let trusted: String = issuers.iter().map(OutsideIssuer::trusted).collect();
    let scene = Scene::start(store, &trusted).await;
    for (issuer, content_type) in issuers.iter().zip(types) {
        assert_eq!(scene.status(issuer, &key).await, 200, "{content_type}");
    }
    scene.gateway.finish().await;
}

async fn what_is_no_short_json_key_set_brings_no_keys(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let good = serde_json::json!({ "keys": [key.jwk] }).to_string();
    let long = format!("{good}{}", " ".repeat(10 << 20));
    let target = OutsideIssuer::start(&[&key]).await;
    let redirect = format!("302 Found\r\nlocation: {}", target.name());
    let json = "application/json";
    let answers: [(&str, &str, &str); 6] = [
        ("200 OK", json, &long),
        (&redirect, json, &good),
        ("200 OK", "text/html", &good),
        ("200 OK\r\ncontent-encoding: gzip", json, &good),
        ("201 Created", json, &good),
        ("200 OK", json, "<html></html>"),
    ];
    let mut issuers = vec![];
    for (status, content_type, body) in answers {
        let issuer = OutsideIssuer::start(&[]).await;
        issuer.answer(status, content_type, body.as_bytes());
        issuers.push(issuer);
    }
    let trusted: String = issuers.iter().map(OutsideIssuer::trusted).collect();
    let scene = Scene::start(store, &trusted).await;
    for (issuer, (status, content_type, _)) in issuers.iter().zip(&answers) {
        assert_eq!(scene.status(issuer, &key).await, 401, "{status} {content_type}");
        assert!((1..=2).contains(&issuer.connections()), "{status} {content_type}");
    }
    assert_eq!(target.connections(), 0);
    // The rest of the gateway is none the worse.
    scene.gateway.get("/me").token(&scene.gateway.admin).send().await.expect(200);
    scene.gateway.finish().await;
}

async fn a_key_that_changed_under_its_name_is_fetched_again(store: &TestStore) {
    let (old, new, forged) = (OutsideKey::ed25519("k"), OutsideKey::ed25519("k"), OutsideKey::ed25519("k"));
    let issuer = OutsideIssuer::start(&[&old]).await;
    let scene = Scene::start(store, &issuer.trusted()).await;
    assert_eq!((scene.status(&issuer, &old).await, issuer.connections()), (200, 1));
    issuer.publish(&[&new]);
    assert_eq!((scene.status(&issuer, &new).await, issuer.connections()), (200, 2));
    for _ in 0..10 {
        assert_eq!(scene.status(&issuer, &forged).await, 401);
    }
    assert_eq!((scene.status(&issuer, &old).await, issuer.connections()), (401, 2));
    scene.clock.advance(Duration::from_secs(10));
    assert_eq!((scene.status(&issuer, &forged).await, issuer.connections()), (401, 3));
    scene.gateway.finish().await;
}

async fn a_key_set_that_is_compressed_all_the_same_is_read(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let issuer = OutsideIssuer::start(&[]).await;
    let mut encoder = GzEncoder::new(vec![], Compression::fast());
    encoder.write_all(serde_json::json!({ "keys": [key.jwk] }).to_string().as_bytes()).unwrap();
    issuer.answer("200 OK\r\ncontent-encoding: gzip", "application/json", &encoder.finish().unwrap());
    let scene = Scene::start(store, &issuer.trusted()).await;
    assert_eq!(scene.status(&issuer, &key).await, 200);
    let head = issuer.last_head().to_ascii_lowercase();
    assert!(head.contains("\r\naccept-encoding: identity\r\n"), "{head}");
    scene.gateway.finish().await;
}

async fn a_key_set_with_a_byte_order_mark_is_read(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let issuer = OutsideIssuer::start(&[]).await;
    let document = format!("\u{feff}{}", serde_json::json!({ "keys": [key.jwk] }));
    issuer.answer("200 OK", "application/json", document.as_bytes());
    let scene = Scene::start(store, &issuer.trusted()).await;
    assert_eq!(scene.status(&issuer, &key).await, 200);
    scene.gateway.finish().await;
}

async fn the_keys_are_found_by_the_name_of_the_issuer_alone(store: &TestStore) {
    let key = OutsideKey::ed25519("k");
    let (issuer, impostor) = (OutsideIssuer::start(&[&key]).await, OutsideIssuer::start(&[&key]).await);
    issuer.publish_discovery(&issuer.name());
    impostor.publish_discovery(&issuer.name());
    let trusted: String = [&issuer, &impostor]
        .map(|issuer| {
            let whole = issuer.trusted();
            whole.lines().filter(|line| !line.contains("jwks_url")).flat_map(|line| [line, "\n"]).collect::<String>()
        })
        .concat();
    let scene = Scene::start(store, &trusted).await;
    assert_eq!(scene.status(&issuer, &key).await, 200);
    // Its document is another issuer's.
    assert_eq!(scene.status(&impostor, &key).await, 401);
    scene.gateway.finish().await;
}
