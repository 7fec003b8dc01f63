//! The provider at which people sign in to the console, as the handlers see it.

use std::sync::Arc;

use crate::{actors::code_redeemer::SignIns, config::login::Login, crypto::MasterKey};

/// The provider at which people sign in. Clones share everything.
#[derive(Clone)]
pub struct Provider {
    pub sign_ins: SignIns,
    pub login: Arc<Login>,
    /// Seals what the browser keeps while it is at the provider.
    pub master: Arc<MasterKey>,
}
