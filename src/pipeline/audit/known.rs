//! What is known of one request, and grows from step to step. It writes nothing: [`super::record`] does.

use std::sync::Arc;

use actix_web::HttpResponse;
use jiff::Timestamp;

use super::{
    limits::LimitsTold,
    note::{AttemptsNote, CostNote, Note, Paid},
    passed::{Intake, Passed},
};
use crate::{
    domain::{
        audit::{Decision, Draft, Findings, Outcome, Refused, Stage, Subject, WrongFields, body::KeptBodies},
        budget::Shortfall,
        ids::EntryId,
        money::Money,
        principal::Principal,
        recording::{Durability, Recording},
        redaction::{KnownSecrets, redact},
        refusal::Refusal,
        route::Route,
    },
    pipeline::{authenticate::Authenticated, call::Call, urls::Destination},
};

/// What is known of one request.
pub struct Known {
    /// The entry in the making.
    draft: Draft,
    recording: Recording,
    waited_ns: u64,
    intake: Intake,
    response_body: Passed,
    cost: CostNote,
    attempts: AttemptsNote,
    principal: Option<Arc<Principal>>,
    route: Option<Arc<Route>>,
    /// How the limits of the call stood.
    pub limits: LimitsTold,
    /// Policies in shadow that would have refused.
    shadowed: Vec<String>,
    /// Budgets in shadow that would have refused.
    over_budget: Vec<String>,
}

impl Known {
    /// What the head of a request says. `recording` is how calls are recorded by default.
    pub fn of(call: &Call, id: EntryId, recording: Recording) -> Self {
        let subject = Subject {
            trace_id: call.trace_id.clone(),
            peer: call.peer,
            // Where a header could say another one, the record says which it was, the same or not.
            client: call.client.filter(|client| Some(*client) != call.peer || call.forwarded_for.is_some()),
            client_certificate: call.transport.client_certificate().map(str::to_owned),
            forwarded_for: call.forwarded_for.as_deref().map(|text| redact(text).into_owned()),
            method: call.method.clone(),
            path: redact(&call.path).into_owned(),
            ..Subject::default()
        };
        let draft = Draft {
            id,
            request_id: call.id,
            time: call.time,
            stage: Stage::Whole,
            subject: Some(subject),
            findings: Findings::default(),
        };
        Self {
            draft,
            recording,
            waited_ns: 0,
            intake: Intake::default(),
            response_body: Passed::default(),
            cost: CostNote::default(),
            attempts: AttemptsNote::default(),
            principal: None,
            route: None,
            limits: LimitsTold::default(),
            shadowed: vec![],
            over_budget: vec![],
        }
    }

    /// Notes who calls.
    pub fn caller(&mut self, caller: &Authenticated) {
        let Authenticated::Known(principal) = caller else { return };
        self.principal = Some(Arc::clone(principal));
        if let Some(subject) = &mut self.draft.subject {
            subject.user_id = Some(principal.account.id);
            subject.username = Some(principal.account.username.as_str().to_owned());
            subject.team_id = principal.account.team;
            subject.role = Some(principal.role);
            subject.credential = Some(principal.credential.clone());
            subject.session_id = principal.session;
        }
    }

    /// The route of the call, where that is known.
    pub const fn route(&self) -> Option<&Arc<Route>> {
        self.route.as_ref()
    }

    /// Notes where the call goes, and how calls there are recorded.
    pub fn destination(&mut self, destination: &Destination) {
        if let Destination::Route(route) = destination {
            self.route = Some(Arc::clone(route));
            self.recording.durability = route.durability.unwrap_or(self.recording.durability);
            // What is sent to the gateway's own URLs is mostly credentials, and what changes there is on record as a change.
            let bodies = route.bodies.unwrap_or(self.recording.bodies);
            self.intake.with(|body| body.keep(bodies, &self.recording));
            self.response_body.keep(bodies, &self.recording);
        }
        if let Some(subject) = &mut self.draft.subject {
            subject.route = Some(match destination {
                Destination::Managed(url) => url.template.to_owned(),
                Destination::Route(route) => str::to_owned(&route.name),
            });
        }
    }

    /// Notes the name of the upstream.
    pub fn upstream(&mut self, name: &str) {
        self.draft.findings.upstream = Some(name.to_owned());
    }

    /// Notes the status that the upstream answered with.
    pub fn upstream_status(&mut self, status: u16) {
        self.draft.findings.upstream_status = Some(status);
    }

    /// Where each attempt is noted, on a route with several targets.
    pub fn attempts_note(&self) -> AttemptsNote {
        self.attempts.clone()
    }

    /// Notes what was tried by now, if anything was: the upstream of the record is the last.
    pub fn tried(&mut self) -> bool {
        let attempts = self.attempts.take();
        let Some(last) = attempts.last() else { return false };
        let findings = &mut self.draft.findings;
        (findings.upstream, findings.upstream_status) = (Some(last.upstream.clone()), last.status);
        findings.attempts.get_or_insert_default().extend(attempts);
        true
    }

    /// How often the call was sent.
    pub fn attempts_made(&self) -> u32 {
        let noted = self.draft.findings.attempts.as_ref().map_or(0, Vec::len);
        u32::try_from(noted).unwrap_or(u32::MAX).max(1)
    }

    /// The upstream of the record.
    pub fn called(&self) -> Option<&str> {
        self.draft.findings.upstream.as_deref()
    }

    /// Adds time that was spent waiting for the upstream, not in the gateway.
    pub fn waited(&mut self, ns: u64) {
        self.waited_ns = self.waited_ns.saturating_add(ns);
    }

    /// Who calls, where that is known.
    pub const fn principal(&self) -> Option<&Arc<Principal>> {
        self.principal.as_ref()
    }

    /// Notes when the limits that count calls decided, and what the route weighs.
    pub const fn limited(&mut self, at: Timestamp, weight: u64) {
        self.draft.findings.asked.limited_at = Some(at);
        self.draft.findings.asked.weight = if weight == 1 { None } else { Some(weight) };
    }

    /// Notes when the limits that count tokens decided, and how many tokens they were asked for.
    pub const fn limited_tokens(&mut self, at: Timestamp, estimated_tokens: Option<u64>) {
        self.draft.findings.asked.reserved_at = Some(at);
        self.draft.findings.asked.estimated_tokens = estimated_tokens;
    }

    /// Notes what the budgets are asked to hold.
    pub const fn asks_to_hold(&mut self, amount: Money) {
        self.draft.findings.asked.hold_usd = Some(amount);
    }

    /// Notes the policies in shadow that would have refused.
    pub fn shadowed(&mut self, policies: &[Arc<str>]) {
        self.shadowed.extend(policies.iter().map(ToString::to_string));
    }

    /// Notes the budgets in shadow that would have refused.
    pub fn over_budget_in_shadow(&mut self, shortfalls: &[Shortfall]) {
        self.over_budget.extend(shortfalls.iter().map(|short| short.budget.name.to_string()));
    }

    /// Notes the name of the model that is asked, where one is.
    pub fn model(&mut self, name: Option<&str>) {
        self.draft.findings.model = name.map(str::to_owned);
    }

    /// The model that is asked, as the record names it.
    pub fn asked_model(&self) -> Option<&str> {
        self.draft.findings.model.as_deref()
    }

    /// Notes the model that served, as its upstream knows it.
    pub fn served_model(&mut self, name: Option<&str>) {
        self.draft.findings.served_model = name.map(str::to_owned);
    }

    /// Where the cost of the call is noted by the step that bills it.
    pub fn cost_note(&self) -> CostNote {
        self.cost.clone()
    }

    /// Where the reader of the request's body notes what it has read.
    pub fn intake(&self) -> Intake {
        self.intake.clone()
    }

    /// Every entry of this record is on disk before anything that waits for it goes on.
    pub const fn commit_always(&mut self) {
        self.recording.durability = Durability::Committed;
    }

    /// How long the entries of this record may take to the disk.
    pub const fn durability(&self) -> Durability {
        self.recording.durability
    }

    /// Adds a piece of the answer's body that was sent.
    pub(super) fn sent(&mut self, piece: &[u8]) {
        self.response_body.add(piece);
        self.draft.findings.response_bytes = Some(self.response_body.bytes());
    }

    /// Notes the status that the client is answered with.
    pub(super) fn answered(&mut self, status: u16) {
        self.draft.findings.status = Some(status);
    }

    /// Notes that the answer broke off although the client was there.
    pub(super) fn cut(&mut self) {
        self.draft.findings.decision = Some(Decision::Failed);
        self.draft.findings.reason = Some(Refusal::UpstreamFailed.reason());
    }

    /// Notes that the call is allowed.
    pub const fn allowed(&mut self) {
        self.draft.findings.decision = Some(Decision::Allowed);
    }

    /// Adds the note of a handler.
    pub(super) fn take_note(&mut self, note: Note) {
        if let Some(subject) = &mut self.draft.subject {
            if let Some((id, username)) = note.user {
                subject.user_id = Some(id);
                subject.username = Some(username.to_string());
            }
            subject.session_id = note.session.or(subject.session_id);
            subject.credential = note.credential.or(subject.credential.take());
        }
        let named = self.draft.subject.as_ref().filter(|subject| note.about.is_some() && subject.names_user());
        self.draft.findings.path = named.map(|subject| subject.path.clone());
        self.draft.findings.change = note.change;
        self.draft.findings.about = note.about;
    }

    /// Notes what was decided on the call, and why.
    pub(super) fn judge(&mut self, outcome: &Result<HttpResponse, Refusal>) {
        let shadow_reason = self.shadow_reason();
        let user_id = self.draft.caller();
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
                findings.refused = Refused::of(refusal, &findings.asked);
                findings.fields = WrongFields::of(refusal, user_id);
            }
        }
    }

    /// Why the call would have been refused, were no rule in shadow.
    fn shadow_reason(&self) -> Option<String> {
        let named = |code: &str, names: &[String]| (!names.is_empty()).then(|| format!("{code}: {}", names.join(", ")));
        let reasons =
            [named("shadow-quota-exceeded", &self.shadowed), named("shadow-budget-exhausted", &self.over_budget)];
        let reasons: Vec<String> = reasons.into_iter().flatten().collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// The time the upstream took, in nanoseconds.
    pub(super) const fn waited_ns(&self) -> u64 {
        self.waited_ns
    }

    /// The entry as far as it is known now.
    pub(super) const fn draft(&self) -> &Draft {
        &self.draft
    }

    /// Gives the record another id: one under which an entry was not taken.
    pub(super) const fn begin_again(&mut self, id: EntryId) {
        self.draft.id = id;
    }

    /// Adds what is known only at the end. `secrets` are cut from the bodies that are kept.
    pub(super) fn end(&mut self, outcome: Outcome, duration_us: u64, secrets: &KnownSecrets) {
        let bodies = self.kept_bodies(secrets);
        // Of a call that was left before its answer.
        self.tried();
        let findings = &mut self.draft.findings;
        findings.duration_us = Some(duration_us);
        findings.request_bytes = Some(self.intake.with(|body| body.bytes()));
        findings.outcome = Some(outcome);
        if outcome == Outcome::Aborted {
            // The client may have left before the answer.
            findings.upstream_status = findings.upstream_status.or(self.cost.status());
        }
        if let Some(Paid { cost, tokens, model }) = self.cost.get() {
            findings.cost_usd = Some(cost);
            (findings.input_tokens, findings.output_tokens) = tokens.unzip();
            findings.served_model = model.map(|name| name.to_string()).or_else(|| findings.served_model.take());
        }
        findings.bodies = bodies;
        findings.asked.refunded = self.limits.is_given_back().then_some(true);
    }

    /// Takes out who called, and what came of the call.
    pub(super) fn take(&mut self) -> (Option<Subject>, Findings) {
        (self.draft.subject.take(), std::mem::take(&mut self.draft.findings))
    }

    fn kept_bodies(&mut self, secrets: &KnownSecrets) -> Option<KeptBodies> {
        let request_body = self.intake.with(|passed| passed.take_kept(secrets));
        let response_body = self.response_body.take_kept(secrets);
        let user_id = self.draft.caller();
        (request_body.is_some() || response_body.is_some()).then_some(KeptBodies {
            user_id,
            request_body,
            response_body,
        })
    }
}
