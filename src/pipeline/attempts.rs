//! Where a call goes, and on a route with several targets where it goes next if the first has no answer for it.
//!
//! The rules are those of [`failover`](crate::domain::failover): this file asks them, makes the attempts, and tells the
//! condition of each upstream what came of them. A call that may be sent twice goes out once more, over a new connection, where
//! its upstream closed the kept one at that moment (RFC 9112 §9.3.1): with one target too, and not as one of the attempts that
//! are bounded by `retry`. It ends with the head of an answer; once a byte of its body is read, nothing
//! is tried again.

mod failure;
mod sent;

use std::{fmt::Display, rc::Rc, sync::Arc};

pub use self::failure::Failure;
use self::sent::{better, ended, is_measure, is_stale, miss_of};
use super::{
    audit::AttemptsNote,
    gate::Gate,
    outages::{Subject, tell_recovery},
    outgoing::begin_span,
    rewritten::Rewritten,
};
use crate::{
    clock::Clock,
    domain::{
        failover::{Aim, Done, Retry, choose, rest_s},
        ids::RequestId,
        importance::Importance,
        method::is_idempotent,
        route::Route,
    },
    snapshot::{
        condition::{Condition, Pass},
        routing::Routing,
    },
    telemetry::AttemptSpans,
    upstream::{Answer, Client, Kind, Outgoing, Target, UpstreamError},
};

const NS_IN_MS: u64 = 1_000_000;
const NS_IN_US: u64 = 1_000;
const MS_IN_S: u64 = 1_000;

/// The targets of one call, and what was tried.
pub struct Attempts {
    client: Rc<Client>,
    clock: Clock,
    lanes: Lanes,
    /// Whether sending the call twice does no harm.
    may_repeat: bool,
    note: AttemptsNote,
    spans: AttemptSpans,
    subject: Subject,
    /// How often the call was sent.
    sent: u32,
    reached: bool,
    /// The place that was asked last.
    place: usize,
}

/// One way to an upstream.
#[derive(Clone)]
pub struct Lane {
    /// The upstream.
    pub target: Arc<Target>,
    condition: Condition,
    importance: Importance,
    /// The model that is asked for there, of a call to one.
    model: Option<Arc<str>>,
}

/// The only way, or several with the rules to choose by.
enum Lanes {
    One(Lane),
    Several { aims: Arc<[Aim]>, retry: Arc<Retry>, lanes: Rc<[Lane]>, at: u64 },
}

/// When an attempt ended, on the monotonic clock, and how long it took.
#[derive(Clone, Copy)]
struct Timing {
    ended_ns: u64,
    took_us: u64,
}

/// Where a call may go, and where it falls.
#[derive(Clone, Copy)]
struct Choice<'l> {
    aims: &'l [Aim],
    lanes: &'l [Lane],
    at: u64,
}

impl Choice<'_> {
    /// A target that was not tried: one that is fit or, where none is, for the first attempt one that may be asked all the
    /// same.
    fn pick(&self, tried: &[usize], is_first: bool, now_ms: u64) -> Option<usize> {
        let is_new = |place: usize| self.lanes.get(place).filter(|_| !tried.contains(&place));
        let is_fit = |place| is_new(place).is_some_and(|lane| lane.is_fit(now_ms));
        let may_be_asked = |place| is_new(place).is_some_and(|lane| lane.condition.may_be_asked(now_ms));
        let last_resort = || if is_first { choose(self.aims, may_be_asked, self.at) } else { None };
        choose(self.aims, is_fit, self.at).or_else(last_resort)
    }
}

impl Lane {
    fn is_fit(&self, now_ms: u64) -> bool {
        let rests = || self.model.as_deref().is_some_and(|model| self.condition.rests_for(model, now_ms));
        self.condition.is_fit(now_ms) && !rests() && self.target.in_flight.has_room(self.importance)
    }

    /// Whether there is a connection to it.
    fn is_remote(&self) -> bool {
        matches!(self.target.kind, Kind::Http(_))
    }

    /// `asked` is the model that was asked for, which may have another name there.
    fn of(routing: &Routing, aim: &Aim, (importance, asked): (Importance, Option<&Arc<str>>)) -> Option<Self> {
        let (target, condition) = routing.upstream(&aim.upstream)?;
        let model = aim.model.as_ref().or(asked).cloned();
        Some(Self { target: Arc::clone(target), condition: condition.clone(), importance, model })
    }

    /// It asks not to be called within this time, or does not say so. Services limit the calls to each model by themselves (429).
    fn rest(&self, status: u16, for_ms: Option<u64>, now_ms: u64) {
        match (&self.model, for_ms) {
            (Some(model), _) if status == 429 => self.condition.rest_model(model, for_ms, now_ms),
            (_, Some(for_ms)) => self.condition.rest(now_ms.saturating_add(for_ms)),
            (_, None) => {}
        }
    }
}

impl Attempts {
    /// For a call on this route to one of these places, perhaps to a model; none where one leads nowhere, which no valid
    /// configuration has.
    pub fn of(
        gate: &Gate,
        (route, aims): (&Route, &Arc<[Aim]>),
        (request, method, model): (RequestId, &str, Option<&str>),
        note: AttemptsNote,
    ) -> Option<Self> {
        let (routing, asked) = (gate.routing.read(), model.map(Arc::<str>::from));
        let lane = |aim: &Aim| Lane::of(&routing, aim, (route.importance, asked.as_ref()));
        let lanes = if let [aim] = &**aims {
            Lanes::One(lane(aim)?)
        } else {
            let lanes = aims.iter().map(lane).collect::<Option<Rc<[Lane]>>>()?;
            let (aims, retry) = (Arc::clone(aims), Arc::clone(&route.retry));
            Lanes::Several { aims, retry, lanes, at: routing.next_place() }
        };
        let (client, clock) = (Rc::clone(&gate.upstream), gate.clock.clone());
        let may_repeat = is_idempotent(method) || route.meter.counts_tokens();
        let (spans, subject) = (AttemptSpans::default(), Subject { request, route: Arc::clone(&route.name) });
        Some(Self { client, clock, lanes, may_repeat, note, spans, subject, sent: 0, reached: false, place: 0 })
    }

    /// With a span of each attempt.
    #[must_use]
    pub fn traced(self, spans: AttemptSpans) -> Self {
        Self { spans, ..self }
    }

    /// Whether a call may be sent again, so that its body has to be kept.
    pub fn may_retry(&self) -> bool {
        match &self.lanes {
            Lanes::One(lane) => self.may_repeat && lane.is_remote(),
            Lanes::Several { retry, .. } => self.may_repeat || retry.attempts > 0,
        }
    }

    /// Whether any byte of the call may have reached an upstream.
    pub const fn reached(&self) -> bool {
        self.reached
    }

    /// The place that was asked last, and its upstream.
    pub fn last(&self) -> (usize, Arc<str>) {
        (self.place, self.last_lane().map(|lane| Arc::clone(&lane.target.name)).unwrap_or_default())
    }

    fn last_lane(&self) -> Option<&Lane> {
        match &self.lanes {
            Lanes::One(lane) => Some(lane),
            Lanes::Several { lanes, .. } => lanes.get(self.place),
        }
    }

    /// The way of a call that is sent once alone. Its place there is taken, and the pass is kept until the condition is told what
    /// came of it.
    pub fn one(&self) -> Option<(&Lane, Pass)> {
        let (lane, pass) = match &self.lanes {
            Lanes::One(lane) => (lane, self.pass(lane)?),
            Lanes::Several { aims, lanes, at, .. } => {
                let (place, pass) = self.enter(Choice { aims, lanes, at: *at }, &[], true)?;
                (lanes.get(place)?, pass)
            }
        };
        Some((lane, pass))
    }

    /// That no target may be asked, and when the first of them may be.
    pub fn unfit(&self) -> UpstreamError {
        let lanes: &[Lane] = match &self.lanes {
            Lanes::One(lane) => std::slice::from_ref(lane),
            Lanes::Several { lanes, .. } => lanes,
        };
        let now_ms = self.now_ms();
        let shut_for_ms = lanes.iter().map(|lane| lane.condition.shut_for_ms(now_ms)).min().unwrap_or_default();
        UpstreamError::Unfit { retry_after_s: shut_for_ms.div_ceil(MS_IN_S).max(1) }
    }

    /// Tells the upstream's condition whether it has served a call, and the log what is new of that.
    pub fn tell(&self, lane: &Lane, failure: Option<Failure<'_>>) {
        self.tell_at(self.now_ms(), lane, failure);
    }

    fn tell_at(&self, now_ms: u64, lane: &Lane, failure: Option<Failure<'_>>) {
        let Some(failure) = failure else {
            if let Some(failures) = lane.condition.succeeded(now_ms) {
                tell_recovery(&lane.target, failures);
            }
            return;
        };
        if let Some(failures) = lane.condition.failed(now_ms) {
            self.subject.tell_failure(&lane.target, self.sent.max(1), &failure, failures);
        }
    }

    /// Tells the log what was wrong with the answer of the upstream that was asked last, behind its head.
    pub fn cut(&self, error: &dyn Display) {
        let Some(lane) = self.last_lane() else { return };
        if let Some(failures) = lane.condition.cut(self.now_ms()) {
            self.subject.tell_failure(&lane.target, self.sent.max(1), error, failures);
        }
    }

    /// Sends the call until it has an answer that the client may get, or nothing more may be tried: then the last answer
    /// is what the client gets, or the last error.
    pub async fn send(&mut self, mut outgoing: Box<Outgoing>, rewritten: &Rewritten) -> Result<Answer, UpstreamError> {
        let path_and_query = outgoing.path_and_query.clone();
        let (aims, retry, lanes, at) = match &self.lanes {
            Lanes::One(lane) => {
                rewritten.apply(0, &path_and_query, &mut outgoing);
                return self.only(lane.clone(), outgoing).await;
            }
            Lanes::Several { aims, retry, lanes, at } => (Arc::clone(aims), Arc::clone(retry), Rc::clone(lanes), *at),
        };
        let begun_ns = self.clock.monotonic_ns();
        let choice = Choice { aims: &aims, lanes: &lanes, at };
        let (mut tried, mut last) = (vec![], None);
        for retries in 0.. {
            let Some((place, pass)) = self.enter(choice, &tried, last.is_none()) else { break };
            let Some(lane) = lanes.get(place) else { break };
            tried.push(place);
            self.place = place;
            rewritten.apply(place, &path_and_query, &mut outgoing);
            lane.condition.earn();
            let may_follow = retries < retry.attempts && tried.len() < lanes.len();
            let again = if may_follow || self.may_repeat { outgoing.again().map(Box::new) } else { None };
            let sent = self.attempt(lane, outgoing, again.as_deref()).await;
            drop(pass);
            let elapsed_ms = self.clock.monotonic_ns().saturating_sub(begun_ns) / NS_IN_MS;
            let is_allowed = retry.allows(miss_of(&sent), self.may_repeat, Done { retries, elapsed_ms })
                && choice.pick(&tried, false, self.now_ms()).is_some()
                // One that was not asked has no part in the calls that are tried again.
                && (matches!(sent, Err(UpstreamError::Busy)) || lane.condition.may_retry(self.now_ms()));
            last = Some(better(sent, last));
            match again.filter(|_| may_follow && is_allowed) {
                Some(next) => outgoing = next,
                None => break,
            }
        }
        last.unwrap_or_else(|| Err(self.unfit()))
    }

    /// A call on a route with one upstream.
    async fn only(&mut self, lane: Lane, outgoing: Box<Outgoing>) -> Result<Answer, UpstreamError> {
        let Some(_pass) = self.pass(&lane) else { return Err(self.unfit()) };
        let again = if self.may_retry() { outgoing.again().map(Box::new) } else { None };
        self.attempt(&lane, outgoing, again.as_deref()).await
    }

    /// Sends the call there, if need be once more over a new connection, and learns what came of it. On record are the attempts
    /// of a call that may have several, and of one that was sent once more.
    async fn attempt(
        &mut self,
        lane: &Lane,
        mut outgoing: Box<Outgoing>,
        again: Option<&Outgoing>,
    ) -> Result<Answer, UpstreamError> {
        let (upstream, may_have_several) = (&lane.target.name, matches!(self.lanes, Lanes::Several { .. }));
        if may_have_several {
            self.note.begin(upstream);
        }
        self.sent = self.sent.saturating_add(1);
        begin_span(&self.spans, &lane.target, &mut outgoing);
        let (mut sent, mut timing) = self.timed(self.client.send(&lane.target, outgoing)).await;
        let mut is_noted = may_have_several;
        if let Some(once_more) = again.filter(|_| self.may_repeat && is_stale(&sent)).and_then(Outgoing::again) {
            let mut once_more = Box::new(once_more);
            self.sent = self.sent.saturating_add(1);
            self.reached = true;
            if !is_noted {
                self.note.begin(upstream);
            }
            self.note.end(ended(&sent), timing.took_us);
            self.note.begin(upstream);
            is_noted = true;
            begin_span(&self.spans, &lane.target, &mut once_more);
            (sent, timing) = self.timed(self.client.send_anew(&lane.target, once_more)).await;
        }
        self.judge(lane, &sent, timing);
        if is_noted {
            self.note.end(ended(&sent), timing.took_us);
        }
        sent
    }

    /// What comes of it, which its span is told.
    async fn timed(
        &self,
        sending: impl Future<Output = Result<Answer, UpstreamError>>,
    ) -> (Result<Answer, UpstreamError>, Timing) {
        let begun_ns = self.clock.monotonic_ns();
        let sent = sending.await;
        self.spans.told(ended(&sent));
        let ended_ns = self.clock.monotonic_ns();
        (sent, Timing { ended_ns, took_us: ended_ns.saturating_sub(begun_ns) / NS_IN_US })
    }

    /// Lets the call through to the only upstream: its breaker keeps one away only where it was asked for.
    fn pass(&self, lane: &Lane) -> Option<Pass> {
        let now_ms = self.now_ms();
        lane.condition.enter(now_ms).or_else(|| lane.condition.may_be_asked(now_ms).then(Pass::default))
    }

    /// Chooses a target and takes the call's place there.
    fn enter(&self, choice: Choice<'_>, tried: &[usize], is_first: bool) -> Option<(usize, Pass)> {
        loop {
            let now_ms = self.now_ms();
            let place = choice.pick(tried, is_first, now_ms)?;
            let lane = choice.lanes.get(place)?;
            let is_fit = lane.is_fit(now_ms);
            // Otherwise another call has just become the one that tries whether it is back.
            let pass = lane.condition.enter(now_ms);
            if pass.is_some() || !is_fit {
                return Some((place, pass.unwrap_or_default()));
            }
        }
    }

    /// Tells the upstream's condition what came of an attempt there, and its limit how long that took.
    fn judge(&mut self, lane: &Lane, sent: &Result<Answer, UpstreamError>, Timing { ended_ns, took_us }: Timing) {
        let now_ms = ended_ns / NS_IN_MS;
        if is_measure(sent) {
            lane.target.in_flight.took(took_us, ended_ns / NS_IN_US);
        }
        match sent {
            Ok(answer) => {
                self.reached = true;
                let retry_after = answer.headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
                let (status, now) = (answer.status.as_u16(), || self.clock.now().as_second());
                let for_s = retry_after.and_then(|text| rest_s(status, Some(text), now()));
                if for_s.is_some() || retry_after.is_none() {
                    lane.rest(status, for_s.map(|seconds| seconds.saturating_mul(MS_IN_S)), now_ms);
                }
                self.tell_at(now_ms, lane, Failure::of_status(answer.status));
            }
            Err(error) => {
                self.reached |= error.reached_upstream();
                if let Some(failure) = Failure::of_error(error) {
                    self.tell_at(now_ms, lane, Some(failure));
                }
            }
        }
    }

    fn now_ms(&self) -> u64 {
        self.clock.monotonic_ms()
    }
}
