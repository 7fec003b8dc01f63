//! The TLS of the listener, as the configuration names its files. Nothing is read here: `app::tls` does.

use super::{Fault, named_file::NamedFile, sections::Server};

/// The most pairs of certificate and key.
const MAX_PAIRS: usize = 256;

impl Server {
    /// Every pair of certificate and key, that of clients which ask for no name first. Empty: no TLS.
    pub fn tls_pairs(&self) -> Vec<[NamedFile; 2]> {
        let main = (!self.tls_cert_file.as_os_str().is_empty()).then(|| {
            [("tls_cert_file", &self.tls_cert_file), ("tls_key_file", &self.tls_key_file)]
                .map(|(name, path)| NamedFile::new(format!("server.{name}"), path))
        });
        let further = self.tls.iter().enumerate().map(|(i, pair)| {
            [("cert_file", &pair.cert_file), ("key_file", &pair.key_file)]
                .map(|(name, path)| NamedFile::new(format!("server.tls[{i}].{name}"), path))
        });
        main.into_iter().chain(further).collect()
    }

    /// The authorities of client certificates, where these are asked for.
    pub fn tls_client_ca(&self) -> Option<NamedFile> {
        let path = &self.tls_client_ca_file;
        (!path.as_os_str().is_empty()).then(|| NamedFile::new("server.tls_client_ca_file", path))
    }

    /// Whether `next` differs in nothing but the files of TLS, which a reload takes.
    pub(super) fn is_same_but_for_tls(&self, next: &Self) -> bool {
        let (tls_cert_file, tls_key_file) = (self.tls_cert_file.clone(), self.tls_key_file.clone());
        let (tls_client_ca_file, tls) = (self.tls_client_ca_file.clone(), self.tls.clone());
        let like_self = Self { tls_cert_file, tls_key_file, tls_client_ca_file, tls, ..next.clone() };
        *self == like_self && self.tls_pairs().is_empty() == next.tls_pairs().is_empty()
    }

    pub(super) fn validate_tls(&self) -> Result<(), Fault> {
        match (self.tls_cert_file.as_os_str().is_empty(), self.tls_key_file.as_os_str().is_empty()) {
            (false, true) => return Err(Fault::new("server.tls_key_file", "must be set where tls_cert_file is")),
            (true, false) => return Err(Fault::new("server.tls_cert_file", "must be set where tls_key_file is")),
            _ => {}
        }
        let pairs = self.tls_pairs();
        if let Some(unnamed) = pairs.iter().flatten().find(|file| file.path.as_os_str().is_empty()) {
            return Err(Fault::new(&*unnamed.key, "must not be empty"));
        }
        if pairs.len() > MAX_PAIRS {
            return Err(Fault::new("server.tls", format!("has more than {MAX_PAIRS} pairs")));
        }
        if pairs.is_empty() && self.tls_client_ca().is_some() {
            return Err(Fault::new("server.tls_client_ca_file", "is of no use without tls_cert_file and tls_key_file"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn load(text: &str) -> Result<Config, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("[server]\n{text}")).unwrap();
        Config::load(Some(file.path()), []).map_err(|error| error.key)
    }

    #[test]
    fn pairs_are_named_in_the_order_in_which_they_are_offered() {
        let main = "tls_cert_file = \"a\"\ntls_key_file = \"b\"\n";
        let further = "[[server.tls]]\ncert_file = \"c\"\nkey_file = \"d\"\n";
        for (text, expected) in [
            (String::new(), vec![]),
            (main.to_owned(), vec!["server.tls_cert_file", "server.tls_key_file"]),
            (further.to_owned(), vec!["server.tls[0].cert_file", "server.tls[0].key_file"]),
            (
                format!("{main}{further}"),
                vec![
                    "server.tls_cert_file",
                    "server.tls_key_file",
                    "server.tls[0].cert_file",
                    "server.tls[0].key_file",
                ],
            ),
        ] {
            let config = load(&text).unwrap();
            let keys: Vec<String> = config.server.tls_pairs().into_iter().flatten().map(|file| file.key).collect();
            assert_eq!(keys, expected, "{text}");
        }
    }

    #[test]
    fn half_a_pair_is_named_by_the_half_that_is_missing() {
        for (text, key) in [
            ("tls_cert_file = \"a\"", "server.tls_key_file"),
            ("tls_key_file = \"a\"", "server.tls_cert_file"),
            ("tls_client_ca_file = \"a\"", "server.tls_client_ca_file"),
            ("[[server.tls]]\ncert_file = \"a\"", "server.tls"),
            ("[[server.tls]]\ncert_file = \"\"\nkey_file = \"k\"", "server.tls[0].cert_file"),
        ] {
            assert!(load(text).unwrap_err().starts_with(key), "{text}");
        }
    }

    #[test]
    fn a_reload_takes_other_files_but_neither_begins_nor_ends_tls() {
        let pair = |cert: &str| load(&format!("tls_cert_file = \"{cert}\"\ntls_key_file = \"k\"")).unwrap();
        let none = load("").unwrap();
        assert_eq!(pair("a").unreloadable(&pair("b")), Vec::<&str>::new());
        assert_eq!(none.unreloadable(&pair("a")), ["server"]);
        assert_eq!(pair("a").unreloadable(&none), ["server"]);
        assert_eq!(pair("a").unreloadable(&load("port = 1").unwrap()), ["server"]);
    }
}
