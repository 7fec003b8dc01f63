//! `[redis]`: what replicas share at request rate, and the way there.

use std::{fmt, path::PathBuf};

use serde::Deserialize;

use super::{Fault, secret::Secret};

/// `[redis]`. Without a URL there is none.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    pub url: String,
    pub password: Secret,
    pub password_file: PathBuf,
    /// Whether the URL names a node of a cluster.
    pub cluster: bool,
    pub sentinel: Sentinel,
    /// PEM; empty: the authorities of the machine.
    pub ca_file: PathBuf,
}

/// `redis.sentinel`: who knows where the master is. Empty: nobody has to be asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sentinel {
    #[serde(default)]
    pub master: String,
    #[serde(default)]
    pub nodes: Vec<String>,
}

impl fmt::Debug for Redis {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").finish_non_exhaustive()
    }
}

fn rule(holds: bool, key: &str, reason: &str) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault::new(key, reason)) }
}

impl Redis {
    /// Whether sentinels are asked for the master.
    #[must_use]
    pub fn has_sentinels(&self) -> bool {
        !self.sentinel.master.is_empty()
    }

    pub(super) fn validate(&self) -> Result<(), Fault> {
        let Sentinel { master, nodes } = &self.sentinel;
        let both = master.is_empty() == nodes.is_empty();
        rule(both, "redis.sentinel", "needs both: the name of the master, and the nodes that know it")?;
        let are_hosts = nodes.iter().all(|node| node.rsplit_once(':').is_some_and(|(host, port)| is_host(host, port)));
        rule(are_hosts, "redis.sentinel.nodes", "must each be host:port")?;
        rule(!(self.cluster && self.has_sentinels()), "redis.cluster", "must be false where sentinels are asked")?;
        let is_plain = !self.cluster && !self.has_sentinels();
        let has_authorities = !self.ca_file.as_os_str().is_empty();
        let by_name = "is for one server; for a cluster or sentinels let SSL_CERT_FILE name the file";
        rule(is_plain || !has_authorities, "redis.ca_file", by_name)?;
        let scheme = self.url.split("://").next().unwrap_or_default().to_ascii_lowercase();
        let is_tls = matches!(&*scheme, "" | "rediss" | "valkeys");
        rule(is_tls || !has_authorities, "redis.ca_file", "is of use with a rediss:// URL only")
    }
}

fn is_host(host: &str, port: &str) -> bool {
    let is_plain = !host.is_empty() && !host.contains(['/', '@', ' ']);
    is_plain && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_that_leads_nowhere_is_refused_at_its_key() {
        let fault = |text: &str| {
            let whole = format!("password = \"\"\npassword_file = \"\"\n{text}");
            let redis: Redis = toml::from_str(&whole).unwrap_or_else(|error| panic!("{text}: {error}"));
            redis.validate().map_err(|fault| fault.key)
        };
        let none = "cluster = false\nca_file = \"\"\nsentinel = { master = \"\", nodes = [] }";
        let with = |url: &str, changed: &[(&str, &str)]| {
            let text = changed.iter().fold(none.to_owned(), |text, (from, to)| text.replace(from, to));
            fault(&format!("url = \"{url}\"\n{text}"))
        };
        let nodes = ("master = \"\", nodes = []", "master = \"m\", nodes = [\"a:26379\", \"[::1]:26379\"]");
        let cluster = ("cluster = false", "cluster = true");
        let ca = ("ca_file = \"\"", "ca_file = \"ca.pem\"");
        assert_eq!(with("", &[]), Ok(()));
        assert_eq!(with("redis://h", &[cluster]), Ok(()));
        assert_eq!(with("redis://h", &[nodes]), Ok(()));
        for url in ["rediss://h", "REDISS://h", "valkeys://h"] {
            assert_eq!(with(url, &[ca]), Ok(()), "{url}");
        }
        for (url, changed, key) in [
            ("redis://h", vec![ca], "redis.ca_file"),
            ("rediss://h", vec![ca, cluster], "redis.ca_file"),
            ("rediss://h", vec![ca, nodes], "redis.ca_file"),
            ("redis://h", vec![nodes, cluster], "redis.cluster"),
            ("redis://h", vec![("master = \"\"", "master = \"m\"")], "redis.sentinel"),
            ("redis://h", vec![("nodes = []", "nodes = [\"a:1\"]")], "redis.sentinel"),
            ("redis://h", vec![nodes, ("a:26379", "a")], "redis.sentinel.nodes"),
            ("redis://h", vec![nodes, ("a:26379", "redis://a:1")], "redis.sentinel.nodes"),
            ("redis://h", vec![nodes, ("a:26379", "a:0")], "redis.sentinel.nodes"),
        ] {
            assert_eq!(with(url, &changed), Err(key.into()), "{url} {changed:?}");
        }
    }
}
