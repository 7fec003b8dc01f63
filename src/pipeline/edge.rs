//! The edge limit: a rate of requests for each client network, before authentication.

use actix_governor::{
    GovernorConfig, GovernorConfigBuilder, KeyExtractor, SimpleKeyExtractionError,
    governor::{
        clock::{Clock, DefaultClock, QuantaInstant},
        middleware::NoOpMiddleware,
    },
};
use actix_web::dev::ServiceRequest;

use super::call::Call;
use crate::domain::{network::Network, refusal::Refusal};

/// The name of this limit in refusals and metrics.
const POLICY: &str = "edge";

/// Keys are the networks of the clients that [`Call`] found, so that a call through a trusted proxy counts as its client's.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress;

impl KeyExtractor for ClientAddress {
    type Key = Network;
    type KeyExtractionError = SimpleKeyExtractionError<&'static str>;

    fn extract(&self, request: &ServiceRequest) -> Result<Network, Self::KeyExtractionError> {
        let address = request.peer_addr().ok_or_else(|| SimpleKeyExtractionError::new("no address"))?;
        Ok(Network::of(address.ip()))
    }
}

/// One limiter for the process; clones share it.
#[derive(Clone)]
pub struct Edge {
    config: GovernorConfig<ClientAddress, NoOpMiddleware<QuantaInstant>>,
    requests_per_s: u64,
}

impl Edge {
    /// `None` if the rate is zero or above one a nanosecond.
    pub fn new(requests_per_s: u64, burst: u32) -> Option<Self> {
        let config = GovernorConfigBuilder::default()
            .period(std::time::Duration::from_nanos(1_000_000_000_u64.checked_div(requests_per_s)?))
            .burst_size(burst)
            .key_extractor(ClientAddress)
            .finish()?;
        Some(Self { config, requests_per_s })
    }

    /// Takes one request from the address's allowance.
    pub fn check(&self, call: &Call) -> Result<(), Refusal> {
        let Some(address) = call.client else {
            return Ok(());
        };
        self.config.limiter().check_key(&Network::of(address)).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            let retry_after_ns = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
            Refusal::Throttled { policy: POLICY, limit: self.requests_per_s, window_s: 1, retry_after_ns }
        })
    }

    /// Forgets addresses whose allowance is full again.
    pub fn forget_idle(&self) {
        let limiter = self.config.limiter();
        limiter.retain_recent();
        limiter.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_of_zero_is_no_limiter() {
        assert!(Edge::new(0, 1).is_none());
        assert!(Edge::new(1, 0).is_none());
        assert!(Edge::new(200, 400).is_some());
    }
}
