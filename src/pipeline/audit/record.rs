//! The record of one request in the making.

use std::sync::Arc;

use actix_web::HttpResponse;

use super::{
    note::{CostNote, Note, Paid},
    passed::{Intake, Passed},
};
use crate::{
    actors::{
        audit_writer::{Audit, NotRecorded, Slot},
        quota_keeper::GivenBack,
    },
    clock::Clock,
    domain::{
        audit::{Decision, Draft, Findings, Outcome, Stage, Subject, body::KeptBodies},
        budget::Shortfall,
        ids::EntryId,
        limit::Standing,
        principal::Principal,
        recording::{Durability, Recording},
        redaction::redact,
        refusal::{Refusal, Unavailable},
    },
    pipeline::{Gate, authenticate::Authenticated, authorize::Destination, call::Call},
    telemetry::Metrics,
};

/// The record of one request in the making.
pub struct Record {
    audit: Audit,
    recording: Recording,
    clock: Clock,
    metrics: Metrics,
    /// For the one entry, or for the outcome; `None` when it is used.
    place: Option<Slot>,
    decided: bool,
    draft: Draft,
    started_ns: u64,
    waited_ns: u64,
    intake: Intake,
    response_body: Passed,
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
        let place = gate.audit.slot().map_err(|_| Refusal::Unavailable(Unavailable::Audit))?;
        Ok(Self::of(gate, call, Some(place)))
    }

    /// A record that nothing is known of yet. Without a place it leaves no entry.
    pub fn of(gate: &Gate, call: &Call, place: Option<Slot>) -> Self {
        let subject = Subject {
            trace_id: call.trace_id.clone(),
            peer: call.peer,
            forwarded_for: call.forwarded_for.as_deref().map(|text| redact(text).into_owned()),
            method: call.method.clone(),
            path: redact(&call.path).into_owned(),
            ..Subject::default()
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
            recording: gate.recording,
            clock: gate.clock.clone(),
            metrics: gate.metrics.clone(),
            place,
            decided: false,
            draft,
            started_ns: call.started_ns,
            waited_ns: 0,
            intake: Intake::default(),
            response_body: Passed::default(),
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
            self.recording.durability = route.durability.unwrap_or(self.recording.durability);
            // What is sent to the gateway's own URLs is mostly credentials, and what changes there is on record as a change.
            let bodies = route.bodies.unwrap_or(self.recording.bodies);
            self.intake.with(|body| body.keep(bodies, &self.recording));
            self.response_body.keep(bodies, &self.recording);
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
    pub(super) fn take_standings(&mut self) -> Vec<Standing> {
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

    /// Where the reader of the body tells what it has read.
    #[must_use]
    pub fn intake(&self) -> Intake {
        self.intake.clone()
    }

    /// Adds to what was sent of the answer's body.
    pub(super) fn sent(&mut self, piece: &[u8]) {
        self.response_body.add(piece);
        self.draft.findings.response_bytes = Some(self.response_body.bytes());
    }

    /// Notes what the client is answered with.
    pub(super) fn answered(&mut self, status: u16) {
        self.draft.findings.status = Some(status);
    }

    /// Notes that the upstream's answer was cut.
    pub(super) fn cut(&mut self) {
        self.draft.findings.decision = Some(Decision::Failed);
        self.draft.findings.reason = Some(Refusal::UpstreamFailed.code().into());
    }

    /// When the entries of this record count as written.
    #[must_use]
    pub const fn durability(&self) -> Durability {
        self.recording.durability
    }

    /// Every entry of this record is on disk before anything waits for it no more.
    pub fn commit_always(&mut self) {
        self.recording.durability = Durability::Committed;
    }

    /// Records "allowed" before the call can change anything. From here on the record has two entries.
    pub async fn decide(&mut self, durability: Durability) -> Result<(), Refusal> {
        self.draft.findings.decision = Some(Decision::Allowed);
        self.write_decision(durability).await
    }

    /// Records the decision, if that is not done.
    pub(super) async fn decide_at_least(&mut self) -> Result<(), Refusal> {
        if self.decided { Ok(()) } else { self.write_decision(self.recording.durability).await }
    }

    async fn write_decision(&mut self, durability: Durability) -> Result<(), Refusal> {
        let place = self.audit.slot().map_err(|_| Refusal::Unavailable(Unavailable::Audit))?;
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

    pub(super) fn take_note(&mut self, note: Note) {
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

    pub(super) fn judge(&mut self, outcome: &Result<HttpResponse, Refusal>) {
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
        self.draft.findings.request_bytes = Some(self.intake.with(|body| body.bytes()));
        self.draft.findings.outcome = Some(outcome);
        if let Some(Paid { cost, tokens }) = self.cost.get() {
            self.draft.findings.cost_usd = Some(cost);
            (self.draft.findings.input_tokens, self.draft.findings.output_tokens) = tokens.unzip();
        }
        self.draft.findings.bodies = self.kept_bodies();
        self.metrics.request(&self.draft, elapsed_ns, self.waited_ns);
        let subject = self.draft.subject.take();
        let findings = std::mem::take(&mut self.draft.findings);
        if self.decided {
            let (id, time) = (EntryId(self.clock.new_id()), self.clock.now());
            return Draft { id, time, stage: Stage::Outcome, subject: None, findings, ..self.draft };
        }
        Draft { subject, findings, ..self.draft }
    }

    fn kept_bodies(&mut self) -> Option<KeptBodies> {
        let request_body = self.intake.with(Passed::take_kept);
        let response_body = self.response_body.take_kept();
        let user_id = self.draft.caller();
        (request_body.is_some() || response_body.is_some()).then_some(KeptBodies {
            user_id,
            request_body,
            response_body,
        })
    }

    pub(super) async fn finish(&mut self, outcome: Outcome) -> Result<(), Refusal> {
        let entry = self.last_entry(outcome);
        let Some(place) = self.place.take() else {
            return Ok(());
        };
        self.audit
            .write(place, entry, self.recording.durability)
            .await
            .map_err(|_| Refusal::Unavailable(Unavailable::Audit))
    }

    pub(super) fn leave(&mut self, outcome: Outcome) {
        if self.place.is_some() {
            let entry = self.last_entry(outcome);
            if let Some(place) = self.place.take() {
                self.audit.leave(place, entry, self.recording.durability);
            }
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.leave(Outcome::Aborted);
    }
}
