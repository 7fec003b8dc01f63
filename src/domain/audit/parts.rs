//! The parts of an entry that can be erased while its chain stays whole.
//!
//! What is personal is one line of JSON apart from the hashed one, and begins with a random salt; the hashed line holds
//! its SHA-256 (`personal_sha256`). So a part that is there is proved to be the one that was written, and of a part
//! that was erased nothing can be found by guessing. What an administrator changed is a part of its own
//! (`change_sha256`), because it may be about somebody else. So is a path that names a user: in the caller's part stands
//! the template of its URL instead.
//!
//! Entries that were written before there were such parts have everything in their line, and no commitment.

use serde::Serialize;
use serde_json::{Map, Value};
use std::net::IpAddr;

use super::{Draft, Subject, body::KeptBody};
use crate::domain::hex;

/// What keeps an erased part from being found by trying names and addresses.
pub type Salt = [u8; 16];

/// Who called, from where, for what, what is kept of the bodies, and where the request was wrong. Nothing if the entry says nothing personal.
pub(super) fn personal(draft: &Draft, salt: Salt) -> Result<Option<String>, serde_json::Error> {
    Personal::of(draft).map(|part| salted(salt, part)).transpose()
}

/// What was changed, if anything was, and the path that names the user that this is about.
pub(super) fn change(draft: &Draft, salt: Salt) -> Result<Option<String>, serde_json::Error> {
    let (change, path) = (draft.findings.change.as_ref(), draft.findings.path.as_deref());
    (change.is_some() || path.is_some()).then(|| salted(salt, Change { path, change })).transpose()
}

/// The fields of an entry with its parts laid over the line, as far as they are there. `erased` says whether one is not.
pub fn fields(
    entry: &str,
    personal: Option<&str>,
    change: Option<&str>,
) -> Result<Map<String, Value>, serde_json::Error> {
    let mut fields: Map<String, Value> = serde_json::from_str(entry)?;
    let mut is_erased = false;
    for (commitment, part) in [("personal_sha256", personal), ("change_sha256", change)] {
        let was_written = fields.remove(commitment).is_some();
        is_erased |= was_written && part.is_none();
        if let Some(part) = part {
            let mut part: Map<String, Value> = serde_json::from_str(part)?;
            part.remove("salt");
            fields.extend(part);
        }
    }
    fields.insert("erased".into(), is_erased.into());
    Ok(fields)
}

/// The part that is erased with the caller.
#[derive(Serialize)]
struct Personal<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarded_for: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_body: Option<&'a KeptBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_body: Option<&'a KeptBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a [String]>,
}

/// The part that is erased with the user that the request is about.
#[derive(Serialize)]
struct Change<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<&'a Value>,
}

#[derive(Serialize)]
struct Salted<T> {
    salt: String,
    #[serde(flatten)]
    part: T,
}

fn salted(salt: Salt, part: impl Serialize) -> Result<String, serde_json::Error> {
    line(&Salted { salt: hex::encode(&salt), part })
}

/// Room for most lines, so that they do not grow step by step.
const LINE_BYTES: usize = 1_024;

/// One line of JSON.
pub(super) fn line(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::with_capacity(LINE_BYTES);
    serde_json::to_writer(&mut bytes, value)?;
    String::from_utf8(bytes).map_err(serde::ser::Error::custom)
}

impl<'a> Personal<'a> {
    /// Nothing if the entry says nothing personal.
    fn of(draft: &'a Draft) -> Option<Self> {
        let (subject, bodies) = (draft.subject.as_ref(), draft.findings.bodies.as_ref());
        let fields = draft.findings.fields.as_ref().map(|fields| fields.pointers.as_slice());
        (subject.is_some() || bodies.is_some() || fields.is_some()).then(|| Self {
            username: subject.and_then(|subject| subject.username.as_deref()),
            peer: subject.and_then(|subject| subject.peer),
            client: subject.and_then(|subject| subject.client),
            client_certificate: subject.and_then(|subject| subject.client_certificate.as_deref()),
            forwarded_for: subject.and_then(|subject| subject.forwarded_for.as_deref()),
            path: subject.map(path),
            request_body: bodies.and_then(|bodies| bodies.request_body.as_ref()),
            response_body: bodies.and_then(|bodies| bodies.response_body.as_ref()),
            fields,
        })
    }
}

/// The path, or where that names a user, the template of its URL.
fn path(subject: &Subject) -> &str {
    let template = subject.route.as_deref().filter(|_| subject.names_user());
    template.unwrap_or(&subject.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_from_before_there_were_parts_is_read_as_it_is() {
        let old = r#"{"chain":"c","seq":1,"username":"ann","change":{"after":null}}"#;
        let fields = fields(old, None, None).unwrap();
        assert_eq!((&fields["username"], &fields["erased"]), (&"ann".into(), &false.into()));
    }
}
