//! Passwords within URLs of stores: `scheme://user:password@host/…`, or `?password=…` as libpq takes it too.

use crate::domain::percent;

/// Whether a URL holds a password.
pub(super) fn is_in(url: &str) -> bool {
    let in_authority = authority(url).and_then(|(user, _)| user.split_once(':')).is_some_and(|(_, it)| !it.is_empty());
    in_authority || options(url).any(|option| option.strip_prefix("password=").is_some_and(|it| !it.is_empty()))
}

/// The URL with a password for its user, percent-encoded; a URL without a user gets one without a name where that is enough.
pub(super) fn with(url: &str, password: &str, needs_user: bool) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (user, host) = match rest.split_once('@') {
        Some((user, host)) => (user.split(':').next().unwrap_or_default(), host),
        None if needs_user => return None,
        None => ("", rest),
    };
    Some(format!("{scheme}://{user}:{}@{host}", percent::encoded(password)))
}

/// The URL with `mask` in the place of each password.
#[must_use]
pub fn masked(url: &str, mask: &str) -> String {
    let url = match authority(url) {
        Some((user, host)) => {
            let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
            let user = user.split_once(':').map_or_else(|| user.to_owned(), |(user, _)| format!("{user}:{mask}"));
            format!("{scheme}://{user}@{host}")
        }
        None => url.to_owned(),
    };
    let Some((base, _)) = url.split_once('?') else { return url };
    let hide = |option: &str| if option.starts_with("password=") { format!("password={mask}") } else { option.into() };
    format!("{base}?{}", options(&url).map(hide).collect::<Vec<_>>().join("&"))
}

/// What stands before the last `@`, and what follows it: a password that nobody encoded may have one too.
fn authority(url: &str) -> Option<(&str, &str)> {
    url.split_once("://")?.1.rsplit_once('@')
}

fn options(url: &str) -> impl Iterator<Item = &str> {
    url.split_once('?').map_or("", |(_, query)| query).split('&')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_found_hidden_and_put_in_its_place() {
        for (url, has, shown) in [
            ("postgres://u:p@ss@h/d", true, "postgres://u:***@h/d"),
            ("postgres://u@h/d?sslmode=require&password=pw", true, "postgres://u@h/d?sslmode=require&password=***"),
            ("postgres://u@h/d?sslmode=require", false, "postgres://u@h/d?sslmode=require"),
            ("postgres://u:@h/d", false, "postgres://u:***@h/d"),
            ("redis://h:6379", false, "redis://h:6379"),
            ("redis://:secret@h", true, "redis://:***@h"),
            ("sqlite:data/tollgate.db", false, "sqlite:data/tollgate.db"),
            ("plain", false, "plain"),
        ] {
            assert_eq!((is_in(url), masked(url, "***").as_str()), (has, shown), "{url}");
        }
        for (url, needs_user, whole) in [
            ("postgres://u@h/d", true, Some("postgres://u:a%40b@h/d")),
            ("postgres://h/d", true, None),
            ("redis://h:6379/1", false, Some("redis://:a%40b@h:6379/1")),
            ("rediss://ann@h", false, Some("rediss://ann:a%40b@h")),
            ("redis", false, None),
        ] {
            assert_eq!(with(url, "a@b", needs_user).as_deref(), whole, "{url}");
        }
    }
}
