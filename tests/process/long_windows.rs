//! `kill -9` and a limit of a whole day: what was admitted before a kill counts after it.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use super::support::{Database, Gateway, Home, Rate, Starting, Wire, eventually, now, only_limit, request};

const A_DAY: Rate = Rate { limit: 200, window_s: 86_400, burst: 200 };
/// Units that a gateway takes out of the store at a time; those that it has not used are lost with it.
const CHUNK: u64 = A_DAY.burst / 20;
const CLIENTS: u64 = 4;

fn kills() -> u64 {
    if std::env::var_os("TOLLGATE_CAMPAIGN_SECONDS").is_some() { 50 } else { 5 }
}

/// What clients of all gateways saw, over all lives.
#[derive(Default)]
struct Seen {
    answers: AtomicU64,
    admitted: AtomicU64,
    /// Calls without an answer, which may have been admitted.
    cut: AtomicU64,
}

impl Seen {
    /// One call after the other until the connection ends or `is_enough` says so of an answer's status.
    fn call(&self, mut wire: Wire, token: &str, is_enough: impl Fn(u16) -> bool) {
        while wire.try_say(request("GET", "/echo", token)) {
            let answer = wire.message();
            if !answer.complete {
                self.cut.fetch_add(1, Ordering::Relaxed);
                return;
            }
            let status = answer.status();
            // A store that answers late cannot be counted on: such a call is refused, and that is no admission.
            assert!(matches!(status, 200 | 429 | 503), "{}", answer.text());
            self.answers.fetch_add(1, Ordering::Relaxed);
            self.admitted.fetch_add(u64::from(status == 200), Ordering::Relaxed);
            if is_enough(status) {
                return;
            }
        }
    }

    fn admitted(&self) -> u64 {
        self.admitted.load(Ordering::Relaxed)
    }
}

/// Loads all gateways until there were so many more answers, and kills one under load.
fn kill_under_load(gateways: &[Gateway], victim: usize, token: &str, answers: u64, seen: &Seen) {
    let is_over = AtomicBool::new(false);
    let wires: Vec<Wire> = gateways.iter().flat_map(|gateway| (0..CLIENTS).map(|_| gateway.connect())).collect();
    thread::scope(|scope| {
        for wire in wires {
            scope.spawn(|| seen.call(wire, token, |_| is_over.load(Ordering::Relaxed)));
        }
        let target = seen.answers.load(Ordering::Relaxed) + answers;
        eventually("enough was answered", || (seen.answers.load(Ordering::Relaxed) >= target).then_some(()));
        gateways[victim].signal("KILL");
        is_over.store(true, Ordering::Relaxed);
    });
}

/// A number below `end` that nobody foresees.
fn random(end: u64) -> u64 {
    RandomState::new().build_hasher().finish() % end
}

/// `allowed`: how many may be admitted in a time of so many microseconds.
fn never_admits_more_than_the_limit(name: &str, homes: &[Home], list: &str, allowed: impl Fn(u64) -> u64) {
    let begun = now();
    let seen = Seen::default();
    for home in homes {
        home.write_config(list);
    }
    let starting: Vec<Starting> = homes.iter().map(Home::spawn).collect();
    let mut gateways: Vec<Gateway> = starting.into_iter().map(Starting::serving).collect();
    let token = gateways[0].admin();
    for _ in 0..kills() {
        let victim = usize::try_from(random(u64::try_from(homes.len()).unwrap())).unwrap();
        kill_under_load(&gateways, victim, &token, 1 + random(A_DAY.burst / kills()), &seen);
        gateways.remove(victim).kill();
        gateways.insert(victim, homes[victim].start());
    }
    // What is left; a living gateway uses all that it has taken.
    for gateway in &gateways {
        seen.call(gateway.connect(), &token, |status| status == 429);
    }
    let allowed = allowed(u64::try_from(begun.elapsed().as_micros()).unwrap());
    let (admitted, cut) = (seen.admitted(), seen.cut.load(Ordering::Relaxed));
    println!(
        "long_windows/{name}: {} kills, admitted {admitted}, allowed {allowed}, lost {} (at most {CHUNK} a kill are taken \
         in advance, and {cut} calls were cut)",
        kills(),
        allowed.saturating_sub(admitted)
    );
    assert!(admitted <= allowed, "{admitted} of {allowed} were admitted");
    let most_lost = kills() * CHUNK + cut;
    assert!(admitted + most_lost >= A_DAY.burst, "{admitted} were admitted, at most {most_lost} may be lost");
}

fn refilling(name: &str, homes: &[Home]) {
    never_admits_more_than_the_limit(name, homes, &only_limit(A_DAY, "deny"), |elapsed_us| A_DAY.allowed(elapsed_us));
}

/// Of a month, which hardly ends meanwhile: nothing comes back.
fn of_the_calendar(name: &str, homes: &[Home]) {
    let list = only_limit(A_DAY, "deny")
        .replace("window_s = 86400\nburst = 200", "window = \"month\"\ntime_zone = \"Asia/Tokyo\"");
    assert!(list.contains("window = "), "{list}");
    never_admits_more_than_the_limit(name, homes, &list, |_| A_DAY.limit);
}

#[test]
fn a_limit_of_a_day_is_never_exceeded_by_kills_on_sqlite() {
    refilling("sqlite", &[Home::new()]);
}

#[test]
fn a_limit_of_a_day_is_never_exceeded_by_kills_of_two_gateways_on_postgresql() {
    let database = Database::create();
    refilling("postgresql", &[database.home(), database.home()]);
}

#[test]
fn a_limit_of_a_calendar_month_is_never_exceeded_by_kills_on_sqlite() {
    of_the_calendar("calendar sqlite", &[Home::new()]);
}

#[test]
fn a_limit_of_a_calendar_month_is_never_exceeded_by_kills_of_two_gateways_on_postgresql() {
    let database = Database::create();
    of_the_calendar("calendar postgresql", &[database.home(), database.home()]);
}
