//! Every actor of `docs/architecture.md` is where operators look.

use std::path::Path;

use super::support::{Setup, TestStore};

on_both_stores!(every_actor_of_the_architecture_page_is_in_the_metrics_and_in_readiness);

/// The table of actors: the first cell of each row, as the roster writes names.
fn documented() -> Vec<String> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md")).unwrap();
    let rows = page.lines().skip_while(|line| !line.starts_with("| actor |")).skip(2);
    rows.take_while(|line| line.starts_with('|')).map(|row| snake_case(row.split('`').nth(1).unwrap())).collect()
}

fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

async fn every_actor_of_the_architecture_page_is_in_the_metrics_and_in_readiness(store: &TestStore) {
    // Two of them run only where people sign in at a provider; that nobody answers there is no matter.
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "secret").unwrap();
    let setup = Setup::default().set("auth.login.issuer", "http://127.0.0.1:9").set("auth.login.client_id", "console");
    let setup = setup.set("auth.login.client_secret_file", secret.path().display());
    let gateway = setup.start(store).await;
    let (mut actors, metrics) = (documented(), gateway.metrics().await);
    assert_eq!(actors.len(), 13, "{actors:?}");
    let regulators = ["budget_regulator", "price_regulator", "purge_regulator", "routing_regulator"];
    actors.extend(regulators.into_iter().chain(["provider_key_fetcher"]).map(str::to_owned));
    let readiness = gateway.get("/readyz").send().await.expect(200).json();
    for actor in &actors {
        assert_eq!(readiness["dependencies"][actor], "ok", "{actor} in {readiness}");
        for metric in ["tollgate_actor_in_flight", "tollgate_actor_restarts_total"] {
            let line = format!("{metric}{{actor=\"{actor}\"}} ");
            assert!(metrics.contains(&line), "no {line} in {metrics}");
        }
    }
    let listed = metrics.lines().filter(|line| line.starts_with("tollgate_actor_restarts_total{")).count();
    assert_eq!(listed, actors.len(), "{metrics}");
    gateway.finish().await;
}
