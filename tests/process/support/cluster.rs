//! Several gateways on one PostgreSQL database and one Redis, and one limit for each user.

use super::{Database, Gateway, Home, Rate, RedisServer, Starting, Target};

/// Replicas with folders of their own.
pub struct Cluster {
    /// `None` while it is killed.
    gateways: Vec<Option<Gateway>>,
    homes: Vec<Home>,
    pub redis: RedisServer,
    /// An access token of one login.
    pub token: String,
    _database: Database,
}

impl Cluster {
    pub fn start(replicas: usize, rate: Rate, on_error: &str) -> Self {
        let (database, redis) = (Database::create(), RedisServer::start());
        let home = || {
            let home = database.home().env("TOLLGATE__REDIS__URL", &redis.url());
            home.write_config(&only_limit(rate, on_error));
            home
        };
        let homes: Vec<Home> = (0..replicas).map(|_| home()).collect();
        let starting: Vec<Starting> = homes.iter().map(Home::spawn).collect();
        let gateways: Vec<Gateway> = starting.into_iter().map(Starting::serving).collect();
        let token = gateways[0].admin();
        let gateways = gateways.into_iter().map(Some).collect();
        Self { gateways, homes, redis, token, _database: database }
    }

    /// Shares out that many calls a second, in percent.
    pub fn targets(&self, calls_per_s: u64, shares: &[u64]) -> Vec<Target> {
        let running = self.gateways.iter().flatten();
        running.zip(shares).map(|(gateway, share)| Target::new(gateway.address, calls_per_s * share * 10)).collect()
    }

    pub fn gateway(&self, number: usize) -> &Gateway {
        self.gateways[number].as_ref().unwrap()
    }

    /// Stops a gateway and waits until it has ended.
    pub fn drain(&mut self, number: usize) {
        assert!(self.gateways[number].take().unwrap().terminate().success());
    }

    pub fn kill(&mut self, number: usize) {
        self.gateways[number].take().unwrap().kill();
    }

    /// Starts a killed gateway in its folder.
    pub fn start_again(&mut self, number: usize) -> &Gateway {
        self.gateways[number].insert(self.homes[number].start())
    }
}

/// A configuration with this limit and no other that matters.
pub fn only_limit(Rate { limit, window_s, burst }: Rate, on_error: &str) -> String {
    format!(
        r#"
[edge]
requests_per_s = 1000000
burst = 1000000
[[limits]]
name = "shared"
routes = ["*"]
per = "user"
unit = "requests"
limit = {limit}
window_s = {window_s}
burst = {burst}
on_error = "{on_error}"
"#
    )
}
