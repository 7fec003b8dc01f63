//! Equal calls at once: one goes to the upstream, and nobody is harmed by whoever leaves.

use futures_util::future::join_all;

use tollgate::clock::Clock;

use super::{
    cache::{Stage, route, status},
    support::{Answer, Origin, Setup, TestStore, eventually, whole},
};

on_both_stores!(
    equal_calls_at_once_are_one_call_to_the_upstream,
    a_client_that_leaves_takes_nothing_from_those_who_wait,
    those_who_waited_for_an_answer_that_is_not_kept_go_on_their_own,
    a_slow_client_holds_nobody_up,
    those_who_wait_for_a_slow_answer_go_on_their_own_in_time,
    nobody_waits_for_the_body_of_an_answer_that_is_of_no_use_to_others,
);

const WAITING: usize = 8;

/// A body that drips for longer than a test waits.
const LONG: usize = 2_000;

impl Stage {
    /// Returns when so many calls have come to the origin.
    async fn asked(&self, calls: usize) {
        eventually("the call", async || (self.origin.count() >= calls).then_some(())).await;
    }

    /// Returns when so many requests are under way in the gateway.
    async fn under_way(&self, requests: usize) {
        let in_flight = || self.gateway.running().office.operations.audit.handle().in_flight();
        eventually("the requests", async || (in_flight() >= requests).then_some(())).await;
    }
}

async fn equal_calls_at_once_are_one_call_to_the_upstream(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60 }").await;
    stage.origin.hold();
    let (answers, ()) = tokio::join!(join_all((0..WAITING).map(|_| stage.get("/up", &[]))), async {
        stage.under_way(WAITING).await;
        stage.asked(1).await;
        stage.origin.release();
    });
    assert_eq!(stage.origin.count(), 1);
    assert!(answers.iter().all(|answer| answer.text() == "1"));
    let forwarded = answers.iter().filter(|answer| status(answer) == "tollgate; fwd=miss; stored").count();
    let hits = answers.iter().filter(|answer| status(answer) == "tollgate; hit; ttl=60").count();
    assert_eq!((forwarded, hits), (1, WAITING - 1));
    // What others select, or nobody may share, is another call.
    stage.origin.hold();
    let (answers, ()) = tokio::join!(
        async {
            tokio::join!(stage.get("/up/a", &[]), stage.get("/up/b", &[]), stage.get("/up/a", &[("cookie", "a=1")]))
        },
        async {
            stage.asked(4).await;
            stage.origin.release();
        }
    );
    let texts: Vec<&str> = [&answers.0, &answers.1, &answers.2].map(Answer::text).into();
    assert!(texts.iter().all(|text| texts.iter().filter(|other| other == &text).count() == 1), "{texts:?}");
    stage.gateway.finish().await;
}

async fn a_client_that_leaves_takes_nothing_from_those_who_wait(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60 }").await;
    for (path, head_first) in [("/up/head", false), ("/up/body", true)] {
        let asked = stage.origin.count();
        stage.origin.hold();
        stage.gateway.expect_record();
        let mut leader = stage.gateway.connect().await;
        leader.send(&stage.gateway.get(path).token(&stage.gateway.admin).bytes()).await;
        stage.asked(asked + 1).await;
        let ((), answers) = tokio::join!(
            async {
                stage.under_way(WAITING + 1).await;
                leader.reset();
                if head_first {
                    tokio::task::yield_now().await;
                }
                stage.origin.release();
            },
            join_all((0..WAITING).map(|_| stage.get(path, &[])))
        );
        assert_eq!(stage.origin.count(), asked + 1, "{path}");
        assert!(
            answers.iter().all(|answer| answer.status == 200 && status(answer) == "tollgate; hit; ttl=60"),
            "{answers:?}"
        );
    }
    stage.gateway.finish().await;
}

async fn those_who_waited_for_an_answer_that_is_not_kept_go_on_their_own(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60 }").await;
    for (path, first) in [
        ("/up/private", whole("200 OK", &[("cache-control", "private")], "yours")),
        ("/up/error", whole("500 Internal Server Error", &[], "broken")),
        ("/up/gone", String::new()),
        ("/up/cut", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\ncut".into()),
        ("/up/large", whole("200 OK", &[], &"x".repeat(1 << 17))),
    ] {
        let asked = stage.origin.count();
        stage.origin.hold();
        stage.origin.answers(first);
        stage.gateway.expect_record();
        let mut leader = stage.gateway.connect().await;
        leader.send(&stage.gateway.get(path).token(&stage.gateway.admin).bytes()).await;
        stage.asked(asked + 1).await;
        let ((), answers, _) = tokio::join!(
            async {
                stage.under_way(WAITING + 1).await;
                stage.origin.release();
            },
            join_all((0..WAITING).map(|_| stage.get(path, &[]))),
            leader.rest(),
        );
        assert!(answers.iter().all(|answer| answer.status == 200), "{path} {answers:?}");
        assert!(
            answers.iter().all(|answer| !["yours", "broken", "cut"].contains(&answer.text())),
            "{path} {answers:?}"
        );
    }
    stage.gateway.finish().await;
}

async fn a_slow_client_holds_nobody_up(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60 }").await;
    let body = "x".repeat(1 << 16);
    stage.origin.hold();
    stage.origin.answers(whole("200 OK", &[], &body));
    stage.gateway.expect_record();
    let mut slow = stage.gateway.connect().await;
    slow.send(&stage.gateway.get("/up").token(&stage.gateway.admin).bytes()).await;
    stage.asked(1).await;
    let ((), waiting) = tokio::join!(
        async {
            stage.under_way(2).await;
            stage.origin.release();
        },
        stage.get("/up", &[])
    );
    assert_eq!((status(&waiting), waiting.body.len()), ("tollgate; hit; ttl=60", body.len()));
    // It reads at last.
    let answer = slow.answer().await;
    assert_eq!((status(&answer), answer.body.len()), ("tollgate; fwd=miss; stored", body.len()));
    assert_eq!(stage.origin.count(), 1);
    stage.gateway.finish().await;
}

/// The origin never falls silent, so its answer is not given up.
async fn those_who_wait_for_a_slow_answer_go_on_their_own_in_time(store: &TestStore) {
    let (origin, clock) = (Origin::start().await, Clock::manual(1_700_000_000));
    let lists = route(&origin, "{ ttl_s = 60 }").replace("[[routes]]", "timeout_s = 1\n[[routes]]");
    let gateway = Setup::default().clock(&clock).more_lists(&lists).start(store).await;
    let stage = Stage { gateway, origin, clock };
    let body = "x".repeat(LONG);
    stage.origin.drip();
    stage.origin.answers(whole("200 OK", &[], &body));
    let (answers, ()) = tokio::join!(join_all((0..3).map(|_| stage.get("/up", &[]))), async {
        // Its body takes longer than the others wait for it.
        stage.asked(3).await;
        stage.origin.release();
    });
    assert!(answers.iter().all(|answer| status(answer) == "tollgate; fwd=miss; stored"), "{answers:?}");
    let mut texts: Vec<&str> = answers.iter().map(Answer::text).collect();
    texts.sort_unstable();
    assert_eq!(texts, ["2", "3", &body]);
    stage.gateway.finish().await;
}

async fn nobody_waits_for_the_body_of_an_answer_that_is_of_no_use_to_others(store: &TestStore) {
    let stage = Stage::set(store, "{ ttl_s = 60 }").await;
    for (number, (state, headers)) in [
        ("200 OK", vec![("cache-control", "private")]),
        // It is kept, and each client has it confirmed.
        ("200 OK", vec![("cache-control", "max-age=0"), ("etag", "\"a\"")]),
        ("500 Internal Server Error", vec![]),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/up/{number}");
        let asked = stage.origin.count();
        stage.origin.hold();
        stage.origin.drip();
        for _ in 0..=WAITING {
            stage.origin.answers(whole(state, &headers, &"x".repeat(LONG)));
        }
        let (answers, ()) = tokio::join!(join_all((0..=WAITING).map(|_| stage.get(&path, &[]))), async {
            stage.under_way(WAITING + 1).await;
            stage.asked(asked + 1).await;
            stage.origin.answer_heads();
            // All of them are under way at once: none waits for another's end.
            stage.asked(asked + 1 + WAITING).await;
            stage.origin.release();
        });
        assert!(answers.iter().all(|answer| answer.body.len() == LONG), "{state} {headers:?}");
    }
    stage.gateway.finish().await;
}
