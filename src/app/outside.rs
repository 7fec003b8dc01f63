//! The outside issuers as the configuration has them: what each is trusted with, and the way to it.

use std::time::Duration;

use super::tls;
use crate::{
    actors::key_fetcher::{Address, Source},
    config::{Config, ConfigError, named_file::NamedFile, trusted_issuers::TrustedIssuer},
    credentials::jwt::outside::Trust,
    upstream::jwks::JwksClient,
};

/// Where the keys of the trusted issuers are. Every call reads the files that are named as `ca_file`.
pub(super) fn sources(config: &Config) -> Result<Vec<Source>, ConfigError> {
    let numbered = config.auth.trusted_issuers.iter().enumerate();
    numbered.map(|(i, trusted)| Ok(source(trusted, client(config, trusted.authorities(i))?))).collect()
}

/// What is wrong with the files that are named as `ca_file` of an issuer or of the provider at which people sign in.
pub fn unusable_authorities(config: &Config) -> Vec<ConfigError> {
    let issuers = config.auth.trusted_issuers.iter().enumerate();
    let named = issuers.filter_map(|(i, trusted)| trusted.authorities(i)).chain(config.auth.login.authorities());
    named.filter_map(|file| client(config, Some(file)).err()).collect()
}

/// The way to an issuer: with the authorities in this file, or those of the machine.
pub(super) fn client(config: &Config, authorities: Option<NamedFile>) -> Result<JwksClient, ConfigError> {
    let roots = authorities.map(|file| tls::authorities_named(config, &file)).transpose()?;
    Ok(JwksClient::new(roots))
}

/// What an issuer is trusted with.
pub(super) fn trust(trusted: &TrustedIssuer) -> Trust {
    Trust {
        issuer: trusted.issuer.as_str().into(),
        audience: trusted.audience.clone(),
        audience_claim: trusted.audience_claim.clone(),
        role_claim: trusted.role_claim.clone(),
        roles: trusted.roles.clone(),
        role: trusted.role,
        team_claim: trusted.team_claim.clone(),
        teams: trusted.teams.clone(),
        token_types: trusted.token_types.clone(),
        leeway_s: trusted.leeway_s,
        max_lifetime_s: trusted.max_lifetime_s,
    }
}

/// Where the keys of an issuer are, and the way there.
pub(super) fn source(trusted: &TrustedIssuer, client: JwksClient) -> Source {
    Source {
        issuer: trusted.issuer.as_str().into(),
        address: address(trusted),
        client,
        ttl: Duration::from_secs(trusted.jwks_ttl_s.into()),
    }
}

/// The configured address of the keys, or else that of the issuer's discovery document.
fn address(trusted: &TrustedIssuer) -> Address {
    match trusted.jwks_url.as_str() {
        "" => Address::Discovery(trusted.discovery_url()),
        url => Address::Keys(url.to_owned()),
    }
}
