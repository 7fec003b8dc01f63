//! The outside issuers whose tokens are accepted.

use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
};

use serde::Deserialize;

use super::{Fault, named_file::NamedFile};
use crate::domain::principal::Role;

/// How many there may be: each costs a fetch in every period.
const MAX_ISSUERS: usize = 16;
const TTL_S: std::ops::RangeInclusive<u32> = 10..=86_400;
const MAX_LEEWAY_S: u32 = 300;
/// Up to a month: Entra's tokens under continuous access evaluation live 28 hours, those of service accounts longer.
const LIFETIME_S: std::ops::RangeInclusive<u32> = 60..=2_592_000;
const MAX_NAMES: usize = 1_000;

/// Claims whose values are times (RFC 7519 §4.1): no name of a role is ever in them.
const TIMES: [&str; 4] = ["exp", "nbf", "iat", "auth_time"];
/// Claims that name something else (RFC 7519 §4.1): no value of theirs is a role unless `roles` says which.
const NOT_ROLES: [&str; 5] = ["iss", "aud", "sub", "jti", "azp"];

/// An `[[auth.trusted_issuers]]`: a provider whose tokens are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedIssuer {
    pub issuer: String,
    /// Empty: the issuer's discovery document says where the keys are.
    #[serde(default)]
    pub jwks_url: String,
    /// The certificate authorities of the issuer, in PEM; empty: those of the machine.
    #[serde(default)]
    pub ca_file: PathBuf,
    pub audience: String,
    #[serde(default = "aud")]
    pub audience_claim: String,
    /// The path of a claim; empty: no claim is looked at.
    #[serde(default = "role")]
    pub role_claim: String,
    /// Our role for each of the issuer's names; empty: the names are those of our roles.
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
    /// Of a token that names none.
    #[serde(default = "readonly")]
    pub role: Role,
    /// The path of a claim; empty: no claim is looked at.
    #[serde(default)]
    pub team_claim: String,
    /// The name of our team for each of the issuer's names.
    #[serde(default)]
    pub teams: BTreeMap<String, String>,
    #[serde(default = "access_token")]
    pub token_types: Vec<String>,
    #[serde(default = "five_minutes")]
    pub jwks_ttl_s: u32,
    #[serde(default)]
    pub leeway_s: u32,
    #[serde(default = "a_day")]
    pub max_lifetime_s: u32,
}

fn aud() -> String {
    "aud".into()
}

fn role() -> String {
    "role".into()
}

const fn readonly() -> Role {
    Role::Readonly
}
fn access_token() -> Vec<String> {
    vec!["at+jwt".into()]
}
const fn five_minutes() -> u32 {
    300
}
const fn a_day() -> u32 {
    86_400
}

/// Checks each issuer by itself, against the others, and against the gateway's own.
pub(super) fn validate(issuers: &[TrustedIssuer], own: &str) -> Result<(), Fault> {
    if issuers.len() > MAX_ISSUERS {
        return Err(Fault::new("auth.trusted_issuers", format!("must be at most {MAX_ISSUERS}")));
    }
    let mut seen = HashSet::from([own]);
    for (i, issuer) in issuers.iter().enumerate() {
        let new = seen.insert(&issuer.issuer);
        let taken = "is auth.issuer, or used twice".to_owned();
        let checked = if new { issuer.check() } else { Err(("issuer", taken)) };
        checked.map_err(|(field, reason)| Fault::new(format!("auth.trusted_issuers[{i}].{field}"), reason))?;
    }
    Ok(())
}

pub(super) type Checked = Result<(), (&'static str, String)>;

fn rule(holds: bool, field: &'static str, reason: &str) -> Checked {
    if holds { Ok(()) } else { Err((field, reason.into())) }
}

impl TrustedIssuer {
    fn check(&self) -> Checked {
        let plain = (1..=255).contains(&self.issuer.len()) && !self.issuer.chars().any(char::is_control);
        rule(plain, "issuer", "must be 1 to 255 bytes without control characters")?;
        let shared = self.issuer.strip_prefix("https://login.microsoftonline.com/").unwrap_or_default();
        let of_no_tenant =
            ["common", "organizations", "consumers"].contains(&shared.split('/').next().unwrap_or_default());
        let tenant = "is no issuer of any token: Entra's tokens name their tenant, https://login.microsoftonline.com/<id of the tenant>/v2.0";
        rule(!of_no_tenant, "issuer", tenant)?;
        let template = "is a template; put your own name in the place of what is in brackets";
        rule(!self.issuer.contains(['{', '}', '<', '>']), "issuer", template)?;
        match self.jwks_url.as_str() {
            "" => check_url("issuer", &self.issuer, " where no jwks_url is given")?,
            url => check_url("jwks_url", url, "")?,
        }
        let asked = if self.jwks_url.is_empty() { &self.issuer } else { &self.jwks_url };
        rule(self.ca_file.as_os_str().is_empty() || is_tls(asked), "ca_file", OVER_TLS_ONLY)?;
        rule(!self.audience.is_empty(), "audience", "must not be empty")?;
        check_path("audience_claim", &self.audience_claim)?;
        rule(!self.audience_claim.is_empty(), "audience_claim", "must name a claim, such as \"aud\"")?;
        self.check_mapping()?;
        let named = "must name at least one type, such as \"at+jwt\"; \"\" is a token without typ";
        rule(!self.token_types.is_empty(), "token_types", named)?;
        rule(TTL_S.contains(&self.jwks_ttl_s), "jwks_ttl_s", "must be from 10 to 86400")?;
        rule(self.leeway_s <= MAX_LEEWAY_S, "leeway_s", "must be at most 300")?;
        rule(LIFETIME_S.contains(&self.max_lifetime_s), "max_lifetime_s", "must be from 60 to 2592000")
    }

    /// How claims give a role and a team.
    pub(super) fn check_mapping(&self) -> Checked {
        self.check_roles()?;
        self.check_teams()
    }

    /// A claim that can never give a role is a mistake that nobody would see: every caller would get the default role.
    fn check_roles(&self) -> Checked {
        let claim = self.role_claim.as_str();
        check_path("role_claim", claim)?;
        rule(self.roles.len() <= MAX_NAMES, "roles", "must have at most 1000 names")?;
        rule(!claim.is_empty() || self.roles.is_empty(), "roles", "is of no use without role_claim")?;
        rule(!TIMES.contains(&claim), "role_claim", "is a claim that holds a time and can never name a role")?;
        let needs_roles = NOT_ROLES.contains(&claim) && self.roles.is_empty();
        rule(
            !needs_roles,
            "role_claim",
            "is a claim that names no role; say in roles which of its values stand for one",
        )?;
        rule(!self.roles.keys().any(String::is_empty), "roles", "must not have an empty name")
    }

    fn check_teams(&self) -> Checked {
        check_path("team_claim", &self.team_claim)?;
        rule(self.teams.len() <= MAX_NAMES, "teams", "must have at most 1000 names")?;
        let both = self.team_claim.is_empty() == self.teams.is_empty();
        rule(both, "teams", "and team_claim are of use together only")?;
        let named = self.teams.iter().all(|(name, team)| !name.is_empty() && !team.is_empty());
        rule(named, "teams", "must not have an empty name")
    }

    /// The file with the certificate authorities of the issuer at this place of the list, if they are its own.
    pub fn authorities(&self, index: usize) -> Option<NamedFile> {
        let key = format!("auth.trusted_issuers[{index}].ca_file");
        (!self.ca_file.as_os_str().is_empty()).then(|| NamedFile::new(key, &self.ca_file))
    }

    /// Where the issuer says where its keys are (`OpenID` Connect Discovery §4).
    pub fn discovery_url(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'))
    }
}

/// What is wrong with a `ca_file` beside a URL without TLS.
pub(super) const OVER_TLS_ONLY: &str = "is of use with an https:// URL only";

/// Whether a URL is called over TLS.
pub(super) fn is_tls(url: &str) -> bool {
    url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
}

fn check_url(field: &'static str, url: &str, when: &str) -> Checked {
    let uri: http::Uri = url.parse().map_err(|e| (field, format!("is not a URL{when}: {e}")))?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let absolute = known && uri.host().is_some_and(|host| !host.is_empty());
    rule(absolute, field, &format!("must be an absolute http:// or https:// URL{when}"))?;
    let user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    rule(!user, field, "must not hold a user or a password")?;
    // The parser drops what follows it.
    rule(!url.contains('#'), field, "must not have a fragment")
}

/// Names may have any character that a claim may, but none is empty: `a..b` finds nothing.
pub(super) fn check_path(field: &'static str, path: &str) -> Checked {
    let fits = path.len() <= 255 && !path.chars().any(char::is_control);
    rule(fits, field, "must have at most 255 bytes and no control characters")?;
    let other = path.starts_with(['$', '/']) || path.contains(['[', '*']);
    rule(
        !other,
        field,
        "must be the name of a claim, or names with dots between them, such as \"realm_access.roles\"",
    )?;
    let whole = !path.starts_with('.') && !path.ends_with('.') && !path.contains("..");
    rule(whole, field, "must be the name of a claim, or names with single dots between them")?;
    rule(path.trim() == path, field, "begins or ends with a blank, so that no claim has this name")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(issuer: &str) -> TrustedIssuer {
        let text =
            format!("issuer = \"{issuer}\"\njwks_url = \"https://idp.example/keys?v=1\"\naudience = \"tollgate\"");
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn what_is_not_given_is_as_the_built_in_configuration_says() {
        let issuer = issuer("i");
        assert_eq!((issuer.role, issuer.role_claim.as_str(), issuer.jwks_ttl_s), (Role::Readonly, "role", 300));
        assert_eq!(issuer.token_types, ["at+jwt"]);
        assert_eq!((issuer.audience_claim.as_str(), issuer.leeway_s, issuer.max_lifetime_s), ("aud", 0, 86_400));
        assert!(issuer.roles.is_empty() && issuer.team_claim.is_empty() && issuer.teams.is_empty());
    }

    #[test]
    fn issuers_differ_from_each_other_and_from_the_gateway_and_are_few() {
        let key = |issuers: &[TrustedIssuer]| validate(issuers, "own").map_err(|fault| fault.key);
        assert_eq!(key(&[issuer("a"), issuer("b")]), Ok(()));
        assert_eq!(key(&[issuer("a"), issuer("a")]), Err("auth.trusted_issuers[1].issuer".into()));
        assert_eq!(key(&[issuer("own")]), Err("auth.trusted_issuers[0].issuer".into()));
        let many: Vec<_> = (0..17).map(|n| issuer(&n.to_string())).collect();
        assert_eq!(key(&many[..16]), Ok(()));
        assert_eq!(key(&many), Err("auth.trusted_issuers".into()));
        for of_no_tenant in ["common", "organizations/v2.0", "consumers/v2.0"] {
            let entra = issuer(&format!("https://login.microsoftonline.com/{of_no_tenant}"));
            assert_eq!(key(&[entra]), Err("auth.trusted_issuers[0].issuer".into()), "{of_no_tenant}");
        }
        let blank = TrustedIssuer { role_claim: "roles ".into(), ..issuer("i") };
        assert_eq!(key(&[blank]), Err("auth.trusted_issuers[0].role_claim".into()));
    }

    fn roles() -> BTreeMap<String, Role> {
        BTreeMap::from([("gateway-admins".to_owned(), Role::Admin)])
    }

    #[test]
    fn a_claim_that_can_never_give_a_role_is_refused_at_the_start() {
        let with = |claim: &str, roles| TrustedIssuer { role_claim: claim.into(), roles, ..issuer("i") }.check();
        for claim in ["role", "roles", "realm_access.roles", "https://example.com/roles", "cognito:groups", "scope", ""]
        {
            assert_eq!(with(claim, BTreeMap::new()), Ok(()), "{claim}");
        }
        for claim in ["exp", "iat", "nbf", "auth_time", "sub", "aud", "iss", ".roles", "a..b", "realm_access.", "a\nb"]
            .into_iter()
            .chain(["$.realm_access.roles", "/realm_access/roles", "roles[0]", "resource_access.*.roles"])
        {
            assert_eq!(with(claim, BTreeMap::new()).map_err(|(field, _)| field), Err("role_claim"), "{claim}");
        }
        assert_eq!(with("sub", roles()), Ok(()));
        assert_eq!(with("exp", roles()).map_err(|(field, _)| field), Err("role_claim"));
    }

    #[test]
    fn without_an_address_of_keys_the_document_is_below_the_issuer() {
        for (name, url) in [
            ("https://idp.example", "https://idp.example/.well-known/openid-configuration"),
            ("https://idp.example/", "https://idp.example/.well-known/openid-configuration"),
            ("https://idp.example/realms/x", "https://idp.example/realms/x/.well-known/openid-configuration"),
        ] {
            let discovered = TrustedIssuer { jwks_url: String::new(), ..issuer(name) };
            assert_eq!((discovered.check(), discovered.discovery_url().as_str()), (Ok(()), url));
        }
    }

    #[test]
    fn an_issuer_that_cannot_be_one_names_the_key_that_is_wrong() {
        let base = issuer("i");
        let url = |url: &str| TrustedIssuer { jwks_url: url.into(), ..base.clone() };
        for (wrong, field) in [
            (TrustedIssuer { issuer: String::new(), ..base.clone() }, "issuer"),
            (TrustedIssuer { issuer: "a\0".into(), ..base.clone() }, "issuer"),
            (TrustedIssuer { issuer: "https://login.example/{tenantid}/v2.0".into(), ..base.clone() }, "issuer"),
            (TrustedIssuer { audience: String::new(), ..base.clone() }, "audience"),
            (TrustedIssuer { token_types: vec![], ..base.clone() }, "token_types"),
            (TrustedIssuer { jwks_ttl_s: 9, ..base.clone() }, "jwks_ttl_s"),
            (TrustedIssuer { leeway_s: 301, ..base.clone() }, "leeway_s"),
            (TrustedIssuer { max_lifetime_s: 59, ..base.clone() }, "max_lifetime_s"),
            (TrustedIssuer { max_lifetime_s: 2_592_001, ..base.clone() }, "max_lifetime_s"),
            (TrustedIssuer { audience_claim: String::new(), ..base.clone() }, "audience_claim"),
            // Discovery needs an issuer that is a URL.
            (TrustedIssuer { jwks_url: String::new(), ..base.clone() }, "issuer"),
            (TrustedIssuer { role_claim: String::new(), roles: roles(), ..base.clone() }, "roles"),
            (TrustedIssuer { team_claim: "groups".into(), ..base.clone() }, "teams"),
            (TrustedIssuer { ca_file: "ca.pem".into(), ..url("http://idp.example/") }, "ca_file"),
            (url("ftp://idp.example/"), "jwks_url"),
            (url("/keys"), "jwks_url"),
            (url("https://u:p@idp.example/"), "jwks_url"),
            (url("https://idp.example/#keys"), "jwks_url"),
        ] {
            assert_eq!(wrong.check().map_err(|(field, _)| field), Err(field), "{wrong:?}");
        }
    }
}
