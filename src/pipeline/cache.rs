//! Is there an answer already? Asked when the call is within its limits, and before money is held for it: what is served
//! from the cache is limited and recorded, held for nothing and free.
//!
//! Equal calls at once become one: the first is made, the others wait here. A [`Plan`] says what becomes of the answer of
//! a call that is made. Routes without a cache pass at once, but for changes of URLs that other routes may keep.

mod changes;
mod gather;
pub mod plan;
mod refresh;
mod serve;
mod waits;
mod wanted;

use std::sync::Arc;

use actix_web::HttpRequest;

use self::{
    plan::{Keep, Plan},
    serve::serve,
    waits::Waits,
    wanted::{Kind, Wanted},
};
use super::{
    bill::Open,
    body::ClientBody,
    forwarded::Forwarded,
    gate::Gate,
    limit::{self, Entered},
    reserve,
    visit::Visit,
};
use crate::{
    cache::{
        Look, Moment, Name, Site,
        collapse::{Leader, Turn},
    },
    domain::{
        caching::{CacheStatus, Caching, Kept, Use, Why, Wishes, conditional},
        failover::Aim,
        refusal::Refusal,
        route::{Meter, Route},
    },
    meter::Asked,
};

/// The content of a request, as far as it was read.
#[derive(Clone, Copy)]
pub struct Content<'r> {
    pub body: &'r ClientBody,
    /// Of a request to a model.
    pub asked: Option<&'r Asked>,
    /// Where the call may go.
    pub aims: &'r [Aim],
    /// It goes on as a WebSocket.
    pub is_websocket: bool,
}

/// What was found.
pub enum Found {
    /// The answer.
    Served(Box<Forwarded>),
    /// No answer that may be served; what is to become of the one that will come.
    Forward(Entered, Plan),
}

/// What is done with a request.
enum Decision {
    /// With a leader, its upstream is asked meanwhile whether it has changed.
    Serve {
        kept: Arc<Kept>,
        refresh: Option<(Leader, Site)>,
    },
    Forward {
        why: Why,
        site: Site,
        kept: Option<Arc<Kept>>,
        leader: Option<Leader>,
    },
}

/// Looks for an answer that may be served to this caller.
pub async fn cache(
    visit: &mut Visit<'_>,
    request: &HttpRequest,
    content: Content<'_>,
    entered: Entered,
    route: &Route,
) -> Result<Found, Refusal> {
    let Some(caching) = route.caching else {
        return Ok(Found::Forward(entered, Plan::without(changes::of(visit, request), None)));
    };
    let Some(wanted) = wanted::of(visit, request, content, (route, caching), entered.principal()) else {
        visit.gate.metrics.cache(&route.name, Why::Bypass.as_str());
        return Ok(Found::Forward(entered, Plan::without(changes::of(visit, request), Some(Why::Bypass))));
    };
    // In a box, so that calls on routes without a cache do not carry its room.
    Box::pin(find(visit, request, (content, wanted), entered, route)).await
}

async fn find(
    visit: &mut Visit<'_>,
    request: &HttpRequest,
    (content, wanted): (Content<'_>, Wanted),
    entered: Entered,
    route: &Route,
) -> Result<Found, Refusal> {
    let begun_ns = visit.gate.clock.monotonic_ns();
    // A call that nobody makes would be paid by nobody.
    let decision = decide(visit.gate, &wanted, route.meter == Meter::None).await;
    visit.record.known.waited(visit.gate.clock.monotonic_ns().saturating_sub(begun_ns));
    let wants_kept_alone = wanted.wishes.only_if_cached;
    match decision {
        Decision::Serve { kept, refresh } => {
            if let Some((leader, site)) = refresh {
                // What is kept is the answer to GET, also where HEAD asks for it; and it is the gateway that asks, so that what its
                // client wants of caches does not count: `no-store` would keep others from what is new.
                let wanted = Wanted { kind: Kind::Get, wishes: Wishes::default(), ..wanted.clone() };
                let keep = Keep::new(visit.gate, wanted, site, Some(Arc::clone(&kept)), Some(leader));
                refresh::begin(visit, request, route, Plan::keeping(keep, Why::Stale));
            }
            let principal = Arc::clone(entered.principal());
            let forwarded = hit(visit, &kept, &wanted, entered, route);
            if route.meter != Meter::None {
                limit::tell_others(visit).await;
                reserve::note_free(visit, &principal, route, content.asked.map(Asked::model)).await;
            }
            Ok(Found::Served(Box::new(forwarded)))
        }
        Decision::Forward { .. } if wants_kept_alone => Err(Refusal::NotCached),
        Decision::Forward { why, site, kept, leader } => {
            let keep = Keep::new(visit.gate, wanted, site, kept, leader);
            Ok(Found::Forward(entered, Plan::keeping(keep, why)))
        }
    }
}

fn hit(visit: &Visit<'_>, kept: &Kept, wanted: &Wanted, entered: Entered, route: &Route) -> Forwarded {
    let now_ms = visit.gate.clock.store_now().as_millisecond();
    let status = CacheStatus::Hit { ttl_s: kept.ttl_s(now_ms) };
    visit.gate.metrics.cache(&route.name, status.result());
    let mut forwarded = serve(kept, wanted, Open::new(entered.served(), None), now_ms);
    serve::tell(&mut forwarded.answer.headers, status);
    if route.meter != Meter::None {
        serve::tell_free(&mut forwarded.answer.headers);
    }
    forwarded
}

/// Looks, and waits for others that are about to find the same.
async fn decide(gate: &Gate, wanted: &Wanted, may_refresh: bool) -> Decision {
    let mut waits = Waits::within(wanted.waits);
    loop {
        let moment = moment(gate, wanted.caching);
        let Look { kept, is_variant_missing, site } = gate.cache.look(&wanted.place, &wanted.headers, moment).await;
        let found = kept.as_ref().map(|kept| kept.use_for(&wanted.wishes, moment.now_ms));
        let (why, kept) = match (found, kept) {
            (Some(Use::Now), Some(kept)) => return Decision::Serve { kept, refresh: None },
            (Some(Use::NowAndRefresh), Some(kept)) if may_refresh => {
                let leader = if let Turn::Leader(leader) = gate.cache.collapsing.join(site.key, moment.now_ms) {
                    Some(leader)
                } else {
                    None
                };
                return Decision::Serve { kept, refresh: leader.map(|leader| (leader, site)) };
            }
            (Some(Use::Confirmed(why)), kept) => (why, kept),
            (Some(_), kept) => (Why::Stale, kept),
            (None, _) if is_variant_missing => (Why::VaryMiss, None),
            (None, _) => (Why::Miss, None),
        };
        let may_share = may_share(wanted, why, kept.is_some()) && !wanted.wishes.only_if_cached;
        let is_shared = may_share && waits.may_wait(&site.key);
        let leader = match is_shared.then(|| gate.cache.collapsing.join(site.key, moment.now_ms)) {
            None | Some(Turn::Alone) => None,
            Some(Turn::Leader(leader)) => Some(leader),
            Some(Turn::Wait(waiting)) => {
                if waits.wait(waiting, site.key).await {
                    continue;
                }
                None
            }
        };
        return Decision::Forward { why, site, kept, leader };
    }
}

/// Whether the answer to this request may be what others wait for: the whole of it, and anew only where it must be.
fn may_share(wanted: &Wanted, why: Why, has_kept: bool) -> bool {
    let asks_for_whole = has_kept || !conditional::asks_for_less(&wanted.headers);
    wanted.kind != Kind::Head && !wanted.wishes.no_store && why != Why::Request && asks_for_whole
}

fn moment(gate: &Gate, caching: Caching) -> Moment {
    Moment {
        now_ms: gate.clock.store_now().as_millisecond(),
        new_name: Name::new(gate.clock.new_id()),
        ttl_s: caching.ttl_s,
    }
}
