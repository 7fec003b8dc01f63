//! The edge limit: so many requests from one address, before anybody is asked who they are.

use std::net::{IpAddr, Ipv6Addr};

use actix_governor::{
    GovernorConfig, GovernorConfigBuilder, KeyExtractor, SimpleKeyExtractionError,
    governor::{
        clock::{Clock, DefaultClock, QuantaInstant},
        middleware::NoOpMiddleware,
    },
};
use actix_web::dev::ServiceRequest;

use super::call::Call;
use crate::domain::refusal::Refusal;

/// Keys are the client addresses that [`Call`] found, so that trusted proxies count as whom they stand for.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress;

impl KeyExtractor for ClientAddress {
    type Key = IpAddr;
    type KeyExtractionError = SimpleKeyExtractionError<&'static str>;

    fn extract(&self, request: &ServiceRequest) -> Result<IpAddr, Self::KeyExtractionError> {
        let address = request.peer_addr().ok_or_else(|| SimpleKeyExtractionError::new("no address"))?;
        Ok(address.ip())
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
    #[must_use]
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
        self.config.limiter().check_key(&network(address)).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            let retry_after_ns = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
            Refusal::EdgeLimited { limit: self.requests_per_s, retry_after_ns }
        })
    }

    /// Forgets addresses whose allowance is full again.
    pub fn forget_idle(&self) {
        let limiter = self.config.limiter();
        limiter.retain_recent();
        limiter.shrink_to_fit();
    }
}

/// Whoever has one address of an IPv6 network has all of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_ipv6_network_is_one_address() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }

    #[test]
    fn a_rate_of_zero_is_no_limiter() {
        assert!(Edge::new(0, 1).is_none());
        assert!(Edge::new(1, 0).is_none());
        assert!(Edge::new(200, 400).is_some());
    }
}
