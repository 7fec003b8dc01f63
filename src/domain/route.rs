//! Proxied routes and the one rule that finds the route of a path.

mod only;

use std::{borrow::Cow, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    allowed::Allowed,
    caching::Caching,
    failover::{Aim, Retry},
    importance::Importance,
    money::Money,
    path::{every_form, folded},
    principal::Role,
    recording::{Bodies, Durability},
};

pub use self::only::Only;

/// First segments that belong to the gateway itself: no route may begin with one, and nothing below one is ever looked
/// for among the routes.
pub const RESERVED: [&str; 10] =
    ["auth", "oauth", "me", "admin", "console", "docs", "openapi.json", "healthz", "readyz", ".well-known"];

/// The reserved first segment of a path, if it has one.
#[must_use]
pub fn reserved(path: &str) -> Option<&str> {
    path.strip_prefix('/')?.split('/').next().filter(|first| RESERVED.contains(first))
}

/// How a route's path is compared with a request's, byte for byte and never decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathMatch {
    Exact,
    /// The path itself and everything below it: `/echo` takes `/echo` and `/echo/x`, never `/echoes`.
    Prefix,
}

/// What a call on a route is charged by. Named in a configuration as written here, in kebab case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Meter {
    None,
    OpenaiChat,
    OpenaiCompletions,
    OpenaiResponses,
    OpenaiEmbeddings,
    OpenaiImages,
    OpenaiTranscriptions,
    OpenaiSpeech,
    AnthropicMessages,
    GeminiGenerate,
    BedrockConverse,
    Rerank,
    /// The counting of tokens, which is free.
    CountTokens,
    /// An amount for each call: written as a table, never as a name.
    #[serde(skip)]
    Fixed(Money),
}

impl Meter {
    /// Those whose calls are to a model.
    pub const OF_MODELS: [Self; 12] = [
        Self::OpenaiChat,
        Self::OpenaiCompletions,
        Self::OpenaiResponses,
        Self::OpenaiEmbeddings,
        Self::OpenaiImages,
        Self::AnthropicMessages,
        Self::GeminiGenerate,
        Self::BedrockConverse,
        Self::Rerank,
        Self::CountTokens,
        Self::OpenaiTranscriptions,
        Self::OpenaiSpeech,
    ];

    /// Its name in a configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::OpenaiChat => "openai-chat",
            Self::OpenaiCompletions => "openai-completions",
            Self::OpenaiResponses => "openai-responses",
            Self::OpenaiEmbeddings => "openai-embeddings",
            Self::OpenaiImages => "openai-images",
            Self::OpenaiTranscriptions => "openai-transcriptions",
            Self::OpenaiSpeech => "openai-speech",
            Self::AnthropicMessages => "anthropic-messages",
            Self::GeminiGenerate => "gemini-generate",
            Self::BedrockConverse => "bedrock-converse",
            Self::Rerank => "rerank",
            Self::CountTokens => "count-tokens",
            Self::Fixed(_) => "fixed_usd",
        }
    }

    /// Whether calls take tokens of a model.
    #[must_use]
    pub const fn counts_tokens(self) -> bool {
        !matches!(self, Self::None | Self::Fixed(_))
    }

    /// Whether these tokens have a price.
    #[must_use]
    pub const fn bills_tokens(self) -> bool {
        self.counts_tokens() && !matches!(self, Self::CountTokens)
    }

    /// Whether services of this format count the tokens of a request for nothing.
    #[must_use]
    pub const fn has_counting(self) -> bool {
        use Meter::{AnthropicMessages, BedrockConverse, GeminiGenerate, OpenaiResponses};
        matches!(self, AnthropicMessages | BedrockConverse | GeminiGenerate | OpenaiResponses)
    }

    /// Whether only a model whose answers have a bound can be called.
    #[must_use]
    pub const fn needs_output_bound(self) -> bool {
        use Meter::{OpenaiEmbeddings, OpenaiImages, OpenaiSpeech, OpenaiTranscriptions, Rerank};
        !matches!(self, OpenaiEmbeddings | OpenaiImages | OpenaiSpeech | OpenaiTranscriptions | Rerank)
    }
}

/// What the gateway may write into requests to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Whether `stream_options` may be written, so that streams state their usage.
    pub stream_usage: bool,
    pub output_bound: BoundName,
}

/// Under which name an output bound is written where a chat request has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundName {
    MaxCompletionTokens,
    MaxTokens,
    /// None is written: the call is held at the model's longest answer.
    Unwritten,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { stream_usage: true, output_bound: BoundName::MaxCompletionTokens }
    }
}

/// What a route adds to the prices of its models.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metering {
    /// The output bound of a request that has none, where it is less than the model's.
    pub default_max_tokens: Option<u64>,
    /// Tools that the provider runs and requests may have: the price of a call of each.
    pub tools: Vec<(String, Money)>,
}

impl Metering {
    /// The price of a call of a tool that the provider runs; nothing where the route does not allow it.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<Money> {
        self.tools.iter().find(|(known, _)| known == name).map(|(_, price)| *price)
    }
}

const GET: &str = "GET";
const HEAD: &str = "HEAD";

/// A route to an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub name: Arc<str>,
    pub path: String,
    pub matching: PathMatch,
    pub methods: Vec<String>,
    /// Who of its roles may call it.
    pub only: Only,
    pub roles: Vec<Role>,
    /// Where calls may go; never empty.
    pub aims: Arc<[Aim]>,
    /// When a call is tried again at another of them.
    pub retry: Arc<Retry>,
    pub strip_prefix: bool,
    pub weight: u64,
    /// Of its records; `None`: as the gateway's are by default.
    pub durability: Option<Durability>,
    /// Which bodies its records have; `None`: as the gateway's are by default.
    pub bodies: Option<Bodies>,
    pub meter: Meter,
    pub metering: Metering,
    /// The models that it serves, where it is to models.
    pub models: Allowed,
    /// Who goes first where its upstream has too little room.
    pub importance: Importance,
    /// Whether a call may go on as a WebSocket.
    pub websocket: bool,
    /// Whether its upstream gets the caller's name, role, team and key.
    pub identity: bool,
    /// `None`: nothing is kept of its answers.
    pub caching: Option<Caching>,
}

impl PathMatch {
    /// Whether a route with the path `pattern` takes `path`.
    fn takes(self, pattern: &str, path: &str) -> bool {
        match self {
            Self::Exact => path == pattern,
            Self::Prefix => {
                let base = pattern.strip_suffix('/').unwrap_or(pattern);
                path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }
}

impl Route {
    /// The upstreams that calls may go to.
    pub fn upstreams(&self) -> impl Iterator<Item = &Arc<str>> {
        self.aims.iter().map(|aim| &aim.upstream)
    }

    fn has(&self, method: &str) -> bool {
        self.methods.iter().any(|listed| listed == method)
    }

    fn takes(&self, path: &str) -> bool {
        self.matching.takes(&self.path, path)
    }

    /// The paths that it takes in one text: `/echo/{*path}` where they begin with `/echo`.
    #[must_use]
    pub fn template(&self) -> Cow<'_, str> {
        match self.matching {
            PathMatch::Exact => Cow::Borrowed(self.path.as_str()),
            PathMatch::Prefix => Cow::Owned(format!("{}/{{*path}}", self.path.strip_suffix('/').unwrap_or(&self.path))),
        }
    }

    /// The path that is forwarded for `path`, which this route takes. Empty where the route's whole path is stripped: what
    /// is called then is the upstream's own path.
    #[must_use]
    pub fn forwarded_path<'p>(&self, path: &'p str) -> &'p str {
        if !self.strip_prefix {
            return path;
        }
        path.strip_prefix(self.path.strip_suffix('/').unwrap_or(&self.path)).unwrap_or("/")
    }
}

/// What a lookup found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Route(Arc<Route>),
    /// The path is known, but not with this method; these are.
    OtherMethods(Vec<String>),
    /// An upstream may read the path as one that is another route's, see [`RouteTable::find`].
    Ambiguous,
    Nothing,
}

/// All routes, the most specific first: exact before prefix, then the longer path.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    routes: Vec<Arc<Route>>,
    /// The [`folded`] path of each route.
    folded: Vec<String>,
    /// Those of exact routes that are programs, see [`is_program`].
    programs: Vec<String>,
    keeps_any: bool,
}

impl RouteTable {
    /// The table of these routes: exact ones first, then the longer prefix.
    #[must_use]
    pub fn new(routes: Vec<Route>) -> Self {
        let mut routes: Vec<_> = routes.into_iter().map(Arc::new).collect();
        routes.sort_by_key(|route| (route.matching == PathMatch::Prefix, std::cmp::Reverse(route.path.len())));
        let folded: Vec<String> = routes.iter().map(|route| folded(&route.path).into_owned()).collect();
        let exact = routes.iter().zip(&folded).filter(|(route, _)| route.matching == PathMatch::Exact);
        let programs = exact.map(|(_, path)| path.clone()).filter(|path| is_program(path)).collect();
        let keeps_any = routes.iter().any(|route| route.caching.is_some());
        Self { routes, folded, programs, keeps_any }
    }

    /// The routes in the order they are tried.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.iter()
    }

    /// The route with this name, if it is still there.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Route> {
        self.routes.iter().find(|route| *route.name == *name).map(AsRef::as_ref)
    }

    /// Whether the answers of any route are kept.
    pub const fn keeps_any(&self) -> bool {
        self.keeps_any
    }

    /// Finds the route of a call. Only routes with the most specific path that matches are looked at, so that a more
    /// general route never answers for a method that the specific one leaves out. Where GET is taken HEAD is too (RFC 9110
    /// §9.1), by a route that lists it before one that does not.
    ///
    /// A path that leads elsewhere in any of its forms ([`every_form`]) leads nowhere: to a more specific route, because it would be
    /// decided by the rules of the general one, and an upstream that cuts path parameters or knows no case would serve the specific
    /// one; or out of its own route.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Found {
        if self.leads_elsewhere(path) {
            return Found::Ambiguous;
        }
        let with = |method: &str| self.at(path).find(|route| route.has(method));
        match with(method).or_else(|| if method == HEAD { with(GET) } else { None }) {
            Some(route) => Found::Route(Arc::clone(route)),
            None if self.at(path).next().is_none() => Found::Nothing,
            None => {
                let head = with(GET).map(|_| HEAD.to_owned());
                Found::OtherMethods(self.at(path).flat_map(|route| route.methods.clone()).chain(head).collect())
            }
        }
    }

    /// The routes that have this one's path and take this method, among them itself: several where each serves other models.
    pub fn siblings<'t>(&'t self, route: &'t Route, method: &'t str) -> impl Iterator<Item = &'t Arc<Route>> {
        let method = if method == HEAD && !route.has(HEAD) { GET } else { method };
        let is_one = move |other: &&Arc<Route>| {
            other.matching == route.matching && other.path == route.path && other.has(method)
        };
        self.routes.iter().filter(is_one)
    }

    /// The route that answers for a path, whether or not it takes the method: of several with the same path the one that
    /// does, else the first.
    #[must_use]
    pub fn nearest(&self, method: &str, path: &str) -> Option<Arc<Route>> {
        match self.find(method, path) {
            Found::Route(route) => Some(route),
            Found::OtherMethods(_) => self.at(path).next().map(Arc::clone),
            Found::Ambiguous | Found::Nothing => None,
        }
    }

    /// Whether a form of the path is none of the route at the path itself, or one of a route that is more specific and not the same
    /// but for its form.
    fn leads_elsewhere(&self, path: &str) -> bool {
        let Some(at) = self.at(path).next() else { return false };
        let own = folded(&at.path);
        !every_form(path, |form| self.first_pattern(form) == Some(&*own) && !self.runs_program(&own, form))
    }

    /// The folded path of the most specific route that takes this form.
    fn first_pattern(&self, form: &str) -> Option<&str> {
        let mut patterns = self.routes.iter().zip(&self.folded);
        patterns.find(|(route, pattern)| route.matching.takes(pattern, form)).map(|(_, pattern)| &**pattern)
    }

    /// Whether the form is that of a program with more behind it, and the program has a route that is not meant by `own`.
    fn runs_program(&self, own: &str, form: &str) -> bool {
        let is_below = |program: &str, path: &str| PathMatch::Prefix.takes(program, path);
        self.programs.iter().any(|program| program != form && is_below(program, form) && !is_below(program, own))
    }

    /// The routes with the most specific path that takes this one.
    fn at(&self, path: &str) -> impl Iterator<Item = &Arc<Route>> {
        let first = self.routes.iter().find(|route| route.takes(path));
        let is_at = move |route: &&Arc<Route>| {
            first.is_some_and(|first| route.matching == first.matching && route.path == first.path)
        };
        self.routes.iter().filter(is_at)
    }
}

/// How the names of programs end that servers run whatever stands behind the name, which the program gets as `PATH_INFO` (RFC 3875
/// §4.1.5).
const PROGRAMS: [&str; 21] = [
    "asmx", "asp", "aspx", "ashx", "cfc", "cfm", "cgi", "dll", "exe", "fcgi", "jsp", "jspx", "php", "php3", "php4",
    "php5", "php7", "php8", "phtml", "pl", "svc",
];

/// Whether the last segment of a folded path is the name of such a program.
fn is_program(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').is_some_and(|(_, ending)| PROGRAMS.contains(&ending))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub use tests::test_route;
