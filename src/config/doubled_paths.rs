//! Upstreams whose URL ends with what the path of a route begins with, so that the upstream is asked for it twice:
//! `https://api.example/v1` and `/v1/chat` make `/v1/v1/chat`. A few services are meant so; nothing is refused for it.

use super::{
    Config,
    routing::{RouteEntry, UpstreamEntry},
};

impl Config {
    /// A warning for each route and upstream of which this is so.
    #[must_use]
    pub fn doubled_paths(&self) -> Vec<String> {
        let routes = self.routes.iter().enumerate().filter(|(_, route)| !route.strip_prefix);
        routes.flat_map(|(i, route)| self.of_route(i, route)).collect()
    }

    fn of_route(&self, i: usize, route: &RouteEntry) -> Vec<String> {
        let aims = route.places().aims();
        let asked = |upstream: &&UpstreamEntry| aims.iter().any(|aim| *aim.upstream == *upstream.name);
        self.upstreams.iter().filter(asked).filter_map(|upstream| warning(i, route, upstream)).collect()
    }
}

fn warning(i: usize, route: &RouteEntry, upstream: &UpstreamEntry) -> Option<String> {
    let url: http::Uri = upstream.url.parse().ok()?;
    let doubled = overlap(url.path(), &route.path)?;
    let (name, base) = (&upstream.name, url.path().trim_end_matches('/'));
    let path = &route.path;
    Some(format!(
        "routes[{i}].path: \"{path}\" begins with what the URL of the upstream \"{name}\" ends with, so it is asked for \
         {base}{path}; if that is not meant, take {doubled} from the end of the URL"
    ))
}

/// The segments at the end of the one with which the other begins.
fn overlap(base: &str, path: &str) -> Option<String> {
    let segments = |text: &str| -> Vec<String> {
        text.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
    };
    let (base, path) = (segments(base), segments(path));
    let longest = (1..=base.len()).rev();
    let ends = longest.filter_map(|count| base.get(base.len().checked_sub(count)?..));
    ends.into_iter().find(|end| path.starts_with(end)).map(|end| format!("/{}", end.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::load;

    #[test]
    fn only_whole_segments_at_the_end_and_at_the_beginning_are_the_same() {
        for (base, path, doubled) in [
            ("/v1", "/v1/chat/completions", Some("/v1")),
            ("/v1/", "/v1", Some("/v1")),
            ("/openai/v1", "/v1/chat", Some("/v1")),
            ("/api/v1", "/api/v1/chat", Some("/api/v1")),
            ("/v1", "/v10/chat", None),
            ("/v1/x", "/v1/chat", None),
            ("/", "/v1/chat", None),
            ("", "/", None),
        ] {
            assert_eq!(overlap(base, path).as_deref(), doubled, "{base} {path}");
        }
    }

    #[test]
    fn a_route_that_strips_its_prefix_or_asks_another_upstream_is_not_warned_of() {
        let file = |upstream: &str, further: &str| {
            format!(
                "[[upstreams]]\nname = \"a\"\nurl = \"https://a.test/v1\"\n[[upstreams]]\nname = \"b\"\nurl = \"https://b.test\"\n\
                 [[routes]]\nname = \"r\"\npath = \"/v1/x\"\nmatch = \"prefix\"\nmethods = [\"GET\"]\nroles = [\"user\"]\n\
                 upstream = \"{upstream}\"\n{further}"
            )
        };
        let told = |upstream: &str, further: &str| load(&file(upstream, further), &[]).unwrap().doubled_paths();
        let warnings = told("a", "");
        assert!(warnings.len() == 1 && warnings[0].contains("/v1/v1/x"), "{warnings:?}");
        assert_eq!(told("a", "strip_prefix = true\n"), Vec::<String>::new());
        assert_eq!(told("b", ""), Vec::<String>::new());
        assert_eq!(Config::built_in().unwrap().doubled_paths(), Vec::<String>::new());
    }
}
