//! How many connections each address has, over all worker threads, without a lock.
//!
//! A fixed table of counters, found by a hash of the network under a random key: networks that fall on one counter are
//! bounded together, and nobody can choose which. So a flood of addresses costs no memory.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use ipnet::IpNet;
use siphasher::sip::SipHasher13;

use crate::domain::network::Network;

/// 256 KiB of counters.
const COUNTERS: usize = 1 << 16;

/// The connections of all addresses. Clones count together.
#[derive(Clone)]
pub(in crate::app::server) struct Addresses {
    counters: Arc<[AtomicU32]>,
    key: [u8; 16],
    max: u32,
    exempt: Arc<[IpNet]>,
}

/// One of the connections that an address may have; free again when dropped.
#[must_use]
pub(in crate::app::server) struct AddressSlot(Option<(Arc<[AtomicU32]>, usize)>);

impl Addresses {
    /// At most `max` connections an address; none of `exempt` is counted.
    pub fn new(max: u32, exempt: impl IntoIterator<Item = IpNet>, key: [u8; 16]) -> Self {
        let counters = (0..COUNTERS).map(|_| AtomicU32::new(0)).collect();
        Self { counters, key, max, exempt: exempt.into_iter().collect() }
    }

    /// A place for one more connection, or `None` when the address has all of its own.
    pub fn enter(&self, address: IpAddr) -> Option<AddressSlot> {
        let address = address.to_canonical();
        if self.exempt.iter().any(|block| block.contains(&address)) {
            return Some(AddressSlot(None));
        }
        let index = self.index(Network::of(address));
        let one_more = |count: u32| (count < self.max).then(|| count.saturating_add(1));
        // Only the number matters, it guards no other memory: relaxed is enough.
        self.counters.get(index)?.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(AddressSlot(Some((Arc::clone(&self.counters), index))))
    }

    fn index(&self, network: Network) -> usize {
        let hash = SipHasher13::new_with_key(&self.key).hash(&network.bits().to_be_bytes());
        usize::try_from(hash).unwrap_or(0) & (COUNTERS - 1)
    }
}

impl Drop for AddressSlot {
    fn drop(&mut self) {
        if let Some((counters, index)) = &self.0
            && let Some(counter) = counters.get(*index)
        {
            counter.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_bound_and_a_trusted_proxy_has_none() {
        let addresses = Addresses::new(2, ["10.0.0.0/8".parse().unwrap()], [7; 16]);
        let enter = |text: &str| addresses.enter(text.parse().unwrap());
        let first = enter("192.0.2.1").unwrap();
        let _second = enter("::ffff:192.0.2.1").unwrap();
        assert!(enter("192.0.2.1").is_none());
        let _other = enter("192.0.2.2").unwrap();
        drop(first);
        let _third = enter("192.0.2.1").unwrap();
        let _proxied: Vec<_> = (0..5).map(|_| enter("10.1.2.3").unwrap()).collect();
        let _network = (enter("2001:db8::1").unwrap(), enter("2001:db8::2").unwrap());
        assert!(enter("2001:db8::3").is_none(), "a /64 is one address");
    }
}
