//! What gateways borrow of a limit they share over Redis, and what they do with it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::{
    Cluster, Database, Gateway, Home, PASSWORD, PATIENCE, Rate, RedisServer, Starting, eventually, only_limit, request,
    within,
};

/// It refills so slowly that a test sees only its burst.
const SLOW: Rate = Rate { limit: 1, window_s: 3_000, burst: 400 };

/// How many calls were admitted before the first refusal.
fn until_refused(gateway: &Gateway, token: &str) -> u64 {
    let mut client = gateway.connect();
    let mut admitted = 0;
    loop {
        client.say(request("GET", "/echo", token));
        match client.message() {
            answer if answer.status() == 200 => admitted += 1,
            answer => {
                answer.assert_problem(429, "quota-exceeded");
                return admitted;
            }
        }
    }
}

fn admitted(gateway: &Gateway, token: &str, calls: u64) -> u64 {
    let mut client = gateway.connect();
    let status = |_: &u64| {
        client.say(request("GET", "/echo", token));
        client.message().status() == 200
    };
    u64::try_from((0..calls).filter(status).count()).unwrap()
}

fn remaining(gateway: &Gateway, token: &str) -> Value {
    gateway.get("/me", token).json()["limits"][0]["remaining"].clone()
}

#[test]
fn a_gateway_that_stops_returns_what_it_has_not_used() {
    let mut cluster = Cluster::start(2, SLOW, "deny");
    let token = cluster.token.clone();
    assert_eq!(admitted(cluster.gateway(0), &token, 100), 100);
    cluster.drain(0);
    assert_eq!(until_refused(cluster.gateway(1), &token), 300);
}

#[test]
fn what_is_left_is_told_alike_by_every_gateway_and_asking_takes_nothing() {
    let cluster = Cluster::start(2, SLOW, "deny");
    assert_eq!(admitted(cluster.gateway(0), &cluster.token, 1), 1);
    for _ in 0..20 {
        assert_eq!(remaining(cluster.gateway(0), &cluster.token), json!(399));
        assert_eq!(remaining(cluster.gateway(1), &cluster.token), json!(399));
    }
}

#[test]
fn a_redis_that_hangs_keeps_nobody_waiting() {
    let cluster = Cluster::start(2, SLOW, "allow_local_share");
    let (token, gateway) = (&cluster.token, cluster.gateway(0));
    assert_eq!(admitted(gateway, token, 10), 10);
    cluster.redis.signal("STOP");
    let slowest = (0..300).map(|_| {
        let begun = now();
        gateway.get("/echo", token);
        begun.elapsed()
    });
    let slowest = slowest.max().unwrap();
    println!("lent_limits: a call took at most {} ms while Redis hung", slowest.as_millis());
    assert_eq!(gateway.get("/readyz", token).status(), 200);
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    cluster.redis.signal("CONT");
    // What both used is known to both again: together they never admit more than the burst.
    let knows = || (remaining(cluster.gateway(1), token) == remaining(gateway, token)).then_some(());
    eventually("they agree again", knows);
}

/// How many further calls a gateway admits before it refuses one because the limit is used up. While Redis is made ready it
/// refuses calls because it does not know.
fn until_used_up(gateway: &Gateway, token: &str) -> u64 {
    let mut admitted = 0;
    eventually("the limit is used up", || {
        admitted += self::admitted(gateway, token, 100);
        (gateway.get("/echo", token).status() == 429).then_some(())
    });
    admitted
}

#[test]
fn a_redis_that_went_back_or_forgot_lets_nothing_through_twice() {
    type Fault = fn(&mut RedisServer);
    let started_again_from_a_snapshot: Fault = |redis| {
        redis.kill();
        redis.start_again();
    };
    let started_again_empty: Fault = |redis| {
        redis.delete("*");
        redis.save();
        redis.kill();
        redis.start_again();
    };
    let account_deleted: Fault = |redis| redis.delete("*:account:*");
    let history_deleted: Fault = |redis| redis.delete("*:history");
    let all_deleted: Fault = |redis| redis.delete("*");
    for (name, fault) in [
        ("started again from a snapshot", started_again_from_a_snapshot),
        ("started again empty", started_again_empty),
        ("account deleted", account_deleted),
        ("history deleted", history_deleted),
        ("all deleted", all_deleted),
    ] {
        let mut cluster = Cluster::start(2, SLOW, "deny");
        let token = cluster.token.clone();
        let first = admitted(cluster.gateway(0), &token, 5);
        cluster.redis.save();
        let second = admitted(cluster.gateway(0), &token, 300);
        fault(&mut cluster.redis);
        let more = [0, 1].map(|i| until_used_up(cluster.gateway(i), &token));
        println!("lent_limits: {name}: {first}, {second} and then {more:?} of 400");
        // A busy test machine may have refused some of the first for want of an answer of Redis.
        assert!(second > 200, "{name}: {second}");
        assert!(first + second + more.iter().sum::<u64>() <= 400, "{name}: {first}, {second}, {more:?}");
    }
}

#[test]
fn a_gateway_that_starts_without_redis_takes_its_share_of_the_replicas_in_the_store() {
    let mut cluster = Cluster::start(2, SLOW, "allow_local_share");
    let token = cluster.token.clone();
    cluster.redis.kill();
    cluster.kill(1);
    let admitted = until_refused(cluster.start_again(1), &token);
    println!("lent_limits: started without Redis, one of two gateways admitted {admitted} of 400");
    assert!((190..=200).contains(&admitted), "{admitted}");
}

/// A calendar window is counted in the store: Redis may be lost and come back, and nobody is refused or let through for it.
#[test]
fn a_calendar_limit_is_exact_while_redis_is_lost_and_after_it() {
    const LIMIT: u64 = 200;
    let (database, mut redis) = (Database::create(), RedisServer::start());
    let rate = Rate { limit: LIMIT, window_s: 60, burst: LIMIT };
    let config = only_limit(rate, "deny").replace(&format!("window_s = 60\nburst = {LIMIT}\n"), "window = \"month\"\n");
    assert!(config.contains("window = \"month\"") && !config.contains("burst = 200"), "{config}");
    let home = |_| {
        let home = database.home().env("TOLLGATE__REDIS__URL", &redis.url());
        home.write_config(&config);
        home
    };
    let homes: [Home; 2] = [0, 1].map(home);
    let gateways = homes.iter().map(Home::spawn).collect::<Vec<_>>().into_iter().map(Starting::serving);
    let gateways: Vec<Gateway> = gateways.collect();
    let token = gateways[0].admin();
    let mut admitted = 0;
    let mut call = |gateway: &Gateway| {
        let answer = gateway.get("/echo", &token);
        // On a busy machine the store may answer too late to be counted on: then nobody is admitted.
        assert!(matches!(answer.status(), 200 | 429 | 503), "{} after {admitted}: {}", answer.status(), answer.text());
        admitted += u64::from(answer.status() == 200);
        assert!(admitted <= LIMIT, "{admitted} of {LIMIT} were admitted");
        (answer.status(), admitted)
    };
    within(PATIENCE * 3, "some of the limit is admitted with Redis", || {
        gateways.iter().map(|gateway| call(gateway).1).any(|admitted| admitted >= 30).then_some(())
    });
    redis.kill();
    // What one gateway has borrowed and not used comes back for the other.
    within(PATIENCE * 3, "all of the limit is admitted without Redis", || {
        gateways.iter().map(|gateway| call(gateway).1).any(|admitted| admitted == LIMIT).then_some(())
    });
    redis.start_again();
    for gateway in gateways.iter().cycle().take(6) {
        assert_ne!(call(gateway).0, 200, "nothing comes back with Redis");
    }
}

#[expect(clippy::disallowed_methods, reason = "a test measures real time")]
fn now() -> Instant {
    Instant::now()
}

/// Every layer that many share, each with room for so many, on two gateways.
fn layers(burst: u64) -> String {
    let layer = |per: &str| {
        only_limit(Rate { burst, ..SLOW }, "deny").replace("\"user\"", &format!("\"{per}\"")).replace("shared", per)
    };
    let (edge, limits): (Vec<String>, Vec<String>) = ["global", "address"]
        .map(layer)
        .map(|text| {
            let (edge, limit) = text.split_once("[[limits]]").unwrap();
            (edge.to_owned(), format!("[[limits]]{limit}"))
        })
        .into_iter()
        .unzip();
    format!("{}{}", edge[0], limits.concat())
}

#[test]
fn a_limit_for_everybody_counts_the_users_of_all_gateways_together() {
    let (database, redis) = (Database::create(), RedisServer::start());
    let home = |_| {
        let home = database.home().env("TOLLGATE__REDIS__URL", &redis.url());
        home.write_config(&layers(60));
        home
    };
    let homes: [Home; 2] = [0, 1].map(home);
    let gateways = homes.iter().map(Home::spawn).collect::<Vec<_>>().into_iter().map(Starting::serving);
    let gateways: Vec<Gateway> = gateways.collect();
    let admin = gateways[0].admin();
    let user = |i: usize| {
        let body = json!({"username": format!("user-{i}"), "password": PASSWORD, "role": "user", "status": "active"});
        assert_eq!(gateways[0].json("POST", "/admin/users", &admin, &body).status(), 201);
        gateways[i % 2].login(&format!("user-{i}"), PASSWORD)
    };
    let tokens: Vec<String> = (0..6).map(user).collect();
    let mut all = 0;
    for round in 0..30 {
        for (i, token) in tokens.iter().enumerate() {
            // On a busy machine the store may answer too late to be counted on: then nobody is admitted.
            let answer = within(PATIENCE, "an answer that knows the limits", || {
                Some(gateways[(round + i) % 2].get("/echo", token)).filter(|answer| answer.status() != 503)
            });
            all += u64::from(answer.status() == 200);
            if answer.status() != 200 {
                let violated = answer.json()["violated-policies"].clone();
                assert!(
                    ["global", "address"].map(|name| json!([name])).contains(&violated)
                        || violated == json!(["global", "address"]),
                    "{violated}"
                );
            }
        }
    }
    println!("lent_limits: {all} of 60 admitted, of 6 users on 2 gateways");
    assert!((55..=60).contains(&all), "{all}");
}
