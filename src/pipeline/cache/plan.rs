//! What becomes of the answer to a call that is made: it is kept, it confirms what is kept, or it makes that obsolete.
//!
//! The pipeline's forward step prepares the call by it and concludes with it, whether or not the client is still there.

use std::{rc::Rc, sync::Arc};

use bytes::Bytes;
use http::StatusCode;

use super::{
    changes::Changes,
    gather::{Gathering, Keeper, gather},
    serve::{serve, tell},
    wanted::{Kind, Wanted},
};
use crate::{
    cache::{
        Cache, Site,
        collapse::{Ending, Leader},
    },
    clock::Clock,
    domain::caching::{Asking, CacheStatus, Kept, Sharing, Times, Use, Why, Wishes, conditional, may_keep},
    pipeline::{bill::Open, buffered::Buffered, forwarded::Forwarded, gate::Gate},
    telemetry::Metrics,
    upstream::{Answer, AnswerBody, Outgoing, UpstreamError},
};

/// The plan of a call that is made.
#[must_use = "the conclusion of the plan answers those who wait for the call"]
pub struct Plan {
    /// `None` where the answer says nothing of the cache.
    why: Option<Why>,
    /// In a box: most calls have none, and all carry its room.
    keep: Option<Box<Keep>>,
    changes: Option<Box<Changes>>,
}

/// What is needed to keep an answer.
pub(super) struct Keep {
    pub(super) cache: Cache,
    pub(super) wanted: Wanted,
    pub(super) site: Site,
    clock: Clock,
    metrics: Rc<Metrics>,
    route: Arc<str>,
    /// What is kept, and may be obsolete after this call.
    kept: Option<Arc<Kept>>,
    /// Whether the upstream is asked if that has changed.
    is_asked: bool,
    /// Others wait for the answer.
    leader: Option<Leader>,
    /// For a body that is gathered.
    room: Buffered,
    asked_ms: i64,
}

impl Plan {
    /// Nothing is kept.
    pub(super) fn without(changes: Option<Changes>, why: Option<Why>) -> Self {
        Self { why, keep: None, changes: changes.map(Box::new) }
    }

    pub(super) fn keeping(keep: Keep, why: Why) -> Self {
        Self { why: Some(why), keep: Some(Box::new(keep)), changes: None }
    }

    /// Whether others wait for the answer, so that the call goes on without its client.
    pub fn leads(&self) -> bool {
        self.keep.as_ref().is_some_and(|keep| keep.leader.is_some())
    }

    /// Asks whether what is kept has changed, where it can be asked; and tells of nothing that is not part of the key.
    pub fn prepare(&mut self, outgoing: &mut Outgoing) {
        let Some(keep) = &mut self.keep else { return };
        keep.asked_ms = keep.now_ms();
        if let Some(kept) = &keep.kept {
            keep.is_asked = conditional::add_validators(&mut outgoing.headers, kept);
        }
        let is_for_others = matches!(keep.wanted.caching.per, Sharing::Team | Sharing::Global);
        if let Some(original) = outgoing.original.as_mut().filter(|_| is_for_others) {
            // What a client writes into the chain of its proxies could show in what others get.
            original.forwarded_for = None;
        }
    }

    /// The head of the answer has come. Where others cannot be served by it they do not wait for its body, which may be long in
    /// coming.
    pub fn answered(&mut self, answer: &Answer) {
        if let Some(keep) = self.keep.as_mut().filter(|keep| keep.leader.is_some()) {
            keep.answered(answer);
        }
    }

    /// The answer has begun, or is whole.
    pub async fn conclude(self, forwarded: Forwarded) -> Forwarded {
        let Self { why, keep, changes } = self;
        if let Some(changes) = changes {
            // In a box: few calls change anything, and all others would carry its room.
            Box::pin(changes.made(&forwarded.answer)).await;
        }
        let (mut forwarded, status) = match (keep, why) {
            (Some(keep), Some(why)) => keep.conclude(forwarded, why),
            (_, Some(why)) => (forwarded, CacheStatus::Forwarded { why, upstream_status: None, stored: false }),
            (_, None) => return forwarded,
        };
        tell(&mut forwarded.answer.headers, status);
        forwarded
    }

    /// There is no answer. What is kept is served all the same, where its upstream allows that.
    ///
    /// # Errors
    /// The one that is given.
    pub fn conclude_failure(self, error: UpstreamError) -> Result<Forwarded, UpstreamError> {
        let Some(mut keep) = self.keep else { return Err(error) };
        keep.end(Ending::Alone);
        let Some(stale) = keep.stale() else {
            keep.count(self.why.map_or("", Why::as_str));
            return Err(error);
        };
        let (mut forwarded, status) = keep.serve_stale(&stale, Open::default());
        // What the upstream did is told by the attempts, once for many calls.
        tracing::debug!(error = %error.with_causes(), "a call was answered from the cache because its upstream failed");
        tell(&mut forwarded.answer.headers, status);
        Ok(forwarded)
    }
}

impl Keep {
    pub(super) fn new(
        gate: &Gate,
        wanted: Wanted,
        site: Site,
        kept: Option<Arc<Kept>>,
        leader: Option<Leader>,
    ) -> Self {
        let (cache, clock, metrics) = (gate.cache.clone(), gate.clock.clone(), Rc::clone(&gate.metrics));
        let (room, route) = (gate.buffers.share(), Arc::clone(&wanted.route));
        Self { cache, wanted, site, clock, metrics, route, kept, is_asked: false, leader, room, asked_ms: 0 }
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.clock.store_now().as_millisecond()
    }

    fn count(&self, result: &str) {
        self.metrics.cache(&self.route, result);
    }

    fn end(&mut self, ending: Ending) {
        if let Some(leader) = self.leader.take() {
            leader.end(ending);
        }
    }

    /// Whether those who ask at the same time may be given this answer, at once or while it is confirmed.
    fn is_for_others(&self, kept: &Kept) -> bool {
        match kept.use_for(&Wishes::default(), self.now_ms()) {
            Use::Now => true,
            // Nobody would pay for the call that confirms the answer of a model.
            Use::NowAndRefresh => self.wanted.kind == Kind::Get,
            Use::Confirmed(_) => false,
        }
    }

    fn answered(&mut self, answer: &Answer) {
        // What it confirms is renewed at once.
        if answer.status == StatusCode::NOT_MODIFIED {
            return;
        }
        let ttl_s = self.wanted.caching.ttl_s;
        let head = Kept::new(answer.status, answer.headers.clone(), Bytes::new(), self.times(), ttl_s);
        if may_keep(self.asking(), self.wanted.caching, &head) && self.is_for_others(&head) {
            return;
        }
        // A failure passes; what is for one client alone stays so.
        if !head.status.is_server_error() {
            self.keep_apart();
        }
        self.end(Ending::Alone);
    }

    fn conclude(mut self, forwarded: Forwarded, why: Why) -> (Forwarded, CacheStatus) {
        let status = forwarded.answer.status;
        if status == StatusCode::NOT_MODIFIED
            && let Some(kept) = self.kept.take_if(|_| self.is_asked)
        {
            return self.confirm(&kept, forwarded, why);
        }
        if status.is_server_error()
            && let Some(stale) = self.stale()
        {
            self.end(Ending::Alone);
            let (served, told) = self.serve_stale(&stale, forwarded.open);
            return (Forwarded { upstream_status: forwarded.upstream_status, ..served }, told);
        }
        self.take(forwarded, why)
    }

    /// What is kept is confirmed.
    fn confirm(mut self, kept: &Kept, forwarded: Forwarded, why: Why) -> (Forwarded, CacheStatus) {
        let Forwarded { answer, open, upstream_status, .. } = forwarded;
        let caching = self.wanted.caching;
        let renewed = conditional::updated(kept, &answer.headers, self.times(), caching.ttl_s);
        let stored = renewed.as_ref().is_some_and(|renewed| may_keep(self.asking(), caching, renewed));
        // One that names another answer has confirmed this one all the same, but renews nothing.
        let served = serve(renewed.as_ref().unwrap_or(kept), &self.wanted, open, self.now_ms());
        if let Some(renewed) = renewed.filter(|_| stored) {
            self.store(renewed);
        } else {
            // A client that wants nothing of its call kept has no say in what others find.
            if !self.wanted.wishes.no_store {
                self.cache.forget(&self.site);
            }
            self.end(Ending::Alone);
        }
        let status = CacheStatus::Forwarded { why, upstream_status: Some(StatusCode::NOT_MODIFIED.as_u16()), stored };
        self.count(status.result());
        (Forwarded { upstream_status, ..served }, status)
    }

    /// A new answer.
    fn take(mut self, forwarded: Forwarded, why: Why) -> (Forwarded, CacheStatus) {
        self.count(why.as_str());
        let told = |stored| CacheStatus::Forwarded { why, upstream_status: None, stored };
        let Forwarded { answer: Answer { status, reason, headers, body }, begun, open, upstream_status } = forwarded;
        let head = Kept::new(status, headers.clone(), Bytes::new(), self.times(), self.wanted.caching.ttl_s);
        let stated = headers.get(http::header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
        let fits = |length: usize| length <= self.cache.bounds.max_entry_bytes;
        let may_be_kept = self.wanted.kind != Kind::Head
            && may_keep(self.asking(), self.wanted.caching, &head)
            && !open.has_failed()
            && stated.is_none_or(fits);
        let (body, stored) = match body {
            AnswerBody::Whole(bytes) if may_be_kept && fits(bytes.len()) && stated.is_none_or(|n| n == bytes.len()) => {
                // A copy: what came may be a piece of a larger buffer.
                self.store(head.with_body(Bytes::copy_from_slice(&bytes)));
                (AnswerBody::Whole(bytes), true)
            }
            AnswerBody::Stream(stream) if may_be_kept && stream.is_delimited() && !open.by_tokens() => {
                // Whether one that does not state its length will fit shows at its end (RFC 9211 §2.4).
                (
                    AnswerBody::Stream(gather(Gathering { keep: self, head, begun: begun.clone() }, stream)),
                    stated.is_some(),
                )
            }
            body => {
                self.pass(&head);
                (body, false)
            }
        };
        (Forwarded { answer: Answer { status, reason, headers, body }, begun, open, upstream_status }, told(stored))
    }

    /// An answer that is not kept. What was kept before is obsolete, unless the new one is only about this call.
    fn pass(&mut self, head: &Kept) {
        let replaces = matches!(head.status.as_u16(), 200..=203 | 300..=303 | 307 | 308 | 404 | 410);
        match self.kept.take().filter(|_| !self.wanted.wishes.no_store) {
            Some(kept) if self.wanted.kind == Kind::Head => self.compare(&kept, head),
            Some(_) if replaces => self.cache.forget(&self.site),
            _ => {}
        }
        // A failure passes; what is for one client alone stays so.
        if !head.status.is_server_error() {
            self.keep_apart();
        }
        self.end(Ending::Alone);
    }

    /// An answer to HEAD tells of the one to GET that is kept: it renews it, or it is of another one (RFC 9111 §4.3.5).
    fn compare(&mut self, kept: &Kept, head: &Kept) {
        if head.status != StatusCode::OK || kept.status != StatusCode::OK {
            return;
        }
        match conditional::of_head(kept, &head.headers) {
            Some(false) => self.cache.forget(&self.site),
            Some(true) => {
                let caching = self.wanted.caching;
                let renewed = conditional::updated(kept, &head.headers, head.times, caching.ttl_s);
                match renewed.filter(|renewed| may_keep(self.asking(), caching, renewed)) {
                    Some(renewed) => self.store(renewed),
                    None => self.cache.forget(&self.site),
                }
            }
            None => {}
        }
    }

    /// What may be served because the upstream failed.
    fn stale(&self) -> Option<Arc<Kept>> {
        let now_ms = self.now_ms();
        self.kept.clone().filter(|kept| kept.may_serve_on_error(&self.wanted.wishes, now_ms))
    }

    fn serve_stale(&self, kept: &Kept, open: Open) -> (Forwarded, CacheStatus) {
        let now_ms = self.now_ms();
        let status = CacheStatus::HitOnError { ttl_s: kept.ttl_s(now_ms) };
        self.count(status.result());
        (serve(kept, &self.wanted, open, now_ms), status)
    }

    const fn asking(&self) -> Asking {
        Asking { is_post: matches!(self.wanted.kind, Kind::Post), no_store: self.wanted.wishes.no_store }
    }

    fn times(&self) -> Times {
        Times { asked_ms: self.asked_ms, answered_ms: self.now_ms() }
    }
}

impl Keeper for Keep {
    fn has_room(&mut self, length: usize, more: usize) -> bool {
        length <= self.cache.bounds.max_entry_bytes && self.room.take(u64::try_from(more).unwrap_or(u64::MAX)).is_ok()
    }

    fn hand_over(&mut self) -> Buffered {
        self.room.hand_over()
    }

    fn store(&mut self, kept: Kept) {
        let now_ms = self.now_ms();
        let is_for_others = self.is_for_others(&kept);
        self.cache.keep(&self.site, Arc::new(kept), &self.wanted.headers, now_ms);
        if !is_for_others {
            // Each client has it confirmed.
            self.keep_apart();
        }
        self.end(if is_for_others { Ending::Kept } else { Ending::Alone });
    }

    fn keep_apart(&self) {
        if self.leader.is_some() {
            self.cache.collapsing.keep_apart(self.site.key, self.now_ms());
        }
    }

    fn give_up(&mut self) {
        self.end(Ending::Alone);
    }
}
