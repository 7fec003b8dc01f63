//! Changes make obsolete what is kept (RFC 9111 §4.4): an answer to an unsafe method that is no error forgets every answer
//! at its URL, and at those of the same origin that it names.

use http::{HeaderMap, header};

use crate::{
    cache::{Cache, Moment, Name, key},
    clock::Clock,
    domain::path,
    pipeline::visit::Visit,
    upstream::Answer,
};

/// A call that may change something.
pub(super) struct Changes {
    cache: Cache,
    clock: Clock,
    host: String,
    path: String,
    query: Option<String>,
}

/// `None` where the call changes nothing, or nothing is kept at all.
pub(super) fn of(visit: &Visit<'_>) -> Option<Changes> {
    if !visit.call.may_change() || !visit.gate.routing.read().table.keeps_any() {
        return None;
    }
    let call = &visit.call;
    Some(Changes {
        cache: visit.gate.cache.clone(),
        clock: visit.gate.clock.clone(),
        host: call.front.host.clone().unwrap_or_default(),
        path: call.path.clone(),
        query: call.query.clone(),
    })
}

impl Changes {
    /// The upstream has answered.
    pub(super) async fn made(self, answer: &Answer) {
        if !(answer.status.is_success() || answer.status.is_redirection()) {
            return;
        }
        let own = key::url(&self.path, self.query.as_deref());
        let named = named(&answer.headers, &self.host, &self.path);
        let others = named.iter().map(|target| match target.split_once('?') {
            Some((path, query)) => key::url(path, Some(query)),
            None => key::url(target, None),
        });
        for url in std::iter::once(own).chain(others) {
            let new_name = Name::new(self.clock.new_id());
            let moment = Moment { now_ms: self.clock.store_now().as_millisecond(), new_name, ttl_s: 0 };
            self.cache.forget_url(&url, moment).await;
        }
    }
}

/// The paths and queries of the URLs of this host that an answer names.
fn named(headers: &HeaderMap, host: &str, base: &str) -> Vec<String> {
    let values = [header::LOCATION, header::CONTENT_LOCATION].into_iter().filter_map(|name| headers.get(name));
    values.filter_map(|value| target(value.to_str().ok()?, host, base)).collect()
}

fn target(reference: &str, host: &str, base: &str) -> Option<String> {
    let reference = reference.split('#').next().unwrap_or_default();
    let absolute = ["http://", "https://"].iter().find_map(|scheme| reference.strip_prefix(scheme));
    let absolute = absolute.or_else(|| reference.strip_prefix("//"));
    let found = if let Some(rest) = absolute {
        let (authority, rest) = rest.split_at(rest.find('/')?);
        authority.eq_ignore_ascii_case(host).then(|| rest.to_owned())
    } else if reference.starts_with('/') {
        Some(reference.to_owned())
    } else {
        let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
        Some(format!("{folder}/{reference}"))
    }?;
    let is_plain = path::check(found.split('?').next().unwrap_or_default()).is_ok();
    is_plain.then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_the_same_host_are_named_in_any_form() {
        for (reference, expected) in [
            ("/a/b?x=1#f", Some("/a/b?x=1")),
            ("http://gateway:1/a", Some("/a")),
            ("https://GATEWAY:1/a", Some("/a")),
            ("//gateway:1/a", Some("/a")),
            ("http://other/a", None),
            ("http://gateway:1", None),
            ("c", Some("/a/c")),
            ("?x=1", Some("/a/?x=1")),
            ("../c", None),
        ] {
            assert_eq!(target(reference, "gateway:1", "/a/b").as_deref(), expected, "{reference}");
        }
    }
}
