//! Sign-in at a provider: the actors for it, and the secret of the gateway as the provider's client.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{
    StartError,
    actors::count,
    crew::Crew,
    outside::{client, source, trust},
};
use crate::{
    actors::{
        code_redeemer::{Client, SignIns},
        key_fetcher::{self, OutsideKeys},
    },
    clock::Clock,
    config::{
        Config, ConfigError,
        login::Login,
        secret::{not_set, without_line_end},
    },
    credentials::jwt::outside::OutsideVerifier,
    crypto::MasterKey,
    http::provider::Provider,
    snapshot::Snapshot,
    store::Store,
};

/// What people sign in with at a provider.
#[derive(Clone)]
pub(super) struct AtProvider {
    sign_ins: SignIns,
    keys: OutsideKeys,
    fetcher: key_fetcher::Blueprint,
    login: Arc<Login>,
}

impl AtProvider {
    /// Handles to actors that do not run yet; none where no provider is configured.
    pub(super) fn of(config: &Config, clock: &Clock) -> Result<Option<Self>, ConfigError> {
        let login = &config.auth.login;
        if !login.is_on() {
            return Ok(None);
        }
        let bound = count(config.actors.max_in_flight);
        let mapping = login.mapping();
        let verifier = Snapshot::new(OutsideVerifier::new([trust(&mapping)]));
        let keys = OutsideKeys::of_provider(bound);
        let http = client(config, login.authorities())?;
        let gateway = Client {
            issuer: login.issuer.as_str().into(),
            id: login.client_id.as_str().into(),
            secret: client_secret(config)?,
            username_claim: login.username_claim.clone(),
        };
        let fetcher = key_fetcher::Blueprint {
            clock: clock.clone(),
            sources: vec![source(&mapping, http.clone())],
            verifier: verifier.clone(),
        };
        let sign_ins = SignIns::new(bound, (gateway, http), (verifier, keys.clone()), clock.clone());
        Ok(Some(Self { sign_ins, keys, fetcher, login: Arc::new(login.clone()) }))
    }

    pub(super) async fn start(&self, crew: &mut Crew, store: &Store) -> Result<(), StartError> {
        crew.start(&self.keys, self.fetcher.clone()).await?;
        crew.start(&self.sign_ins, store.clone()).await
    }

    /// The provider as the handlers see it.
    pub(super) fn provider(&self, master: &Arc<MasterKey>) -> Provider {
        let Self { sign_ins, login, .. } = self.clone();
        Provider { sign_ins, login, master: Arc::clone(master) }
    }
}

/// The secret with which the gateway redeems codes; empty where no provider is configured.
pub fn client_secret(config: &Config) -> Result<Zeroizing<String>, ConfigError> {
    let login = &config.auth.login;
    if !login.is_on() {
        return Ok(Zeroizing::default());
    }
    let (key, read) = if login.client_secret_env.is_empty() {
        let path = &login.client_secret_file;
        let read = std::fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()));
        ("auth.login.client_secret_file", read)
    } else {
        let name = &login.client_secret_env;
        let read = std::env::var(name).map_err(|_| not_set(name));
        ("auth.login.client_secret_env", read)
    };
    let text = Zeroizing::new(read.map_err(|reason| config.blame(key, reason))?);
    let secret = Zeroizing::new(without_line_end(&text).to_owned());
    if secret.is_empty() { Err(config.blame(key, "names an empty secret")) } else { Ok(secret) }
}
