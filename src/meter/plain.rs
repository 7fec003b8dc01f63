//! Plain values of members: what they must be, and what is wrong with them.

use std::{borrow::Cow, ops::Range};

use super::{json::Node, work};
use crate::domain::price::spec::is_model_name;

/// What the end of a path asks of the model that it names.
const ACTIONS: [&str; 6] =
    ["generateContent", "streamGenerateContent", "countTokens", "computeTokens", "embedContent", "batchEmbedContents"];

/// What a path names a model as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NamedAs {
    Model,
    /// Bedrock's, which no colon ends.
    OfBedrock,
    /// Vertex's own, before what is asked of it.
    Endpoint,
    /// Azure serves it whatever model the body names.
    Deployment,
    /// Databricks does so too.
    Served,
}

impl NamedAs {
    /// By the part of the path before the name; case does not matter to all services.
    fn behind(part: &str) -> Option<Self> {
        match part.to_ascii_lowercase().as_str() {
            "models" | "tunedmodels" => Some(Self::Model),
            "model" => Some(Self::OfBedrock),
            "endpoints" => Some(Self::Endpoint),
            "deployments" => Some(Self::Deployment),
            "serving-endpoints" => Some(Self::Served),
            _ => None,
        }
    }

    /// Whether this part of the path is a name then. `/models/publishers/google/models/NAME`, `/endpoints/openapi/chat` and
    /// `/serving-endpoints/chat/completions` have their names elsewhere.
    fn is_name(self, part: &str, path: &str) -> bool {
        match self {
            Self::Model | Self::OfBedrock | Self::Deployment => part != "publishers",
            Self::Endpoint => plain_name(part).len() < part.len(),
            Self::Served => path.ends_with("/invocations"),
        }
    }
}

/// What a path names, and where the name stands in it as it is written. Where it names two it is nothing: each service could
/// read it in its own way. A name may be one of the words before names: `/deployments/model/chat`.
fn named_in(path: &str) -> Option<(NamedAs, Range<usize>)> {
    let path = path.split('?').next().unwrap_or_default();
    let (mut found, mut before, mut at) = (None, None, 0_usize);
    for part in path.split('/') {
        let named = before.take().filter(|named: &NamedAs| named.is_name(part, path));
        if named.is_some() && found.is_some() {
            return None;
        }
        before = if named.is_some() { None } else { NamedAs::behind(part) };
        found = found.or_else(|| named.map(|named| (named, at)));
        at = at.saturating_add(part.len()).saturating_add(1);
    }
    let (named, start) = found?;
    let rest = path.get(start..)?;
    let name = if named == NamedAs::OfBedrock { bedrock_name(rest) } else { plain_name(rest) };
    Some((named, start..start.saturating_add(name.len())))
}

/// What names the model in what stands behind `/models/`: up to the next slash or colon. Before what is asked of the model some
/// clients code the colon too.
fn plain_name(behind: &str) -> &str {
    let name = behind.split(['/', ':']).next().unwrap_or_default();
    let colon = ["%3A", "%3a"].iter().filter_map(|colon| name.rfind(colon)).max();
    let action = colon.and_then(|at| name.get(at..)?.get(CODED_COLON_BYTES..)).filter(|it| ACTIONS.contains(it));
    colon.filter(|_| action.is_some()).and_then(|at| name.get(..at)).unwrap_or(name)
}

/// The bytes of a colon that is coded.
const CODED_COLON_BYTES: usize = 3;

/// A name without its codes.
fn decoded(named: NamedAs, name: &str) -> String {
    if named == NamedAs::OfBedrock { of_bedrock(name) } else { name.replace("%3A", ":").replace("%3a", ":") }
}

/// The model that a path names: `/models/NAME:generateContent`, `/model/NAME/converse`, `/deployments/NAME/chat`.
pub(super) fn model_in(path: &str) -> Option<String> {
    let (named, at) = named_in(path)?;
    Some(decoded(named, path.get(at)?)).filter(|model| is_model_name(model))
}

/// What names the model in what stands behind `/model/`: up to the next slash, and of a resource of AWS, in whose name a
/// slash need not be coded, up to the last one.
fn bedrock_name(behind: &str) -> &str {
    let first = behind.split('/').next().unwrap_or_default();
    let is_resource = ["arn:", "arn%3A", "arn%3a"].iter().any(|start| first.starts_with(start));
    behind.rsplit_once('/').map_or(first, |(name, _)| if is_resource { name } else { first })
}

/// A name of Bedrock has colons, `anthropic.claude-sonnet-4-5-20250929-v1:0`, or is that of a resource of AWS,
/// `arn:aws:bedrock:REGION:ACCOUNT:inference-profile/MODEL`. Profiles of an application, imported models and the like have a
/// number in place of the model: their prices stand by the whole name.
fn of_bedrock(segment: &str) -> String {
    let name = segment.replace("%3A", ":").replace("%3a", ":").replace("%2F", "/").replace("%2f", "/");
    let resource = name.strip_prefix("arn:").and_then(|rest| rest.rsplit_once('/'));
    let names_model = |kind: &str| kind.ends_with(":foundation-model") || kind.ends_with(":inference-profile");
    match resource {
        Some((kind, model)) if names_model(kind) => model.to_owned(),
        _ => name,
    }
}

/// Whether the path names a deployment, which Azure serves whatever model the body names.
pub(super) fn is_deployment(path: &str) -> bool {
    matches!(named_in(path), Some((NamedAs::Deployment | NamedAs::Served, _))) && model_in(path).is_some()
}

/// Whether the path names what serves, as those of Azure and Bedrock do: models are named otherwise in their answers.
pub(super) fn names_what_serves(path: &str) -> bool {
    let is_bedrock = matches!(named_in(path), Some((NamedAs::OfBedrock, _)));
    is_deployment(path) || (is_bedrock && model_in(path).is_some())
}

/// The path of a call with another name in place of the model's. A colon in it stands as it is where only a slash ends the
/// name, and is coded elsewhere.
pub(super) fn with_model<'p>(path: &'p str, asked: &str, served: &str) -> Cow<'p, str> {
    let place =
        named_in(path).filter(|(named, at)| path.get(at.clone()).is_some_and(|name| decoded(*named, name) == asked));
    let Some((named, at)) = place else { return Cow::Borrowed(path) };
    let (head, tail) = (path.get(..at.start).unwrap_or_default(), path.get(at.end..).unwrap_or_default());
    let name = if named == NamedAs::OfBedrock { served.replace('/', "%2F") } else { served.replace(':', "%3A") };
    Cow::Owned([head, &name, tail].concat())
}

/// A plain number from 1.
pub(super) fn whole(value: &Node<'_>, max: u64) -> Result<u64, String> {
    whole_from(1, value, max)
}

/// A plain number.
pub(super) fn whole_from(min: u64, value: &Node<'_>, max: u64) -> Result<u64, String> {
    let within = value.whole().filter(|number| (min..=max).contains(number));
    within.ok_or_else(|| format!("must be a whole number from {min} to {max}"))
}

pub(super) fn model(value: &Node<'_>) -> Result<String, String> {
    let model = value.string().filter(|model| is_model_name(model));
    model.ok_or_else(|| "must be a text of 1 to 256 bytes without control characters".into())
}

/// The texts of a list that has nothing else.
pub(super) fn texts(list: &Node<'_>) -> Result<Vec<String>, String> {
    let texts: Option<Vec<String>> = list.items().iter().map(Node::string).collect();
    texts.filter(|_| list.is_list()).ok_or_else(|| "must be a list of texts".into())
}

/// Whether the settings of a tool switch it off, or are an empty list of servers.
pub(super) fn is_off(value: &Node<'_>) -> bool {
    let mode = value.get("mode").unwrap_or(value).string();
    mode.is_some_and(|mode| mode == "off") || value.bool() == Some(false) || is_empty(value)
}

/// The same of a setting that has a truth value in it or is one.
pub(super) fn is_disabled(value: &Node<'_>) -> bool {
    let is_false = |name| value.get(name).is_some_and(|value| value.bool() == Some(false));
    is_off(value) || is_false("enable") || is_false("enabled")
}

/// The longest list that is looked at whether it is empty: each list within another one is looked at for itself.
const MAX_EMPTY_BYTES: usize = 64;

/// An empty text or list.
pub(super) fn is_empty(value: &Node<'_>) -> bool {
    let is_bracket = |byte: &u8| b"[] \t\r\n".contains(byte);
    let is_short_list = value.is_list() && value.raw.len() <= MAX_EMPTY_BYTES;
    work::count(if is_short_list { value.raw.len() } else { 1 });
    (is_short_list && value.raw.iter().all(is_bracket)) || value.raw == b"\"\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_another_model_and_is_the_same_otherwise() {
        for (path, expected) in [
            ("/v1beta/models/fast:generateContent?key=fast", "/v1beta/models/a%3Ab:generateContent?key=fast"),
            ("/model/fast/converse", "/model/a:b/converse"),
            ("/model/faster/converse", "/model/faster/converse"),
            ("/model/arn%3Aaws%3Abedrock%3Ar%3A1%3Ainference-profile%2Ffast/converse?x", "/model/a:b/converse?x"),
            ("/models/faster:generateContent", "/models/faster:generateContent"),
            ("/models/fast%3AgenerateContent?x", "/models/a%3Ab%3AgenerateContent?x"),
            ("/models/fast%3Ax:generateContent", "/models/fast%3Ax:generateContent"),
            ("/openai/deployments/fast/chat/completions?x", "/openai/deployments/a%3Ab/chat/completions?x"),
            ("/serving-endpoints/fast/invocations", "/serving-endpoints/a%3Ab/invocations"),
            ("/openai/Deployments/fast/chat/completions", "/openai/Deployments/a%3Ab/chat/completions"),
            ("/v1beta/Models/fast:generateContent", "/v1beta/Models/a%3Ab:generateContent"),
            ("/v1/chat", "/v1/chat"),
        ] {
            assert_eq!(with_model(path, "fast", "a:b"), expected);
        }
        let resource = with_model("/model/fast/converse", "fast", "arn:aws:bedrock:r:1:inference-profile/us.m:0");
        assert_eq!(resource, "/model/arn:aws:bedrock:r:1:inference-profile%2Fus.m:0/converse");
    }

    #[test]
    fn a_path_names_a_model_in_every_form_that_clients_write() {
        for (path, model) in [
            ("/v1beta/models/m:generateContent", Some("m")),
            ("/v1beta/models/m%3AstreamGenerateContent", Some("m")),
            ("/v1beta/models/a%3Ab:generateContent", Some("a:b")),
            ("/v1/models/publishers/google/models/m:generateContent", Some("m")),
            ("/v1/projects/p/locations/l/publishers/google/models/m:countTokens", Some("m")),
            ("/v1beta/tunedModels/t:generateContent", Some("t")),
            ("/model/anthropic.claude-v1:0/converse", Some("anthropic.claude-v1:0")),
            ("/model/arn%3Aaws%3Abedrock/converse-stream", Some("arn:aws:bedrock")),
            ("/model/arn%3Aaws%3Abedrock%3Ar%3A1%3Ainference-profile%2Fus.m-v2%3A0/converse", Some("us.m-v2:0")),
            ("/model/arn:aws:bedrock:r::foundation-model%2fanthropic.m/converse", Some("anthropic.m")),
            (
                "/model/arn%3Aaws%3Abedrock%3Ar%3A1%3Aapplication-inference-profile%2Fab12/converse",
                Some("arn:aws:bedrock:r:1:application-inference-profile/ab12"),
            ),
            ("/openai/deployments/d/chat/completions", Some("d")),
            ("/x/openai/deployments/d/audio/transcriptions", Some("d")),
            ("/deployments/d/chat/completions", Some("d")),
            ("/openai/Deployments/dear/chat/completions", Some("dear")),
            ("/openai/DEPLOYMENTS/dear/chat/completions", Some("dear")),
            ("/v1beta/Models/m:generateContent", Some("m")),
            ("/Model/m:0/converse", Some("m:0")),
            ("/openai/deployments/models/chat/completions", Some("models")),
            ("/openai/deployments/model/chat/completions", Some("model")),
            ("/openai/deployments/deployments/chat/completions", Some("deployments")),
            ("/model/model/converse", Some("model")),
            ("/v1/projects/p/locations/l/endpoints/77:generateContent", Some("77")),
            ("/v1/projects/p/locations/l/endpoints/openapi/chat/completions", None),
            ("/serving-endpoints/dear/invocations", Some("dear")),
            ("/serving-endpoints/chat/completions", None),
            ("/model/a/model/b/converse", None),
            ("/models/a/deployments/b", None),
            ("/v1/models", None),
            ("/v1/chat/completions", None),
        ] {
            assert_eq!(model_in(path).as_deref(), model, "{path}");
        }
    }
}
