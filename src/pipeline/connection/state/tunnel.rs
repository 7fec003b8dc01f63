//! A connection that carries another protocol (RFC 9110 §7.8): no request follows, and nothing on it is a body that could
//! be late. What watches over the connection tells the tunnel when it has to end, and ends the connection where the tunnel
//! does not in time.

use std::{
    cell::{Cell, RefCell},
    task::Waker,
    time::Duration,
};

use tokio::time::Instant;

use super::{Connection, Due, Overdue};

/// How long a tunnel has for its last words.
const PARTING: Duration = Duration::from_millis(300);

/// Why the gateway ends a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    /// The caller was disabled or revoked.
    Revoked,
    /// The gateway stops.
    Stopping,
}

/// The tunnel of a connection, if it is one.
#[derive(Debug, Default)]
pub(super) struct Tunnel {
    is_open: Cell<bool>,
    parting: Cell<Option<(Instant, Parting)>>,
    /// Of the tunnel.
    waker: RefCell<Option<Waker>>,
}

impl Connection {
    /// From here on what passes is another protocol, until the call ends.
    pub fn becomes_tunnel(&self) {
        self.0.tunnel.is_open.set(true);
    }

    /// Whether it carries another protocol.
    pub fn is_tunnel(&self) -> bool {
        self.0.tunnel.is_open.get()
    }

    /// Tells the tunnel to end.
    pub fn part(&self, why: Parting) {
        let tunnel = &self.0.tunnel;
        if tunnel.parting.get().is_none() {
            tunnel.parting.set(Some((Instant::now(), why)));
            if let Some(waker) = tunnel.waker.borrow().as_ref() {
                waker.wake_by_ref();
            }
        }
    }

    /// Why the tunnel has to end; if it has not, `waker` is woken when it has.
    pub fn parting(&self, waker: &Waker) -> Option<Parting> {
        let tunnel = &self.0.tunnel;
        let mut known = tunnel.waker.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
        tunnel.parting.get().map(|(_, why)| why)
    }

    /// What is due on a tunnel.
    pub(super) fn due_in_tunnel(&self) -> Option<(Instant, Due)> {
        match (self.0.tunnel.parting.get(), self.0.stopping.get()) {
            (Some((since, Parting::Revoked)), _) => Some((since + PARTING, Due::End(Overdue::Revoked))),
            (Some((since, Parting::Stopping)), _) => Some((since + PARTING, Due::End(Overdue::Stopping))),
            (None, Some(stopping)) => Some((stopping, Due::Part)),
            (None, None) => self.due_check(),
        }
    }

    /// Notes that the call has ended, and the tunnel with it.
    pub(super) fn ends_tunnel(&self) {
        let Tunnel { is_open, parting, waker } = &self.0.tunnel;
        is_open.set(false);
        parting.set(None);
        waker.replace(None);
    }
}
