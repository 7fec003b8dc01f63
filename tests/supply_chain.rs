//! Which crates are never linked, held against Cargo.lock. `deny.toml` says the same to `cargo deny`, with licences and
//! advisories.

#[cfg(test)]
mod supply_chain {
    use std::{collections::BTreeSet, fs, path::Path};

    /// A crate, the versions of it that are meant, and why it is not wanted.
    const FORBIDDEN: &[(&str, &str, &str)] = &[
        ("h2", "0.3.", "RUSTSEC-2026-0258; comes with the http2 feature of actix-web"),
        ("awc", "", "as a proxy it answers with empty or cut bodies as if they were whole"),
        ("reqwest", "", "rewrites paths after they were authorised"),
        ("rsa", "", "RUSTSEC-2023-0071; comes with the pure-Rust backend of jsonwebtoken"),
        ("openssl", "", "rustls with aws-lc-rs is the one TLS"),
        ("openssl-sys", "", "rustls with aws-lc-rs is the one TLS"),
        ("native-tls", "", "rustls with aws-lc-rs is the one TLS"),
        ("brotli", "", "comes with the default features of actix-web"),
        ("brotli-decompressor", "", "comes with the default features of actix-web"),
        ("zstd", "", "comes with the default features of actix-web"),
        ("zstd-safe", "", "comes with the default features of actix-web"),
        ("zstd-sys", "", "comes with the default features of actix-web"),
    ];

    fn file(name: &str) -> String {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
    }

    /// The text of a member of a package, which stands on a line of its own.
    fn member<'a>(package: &'a str, name: &str) -> Option<&'a str> {
        let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""))?;
        line.strip_suffix('"')
    }

    /// Name and version of every package of a lock file.
    fn packages(lock: &str) -> BTreeSet<(&str, &str)> {
        lock.split("[[package]]")
            .skip(1)
            .filter_map(|package| Some((member(package, "name")?, member(package, "version")?)))
            .collect()
    }

    #[test]
    fn no_forbidden_crate_is_locked() {
        let lock = file("Cargo.lock");
        let locked = packages(&lock);
        assert!(locked.iter().any(|(name, _)| *name == "actix-web"), "the lock file was not read: {locked:?}");
        for (name, versions, reason) in FORBIDDEN {
            let found = locked.iter().find(|(crate_name, version)| crate_name == name && version.starts_with(versions));
            assert!(found.is_none(), "{found:?}: {reason}; `cargo tree -i {name}` shows who asks for it");
        }
    }

    #[test]
    fn everything_locked_is_from_the_registry() {
        let lock = file("Cargo.lock");
        let sources: BTreeSet<&str> = lock.lines().filter(|line| line.starts_with("source = ")).collect();
        assert!(sources.iter().all(|source| source.contains("registry+")), "{sources:?}");
    }

    #[test]
    fn what_is_forbidden_here_is_denied_in_deny_toml() {
        let deny = file("deny.toml");
        for name in ["h2:<0.4", "awc", "reqwest", "rsa", "openssl", "native-tls", "brotli", "zstd"] {
            assert!(deny.contains(&format!("crate = \"{name}\"")), "{name} is not in deny.toml");
        }
    }

    #[test]
    fn no_crate_of_actix_web_is_asked_for_with_its_default_features() {
        let manifest = file("Cargo.toml");
        for name in ["actix-web", "actix-http", "tracing-actix-web"] {
            let line = manifest.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap();
            assert!(line.contains("default-features = false"), "{line}");
        }
    }
}
