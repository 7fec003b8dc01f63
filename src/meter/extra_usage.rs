//! Takes out of a stream the usage that the gateway asked for and the client did not: a chunk that has nothing else, or the
//! one member of a chunk that has.

use super::{
    json::{Kind, Node},
    plain,
};

const USAGE: &str = "usage";

/// Members that every chunk has: without choices they are of no use to a client.
const FRAME: [&str; 12] = [
    USAGE,
    "choices",
    "created",
    "id",
    "model",
    "object",
    "obfuscation",
    "provider",
    "request_id",
    "service_tier",
    "system_fingerprint",
    "x_groq",
];

/// What of a chunk is for the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ForClient {
    All,
    Nothing,
    /// Its data without the usage.
    Data(Vec<u8>),
}

/// What of a chunk, which is the JSON text `data`, is for a client that has not asked for usage. A chunk with a choice stays
/// as it is, because its upstream would state the usage in it unasked too.
pub(super) fn strip(data: &[u8], chunk: &Node<'_>) -> ForClient {
    let has_usage = chunk.get(USAGE).is_some_and(Node::is_object);
    let has_choice = chunk.get("choices").is_some_and(|choices| !choices.items().is_empty());
    if !has_usage || has_choice {
        return ForClient::All;
    }
    let mut others = chunk.members().iter().filter(|member| says_more(&member.value));
    if others.all(|member| FRAME.contains(&&*member.name())) {
        return ForClient::Nothing;
    }
    ForClient::Data(without_usage(data, chunk))
}

/// Whether there is more in a member than a plain value. Clients take the first choice of a chunk without looking: one that
/// has none must be worth it.
fn says_more(value: &Node<'_>) -> bool {
    match &value.kind {
        Kind::List(_) => !plain::is_empty(value),
        Kind::Object(members) => members.iter().any(|member| match &member.value.kind {
            Kind::Null => false,
            Kind::Bool(_) | Kind::Number | Kind::Text => true,
            Kind::List(_) | Kind::Object(_) => says_more(&member.value),
        }),
        Kind::Null | Kind::Bool(_) | Kind::Number | Kind::Text => false,
    }
}

/// Every other byte stays, but for one comma.
fn without_usage(data: &[u8], chunk: &Node<'_>) -> Vec<u8> {
    let members = chunk.members();
    let Some(at) = members.iter().rposition(|member| member.is(USAGE)) else {
        return data.to_vec();
    };
    let place = |at: Option<usize>| at.and_then(|at| members.get(at)).map(|member| member.place(data));
    let own = place(Some(at)).unwrap_or_default();
    let cut = match (place(at.checked_add(1)), place(at.checked_sub(1))) {
        (Some(next), _) => own.start..next.start,
        (None, Some(before)) => before.end..own.end,
        (None, None) => own,
    };
    let (head, tail) = (data.get(..cut.start).unwrap_or_default(), data.get(cut.end..).unwrap_or_default());
    [head, tail].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::json;

    #[test]
    fn only_usage_is_taken_out_of_a_chunk() {
        let data = |text: &str| ForClient::Data(text.as_bytes().to_vec());
        for (chunk, expected) in [
            (r#"{"choices":[ ],"usage":{"a":1}}"#, ForClient::Nothing),
            (r#"{"id":"c","model":"m1","usage":{}}"#, ForClient::Nothing),
            (r#"{"choices":null,"usage":{},"object":"x","citations":[]}"#, ForClient::Nothing),
            (r#"{"choices":[],"usage":{},"cost":0.1,"type":"usage"}"#, ForClient::Nothing),
            (r#"{"choices":[],"usage":{},"nvext":{"timing":{},"a":null}}"#, ForClient::Nothing),
            (r#"{"usage":{},"timings":{"cache_n":1}}"#, data(r#"{"timings":{"cache_n":1}}"#)),
            (r#"{"choices":[],"usage":null}"#, ForClient::All),
            (r#"{"choices":[]}"#, ForClient::All),
            (r#"{"choices":[{}],"usage":{}}"#, ForClient::All),
            (r"[1]", ForClient::All),
            (r#"{"choices":[], "usage":{"a":{}} ,"citations":["u"]}"#, data(r#"{"choices":[], "citations":["u"]}"#)),
            (r#"{"citations":["u"] , "usage":{}}"#, data(r#"{"citations":["u"]}"#)),
        ] {
            assert_eq!(strip(chunk.as_bytes(), &json::read(chunk.as_bytes()).unwrap()), expected, "{chunk}");
        }
    }
}
