//! How an entry becomes a link of its chain: the line that is hashed, and what it commits to.
//!
//! The line holds no name, no address, no path and no body. Those are kept apart, in [`parts`] that can be erased while
//! the chain stays whole; the line holds the SHA-256 of each.

use serde::Serialize;

use super::{
    Asked, Attempt, Decision, Draft, Findings, Hash, Outcome, Refused, Stage,
    act::Act,
    parts::{self, Salt},
};
use crate::domain::{
    hex,
    ids::{EntryId, RequestId, SessionId, TeamId, UserId},
    money::Money,
    principal::{Credential, Role},
};

/// The last link of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub seq: u64,
    pub hash: Hash,
}

/// An entry in its place, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub seq: u64,
    /// The canonical bytes: one line of JSON.
    pub entry: String,
    /// Who called, from where, for what path: one line of JSON that can be erased.
    pub personal: Option<String>,
    /// What was changed: one line of JSON that can be erased.
    pub change: Option<String>,
    pub prev_hash: Hash,
    pub hash: Hash,
}

/// An entry that cannot be put into words. It cannot happen with the types above, and must not be a panic if it does.
#[derive(Debug, thiserror::Error)]
#[error("an audit entry could not be written as JSON: {0}")]
pub struct Unwritable(#[from] serde_json::Error);

impl Head {
    /// What the first entry of a chain follows.
    pub const GENESIS: Self = Self { seq: 0, hash: [0; 32] };

    /// The link that puts `draft` behind this head. `sha256` hashes the concatenation of the parts it is given; each salt
    /// is used for this link alone.
    pub fn link(
        &self,
        chain: &str,
        draft: &Draft,
        salts: [Salt; 2],
        sha256: impl Fn(&[&[u8]]) -> Hash,
    ) -> Result<Link, Unwritable> {
        let seq = self.seq.saturating_add(1);
        let [personal_salt, change_salt] = salts;
        let personal = parts::personal(draft, personal_salt)?;
        let change = parts::change(draft, change_salt)?;
        let commit = |part: &Option<String>| part.as_ref().map(|part| hex::encode(&sha256(&[part.as_bytes()])));
        let entry = parts::line(&Canonical {
            chain,
            seq,
            id: draft.id,
            request_id: draft.request_id,
            time: draft.time,
            stage: draft.stage,
            caller: draft.subject.as_ref().map(Caller::of),
            owner: draft.caller().filter(|_| draft.subject.is_none()),
            found: Found::of(&draft.findings),
            personal_sha256: commit(&personal),
            change_sha256: commit(&change),
        })?;
        let hash = sha256(&[&self.hash, entry.as_bytes()]);
        Ok(Link { seq, entry, personal, change, prev_hash: self.hash, hash })
    }
}

impl Link {
    /// The head after this link.
    pub const fn head(&self) -> Head {
        Head { seq: self.seq, hash: self.hash }
    }
}

/// The line that is hashed.
#[derive(Serialize)]
struct Canonical<'a> {
    chain: &'a str,
    seq: u64,
    id: EntryId,
    request_id: RequestId,
    time: jiff::Timestamp,
    stage: Stage,
    #[serde(flatten)]
    caller: Option<Caller<'a>>,
    /// Whose the bodies of an outcome are.
    #[serde(rename = "user_id", skip_serializing_if = "Option::is_none")]
    owner: Option<UserId>,
    #[serde(flatten)]
    found: Found<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    personal_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change_sha256: Option<String>,
}

/// What the hashed line says of who called.
#[derive(Serialize)]
struct Caller<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team_id: Option<TeamId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<&'a Credential>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<SessionId>,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
}

/// What the hashed line says of what came of the call.
#[derive(Serialize)]
struct Found<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Decision>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'a Refused>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<&'a [Attempt]>,
    #[serde(flatten)]
    asked: &'a Asked,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    served_model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<&'a Act>,
}

impl<'a> Caller<'a> {
    fn of(subject: &'a super::Subject) -> Self {
        // Every field is named, so that a new one finds its place here or in `Personal`.
        let super::Subject {
            trace_id,
            user_id,
            username: _,
            team_id,
            role,
            credential,
            session_id,
            peer: _,
            client: _,
            client_certificate: _,
            forwarded_for: _,
            method,
            path: _,
            route,
        } = subject;
        Self {
            trace_id: trace_id.as_deref(),
            user_id: *user_id,
            team_id: *team_id,
            role: *role,
            credential: credential.as_ref(),
            session_id: *session_id,
            method,
            route: route.as_deref(),
        }
    }
}

impl<'a> Found<'a> {
    fn of(findings: &'a Findings) -> Self {
        // Likewise: a new field is hashed here, or belongs to a part.
        let Findings {
            decision,
            reason,
            refused,
            status,
            upstream,
            upstream_status,
            attempts,
            asked,
            request_bytes,
            response_bytes,
            duration_us,
            model,
            served_model,
            input_tokens,
            output_tokens,
            cost_usd,
            outcome,
            change: _,
            about,
            act,
            path: _,
            bodies: _,
            fields: _,
        } = findings;
        Self {
            decision: *decision,
            reason: reason.as_deref(),
            refused: refused.as_ref(),
            status: *status,
            upstream: upstream.as_deref(),
            upstream_status: *upstream_status,
            asked,
            attempts: attempts.as_deref(),
            request_bytes: *request_bytes,
            response_bytes: *response_bytes,
            duration_us: *duration_us,
            model: model.as_deref(),
            served_model: served_model.as_deref(),
            input_tokens: *input_tokens,
            output_tokens: *output_tokens,
            cost_usd: *cost_usd,
            outcome: *outcome,
            about: *about,
            act: act.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::{
        Subject,
        body::{KeptBodies, KeptBody},
        fields,
    };
    use serde_json::Value;
    use uuid::Uuid;

    const SALTS: [Salt; 2] = [[1; 16], [2; 16]];

    fn fake_hash(parts: &[&[u8]]) -> Hash {
        let mut out = [0u8; 32];
        for (i, byte) in parts.iter().copied().flatten().enumerate() {
            out[i % 32] = out[i % 32].wrapping_mul(31).wrapping_add(*byte);
        }
        out
    }

    fn draft(reason: &str) -> Draft {
        Draft {
            id: EntryId(Uuid::from_u128(1)),
            request_id: RequestId(Uuid::from_u128(2)),
            time: jiff::Timestamp::UNIX_EPOCH,
            stage: Stage::Outcome,
            subject: None,
            findings: Findings { reason: Some(reason.into()), ..Findings::default() },
        }
    }

    fn of_ann() -> Draft {
        let subject = Subject {
            user_id: Some(UserId(Uuid::from_u128(3))),
            username: Some("ann".into()),
            peer: Some([203, 0, 113, 7].into()),
            client_certificate: Some("CN=ann".into()),
            forwarded_for: Some("203.0.113.8".into()),
            method: "GET".into(),
            path: "/people/ann".into(),
            route: Some("people".into()),
            ..Subject::default()
        };
        let change = Some(serde_json::json!({ "before": { "username": "bob" }, "after": null }));
        let about = Some(UserId(Uuid::from_u128(4)));
        Draft {
            stage: Stage::Whole,
            subject: Some(subject),
            findings: Findings { change, about, ..Findings::default() },
            ..draft("")
        }
    }

    #[test]
    fn each_link_follows_the_one_before_it() {
        let first = Head::GENESIS.link("c", &draft("a"), SALTS, fake_hash).unwrap();
        let second = first.head().link("c", &draft("b"), SALTS, fake_hash).unwrap();
        assert_eq!((first.seq, second.seq), (1, 2));
        assert_eq!(second.prev_hash, first.hash);
        assert_ne!(second.hash, first.hash);
    }

    #[test]
    fn an_entry_is_one_line_of_json_with_the_place_in_it() {
        let link = Head::GENESIS.link("c", &draft("a\nb\u{0}"), SALTS, fake_hash).unwrap();
        assert!(!link.entry.contains('\n'));
        let value: Value = serde_json::from_str(&link.entry).unwrap();
        assert_eq!(value["seq"], 1);
        assert_eq!(value["reason"], "a\nb\u{0}");
        assert_eq!(value["stage"], "outcome");
        assert_eq!((link.personal, link.change), (None, None));
    }

    #[test]
    fn what_is_personal_is_only_committed_to() {
        let link = Head::GENESIS.link("c", &of_ann(), SALTS, fake_hash).unwrap();
        for text in ["ann", "203.0.113", "bob"] {
            assert!(!link.entry.contains(text), "{text} is in {}", link.entry);
        }
        let (personal, change) = (link.personal.unwrap(), link.change.unwrap());
        for (part, name) in [(&personal, "personal_sha256"), (&change, "change_sha256")] {
            let commitment = format!("\"{name}\":\"{}\"", hex::encode(&fake_hash(&[part.as_bytes()])));
            assert!(link.entry.contains(&commitment), "{name}: {}", link.entry);
        }
        let fields = fields(&link.entry, Some(&personal), Some(&change)).unwrap();
        assert_eq!((&fields["username"], &fields["path"]), (&"ann".into(), &"/people/ann".into()));
        assert_eq!(fields["change"]["before"]["username"], "bob");
        assert_eq!(fields["erased"], false);
        assert!(!fields.contains_key("salt") && !fields.contains_key("personal_sha256"));
    }

    #[test]
    fn an_outcome_with_bodies_says_whose_they_are_and_only_commits_to_them() {
        let mut outcome = draft("");
        let request_body =
            Some(KeptBody::full(&[7; 32], b"\\ud800 of ann", true, &crate::domain::redaction::KnownSecrets::default()));
        let user = UserId(Uuid::from_u128(3));
        outcome.findings.bodies = Some(KeptBodies { user_id: Some(user), request_body, response_body: None });
        let link = Head::GENESIS.link("c", &outcome, SALTS, fake_hash).unwrap();
        assert!(!link.entry.contains("ann") && !link.entry.contains("0707"), "{}", link.entry);
        assert_eq!(outcome.caller(), Some(user));
        let fields = fields(&link.entry, link.personal.as_deref(), None).unwrap();
        assert_eq!(fields["user_id"], user.to_string());
        assert_eq!(fields["request_body"], serde_json::json!({ "sha256": "07".repeat(32), "text": "\\ud800 of ann" }));
        assert_eq!((fields.get("path"), fields.get("response_body")), (None, None));
    }

    #[test]
    fn a_path_that_names_a_user_is_erased_with_that_user() {
        let mut draft = of_ann();
        let path = "/admin/users/by-name/bob".to_owned();
        let template = "/admin/users/by-name/{username}";
        let named = |subject| Subject { path: path.clone(), route: Some(template.into()), ..subject };
        draft.subject = draft.subject.map(named);
        draft.findings.path = Some(path.clone());
        let link = Head::GENESIS.link("c", &draft, SALTS, fake_hash).unwrap();
        assert!(!link.personal.as_ref().unwrap().contains("bob"), "{:?}", link.personal);
        let with = |change: Option<&str>| fields(&link.entry, link.personal.as_deref(), change).unwrap();
        assert_eq!(with(link.change.as_deref())["path"], path);
        assert_eq!(with(None)["path"], template, "what is left where bob is erased");
    }

    #[test]
    fn a_part_that_is_gone_shows_as_erased() {
        let link = Head::GENESIS.link("c", &of_ann(), SALTS, fake_hash).unwrap();
        let fields = fields(&link.entry, None, link.change.as_deref()).unwrap();
        assert_eq!((fields.get("username"), &fields["erased"]), (None, &true.into()));
        assert_eq!(fields["change"]["before"]["username"], "bob");
    }
}
