//! `tollgate check-config`: everything `serve` would refuse to start with, and nothing is opened.

use std::path::Path;

use super::{Failure, load, print};
use crate::{
    app::{configured_prices, routing, tls, webhook},
    clock::Clock,
    snapshot::routing::Routing,
};

pub(super) fn run(file: Option<&Path>) -> Result<(), Failure> {
    let config = load(file)?;
    config.store_url()?;
    config.hmac_secrets()?;
    routing(&config, &Routing::default())?;
    configured_prices(&config)?;
    webhook(&config)?;
    tls(&config, &Clock::system())?;
    print("The configuration is valid.\n");
    Ok(())
}
