use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::{
    actors::{roster::Roster, supervisor::Starts},
    domain::{
        ids::LimitId,
        limit::{Allowance, Mode, OnError, Per, Policy, RouteSet, Unit, rate::Rate, shard::Charge},
    },
};

const LONG: Duration = Duration::from_mins(1);

fn policy(name: &str, unit: Unit, allowance: Allowance) -> Policy {
    Policy {
        id: LimitId(Uuid::nil()),
        name: name.into(),
        routes: RouteSet::All,
        per: Per::User,
        subject: None,
        unit,
        allowance,
        mode: Mode::Enforce,
        on_error: OnError::AllowLocalShare,
        version: 0,
        since_ns: 0,
    }
}

#[actix::test]
async fn a_caller_that_goes_away_before_it_reads_its_decision_gives_all_back() {
    let quotas = Quotas::new(1, 10, 10, LONG, Lender::new(10, LONG));
    let blueprint = Blueprint { clock: Clock::manual(1), max_subjects: 100, with_redis: false };
    let Ok(()) = quotas.start_here(&Roster::default(), blueprint).await;
    let user = crate::domain::ids::UserId(Uuid::from_u128(4));
    let policies = [
        policy("one", Unit::Concurrent, Allowance::Concurrent(1)),
        policy("slow", Unit::Requests, Allowance::Rate(Rate::new(1, 1, 2).unwrap())),
    ];
    let charges = || -> Charges {
        let charge = |(series, policy)| Charge { series, policy: Arc::new(policy), subject: user.0.into(), units: 1 };
        (0..).zip(policies.clone()).map(charge).collect()
    };
    for _ in 0..3 {
        let take = quotas.take(user, charges());
        futures_util::pin_mut!(take);
        assert!(futures_util::poll!(take).is_pending());
    }
    while quotas.keepers().any(|keeper| keeper.in_flight() > 0) {
        tokio::task::yield_now().await;
    }
    let left: Vec<u64> = quotas.look(user, charges()).await.unwrap().iter().map(|s| s.remaining).collect();
    assert_eq!(left, [1, 2]);
}
