//! The outside issuers whose tokens are accepted.

use std::collections::HashSet;

use serde::Deserialize;

use super::Fault;
use crate::domain::principal::Role;

/// How many there may be: each costs a fetch in every period.
const MAX_ISSUERS: usize = 16;
const TTL_S: std::ops::RangeInclusive<u32> = 10..=86_400;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedIssuer {
    pub issuer: String,
    pub jwks_url: String,
    pub audience: String,
    /// Empty: no claim is looked at.
    #[serde(default = "role")]
    pub role_claim: String,
    /// Of a user that is made for a token without that claim.
    #[serde(default = "readonly")]
    pub role: Role,
    #[serde(default = "access_token")]
    pub token_types: Vec<String>,
    #[serde(default = "five_minutes")]
    pub jwks_ttl_s: u32,
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

type Checked = Result<(), (&'static str, String)>;

fn rule(holds: bool, field: &'static str, reason: &str) -> Checked {
    if holds { Ok(()) } else { Err((field, reason.into())) }
}

impl TrustedIssuer {
    fn check(&self) -> Checked {
        let plain = (1..=255).contains(&self.issuer.len()) && !self.issuer.chars().any(char::is_control);
        rule(plain, "issuer", "must be 1 to 255 bytes without control characters")?;
        self.check_url()?;
        rule(!self.audience.is_empty(), "audience", "must not be empty")?;
        let typed = !self.token_types.is_empty() && self.token_types.iter().all(|name| !name.is_empty());
        rule(typed, "token_types", "must name at least one type, such as \"at+jwt\"")?;
        rule(TTL_S.contains(&self.jwks_ttl_s), "jwks_ttl_s", "must be from 10 to 86400")
    }

    fn check_url(&self) -> Checked {
        let uri: http::Uri = self.jwks_url.parse().map_err(|e| ("jwks_url", format!("is not a URL: {e}")))?;
        let known = matches!(uri.scheme_str(), Some("http" | "https"));
        let absolute = known && uri.host().is_some_and(|host| !host.is_empty());
        rule(absolute, "jwks_url", "must be an absolute http:// or https:// URL")?;
        let user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        rule(!user, "jwks_url", "must not hold a user or a password")?;
        // The parser drops what follows it.
        rule(!self.jwks_url.contains('#'), "jwks_url", "must not have a fragment")
    }
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
    }

    #[test]
    fn an_issuer_that_cannot_be_one_names_the_key_that_is_wrong() {
        let base = issuer("i");
        let url = |url: &str| TrustedIssuer { jwks_url: url.into(), ..base.clone() };
        for (wrong, field) in [
            (TrustedIssuer { issuer: String::new(), ..base.clone() }, "issuer"),
            (TrustedIssuer { issuer: "a\0".into(), ..base.clone() }, "issuer"),
            (TrustedIssuer { audience: String::new(), ..base.clone() }, "audience"),
            (TrustedIssuer { token_types: vec![], ..base.clone() }, "token_types"),
            (TrustedIssuer { jwks_ttl_s: 9, ..base.clone() }, "jwks_ttl_s"),
            (url("ftp://idp.example/"), "jwks_url"),
            (url("/keys"), "jwks_url"),
            (url("https://u:p@idp.example/"), "jwks_url"),
            (url("https://idp.example/#keys"), "jwks_url"),
        ] {
            assert_eq!(wrong.check().map_err(|(field, _)| field), Err(field), "{wrong:?}");
        }
    }
}
