//! Every request ends here: one record, on disk before the answer's first byte.
//!
//! A [`Record`] is opened before anything else happens to a request and takes its places in the audit log then. An
//! answer that is whole leaves one entry, which is committed before the answer goes. A streamed answer leaves its
//! decision before, and its outcome with its last byte. A record that is dropped, because the client went away or a
//! handler panicked, says so.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
};
use bytes::Bytes;

use super::{
    Gate,
    authenticate::Authenticated,
    authorize::Destination,
    call::{Call, Doubt},
};
use crate::{
    actors::{
        audit_writer::{Audit, NotRecorded, Place},
        quota_keeper::GivenBack,
    },
    clock::Clock,
    domain::{
        audit::{Decision, Draft, Findings, Outcome, Stage, Subject},
        budget::Shortfall,
        ids::{EntryId, SessionId, UserId},
        limit::Standing,
        money::Money,
        principal::{Credential, Principal, Username},
        recording::Durability,
        redaction::redact,
        refusal::{Refusal, Unavailable},
    },
    telemetry::Metrics,
};

/// How many bytes of the request's body were read. Shared with the task that reads them, on the same thread.
#[derive(Clone, Default)]
pub struct ByteCount(Rc<Cell<u64>>);

impl ByteCount {
    /// Adds and returns the total.
    pub fn add(&self, bytes: usize) -> u64 {
        let total = self.0.get().saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        self.0.set(total);
        total
    }
}

/// What a call came to, once it is known. Shared with what reads its answer, on the same thread.
#[derive(Clone, Default)]
pub struct CostNote(Rc<Cell<Option<Paid>>>);

/// What a call cost, and its tokens where they are what it is billed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paid {
    pub cost: Money,
    pub tokens: Option<(u64, u64)>,
}

impl CostNote {
    pub fn set(&self, paid: Paid) {
        self.0.set(Some(paid));
    }

    #[must_use]
    pub fn get(&self) -> Option<Paid> {
        self.0.get()
    }
}

/// What a handler tells the record: put it into the request's extensions.
#[derive(Debug, Clone, Default)]
pub struct Note {
    /// Who logged in, where the call itself had no credential.
    pub user: Option<(UserId, Username)>,
    /// The session that was opened or refreshed.
    pub session: Option<SessionId>,
    /// What was exchanged for a token.
    pub credential: Option<Credential>,
    /// `{before, after}` of what was changed.
    pub change: Option<serde_json::Value>,
    /// The user whom the change is about.
    pub about: Option<UserId>,
}

impl Note {
    /// Adds to what the record of this request will be told.
    pub fn add(request: &HttpRequest, add: impl FnOnce(&mut Self)) {
        let mut extensions = request.extensions_mut();
        let mut note = extensions.remove::<Self>().unwrap_or_default();
        add(&mut note);
        extensions.insert(note);
    }
}

/// The record of one request in the making.
pub struct Record {
    audit: Audit,
    durability: Durability,
    clock: Clock,
    metrics: Metrics,
    /// For the one entry, or for the outcome; `None` when it is used.
    place: Option<Place>,
    decided: bool,
    draft: Draft,
    started_ns: u64,
    waited_ns: u64,
    request_bytes: ByteCount,
    cost: CostNote,
    principal: Option<Arc<Principal>>,
    /// `None` until the limits were asked.
    standings: Option<Vec<Standing>>,
    given_back: Option<GivenBack>,
    /// Policies in shadow that would have refused.
    shadowed: Vec<String>,
    /// Budgets in shadow that would have.
    over_budget: Vec<String>,
}

impl Record {
    /// Takes a place in the log. Without one the request is not served: what is done must be on record.
    pub fn open(gate: &Gate, call: &Call) -> Result<Self, Refusal> {
        let place = gate.audit.place().map_err(|_| Refusal::Unavailable(Unavailable::Audit))?;
        Ok(Self::of(gate, call, Some(place)))
    }

    /// A record that nothing is known of yet. Without a place it leaves no entry.
    pub fn of(gate: &Gate, call: &Call, place: Option<Place>) -> Self {
        let subject = Subject {
            trace_id: call.trace_id.clone(),
            user_id: None,
            username: None,
            role: None,
            credential: None,
            session_id: None,
            peer: call.peer,
            forwarded_for: call.forwarded_for.as_deref().map(|text| redact(text).into_owned()),
            method: call.method.clone(),
            path: redact(&call.path).into_owned(),
            route: None,
        };
        let draft = Draft {
            id: EntryId(gate.clock.new_id()),
            request_id: call.id,
            time: call.time,
            stage: Stage::Whole,
            subject: Some(subject),
            findings: Findings::default(),
        };
        Self {
            audit: gate.audit.clone(),
            durability: gate.durability,
            clock: gate.clock.clone(),
            metrics: gate.metrics.clone(),
            place,
            decided: false,
            draft,
            started_ns: call.started_ns,
            waited_ns: 0,
            request_bytes: ByteCount::default(),
            cost: CostNote::default(),
            principal: None,
            standings: None,
            given_back: None,
            shadowed: vec![],
            over_budget: vec![],
        }
    }

    /// Names who calls.
    pub fn caller(&mut self, caller: &Authenticated) {
        let Authenticated::Known(principal) = caller else { return };
        self.principal = Some(Arc::clone(principal));
        if let Some(subject) = &mut self.draft.subject {
            subject.user_id = Some(principal.account.id);
            subject.username = Some(principal.account.username.to_string());
            subject.role = Some(principal.role);
            subject.credential = Some(principal.credential.clone());
            subject.session_id = principal.session;
        }
    }

    /// Names where the call goes.
    pub fn destination(&mut self, destination: &Destination) {
        if let Destination::Route(route) = destination {
            self.durability = route.durability.unwrap_or(self.durability);
        }
        if let Some(subject) = &mut self.draft.subject {
            subject.route = Some(match destination {
                Destination::Managed(url) => url.template.to_owned(),
                Destination::Route(route) => route.name.to_string(),
            });
        }
    }

    /// Names the upstream.
    pub fn upstream(&mut self, name: &str) {
        self.draft.findings.upstream = Some(name.to_owned());
    }

    /// Notes what the upstream answered.
    pub fn upstream_status(&mut self, status: u16) {
        self.draft.findings.upstream_status = Some(status);
    }

    /// Adds time that was spent waiting for the upstream, not in the gateway.
    pub fn waited(&mut self, ns: u64) {
        self.waited_ns = self.waited_ns.saturating_add(ns);
    }

    /// Keeps how the limits stood, for the answer's headers, and the means to know whether the call is given back what it
    /// has taken of them.
    pub fn set_standings(&mut self, standings: Vec<Standing>, given_back: Option<GivenBack>) {
        (self.standings, self.given_back) = (Some(standings), given_back);
    }

    /// Who calls, as long as the limits were not asked.
    #[must_use]
    pub fn unlimited(&self) -> Option<Arc<Principal>> {
        if self.standings.is_none() { self.principal.clone() } else { None }
    }

    /// How the limits stand now.
    fn take_standings(&mut self) -> Vec<Standing> {
        let standings = self.standings.take().unwrap_or_default();
        if self.given_back.as_ref().is_some_and(GivenBack::is_so) {
            return standings.iter().map(Standing::given_back).collect();
        }
        standings
    }

    /// Notes the policies in shadow that would have refused.
    pub fn shadowed(&mut self, policies: &[Arc<str>]) {
        for policy in policies {
            self.metrics.shadow_refusal(policy);
            self.shadowed.push(policy.to_string());
        }
    }

    /// Notes the budgets in shadow that would have refused.
    pub fn over_budget_in_shadow(&mut self, shortfalls: &[Shortfall]) {
        self.over_budget.extend(shortfalls.iter().map(|short| short.budget.name.to_string()));
    }

    /// Names the model that is asked, if it is one.
    pub fn model(&mut self, name: Option<&str>) {
        self.draft.findings.model = name.map(str::to_owned);
    }

    /// Where whoever bills the call notes what it came to.
    #[must_use]
    pub fn cost_note(&self) -> CostNote {
        self.cost.clone()
    }

    /// Why the call would have been refused, were no rule in shadow.
    fn shadow_reason(&self) -> Option<String> {
        let named = |code: &str, names: &[String]| (!names.is_empty()).then(|| format!("{code}: {}", names.join(", ")));
        let reasons =
            [named("shadow-quota-exceeded", &self.shadowed), named("shadow-budget-exhausted", &self.over_budget)];
        let reasons: Vec<String> = reasons.into_iter().flatten().collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// Where the reader of the body counts.
    #[must_use]
    pub fn request_bytes(&self) -> ByteCount {
        self.request_bytes.clone()
    }

    /// When the entries of this record count as written.
    #[must_use]
    pub const fn durability(&self) -> Durability {
        self.durability
    }

    /// Every entry of this record is on disk before anything waits for it no more.
    pub fn commit_always(&mut self) {
        self.durability = Durability::Committed;
    }

    /// Records "allowed" before the call can change anything. From here on the record has two entries.
    pub async fn decide(&mut self, durability: Durability) -> Result<(), Refusal> {
        self.draft.findings.decision = Some(Decision::Allowed);
        self.write_decision(durability).await
    }

    async fn write_decision(&mut self, durability: Durability) -> Result<(), Refusal> {
        let place = self.audit.place().map_err(|_| Refusal::Unavailable(Unavailable::Audit))?;
        let decision = Draft { stage: Stage::Decision, ..self.draft.clone() };
        // Said before the wait: if the request is dropped during it, the entry goes to disk all the same.
        self.decided = true;
        let written = self.audit.write(place, decision, durability).await;
        written.map_err(|error| {
            if error == NotRecorded::Refused {
                // The record begins again as one entry of its own.
                self.decided = false;
                self.draft.id = EntryId(self.clock.new_id());
            }
            Refusal::Unavailable(Unavailable::Audit)
        })
    }

    fn take_note(&mut self, note: Note) {
        if let Some(subject) = &mut self.draft.subject {
            if let Some((id, username)) = note.user {
                subject.user_id = Some(id);
                subject.username = Some(username.to_string());
            }
            subject.session_id = note.session.or(subject.session_id);
            subject.credential = note.credential.or(subject.credential.take());
        }
        self.draft.findings.change = note.change;
        self.draft.findings.about = note.about;
    }

    fn judge(&mut self, outcome: &Result<HttpResponse, Refusal>) {
        let shadow_reason = self.shadow_reason();
        let findings = &mut self.draft.findings;
        match outcome {
            Ok(response) => {
                findings.decision = Some(Decision::Allowed);
                findings.status = Some(response.status().as_u16());
                findings.reason = shadow_reason;
            }
            Err(refusal) => {
                findings.decision = Some(if refusal.is_failure() { Decision::Failed } else { Decision::Refused });
                findings.reason = Some(refusal.reason());
                refusal.refusing_policies().for_each(|policy| self.metrics.limit_refusal(policy));
            }
        }
    }

    /// The last entry of this record.
    fn last_entry(&mut self, outcome: Outcome) -> Draft {
        let elapsed_ns = self.clock.monotonic_ns().saturating_sub(self.started_ns);
        self.draft.findings.duration_us = Some(elapsed_ns / 1_000);
        self.draft.findings.request_bytes = Some(self.request_bytes.add(0));
        self.draft.findings.outcome = Some(outcome);
        if let Some(Paid { cost, tokens }) = self.cost.get() {
            self.draft.findings.cost_usd = Some(cost);
            (self.draft.findings.input_tokens, self.draft.findings.output_tokens) = tokens.unzip();
        }
        self.metrics.request(&self.draft, elapsed_ns, self.waited_ns);
        let mut draft = self.draft.clone();
        if self.decided {
            draft.id = EntryId(self.clock.new_id());
            draft.time = self.clock.now();
            draft.stage = Stage::Outcome;
            draft.subject = None;
        }
        draft
    }

    async fn finish(&mut self, outcome: Outcome) -> Result<(), Refusal> {
        let entry = self.last_entry(outcome);
        let Some(place) = self.place.take() else {
            return Ok(());
        };
        self.audit.write(place, entry, self.durability).await.map_err(|_| Refusal::Unavailable(Unavailable::Audit))
    }

    fn leave(&mut self, outcome: Outcome) {
        if self.place.is_some() {
            let entry = self.last_entry(outcome);
            if let Some(place) = self.place.take() {
                self.audit.leave(place, entry);
            }
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.leave(Outcome::Aborted);
    }
}

/// Words the outcome, puts the record on disk, and only then lets the answer go.
pub async fn close(
    gate: &Gate,
    call: &Call,
    mut record: Record,
    request: &HttpRequest,
    outcome: Result<HttpResponse, Refusal>,
) -> HttpResponse {
    record.take_note(request.extensions_mut().remove::<Note>().unwrap_or_default());
    record.judge(&outcome);
    if let (Err(refusal), Some(doubt)) = (&outcome, request.conn_data::<Doubt>())
        && refusal.doubts_framing()
    {
        doubt.raise();
    }
    // Nobody is there to read what is answered to a client that hung up.
    let ending = if matches!(outcome, Err(Refusal::Disconnected)) { Outcome::Aborted } else { Outcome::Complete };
    let mut response = outcome.unwrap_or_else(|refusal| (gate.desk.problem)(&refusal, call));
    record.draft.findings.status = Some(response.status().as_u16());
    let standings = record.take_standings();
    (gate.desk.decorate)(response.headers_mut(), call, &standings);
    match commit(record, response, ending).await {
        Ok(response) => response,
        Err(refusal) => refuse(gate, call, &refusal, &standings),
    }
}

/// Words a refusal that cannot be put on record.
pub fn refuse(gate: &Gate, call: &Call, refusal: &Refusal, standings: &[Standing]) -> HttpResponse {
    let mut response = (gate.desk.problem)(refusal, call);
    (gate.desk.decorate)(response.headers_mut(), call, standings);
    response
}

async fn commit(mut record: Record, response: HttpResponse, outcome: Outcome) -> Result<HttpResponse, Refusal> {
    let (head, body) = response.into_parts();
    match body.try_into_bytes() {
        Ok(bytes) => {
            record.draft.findings.response_bytes = u64::try_from(bytes.len()).ok();
            record.finish(outcome).await?;
            Ok(head.set_body(BoxBody::new(bytes)))
        }
        Err(body) => {
            if !record.decided {
                record.write_decision(record.durability).await?;
            }
            Ok(head.set_body(BoxBody::new(Recorded { body, record, sent_bytes: 0 })))
        }
    }
}

/// A streamed body whose end is recorded.
struct Recorded {
    body: BoxBody,
    record: Record,
    sent_bytes: u64,
}

impl MessageBody for Recorded {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let next = Pin::new(&mut self.body).poll_next(cx);
        match &next {
            Poll::Ready(Some(Ok(chunk))) => {
                let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
                self.sent_bytes = self.sent_bytes.saturating_add(length);
                self.record.draft.findings.response_bytes = Some(self.sent_bytes);
            }
            Poll::Ready(Some(Err(error))) => {
                self.record.draft.findings.decision = Some(Decision::Failed);
                self.record.draft.findings.reason = Some(Refusal::UpstreamFailed.code().into());
                tracing::warn!(%error, "an answer was cut");
                self.record.leave(Outcome::Aborted);
            }
            Poll::Ready(None) => self.record.leave(Outcome::Complete),
            Poll::Pending => {}
        }
        next
    }
}
