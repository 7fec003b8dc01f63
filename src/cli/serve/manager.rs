//! Notifications to a service manager by the protocol of systemd's `sd_notify`: ready, stopping, watchdog. Without a service
//! manager none is sent.

use std::{
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    time::Duration,
};

/// The manager of this process, if it listens.
#[derive(Clone)]
pub(super) struct Manager {
    address: Option<SocketAddr>,
    /// How often it wants to hear that the process lives.
    watchdog: Option<Duration>,
}

impl Manager {
    /// As the environment names it.
    pub(super) fn of_environment() -> Self {
        let name = std::env::var("NOTIFY_SOCKET").unwrap_or_default();
        let address = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).ok(),
            None if name.is_empty() => None,
            None => SocketAddr::from_pathname(name).ok(),
        };
        let watchdog = std::env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
        Self { address, watchdog: watchdog.map(Duration::from_micros).filter(|every| !every.is_zero()) }
    }

    /// It serves. From now on the manager hears at half its interval that the thread that takes signals still runs.
    pub(super) fn ready(&self, url: &str) {
        self.tell(&format!("READY=1\nSTATUS=serving on {url}"));
        if let (Some(every), Some(_)) = (self.watchdog, &self.address) {
            let manager = self.clone();
            actix::spawn(async move {
                loop {
                    manager.tell("WATCHDOG=1");
                    tokio::time::sleep(every / 2).await;
                }
            });
        }
    }

    /// No connection is taken any more.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=requests are finishing");
    }

    /// A manager that does not listen is its own concern.
    fn tell(&self, state: &str) {
        let Some(address) = &self.address else { return };
        drop(UnixDatagram::unbound().and_then(|socket| socket.send_to_addr(state.as_bytes(), address)));
    }
}
