//! Users of trusted outside issuers: made on first sight, under a readable name that no other user has.

use std::sync::Arc;

use actix::{Context, Handler};

use super::Registrar;
use crate::{
    actors::{
        catch_up::Follower,
        handle::{Ask, Request},
    },
    crypto,
    domain::{
        hex,
        ids::UserId,
        principal::{OutsideIdentity, Role, Username},
    },
    store::{
        StoreError,
        users::{OutsideUser, UserRow},
    },
};

/// Makes the user of an outside issuer's token, if there has never been one.
pub struct Provision {
    pub identity: OutsideIdentity,
    /// What people call the user, if the issuer says it: the name here, if it is free and can be one.
    pub name: Option<String>,
    pub role: Role,
    /// The name of the user's team; none if there is no such team.
    pub team: Option<Arc<str>>,
}

impl Request for Provision {
    type Answer = Result<UserRow, StoreError>;
}

impl Handler<Ask<Provision>> for Registrar {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Provision>, context: &mut Context<Self>) {
        let Provision { identity, name, role, team } = request;
        let (store, id, created_at) = (self.store.clone(), UserId(self.clock.new_id()), self.clock.now());
        let usernames = candidates(&identity, name.as_deref());
        let user = OutsideUser { id, identity, usernames, role, team, created_at };
        self.perform(async move { store.provision_user(user).await }, reply, context);
    }
}

/// How much of the subject the name keeps, in characters.
const READABLE: usize = 40;
/// How many bytes of the digest make the name unique, in the order they are tried: an administrator may have given the
/// shorter name to another user.
const DIGEST_BYTES: [usize; 2] = [4, 11];

/// The names to try, in order: what people call the user, if that is a name; then it, or else the subject, as far as it can
/// stand in a name, a dot, and hex of a digest of both the issuer and the subject.
fn candidates(identity: &OutsideIdentity, name: Option<&str>) -> Vec<Username> {
    let readable: String = name.unwrap_or(&identity.subject).chars().take(READABLE).map(plain).collect();
    // No issuer has a NUL (the configuration refuses it), so no two identities have the same bytes here.
    let digest = crypto::sha256(&[identity.issuer.as_bytes(), b"\0", identity.subject.as_bytes()]);
    let named = |bytes| format!("{readable}.{}", hex::encode(digest.get(..bytes).unwrap_or(&digest))).parse().ok();
    let as_called = name.and_then(|name| Username::new(name).ok());
    as_called.into_iter().chain(DIGEST_BYTES.into_iter().filter_map(named)).collect()
}

const fn plain(character: char) -> char {
    if character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '@' | '-') { character } else { '-' }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(issuer: &str, subject: &str) -> Vec<String> {
        let identity = OutsideIdentity { issuer: issuer.into(), subject: subject.into() };
        candidates(&identity, None).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_keeps_what_can_be_read_of_the_subject_and_is_always_a_name() {
        for (subject, readable) in [
            ("ada@example.com", "ada@example.com"),
            ("auth0|5f7c", "auth0-5f7c"),
            ("ä ö", "---"),
            (&"x".repeat(255), &"x".repeat(40)),
            (&"é".repeat(127), &"-".repeat(40)),
        ] {
            let names = names("i", subject);
            assert_eq!(names.len(), 2, "{subject}");
            let (front, digest) = names[0].rsplit_once('.').unwrap();
            assert_eq!((front, digest.len()), (readable, 8));
            assert!(names[1].starts_with(&names[0]) && names[1].len() <= 64);
        }
    }

    #[test]
    fn subjects_and_issuers_that_read_alike_have_other_names() {
        let all = [names("i", "a|b"), names("i", "a/b"), names("j", "a|b"), names("ia", "|b")];
        for (i, one) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|other| other[0] != one[0]), "{one:?}");
        }
    }

    #[test]
    fn what_people_call_the_user_is_tried_first_as_it_is_and_then_with_the_digest() {
        let identity = OutsideIdentity { issuer: "i".into(), subject: "s".into() };
        let called = |name| candidates(&identity, Some(name)).iter().map(ToString::to_string).collect::<Vec<_>>();
        let ada = called("ada@example.com");
        assert_eq!((ada.len(), ada[0].as_str()), (3, "ada@example.com"));
        assert!(ada[1].starts_with("ada@example.com.") && ada[2].starts_with(&ada[1]), "{ada:?}");
        let spaced = called("Ada Lovelace");
        assert!(spaced.len() == 2 && spaced[0].starts_with("Ada-Lovelace."), "{spaced:?}");
        assert_eq!(called(&"x".repeat(300)).len(), 2);
    }
}
