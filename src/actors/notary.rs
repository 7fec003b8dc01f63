//! `Notary`: owns the trail of checkpoints of this replica's chain.
//!
//! It signs how far the chain has come in the store: every minute, also when nothing happens, and every 10,000 entries.
//! It reads that from the store and not from the `AuditWriter`, so that what is signed is what a verifier will find, and
//! so that the writer waits for nothing. While the store is away nothing is signed; afterwards it goes on where it was.

mod certifier;
mod custody;
mod key;
mod restored;
mod shipping;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};

use self::certifier::Certifier;
pub use self::{
    certifier::{Blueprint, NotCertified, Occasion},
    custody::{Custodian, Deed},
    key::{CheckpointKey, KeyError},
    shipping::{MAX_BYTES as MAX_CHECKPOINT_FILE_BYTES, older as older_checkpoint_file},
};
use super::{
    handle::{Ask, Handle, Reply, Request},
    roster::Roster,
    supervisor::{Lifeline, Starts, supervise},
};

/// How often the notary looks how far the chain has come.
const LOOK: Duration = Duration::from_millis(500);

/// How often the notary looks for entries that have grown too old.
const TIDY: Duration = Duration::from_hours(1);

/// The most questions in flight; only the way down asks.
const QUESTIONS: usize = 16;

/// Signs for the present head of the chain.
pub struct Certify;

impl Request for Certify {
    type Answer = Result<(), NotCertified>;
}

type CertifyReply = Reply<Result<(), NotCertified>>;

/// The actor: owns the trail of checkpoints of this replica's chain, by way of its certifier.
pub struct Notary {
    /// Absent while a checkpoint is made.
    certifier: Option<Certifier>,
    asked: Vec<CertifyReply>,
    /// Told at times, not at each look.
    telling: Telling,
    standing: Arc<AtomicBool>,
    blueprint: Blueprint,
    tidying: bool,
    _lifeline: Lifeline,
}

impl Actor for Notary {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(LOOK, Self::attend);
        if self.blueprint.retention_days > 0 {
            self.tidy(context);
            context.run_interval(TIDY, Self::tidy);
        }
    }
}

impl Handler<Ask<Certify>> for Notary {
    type Result = ();

    fn handle(&mut self, Ask { reply, .. }: Ask<Certify>, context: &mut Self::Context) {
        self.asked.push(reply);
        self.attend(context);
    }
}

impl Notary {
    /// Makes the checkpoints that are due, or asked for, one look at a time.
    fn attend(&mut self, context: &mut Context<Self>) {
        let Some(mut certifier) = self.certifier.take() else {
            return;
        };
        let asked = std::mem::take(&mut self.asked);
        let occasion = if asked.is_empty() { Occasion::Due } else { Occasion::Asked };
        let attend = async move {
            let attended = certifier.attend(occasion).await;
            (certifier, attended)
        };
        context.spawn(attend.into_actor(self).map(move |(certifier, attended), notary, context| {
            notary.certifier = Some(certifier);
            notary.answer(asked, attended);
            if !notary.asked.is_empty() {
                notary.attend(context);
            }
        }));
    }

    /// Drops the entries of this chain that are older than they are kept.
    fn tidy(&mut self, context: &mut Context<Self>) {
        if std::mem::replace(&mut self.tidying, true) {
            return;
        }
        let blueprint = self.blueprint.clone();
        let tidy = async move { blueprint.tidy().await };
        context.spawn(tidy.into_actor(self).map(|tidied, notary, _| {
            notary.tidying = false;
            match tidied {
                Ok(0) => {}
                Ok(dropped) => tracing::info!(dropped, "audit entries that had grown too old were dropped"),
                Err(error) => tracing::warn!(%error, "old audit entries will be dropped later"),
            }
        }));
    }

    fn answer(&mut self, asked: Vec<CertifyReply>, attended: Result<(), NotCertified>) {
        self.standing.store(attended.is_err(), Ordering::Relaxed);
        match &attended {
            Err(error) if self.telling.is_due() => {
                tracing::error!(%error, "checkpoints of the audit log stand still: none was made; it is tried again");
            }
            Err(_) => {}
            Ok(()) => self.telling.over(),
        }
        let is_done = attended.is_ok();
        for reply in asked {
            reply.answer(if is_done { Ok(()) } else { Err(NotCertified::NoAnswer) });
        }
    }
}

/// The notary's handle.
#[derive(Clone)]
pub struct Checkpoints {
    handle: Handle<Notary>,
    standing: Arc<AtomicBool>,
}

/// When a failure that goes on is logged: the first time, and then every hour.
#[derive(Debug, Default)]
struct Telling {
    looks: u32,
}

/// The looks of an hour.
const LOOKS_AN_HOUR: u32 = 7_200;

impl Telling {
    fn is_due(&mut self) -> bool {
        let is_due = self.looks.is_multiple_of(LOOKS_AN_HOUR);
        self.looks = self.looks.wrapping_add(1);
        is_due
    }

    fn over(&mut self) {
        if std::mem::take(&mut self.looks) > 0 {
            tracing::info!("checkpoints of the audit log go on");
        }
    }
}

impl Starts for Checkpoints {
    type Blueprint = Blueprint;
    type Error = Infallible;

    /// Makes the first checkpoint, starts the notary on this arbiter and keeps it running. That the first is not made
    /// is logged and stops nothing.
    async fn start_here(&self, roster: &Roster, blueprint: Blueprint) -> Result<(), Infallible> {
        let standing = Arc::clone(&self.standing);
        let build = move |lifeline| {
            let notary = Notary {
                certifier: Some(Certifier::new(blueprint.clone())),
                asked: vec![],
                telling: Telling::default(),
                standing: Arc::clone(&standing),
                blueprint: blueprint.clone(),
                tidying: false,
                _lifeline: lifeline,
            };
            std::future::ready(Ok::<_, Infallible>(notary))
        };
        supervise(roster, self.handle.clone(), build).await?;
        drop(self.certify().await);
        Ok(())
    }
}

impl Checkpoints {
    /// A handle to a notary that does not run yet.
    pub fn new(deadline: Duration) -> Self {
        Self { handle: Handle::new("notary", QUESTIONS, deadline), standing: Arc::default() }
    }

    /// Signs for all that is in the store now.
    pub async fn certify(&self) -> Result<(), NotCertified> {
        self.handle.ask(Certify).await.map_err(|_| NotCertified::NoAnswer)?
    }

    /// Whether the last checkpoint that was due could not be made.
    pub fn stand_still(&self) -> bool {
        self.standing.load(Ordering::Relaxed)
    }

    /// The typed handle under this one.
    pub const fn handle(&self) -> &Handle<Notary> {
        &self.handle
    }
}
