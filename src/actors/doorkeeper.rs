//! `Doorkeeper`: owns the counters of failed passwords, in memory.
//!
//! Called by `http::guarded_password` through [`LoginThrottle`], around every check of a password. Has an arbiter of
//! its own: a message takes a microsecond, but on another actor's thread it would wait behind that one's work, and a
//! login's time would show it. It never waits, and never sees a name or a password. What it knew is gone when it dies:
//! that gives the free failures back once, where taking all as throttled would shut everybody out.

use std::{convert::Infallible, sync::Arc, time::Duration};

use actix::{Actor, Context, Handler};

use super::{
    handle::{Ask, Handle, NoAnswer, Permit, Request},
    roster::Roster,
    supervisor::{Lifeline, Starts, supervise},
};
use crate::{
    clock::Clock,
    crypto::MacKey,
    domain::{
        network::Network,
        throttle::{AccountDigest, Admission, Rules, Throttle, Throttled, Visitor},
    },
};

/// Asks whether a try would be admitted, without making one.
pub struct Check {
    pub visitor: Visitor,
}

impl Request for Check {
    type Answer = Result<(), Throttled>;
}

/// Asks to be let in for one try.
pub struct Admit {
    pub visitor: Visitor,
}

impl Request for Admit {
    type Answer = Result<Admission, Throttled>;
}

/// Tells how an admitted try ended.
pub struct Report {
    pub admission: Admission,
    /// Whether the password was right.
    pub right: bool,
}

impl Request for Report {
    type Answer = ();
}

/// Owns the counters of failed passwords.
pub struct Doorkeeper {
    clock: Clock,
    throttle: Throttle,
    _lifeline: Lifeline,
}

impl Actor for Doorkeeper {
    type Context = Context<Self>;
}

impl Handler<Ask<Check>> for Doorkeeper {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Check>, _: &mut Self::Context) {
        reply.answer(self.throttle.check(request.visitor, self.clock.monotonic_ns()));
    }
}

impl Handler<Ask<Admit>> for Doorkeeper {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Admit>, _: &mut Self::Context) {
        reply.answer(self.throttle.admit(request.visitor, self.clock.monotonic_ns()));
    }
}

impl Handler<Ask<Report>> for Doorkeeper {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Report>, _: &mut Self::Context) {
        self.throttle.report(request.admission, request.right, self.clock.monotonic_ns());
        reply.answer(());
    }
}

/// The doorkeeper's handle.
#[derive(Clone)]
pub struct LoginThrottle {
    handle: Handle<Doorkeeper>,
    key: Arc<MacKey>,
}

/// What the doorkeeper is built from, again after each restart.
pub struct Blueprint {
    pub clock: Clock,
    pub rules: Rules,
}

/// An admitted try, and the place in the doorkeeper's queue that its end will take. Dropped without a report it was a
/// wrong one.
#[must_use = "dropped at once it counts as a wrong password"]
pub struct Ticket {
    handle: Handle<Doorkeeper>,
    admission: Admission,
    permit: Option<Permit>,
}

impl Starts for LoginThrottle {
    type Blueprint = Blueprint;
    type Error = Infallible;

    /// Starts the doorkeeper on this arbiter and keeps it running.
    async fn start_here(&self, roster: &Roster, blueprint: Blueprint) -> Result<(), Infallible> {
        let Blueprint { clock, rules } = blueprint;
        let build = move |lifeline| {
            let doorkeeper = Doorkeeper { clock: clock.clone(), throttle: Throttle::new(rules), _lifeline: lifeline };
            std::future::ready(Ok::<_, Infallible>(doorkeeper))
        };
        supervise(roster, self.handle.clone(), build).await
    }
}

impl LoginThrottle {
    /// `key` is what names are hashed under.
    pub fn new(max_in_flight: usize, deadline: Duration, key: Arc<MacKey>) -> Self {
        Self { handle: Handle::new("doorkeeper", max_in_flight, deadline), key }
    }

    /// Who tries: the account by its name as it was typed, and the network.
    pub fn visitor(&self, account: &str, network: Network) -> Visitor {
        let digest = self.key.sign(&["login-account\0".as_bytes(), account.as_bytes()].concat());
        let digest = digest.first_chunk().copied().map_or(0, u128::from_be_bytes);
        Visitor { account: AccountDigest(digest), network }
    }

    /// Whether a try would be admitted now. Charges nothing.
    pub async fn check(&self, visitor: Visitor) -> Result<Result<(), Throttled>, NoAnswer> {
        self.handle.ask(Check { visitor }).await
    }

    /// Admits one try, or says when to come back.
    pub async fn admit(&self, visitor: Visitor) -> Result<Result<Ticket, Throttled>, NoAnswer> {
        let permit = self.handle.permit()?;
        let answer = self.handle.ask(Admit { visitor }).await?;
        let handle = self.handle.clone();
        Ok(answer.map(|admission| Ticket { handle, admission, permit: Some(permit) }))
    }

    /// The typed handle under this one.
    pub const fn handle(&self) -> &Handle<Doorkeeper> {
        &self.handle
    }
}

impl Ticket {
    /// Tells whether the password was right. Nobody waits for it.
    pub fn report(mut self, right: bool) {
        self.end(right);
    }

    fn end(&mut self, right: bool) {
        let Some(permit) = self.permit.take() else {
            return;
        };
        if let Err(error) = self.handle.hand_over(Report { admission: self.admission, right }, permit) {
            tracing::warn!(%error, "the end of a login was not handed over");
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.end(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn logins(account_failures: u32, max_in_flight: usize) -> LoginThrottle {
        let logins = LoginThrottle::new(max_in_flight, Duration::from_mins(1), Arc::new(MacKey::new(b"key")));
        let max_wait = Duration::from_mins(15);
        let rules = Rules { account_failures, address_failures: 1_000, max_wait, max_counters: 100 };
        let blueprint = Blueprint { clock: Clock::manual(1), rules };
        let Ok(()) = logins.start_here(&Roster::default(), blueprint).await;
        logins
    }

    fn ann(logins: &LoginThrottle) -> Visitor {
        logins.visitor("ann", Network::UNKNOWN)
    }

    #[actix::test]
    async fn a_ticket_that_is_dropped_was_a_failure_and_one_that_is_reported_right_was_none() {
        let logins = logins(2, 10).await;
        for _ in 0..5 {
            logins.admit(ann(&logins)).await.unwrap().unwrap().report(true);
        }
        drop(logins.admit(ann(&logins)).await.unwrap().unwrap());
        assert_eq!(logins.check(ann(&logins)).await, Ok(Ok(())));
        drop(logins.admit(ann(&logins)).await.unwrap().unwrap());
        assert!(logins.check(ann(&logins)).await.unwrap().is_err());
        assert!(logins.admit(ann(&logins)).await.unwrap().is_err());
        assert_eq!(logins.handle().in_flight(), 0);
    }

    #[actix::test]
    async fn a_doorkeeper_at_its_bound_lets_nobody_in() {
        let logins = logins(5, 2).await;
        let ticket = logins.admit(ann(&logins)).await.unwrap();
        assert_eq!(logins.admit(ann(&logins)).await.err(), Some(NoAnswer::Full));
        drop(ticket);
    }

    #[actix::test]
    async fn a_doorkeeper_that_does_not_run_lets_nobody_in() {
        let logins = LoginThrottle::new(10, Duration::from_mins(1), Arc::new(MacKey::new(b"key")));
        assert_eq!(logins.admit(ann(&logins)).await.err(), Some(NoAnswer::Dead));
    }

    #[test]
    fn names_that_differ_in_a_byte_are_two_accounts() {
        let logins = LoginThrottle::new(10, Duration::from_mins(1), Arc::new(MacKey::new(b"key")));
        assert_ne!(logins.visitor("ann", Network::UNKNOWN), logins.visitor("Ann", Network::UNKNOWN));
        assert_eq!(logins.visitor("ann", Network::UNKNOWN), ann(&logins));
    }
}
