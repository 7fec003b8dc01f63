//! `[auth.login]`: the `OpenID` Connect provider at which people sign in to the console.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
};

use http::Uri;
use serde::Deserialize;

use super::{
    Fault,
    named_file::NamedFile,
    trusted_issuers::{OVER_TLS_ONLY, TrustedIssuer, check_path, is_tls},
};
use crate::domain::principal::Role;

/// The longest label of the button, in characters.
const MAX_LABEL: usize = 60;
/// The scope that makes a request one of `OpenID` Connect (Core §3.1.2.1).
const OPENID: &str = "openid";
/// How long the keys and the endpoints of the provider are good for before they are fetched again, in seconds.
const TTL_S: u32 = 300;

/// What stands in `[auth.login]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Empty: nobody signs in at a provider.
    pub issuer: String,
    /// The certificate authorities of the provider, in PEM; empty: those of the machine.
    pub ca_file: PathBuf,
    pub client_id: String,
    /// The variable of the environment that has the secret of the client.
    pub client_secret_env: String,
    pub client_secret_file: PathBuf,
    pub scopes: Vec<String>,
    /// The provider as the button of the console names it.
    pub label: String,
    /// The URL of the gateway as browsers call it; empty: as each call says.
    pub public_url: String,
    /// The claim that names a new user; empty: the first of `preferred_username`, `email` and `sub` that is there.
    pub username_claim: String,
    /// As of a trusted issuer, like the four below.
    pub role_claim: String,
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
    /// Of who has none by the mapping; without it they are refused.
    pub default_role: Option<Role>,
    pub team_claim: String,
    #[serde(default)]
    pub teams: BTreeMap<String, String>,
}

type Checked = Result<(), Fault>;

fn rule(holds: bool, field: &str, reason: impl Into<String>) -> Checked {
    if holds { Ok(()) } else { Err(Fault::new(format!("auth.login.{field}"), reason)) }
}

impl Login {
    /// Whether people sign in at a provider.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.issuer.is_empty()
    }

    pub(super) fn validate(&self, has_console: bool) -> Checked {
        if !self.is_on() {
            let without = "is missing: the provider's own name, such as \"https://idp.example.com\"";
            return rule(self.client_id.is_empty() && !self.names_secret(), "issuer", without);
        }
        check_base("issuer", &self.issuer)?;
        rule(self.ca_file == Path::new("") || is_tls(&self.issuer), "ca_file", OVER_TLS_ONLY)?;
        rule(!self.client_id.is_empty(), "client_id", "is missing: the name that the provider gave to this client")?;
        let printable = self.client_id.chars().all(|sign| matches!(sign, ' '..='~'));
        rule(printable, "client_id", "must be printable ASCII (RFC 6749 §2.2)")?;
        self.check_secret()?;
        self.check_scopes()?;
        let fits = (1..=MAX_LABEL).contains(&self.label.chars().count()) && !self.label.chars().any(char::is_control);
        rule(fits, "label", "must be 1 to 60 characters without control characters")?;
        if !self.public_url.is_empty() {
            check_base("public_url", &self.public_url)?;
            let has_path = self.public_url.parse::<Uri>().is_ok_and(|url| url.path() != "/");
            rule(!has_path, "public_url", "must have no path: the gateway's own URLs begin at the root")?;
        }
        let mapped = self.mapping().check_mapping().and_then(|()| check_path("username_claim", &self.username_claim));
        mapped.or_else(|(field, reason)| rule(false, field, reason))?;
        let no_door = "is of no use with console.enabled = false: the console is where people sign in";
        rule(has_console, "issuer", no_door)
    }

    /// The file with the certificate authorities of the provider, if they are its own.
    pub fn authorities(&self) -> Option<NamedFile> {
        (self.ca_file != Path::new("")).then(|| NamedFile::new("auth.login.ca_file", &self.ca_file))
    }

    fn names_secret(&self) -> bool {
        !self.client_secret_env.is_empty() || !self.client_secret_file.as_os_str().is_empty()
    }

    fn check_secret(&self) -> Checked {
        let missing = "is missing: name the variable that holds the client's secret, or its file in client_secret_file";
        rule(self.names_secret(), "client_secret_env", missing)?;
        let both = !self.client_secret_env.is_empty() && self.client_secret_file != Path::new("");
        rule(!both, "client_secret_file", "give client_secret_env or client_secret_file, not both")
    }

    /// RFC 6749 §3.3.
    fn check_scopes(&self) -> Checked {
        let is_token = |scope: &String| {
            !scope.is_empty() && scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
        };
        rule(self.scopes.iter().all(is_token), "scopes", "must be a list of words of printable ASCII")?;
        rule(self.scopes.iter().any(|scope| scope == OPENID), "scopes", "must have \"openid\"")
    }

    /// The provider as a trusted issuer whose tokens are for this client: the words of the mapping mean the same.
    #[must_use]
    pub fn mapping(&self) -> TrustedIssuer {
        TrustedIssuer {
            issuer: self.issuer.clone(),
            jwks_url: String::new(),
            ca_file: self.ca_file.clone(),
            audience: self.client_id.clone(),
            audience_claim: "aud".into(),
            role_claim: self.role_claim.clone(),
            roles: self.roles.clone(),
            role: self.default_role.unwrap_or(Role::Readonly),
            team_claim: self.team_claim.clone(),
            teams: self.teams.clone(),
            token_types: vec![],
            jwks_ttl_s: TTL_S,
            leeway_s: 0,
            max_lifetime_s: 0,
        }
    }
}

/// An `https` URL, or an `http` one of this machine, without what has no place in the URL of a site.
fn check_base(field: &str, url: &str) -> Checked {
    let key = || format!("auth.login.{field}");
    let uri: Uri = url.parse().map_err(|error| Fault::new(key(), format!("is not a URL: {error}")))?;
    let host = uri.host().unwrap_or_default();
    let is_known = matches!(uri.scheme_str(), Some("http" | "https")) && !host.is_empty();
    rule(is_known, field, "must be an absolute https:// URL")?;
    let is_safe = uri.scheme_str() == Some("https") || is_loopback(host);
    rule(is_safe, field, "must be https://: over http:// anybody on the way could sign in as anybody")?;
    rule(
        !uri.authority().is_some_and(|authority| authority.as_str().contains('@')),
        field,
        "must not hold a user or a password",
    )?;
    rule(uri.query().is_none() && !url.contains('#'), field, "must have neither a query nor a fragment")?;
    let template = "is a template; put your own name in the place of what is in brackets";
    rule(!url.contains(['{', '}', '<', '>']), field, template)
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(issuer: &str) -> Login {
        Login {
            issuer: issuer.into(),
            ca_file: PathBuf::new(),
            client_id: "console".into(),
            client_secret_env: "SECRET".into(),
            client_secret_file: PathBuf::new(),
            scopes: vec!["openid".into(), "profile".into()],
            label: "Example".into(),
            public_url: String::new(),
            username_claim: String::new(),
            role_claim: "role".into(),
            roles: BTreeMap::new(),
            default_role: None,
            team_claim: String::new(),
            teams: BTreeMap::new(),
        }
    }

    #[test]
    fn a_provider_over_https_or_on_this_machine_is_taken() {
        for issuer in [
            "https://idp.example.com",
            "https://idp.example.com/realms/x",
            "http://127.0.0.1:4000",
            "http://[::1]:4000/",
            "http://localhost",
        ] {
            assert_eq!(login(issuer).validate(true), Ok(()), "{issuer}");
        }
    }

    #[test]
    fn each_mistake_names_its_key() {
        let base = login("https://idp.example.com");
        for (wrong, field) in [
            (login(""), "issuer"),
            (login("http://idp.example.com"), "issuer"),
            (login("ftp://idp.example.com"), "issuer"),
            (login("idp.example.com"), "issuer"),
            (login("https://u:p@idp.example.com"), "issuer"),
            (login("https://idp.example.com/?a=b"), "issuer"),
            (login("https://idp.example.com/{tenant}"), "issuer"),
            (Login { ca_file: "ca.pem".into(), ..login("http://127.0.0.1:4000") }, "ca_file"),
            (Login { client_id: String::new(), ..base.clone() }, "client_id"),
            (Login { client_id: "ä".into(), ..base.clone() }, "client_id"),
            (Login { client_secret_env: String::new(), ..base.clone() }, "client_secret_env"),
            (Login { client_secret_file: "secret".into(), ..base.clone() }, "client_secret_file"),
            (Login { scopes: vec!["profile".into()], ..base.clone() }, "scopes"),
            (Login { scopes: vec!["openid".into(), "a b".into()], ..base.clone() }, "scopes"),
            (Login { label: String::new(), ..base.clone() }, "label"),
            (Login { label: "a\nb".into(), ..base.clone() }, "label"),
            (Login { public_url: "gateway.example.com".into(), ..base.clone() }, "public_url"),
            (Login { public_url: "http://gateway.example.com".into(), ..base.clone() }, "public_url"),
            (Login { public_url: "https://gateway.example.com/x".into(), ..base.clone() }, "public_url"),
            (Login { username_claim: "a..b".into(), ..base.clone() }, "username_claim"),
            (Login { role_claim: "exp".into(), ..base.clone() }, "role_claim"),
            (Login { team_claim: "groups".into(), ..base.clone() }, "teams"),
        ] {
            assert_eq!(
                wrong.validate(true).map_err(|fault| fault.key),
                Err(format!("auth.login.{field}")),
                "{wrong:?}"
            );
        }
        assert_eq!(base.validate(false).map_err(|fault| fault.key), Err("auth.login.issuer".into()));
    }

    #[test]
    fn where_nothing_is_set_nobody_signs_in_at_a_provider() {
        let off = Login { client_id: String::new(), client_secret_env: String::new(), ..login("") };
        assert_eq!((off.validate(false), off.is_on()), (Ok(()), false));
    }
}
