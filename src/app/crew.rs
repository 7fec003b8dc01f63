//! The crew: the threads that actors run on, and the roster of everything that runs there.
//!
//! [`Crew::start`] is the only way in which an actor gets a thread of its own, and [`Crew::stop`] the only way down.

use std::time::Duration;

use actix::Arbiter;
use tokio::sync::oneshot;

use super::StartError;
use crate::actors::{audit_writer::Audit, notary::Checkpoints, quota_keeper, roster::Roster, supervisor::Starts};

/// The longest wait for the keepers at the start, and for the last messages at the end.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The arbiters of the actors that have a thread to themselves, and the roster of all actors.
#[derive(Default)]
pub(super) struct Crew {
    pub roster: Roster,
    arbiters: Vec<Arbiter>,
}

impl Crew {
    /// Starts an actor on a thread of its own.
    pub(super) async fn start<H: Starts>(&mut self, handle: &H, blueprint: H::Blueprint) -> Result<(), StartError>
    where
        H::Error: Send,
        StartError: From<H::Error>,
    {
        let (handle, roster, arbiter) = (handle.clone(), self.roster.clone(), Arbiter::new());
        let (to, started) = oneshot::channel();
        let spawned = arbiter.spawn_fn(move || {
            actix::spawn(async move { drop(to.send(handle.start_here(&roster, blueprint).await)) });
        });
        if !spawned {
            return Err(StartError::Thread);
        }
        started.await.map_err(|_| StartError::Thread)??;
        self.arbiters.push(arbiter);
        Ok(())
    }

    /// Returns when each of the `workers` threads that serve requests runs its keeper.
    pub(super) async fn until_keepers_run(&self, workers: usize) -> Result<(), StartError> {
        let running = async {
            while self.roster.running(quota_keeper::NAME) < workers {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(PATIENCE, running).await.map_err(|_| StartError::Thread)
    }

    /// Stops the actors when everything that was handed to them is done, and the last records have a checkpoint.
    pub(super) async fn stop(self, audit: &Audit, checkpoints: &Checkpoints) {
        let done = async {
            while !self.roster.busy().is_empty() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        if tokio::time::timeout(PATIENCE, done).await.is_err() {
            tracing::error!(busy = ?self.roster.busy(), "stopped before the actors had done all that they were asked");
        }
        audit.settle().await;
        // That it fails is in the log.
        drop(checkpoints.certify().await);
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
    }
}
