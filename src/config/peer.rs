//! Whom an upstream is taken for and who the gateway is to it, as an entry of `[[upstreams]]` says. No file is read here.

use super::{mistakes::Mistakes, named_file::NamedFile, routing::UpstreamEntry};
use crate::domain::host::Host;

/// The files of one upstream's TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerFiles {
    pub authorities: Option<NamedFile>,
    /// A certificate and its key.
    pub identity: Option<[NamedFile; 2]>,
}

impl UpstreamEntry {
    /// The host that stands in requests, where it is another than that of the URL.
    pub fn own_host(&self) -> Option<&str> {
        (!self.host.is_empty()).then_some(self.host.as_str())
    }

    /// The files that stand in the entry at this place of the list.
    pub fn peer_files(&self, index: usize) -> PeerFiles {
        let [authorities, certificate, key] = self.named_files().map(|(name, path)| {
            (!path.as_os_str().is_empty()).then(|| NamedFile::new(format!("upstreams[{index}].{name}"), path))
        });
        PeerFiles { authorities, identity: certificate.zip(key).map(|(certificate, key)| [certificate, key]) }
    }

    /// Whether it is called over TLS.
    pub fn is_tls(&self) -> bool {
        self.url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
    }

    pub(super) fn check_peer(&self) -> Mistakes {
        let mut mistakes = Mistakes::default();
        let [authorities, certificate, key] = self.named_files().map(|(_, path)| !path.as_os_str().is_empty());
        for (is_set, field) in [(authorities, "ca_file"), (certificate, "client_cert_file"), (key, "client_key_file")] {
            let reason = "is of no use where the url does not begin with https://";
            mistakes.rule(!is_set || self.is_tls(), field, reason);
        }
        mistakes.rule(key || !certificate, "client_key_file", "must be set where client_cert_file is");
        mistakes.rule(certificate || !key, "client_cert_file", "must be set where client_key_file is");
        let is_host = self.own_host().is_none_or(|host| Host::read(host).is_some());
        mistakes.rule(is_host, "host", "must be a name or an address, and perhaps a port: api.example.com");
        mistakes
    }

    fn named_files(&self) -> [(&'static str, &std::path::Path); 3] {
        [
            ("ca_file", &self.ca_file),
            ("client_cert_file", &self.client_cert_file),
            ("client_key_file", &self.client_key_file),
        ]
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn what_cannot_be_meant_is_named_by_its_key() {
        for (url, text, key) in [
            ("https://h", "ca_file = \"a\"\nclient_cert_file = \"b\"\nclient_key_file = \"c\"\nhost = \"x:1\"", None),
            ("HTTPS://h", "ca_file = \"a\"", None),
            ("http://h", "host = \"x\"", None),
            ("http://h", "ca_file = \"\"\nclient_cert_file = \"\"\nclient_key_file = \"\"\nhost = \"\"", None),
            ("http://h", "ca_file = \"a\"", Some("ca_file")),
            ("http://h", "client_cert_file = \"a\"\nclient_key_file = \"b\"", Some("client_cert_file")),
            ("https://h", "client_cert_file = \"a\"", Some("client_key_file")),
            ("https://h", "client_key_file = \"a\"", Some("client_cert_file")),
            ("https://h", "host = \"https://x\"", Some("host")),
            ("https://h", "host = \"x/y\"", Some("host")),
            ("https://h", "host = \"x:99999\"", Some("host")),
            ("https://h", "host = \"a b\"", Some("host")),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), format!("[[upstreams]]\nname = \"u\"\nurl = \"{url}\"\n{text}\n")).unwrap();
            let found = Config::load(Some(file.path()), []).err().map(|error| error.key);
            assert_eq!(found, key.map(|key| format!("upstreams[0].{key}")), "{url} {text}");
        }
    }
}
