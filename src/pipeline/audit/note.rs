//! What a handler, and the step that bills a call, add to the record of a request.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use actix_web::{HttpMessage, HttpRequest};

use crate::domain::{
    audit::Attempt,
    ids::{SessionId, UserId},
    money::Money,
    principal::{Credential, Username},
};

/// What a call came to, once it is known. Shared with what reads its answer, on the same thread.
#[derive(Clone, Default)]
pub struct CostNote(Rc<Cost>);

#[derive(Default)]
struct Cost {
    paid: RefCell<Option<Paid>>,
    /// The status of the upstream's answer.
    status: Cell<Option<u16>>,
    /// Whether there is a bill, which has not ended.
    is_open: Cell<bool>,
    /// Whether the client has left, and what the call took is still waited for.
    is_awaited: Cell<bool>,
    /// What is done once it is known.
    then: Cell<Option<Box<dyn FnOnce()>>>,
}

/// What a call cost, and its tokens where they are what it is billed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    pub cost: Money,
    pub tokens: Option<(u64, u64)>,
    /// The model by whose price it is billed, where the answer says which served.
    pub model: Option<Arc<str>>,
}

impl CostNote {
    /// There is a bill: what the call costs is noted, or nothing is, before it is closed.
    pub fn open(&self) {
        self.0.is_open.set(true);
    }

    /// Whether something may still be noted.
    pub fn is_open(&self) -> bool {
        self.0.is_open.get()
    }

    /// Notes the status that the upstream has answered with.
    pub fn answered(&self, status: u16) {
        self.0.status.set(Some(status));
    }

    /// That status.
    pub fn status(&self) -> Option<u16> {
        self.0.status.get()
    }

    /// Notes what the call cost, and does what has waited for that.
    pub fn set(&self, paid: Paid) {
        self.0.paid.replace(Some(paid));
        self.go_on();
    }

    /// The bill has ended: nothing more is noted, so that nothing waits for it any more.
    pub fn close(&self) {
        self.0.is_open.set(false);
        self.go_on();
    }

    fn go_on(&self) {
        self.0.is_awaited.set(false);
        if let Some(then) = self.0.then.take() {
            then();
        }
    }

    /// What the call cost; `None` while it is not settled.
    pub fn get(&self) -> Option<Paid> {
        self.0.paid.borrow().clone()
    }

    /// The client has left; what the call cost will be noted all the same.
    pub fn wait(&self) {
        self.0.is_awaited.set(true);
    }

    /// Whether the client has left before that is known.
    pub fn is_awaited(&self) -> bool {
        self.0.is_awaited.get()
    }

    /// What is to be done once it is known, or that it will not be.
    pub fn then(&self, work: impl FnOnce() + 'static) {
        self.0.then.set(Some(Box::new(work)));
    }
}

/// What is said of an attempt of which the end was not waited for.
const ABORTED: &str = "aborted";

/// What was tried for a call. Shared with what makes the attempts, on the same thread.
#[derive(Clone, Default)]
pub struct AttemptsNote(Rc<RefCell<Vec<Tried>>>);

/// What was tried once.
struct Tried {
    upstream: Arc<str>,
    ended: Result<u16, &'static str>,
    duration_us: u64,
}

impl AttemptsNote {
    /// An attempt begins.
    pub fn begin(&self, upstream: &Arc<str>) {
        self.0.borrow_mut().push(Tried { upstream: Arc::clone(upstream), ended: Err(ABORTED), duration_us: 0 });
    }

    /// The last attempt has ended with this status, or error.
    pub fn end(&self, ended: Result<u16, &'static str>, duration_us: u64) {
        if let Some(tried) = self.0.borrow_mut().last_mut() {
            (tried.ended, tried.duration_us) = (ended, duration_us);
        }
    }

    /// Takes what was noted.
    pub(super) fn take(&self) -> Vec<Attempt> {
        let attempt = |Tried { upstream, ended, duration_us }: Tried| Attempt {
            upstream: upstream.as_ref().to_owned(),
            status: ended.ok(),
            error: ended.err().map(str::to_owned),
            duration_us,
        };
        self.0.take().into_iter().map(attempt).collect()
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
    /// The user that the request is about.
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
