//! Reads the address of a store. It may hold a password, so nothing here repeats it in an error.

use std::{net::IpAddr, path::PathBuf};

use tokio_postgres::{
    Config,
    config::{Host, SslMode, TargetSessionAttrs},
};

use super::StoreError;

/// Where a store is.
pub(super) enum Address {
    /// An absolute path.
    Sqlite(PathBuf),
    /// With the `sslmode` of the URL set, or what it means to leave it out.
    Postgres(Box<Config>),
}

impl Address {
    /// # Errors
    /// `Invalid`, in words for the author of the configuration.
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        match url.split_once(':') {
            Some(("sqlite", path)) => sqlite(path),
            Some(("postgres" | "postgresql", _)) => postgres(url),
            _ => {
                invalid("expected sqlite:path, sqlite:///absolute/path or postgres://user:password@host:port/database")
            }
        }
    }

    /// The address as it may be shown: the path of a file, or a server's URL without the password.
    pub(super) fn shown(&self) -> String {
        let config = match self {
            Self::Sqlite(path) => return path.display().to_string(),
            Self::Postgres(config) => config,
        };
        let host = match config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => String::new(),
        };
        let user = config.get_user().unwrap_or_default();
        let port = config.get_ports().first().copied().unwrap_or(5432);
        format!("postgres://{user}@{host}:{port}/{}", config.get_dbname().unwrap_or(user))
    }
}

fn invalid<T>(reason: &str) -> Result<T, StoreError> {
    Err(StoreError::Invalid(reason.into()))
}

fn sqlite(path: &str) -> Result<Address, StoreError> {
    let path = match path.strip_prefix("//") {
        Some(absolute) if absolute.starts_with('/') => absolute,
        Some(_) => return invalid("sqlite:// needs an absolute path; write sqlite:path for a relative one"),
        None => path,
    };
    if path.is_empty() || path.starts_with(':') || path.contains('\0') {
        return invalid("sqlite: needs the path of a file");
    }
    // An absolute path cannot be taken for one of SQLite's own addresses, such as `file:`.
    std::path::absolute(path).map(Address::Sqlite).map_err(|error| StoreError::Invalid(format!("sqlite: {error}")))
}

fn postgres(url: &str) -> Result<Address, StoreError> {
    let (plain_url, mode) = take_sslmode(url);
    // The parser's own words could repeat a piece of a password that has a `?` or an `@` in it.
    let Ok(mut config) = plain_url.parse::<Config>() else { return invalid(&not_understood(&plain_url)) };
    if config.get_user().is_none() || config.get_hosts().is_empty() {
        return invalid("postgres:// needs a user and a host");
    }
    config.ssl_mode(ssl_mode(mode, &config)?);
    if config.get_hosts().len() > 1 && config.get_target_session_attrs() == TargetSessionAttrs::Any {
        // Of several servers one is the primary. A standby takes no writes, and what is read there may be of earlier.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    Ok(Address::Postgres(Box::new(config)))
}

/// The same for each of its hosts alone, in their order.
pub(super) fn by_host(config: &Config) -> Vec<Config> {
    match config.get_hosts() {
        [] | [_] => vec![config.clone()],
        hosts => hosts.iter().enumerate().map(|(place, host)| of_host(config, place, host)).collect(),
    }
}

fn of_host(config: &Config, place: usize, host: &Host) -> Config {
    let mut one = Config::new();
    match host {
        Host::Tcp(name) => one.host(name),
        Host::Unix(path) => one.host_path(path),
    };
    let ports = config.get_ports();
    if let Some(address) = config.get_hostaddrs().get(place) {
        one.hostaddr(*address);
    }
    if let Some(port) = ports.get(place).or_else(|| ports.first()) {
        one.port(*port);
    }
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(name) = config.get_dbname() {
        one.dbname(name);
    }
    if let Some(options) = config.get_options() {
        one.options(options);
    }
    if let Some(name) = config.get_application_name() {
        one.application_name(name);
    }
    if let Some(timeout) = config.get_connect_timeout() {
        one.connect_timeout(*timeout);
    }
    if let Some(timeout) = config.get_tcp_user_timeout() {
        one.tcp_user_timeout(*timeout);
    }
    if let Some(interval) = config.get_keepalives_interval() {
        one.keepalives_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        one.keepalives_retries(retries);
    }
    one.keepalives(config.get_keepalives()).keepalives_idle(config.get_keepalives_idle());
    one.ssl_mode(config.get_ssl_mode()).ssl_negotiation(config.get_ssl_negotiation());
    one.target_session_attrs(config.get_target_session_attrs()).channel_binding(config.get_channel_binding());
    one
}

/// Options of libpq, and of URLs that were written for other programs, that mean nothing here, and what to do instead.
const UNKNOWN_OPTIONS: [(&str, &str); 8] = [
    ("sslrootcert", "let SSL_CERT_FILE name the authorities that vouch for the server"),
    ("sslcert", "the gateway shows no certificate of its own"),
    ("sslkey", "the gateway shows no certificate of its own"),
    ("gssencmode", "connections are encrypted by TLS only: leave it out"),
    ("pgbouncer", "a pooler is noticed: leave it out"),
    ("connection_limit", "store.pool_size says it: leave it out"),
    ("schema", "write options=-c%20search_path%3Dname"),
    ("service", "write the host, the port, the user and the database"),
];

/// What is wrong with a URL that cannot be read, without a word of it that may be of a password.
fn not_understood(url: &str) -> String {
    let named = |name: &str| split(url).1.any(|option| option.split('=').next() == Some(name));
    let unknown = UNKNOWN_OPTIONS.into_iter().find(|(name, _)| named(name));
    match unknown {
        Some((name, instead)) => format!("the option {name} is not known here: {instead}"),
        None if named("target_session_attrs") => "target_session_attrs must be any, read-write or read-only".into(),
        None => {
            "expected postgres://user:password@host:port/database?options, with the password percent-encoded".into()
        }
    }
}

/// What stands before the query of a URL, and its options.
fn split(url: &str) -> (&str, impl DoubleEndedIterator<Item = &str> + Clone) {
    let after_password = url.find('@').map_or(0, |at| at.saturating_add(1));
    let (base, query) = match url.get(after_password..).and_then(|rest| rest.find('?')) {
        Some(at) => url.split_at(after_password.saturating_add(at)),
        None => (url, ""),
    };
    (base, query.trim_start_matches('?').split('&').filter(|option| !option.is_empty()))
}

/// Cuts `sslmode` out of the query of a URL: the parser does not know all its values. Nor does it know `sslrootcert`, which may say what is
/// so in any case: the authorities of the machine vouch for the server.
fn take_sslmode(url: &str) -> (String, Option<&str>) {
    let (base, options) = split(url);
    let mode = options.clone().filter_map(|option| option.strip_prefix("sslmode=")).next_back();
    let is_other = |option: &&str| !option.starts_with("sslmode=") && *option != "sslrootcert=system";
    let others: Vec<_> = options.filter(is_other).collect();
    let separator = if others.is_empty() { "" } else { "?" };
    (format!("{base}{separator}{}", others.join("&")), mode)
}

/// Certificates are always verified against the host's name, so `require` is as strict as `verify-full`. Without a mode
/// a connection that leaves the machine must be encrypted; one that stays on it need not be.
fn ssl_mode(mode: Option<&str>, config: &Config) -> Result<SslMode, StoreError> {
    match mode {
        Some("disable") => Ok(SslMode::Disable),
        Some("prefer") => Ok(SslMode::Prefer),
        None if is_local(config) => Ok(SslMode::Disable),
        Some("require" | "verify-full") | None => Ok(SslMode::Require),
        Some(_) => invalid("sslmode must be disable, prefer, require or verify-full"),
    }
}

fn is_local(config: &Config) -> bool {
    let names = config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
        Host::Unix(_) => true,
    });
    names && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(url: &str) -> Option<PathBuf> {
        match Address::parse(url) {
            Ok(Address::Sqlite(path)) => Some(path),
            _ => None,
        }
    }

    fn config(url: &str) -> Config {
        match Address::parse(url) {
            Ok(Address::Postgres(config)) => *config,
            Ok(Address::Sqlite(path)) => panic!("{}", path.display()),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_sqlite_path_is_relative_or_absolute_as_it_is_written() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(path("sqlite:data/tollgate.db"), Some(here.join("data/tollgate.db")));
        assert_eq!(path("sqlite:///var/lib/tollgate.db"), Some("/var/lib/tollgate.db".into()));
        assert_eq!(path("sqlite:/var/lib/tollgate.db"), Some("/var/lib/tollgate.db".into()));
        assert_eq!(path("sqlite:file:x?mode=memory"), Some(here.join("file:x?mode=memory")));
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        let shown = |url: &str| Address::parse(url).unwrap().shown();
        assert_eq!(shown("sqlite:///var/lib/tollgate.db"), "/var/lib/tollgate.db");
        assert_eq!(shown("postgres://u:hunter2@h:5433/d?sslmode=disable"), "postgres://u@h:5433/d");
        assert_eq!(shown("postgres://u:hunter2@h"), "postgres://u@h:5432/u");
    }

    #[test]
    fn an_address_that_means_nothing_is_refused_without_being_repeated() {
        for url in [
            "",
            "tollgate.db",
            "sqlite:",
            "sqlite://",
            "sqlite://data/x.db",
            "sqlite::memory:",
            "mysql://u:hunter2@h/d",
            "postgres://",
            "postgres://hunter2",
            "postgres://u:hunter2@/d",
            "postgres://u:hunter2@h:port/d",
            "postgres://u:hunter2@h/d?sslmode=hunter2",
            "postgres://u:hun@ter2@h/d?hunter2=1",
        ] {
            let Err(error) = Address::parse(url) else { panic!("{url} was accepted") };
            assert!(matches!(error, StoreError::Invalid(_)), "{url}");
            assert!(!format!("{error} {error:?}").contains("ter2"), "{url}: {error}");
        }
    }

    #[test]
    fn a_connection_that_leaves_the_machine_is_encrypted_unless_told_otherwise() {
        for (url, mode) in [
            ("postgres://u:p@db.example.com/d", SslMode::Require),
            ("postgres://u:p@db.example.com/d?sslmode=disable", SslMode::Disable),
            ("postgres://u:p@db.example.com/d?sslmode=prefer&connect_timeout=3", SslMode::Prefer),
            ("postgres://u:p@db.example.com/d?sslmode=verify-full", SslMode::Require),
            ("postgres://u:p@localhost,db.example.com/d", SslMode::Require),
            ("postgres://u:p@localhost/d?hostaddr=10.1.2.3", SslMode::Require),
            ("postgresql://u:p@127.0.0.1:5433/d", SslMode::Disable),
            ("postgres://u@[::1]/d?application_name=x", SslMode::Disable),
            ("postgres://u:p@%2Frun%2Fpostgresql/d", SslMode::Disable),
            ("postgres://u:p@localhost/d?sslmode=require", SslMode::Require),
            ("postgres://u:a?sslmode=disable&b@db.example.com/d", SslMode::Require),
        ] {
            assert_eq!(config(url).get_ssl_mode(), mode, "{url}");
        }
    }

    #[test]
    fn of_several_servers_the_one_that_takes_writes_is_the_store() {
        for (url, attrs) in [
            ("postgres://u:p@a/d", TargetSessionAttrs::Any),
            ("postgres://u:p@a,b:5433/d", TargetSessionAttrs::ReadWrite),
            ("postgres://u:p@a,b/d?target_session_attrs=any", TargetSessionAttrs::ReadWrite),
            ("postgres://u:p@a/d?target_session_attrs=read-write", TargetSessionAttrs::ReadWrite),
        ] {
            assert_eq!(config(url).get_target_session_attrs(), attrs, "{url}");
        }
    }

    #[test]
    fn of_each_host_alone_all_else_is_the_same() {
        let options = "sslmode=require&connect_timeout=3&tcp_user_timeout=4&keepalives=0&keepalives_idle=5&keepalives_interval=6\
                       &keepalives_retries=7&application_name=x&options=-c%20a%3Db&channel_binding=require\
                       &target_session_attrs=read-write";
        let at = |hosts: &str| config(&format!("postgres://u:p%40ss@{hosts}/d?{options}"));
        let alone = ["a:1", "%2Frun", "[::1]:3"].map(at);
        assert!(by_host(&at("a:1,%2Frun,[::1]:3")) == alone);
        assert!(by_host(&at("a:1")) == [at("a:1")]);
        let addresses = by_host(&config("postgres://u:p@a,b/d?hostaddr=10.0.0.1,10.0.0.2"));
        let address = |number| vec![IpAddr::from([10, 0, 0, number])];
        assert_eq!(addresses.iter().map(Config::get_hostaddrs).collect::<Vec<_>>(), [address(1), address(2)]);
    }

    #[test]
    fn an_option_that_means_nothing_here_is_named_with_what_to_do() {
        for (options, reason) in [
            ("sslmode=verify-full&sslrootcert=/etc/ca.pem", "the option sslrootcert is not known here"),
            ("pgbouncer=true&connection_limit=1", "the option pgbouncer is not known here"),
            ("target_session_attrs=primary", "target_session_attrs must be"),
            ("sslmode=allow", "sslmode must be"),
            ("nonsense=1", "expected postgres://"),
        ] {
            let Err(error) = Address::parse(&format!("postgres://u:p@h/d?{options}")) else { panic!("{options}") };
            assert!(error.to_string().contains(reason), "{options}: {error}");
        }
        let config = config("postgres://u:p@h/d?sslmode=verify-full&sslrootcert=system");
        assert_eq!(config.get_ssl_mode(), SslMode::Require);
    }

    #[test]
    fn the_other_options_of_the_url_are_kept() {
        let config = config("postgres://u:p%40ss@h:5433/d?connect_timeout=3&sslmode=disable&application_name=x");
        assert_eq!(config.get_password(), Some(b"p@ss".as_slice()));
        assert_eq!(config.get_application_name(), Some("x"));
        assert_eq!(config.get_connect_timeout(), Some(&std::time::Duration::from_secs(3)));
    }
}
