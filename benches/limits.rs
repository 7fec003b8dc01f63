//! What limiting a call costs:  cargo bench --bench limits
//!
//! One decision over six policies, without a message and with one, to a keeper on the same thread and on another; and
//! with a million users that were active once: how much memory they take, and whether decisions get slower.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot start has nothing to measure")]
#![expect(clippy::print_stdout, reason = "what criterion cannot say")]

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tollgate::{
    actors::{
        quota_keeper::{Blueprint, Quotas},
        quota_lender::Lender,
        roster::Roster,
        supervisor::Starts,
    },
    clock::Clock,
    domain::{
        ids::{LimitId, UserId},
        limit::{
            Allowance, Mode, OnError, Per, Policy, RouteSet, Unit,
            rate::Rate,
            shard::{Charge, Charges, Setting, Shard},
        },
    },
};
use uuid::Uuid;

fn policies(per: Per) -> Vec<Arc<Policy>> {
    let policy = |i: u64| Policy {
        id: LimitId(Uuid::nil()),
        name: format!("policy-{i}").into(),
        routes: RouteSet::All,
        per,
        subject: None,
        unit: Unit::Requests,
        allowance: Allowance::Rate(Rate::new(1_000_000_000 + i, 60, 1_000_000_000).unwrap()),
        mode: Mode::Enforce,
        on_error: OnError::AllowLocalShare,
        version: 0,
        since_ns: 0,
    };
    (0..6).map(|i| Arc::new(policy(i))).collect()
}

fn charges(policies: &[Arc<Policy>], user: UserId) -> Vec<Charge> {
    let charge = |(series, policy): (u32, &Arc<Policy>)| Charge {
        series,
        policy: Arc::clone(policy),
        subject: user.0.into(),
        units: 1,
    };
    (0..).zip(policies).map(charge).collect()
}

/// Spread like the random half of a UUIDv7.
fn user(i: u64) -> UserId {
    let mixed = i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    UserId(Uuid::from_u64_pair(i, mixed ^ (mixed >> 29)))
}

fn decisions(criterion: &mut Criterion) {
    let (policies, mut shard) = (policies(Per::User), Shard::new(Setting::alone(usize::MAX)));
    let charges: Arc<[Charge]> = charges(&policies, user(1)).into();
    let mut now_ns = 1;
    criterion.bench_function("limits/decision over 6 policies", |bench| {
        bench.iter(|| {
            now_ns += 1_000;
            black_box(shard.take(&charges, false, now_ns).is_ok())
        });
    });
}

fn messages(criterion: &mut Criterion) {
    let system = actix::System::new();
    let deadline = Duration::from_secs(5);
    for name in ["same thread", "other thread"] {
        let quotas = Quotas::new(1, 1_024, 1_024, deadline, Lender::new(1_024, deadline));
        let blueprint = Blueprint { clock: Clock::system(), max_subjects: 1_000_000, with_redis: false };
        let (policies, arbiter, there) = (policies(Per::User), actix::Arbiter::new(), quotas.clone());
        if name == "same thread" {
            let Ok(()) = system.block_on(quotas.start_here(&Roster::default(), blueprint));
        } else {
            arbiter.spawn(async move {
                let Ok(()) = there.start_here(&Roster::default(), blueprint).await;
            });
        }
        while !quotas.are_running() {
            std::thread::yield_now();
        }
        criterion.bench_function(&format!("limits/message to the {name}"), |bench| {
            bench.iter_batched(
                || Charges::from(charges(&policies, user(1))),
                |charges| system.block_on(quotas.take(user(1), charges)).unwrap().unwrap().standings.len(),
                BatchSize::SmallInput,
            );
        });
        arbiter.stop();
    }
}

/// The memory of this process, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

/// With so many users active once: how much the memory grew, and the p50 and p99 of a decision in nanoseconds.
fn crowd(users: u64, clock: &Clock) -> (usize, [u64; 2]) {
    let (policies, before) = (policies(Per::User), resident());
    let one = policies.get(..1).unwrap();
    let mut shard = Shard::new(Setting::alone(usize::MAX));
    for i in 0..users {
        drop(shard.take(&charges(one, user(i)).into(), false, 1));
    }
    let grown = resident().saturating_sub(before);
    let decide = |i: u64| {
        let charges: Arc<[Charge]> = charges(one, user(i.wrapping_mul(7_919) % users)).into();
        let begun_ns = clock.monotonic_ns();
        black_box(shard.take(&charges, false, 1).is_ok());
        clock.monotonic_ns() - begun_ns
    };
    (grown, percentiles((0..200_000).map(decide).collect()))
}

/// What the machine takes for one read of a random place in as much memory as so many subjects take: less than that no
/// decision can take.
fn far_read(users: u64, clock: &Clock) -> [u64; 2] {
    let slots: Vec<[u64; 6]> = (0..users * 2).map(|i| [i; 6]).collect();
    let read = |i: u64| {
        let (_, place) = user(i.wrapping_mul(7_919) % users).0.as_u64_pair();
        let begun_ns = clock.monotonic_ns();
        black_box(slots.get(usize::try_from(place % (users * 2)).unwrap()).copied());
        clock.monotonic_ns() - begun_ns
    };
    percentiles((0..200_000).map(read).collect())
}

fn percentiles(mut took_ns: Vec<u64>) -> [u64; 2] {
    took_ns.sort_unstable();
    [50, 99].map(|percent| *took_ns.get(took_ns.len() * percent / 100).unwrap())
}

fn crowds(_: &mut Criterion) {
    let clock = Clock::system();
    for _ in 0..3 {
        for users in [1_000, 1_000_000] {
            let (grown, [p50, p99]) = crowd(users, &clock);
            println!("limits/{users} users: memory grew by {grown} bytes, a decision took p50 {p50} ns, p99 {p99} ns");
            let [p50, p99] = far_read(users, &clock);
            println!(
                "limits/{users} users: one read of a random place in as much memory took p50 {p50} ns, p99 {p99} ns"
            );
        }
    }
}

criterion_group!(benches, crowds, decisions, messages);
criterion_main!(benches);
