//! What a handler, and the step that bills a call, add to the record of a request.

use std::{cell::Cell, rc::Rc};

use actix_web::{HttpMessage, HttpRequest};

use crate::domain::{
    ids::{SessionId, UserId},
    money::Money,
    principal::{Credential, Username},
};

/// What a call came to, once it is known. Shared with what reads its answer, on the same thread.
#[derive(Clone, Default)]
pub struct CostNote(Rc<Cell<Option<Paid>>>);

/// What a call cost, and its tokens where they are what it is billed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paid {
    pub cost: Money,
    pub tokens: Option<(u64, u64)>,
}

impl CostNote {
    /// Notes what the call cost.
    pub fn set(&self, paid: Paid) {
        self.0.set(Some(paid));
    }

    /// What the call cost; `None` while it is not settled.
    pub fn get(&self) -> Option<Paid> {
        self.0.get()
    }
}

/// What a handler adds to the record, by way of the request's extensions.
#[derive(Debug, Clone, Default)]
pub struct Note {
    /// Who logged in, where the call itself had no credential.
    pub user: Option<(UserId, Username)>,
    /// The session that was opened or refreshed.
    pub session: Option<SessionId>,
    /// What was exchanged for a token.
    pub credential: Option<Credential>,
    /// `{before, after}` of what was changed.
    pub change: Option<serde_json::Value>,
    /// The user that the change is about.
    pub about: Option<UserId>,
}

impl Note {
    /// Adds to the note of this request.
    pub fn add(request: &HttpRequest, add: impl FnOnce(&mut Self)) {
        let mut extensions = request.extensions_mut();
        let mut note = extensions.remove::<Self>().unwrap_or_default();
        add(&mut note);
        extensions.insert(note);
    }
}
