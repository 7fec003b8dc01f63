//! `Announcer`: reports alerts in the log, in the audit log, and to a webhook if one is configured.
//!
//! The `BudgetLedger` keeps an alert in the store with the spending that raised it, and says [`Announcements::look`].
//! The states of an alert:
//! - its audit record, once: the entry has the alert's id, and the log has each id once;
//! - the count of alerts, with the record; counts begin at zero with the process;
//! - the line in the log and the call of the webhook, at least once: a kill may come between one of them and the note
//!   that it was done. A receiver knows an alert by its `webhook-id`.
//!
//! What goes wrong in this process otherwise ([`Notice`]) is told in the log and to the webhook, and not kept.
//!
//! A webhook is called off the way of everything else: a bounded number at a time, each a few times with growing
//! pauses, and then no more.

mod notice;
mod record;
mod told;
mod webhook;

use std::{
    collections::{BTreeMap, HashSet},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};

use self::webhook::Courier;
use super::{
    audit_writer::Audit,
    handle::{Ask, Handle, Request},
    roster::Roster,
    supervisor::{Lifeline, Starts, supervise},
};
use crate::{
    clock::Clock,
    domain::ids::AlertId,
    snapshot::{Snapshot, budgets::BudgetBook},
    store::{
        Store, StoreError,
        ledger::{AlertRow, Unreported},
    },
};

pub use {
    notice::Notice,
    webhook::{SigningSecret, UnfitSecret},
};

/// How often to look for what was raised by others, or could not be done before.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Alerts that are recorded in one go.
const PAGE: u32 = 200;

/// Alerts that are under way to the webhook; more wait in the store.
const MAX_DELIVERING: usize = 256;

/// There may be an alert to report.
struct Look;

impl Request for Look {
    type Answer = ();
}

/// Something is to be told.
struct Tell(Notice);

impl Request for Tell {
    type Answer = ();
}

/// The actor: owns the deliveries under way to the webhook, and the counts of alerts since the start.
pub struct Announcer {
    blueprint: Blueprint,
    courier: Option<Arc<Courier>>,
    reported: Snapshot<Reported>,
    looking: bool,
    /// Somebody said that there is more, since the look that is under way began.
    look_again: bool,
    delivering: HashSet<AlertId>,
    _lifeline: Lifeline,
}

/// How many alerts this process has put on record, by the names of their budgets.
pub type Reported = BTreeMap<Arc<str>, u64>;

/// What one look has found.
#[derive(Default)]
struct Found {
    recorded: Vec<AlertRow>,
    to_deliver: Vec<AlertRow>,
    /// There may be more of what was to be recorded.
    more: bool,
}

impl Actor for Announcer {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.look(context);
        context.run_interval(LOOK_AGAIN, Self::look);
    }
}

impl Handler<Ask<Look>> for Announcer {
    type Result = ();

    fn handle(&mut self, Ask { reply, .. }: Ask<Look>, context: &mut Self::Context) {
        reply.answer(());
        self.look(context);
    }
}

impl Handler<Ask<Tell>> for Announcer {
    type Result = ();

    fn handle(&mut self, Ask { request: Tell(notice), reply }: Ask<Tell>, context: &mut Self::Context) {
        reply.answer(());
        self.tell(&notice, context);
    }
}

impl Announcer {
    /// Says it in the log, and calls the webhook if there is one and it does not wait for too much already.
    fn tell(&mut self, notice: &Notice, context: &mut Context<Self>) {
        notice.log();
        let Some(courier) = self.courier.clone() else { return };
        let id = notice.id;
        if self.delivering.len() >= MAX_DELIVERING || !self.delivering.insert(id) {
            return;
        }
        let (body, clock) = (notice.body(&self.blueprint.owner), self.blueprint.clock.clone());
        let deliver = async move { courier.deliver(id, &body, &clock).await };
        context.spawn(deliver.into_actor(self).map(move |(), announcer, _| {
            announcer.delivering.remove(&id);
        }));
    }

    /// Records the alerts that are not on record, and calls the webhook for those that are.
    fn look(&mut self, context: &mut Context<Self>) {
        if std::mem::replace(&mut self.looking, true) {
            self.look_again = true;
            return;
        }
        let look = look(self.blueprint.clone(), self.courier.is_some());
        context.spawn(look.into_actor(self).map(|found, announcer, context| {
            announcer.looking = false;
            let more = found.more || std::mem::take(&mut announcer.look_again);
            announcer.count(&found.recorded);
            for row in found.to_deliver {
                announcer.deliver(row, context);
            }
            if more {
                announcer.look(context);
            }
        }));
    }

    fn count(&self, recorded: &[AlertRow]) {
        if recorded.is_empty() {
            return;
        }
        let mut reported = Reported::clone(&self.reported.read());
        for row in recorded {
            let count = reported.entry(Arc::clone(&row.alert.budget)).or_default();
            *count = count.saturating_add(1);
        }
        self.reported.publish(reported);
    }

    fn deliver(&mut self, row: AlertRow, context: &mut Context<Self>) {
        let Some(courier) = self.courier.clone() else { return };
        let id = row.alert.id;
        if self.delivering.len() >= MAX_DELIVERING || !self.delivering.insert(id) {
            return;
        }
        let blueprint = self.blueprint.clone();
        let deliver = async move {
            let (body, Blueprint { store, clock, .. }) = (told::body(&blueprint, &row).await, &blueprint);
            courier.deliver(id, &body, clock).await;
            if let Err(error) = store.alert_delivered(id, clock.now()).await {
                tracing::warn!(%error, alert = %id, "the delivery of an alert could not be recorded; the alert is sent again");
            }
        };
        context.spawn(deliver.into_actor(self).map(move |(), announcer, _| {
            announcer.delivering.remove(&id);
        }));
    }
}

async fn look(blueprint: Blueprint, has_webhook: bool) -> Found {
    let found = async {
        let unrecorded = blueprint.store.untold_alerts(&blueprint.owner, Unreported::Unrecorded, PAGE).await?;
        let mut found = Found::default();
        let all = unrecorded.len();
        for row in unrecorded {
            if record::record(&blueprint, &row, !has_webhook).await? {
                found.recorded.push(row);
            }
        }
        found.more = all == found.recorded.len() && u32::try_from(all).is_ok_and(|all| all == PAGE);
        if has_webhook {
            let most = u32::try_from(MAX_DELIVERING).unwrap_or(u32::MAX);
            found.to_deliver = blueprint.store.untold_alerts(&blueprint.owner, Unreported::Recorded, most).await?;
        }
        Ok::<_, StoreError>(found)
    };
    found.await.unwrap_or_else(|error| {
        tracing::warn!(%error, "alerts will be looked for later");
        Found::default()
    })
}

/// What the announcer is built from, again after each restart.
#[derive(Clone)]
pub struct Blueprint {
    pub store: Store,
    pub clock: Clock,
    /// The name of this replica, which reports the alerts that it raised.
    pub owner: Arc<str>,
    pub budgets: Snapshot<BudgetBook>,
    pub audit: Audit,
    /// Where to call, and what with.
    pub webhook: Option<(crate::upstream::webhook::WebhookUrl, SigningSecret)>,
}

/// The announcer's handle.
#[derive(Clone)]
pub struct Announcements {
    handle: Handle<Announcer>,
    reported: Snapshot<Reported>,
}

impl Starts for Announcements {
    type Blueprint = Blueprint;
    type Error = Infallible;

    /// Starts the announcer on this arbiter and keeps it running.
    async fn start_here(&self, roster: &Roster, blueprint: Blueprint) -> Result<(), Infallible> {
        let reported = self.reported.clone();
        let build = move |lifeline| {
            let courier = blueprint.webhook.clone().map(|(url, secret)| Arc::new(Courier::new(url, secret)));
            let announcer = Announcer {
                blueprint: blueprint.clone(),
                courier,
                reported: reported.clone(),
                looking: false,
                look_again: false,
                delivering: HashSet::new(),
                _lifeline: lifeline,
            };
            std::future::ready(Ok::<_, Infallible>(announcer))
        };
        supervise(roster, self.handle.clone(), build).await
    }
}

impl Announcements {
    /// A handle to an announcer that does not run yet.
    #[must_use]
    pub fn new(max_in_flight: usize, deadline: Duration) -> Self {
        Self { handle: Handle::new("announcer", max_in_flight, deadline), reported: Snapshot::new(Reported::new()) }
    }

    /// Asks the announcer to look for alerts at once. If the message is lost, the next periodic look finds them.
    pub fn look(&self) {
        if let Ok(permit) = self.handle.permit() {
            drop(self.handle.hand_over(Look, permit));
        }
    }

    /// Has something told. It is lost with the process.
    pub fn tell(&self, notice: Notice) {
        if let Ok(permit) = self.handle.permit() {
            drop(self.handle.hand_over(Tell(notice), permit));
        }
    }

    /// How many alerts this process has put on record.
    pub fn reported(&self) -> Arc<Reported> {
        Arc::clone(&self.reported.read())
    }

    /// The typed handle under this one.
    pub const fn handle(&self) -> &Handle<Announcer> {
        &self.handle
    }
}
