//! Names for clients that stand for models of upstreams: `fast` for `gpt-4o-mini` at one and `llama-3.3-70b` at another.

use std::sync::Arc;

use super::{
    failover::Aim,
    route::{Meter, Route},
};

/// A name, and where its calls may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    pub name: Arc<str>,
    /// Never empty; each names its model.
    pub aims: Arc<[Aim]>,
    formats: Formats,
}

/// The formats that can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Formats {
    /// Whatever the route speaks: no route says what its upstreams do.
    Any,
    These(Vec<Meter>),
}

/// Two targets have no format in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The place of the target that speaks none of those that the targets before it do.
    pub place: usize,
    /// A route that says what it speaks.
    pub route: Arc<str>,
}

impl Alias {
    /// The name for these targets, whose upstreams speak the formats of the `routes` that lead there.
    pub fn new(name: Arc<str>, aims: Vec<Aim>, routes: &[Route]) -> Result<Self, Mismatch> {
        let mut formats = Formats::Any;
        for (place, aim) in aims.iter().enumerate() {
            let speaking = || routes.iter().filter(|route| speaks(route, &aim.upstream));
            let Some(first) = speaking().next() else { continue };
            let mut common: Vec<Meter> = speaking().map(|route| route.meter).collect();
            if let Formats::These(before) = formats {
                common.retain(|meter| before.contains(meter));
            }
            if common.is_empty() {
                return Err(Mismatch { place, route: Arc::clone(&first.name) });
            }
            formats = Formats::These(common);
        }
        Ok(Self { name, aims: aims.into(), formats })
    }

    /// Whether calls in this format may ask for the name.
    #[must_use]
    pub fn is_spoken(&self, meter: Meter) -> bool {
        match &self.formats {
            Formats::Any => meter.counts_tokens(),
            // The counting of tokens belongs to a format whose answers are written.
            Formats::These(meters) if meter == Meter::CountTokens => meters.iter().any(|meter| meter.has_counting()),
            Formats::These(meters) => meters.contains(&meter),
        }
    }

    /// The formats that all its upstreams speak; none where no route says what they do.
    #[must_use]
    pub fn formats(&self) -> &[Meter] {
        match &self.formats {
            Formats::Any => &[],
            Formats::These(meters) => meters,
        }
    }
}

fn speaks(route: &Route, upstream: &str) -> bool {
    route.meter.bills_tokens() && route.upstreams().any(|name| **name == *upstream)
}

#[cfg(test)]
mod tests {
    use super::{super::route::test_route, *};

    fn aim(upstream: &str) -> Aim {
        Aim { model: Some("m".into()), ..Aim::only(upstream.into()) }
    }

    #[test]
    fn a_name_is_spoken_in_the_formats_that_all_its_upstreams_speak() {
        use Meter::{AnthropicMessages, OpenaiChat, OpenaiEmbeddings};
        let route = |name: &str, meter, upstream: &str| Route {
            meter,
            aims: [Aim::only(upstream.into())].into(),
            ..test_route(name)
        };
        let routes = [
            route("chat", OpenaiChat, "a"),
            route("embeddings", OpenaiEmbeddings, "a"),
            route("other", OpenaiChat, "b"),
            route("messages", AnthropicMessages, "c"),
            route("files", Meter::None, "d"),
        ];
        let spoken = |upstreams: &[&str]| {
            let alias = Alias::new("fast".into(), upstreams.iter().map(|name| aim(name)).collect(), &routes)?;
            Ok([OpenaiChat, OpenaiEmbeddings, AnthropicMessages].map(|meter| alias.is_spoken(meter)))
        };
        assert_eq!(spoken(&["a"]), Ok([true, true, false]));
        assert_eq!(spoken(&["a", "b"]), Ok([true, false, false]));
        assert_eq!(spoken(&["d", "b"]), Ok([true, false, false]));
        assert_eq!(spoken(&["d"]), Ok([true, true, true]));
        let formats = |upstream: &str| {
            Alias::new("fast".into(), vec![aim(upstream)], &routes).map(|alias| alias.formats().to_vec())
        };
        assert_eq!(formats("a"), Ok(vec![OpenaiChat, OpenaiEmbeddings]));
        assert_eq!(formats("d"), Ok(vec![]));
        assert_eq!(spoken(&["d", "a", "c"]), Err(Mismatch { place: 2, route: "messages".into() }));
    }
}
