//! The first start: a store without a user gets one administrator.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::{
    StartError,
    foundation::{Foundation, is_shared},
};
use crate::{
    config::Config,
    credentials::passwords::HashingError,
    crypto,
    domain::{
        allowed::Allowed,
        ids::UserId,
        password,
        principal::{Role, UserStatus},
    },
    store::{
        filter::Filter,
        migrations::{self, Found},
        users::NewUser,
    },
};

/// The name of the first user.
pub const ADMIN: &str = "admin";
const RANDOM_BYTES: usize = 18;

/// What the first start made.
pub struct FirstStart {
    /// Who.
    pub user: UserId,
    /// The password, if it was made up; it is shown once and never again.
    pub password: Option<Zeroizing<String>>,
}

/// Refuses a given password that the first user cannot have where nothing is there yet: before anything is made.
pub(super) fn check(config: &Config, given: Option<&str>) -> Result<(), StartError> {
    let (Some(text), url) = (given, config.store_url()?) else { return Ok(()) };
    if !is_shared(&url) && matches!(migrations::look(&url), Ok(Found::Nowhere | Found::NoSchema)) {
        password::check(text, ADMIN)?;
    }
    Ok(())
}

/// The first user, who is yet to be made.
pub(super) struct Plan {
    user: NewUser,
    made_up: Option<Zeroizing<String>>,
}

impl Plan {
    /// Plans the first user if there is none; nothing is written.
    pub(super) async fn of(base: &Foundation, given: Option<String>) -> Result<Option<Self>, StartError> {
        let Foundation { store, passwords, clock, .. } = base;
        if !store.users_page(Filter::default(), None, 1).await?.is_empty() {
            return Ok(None);
        }
        if let Some(text) = &given {
            password::check(text, ADMIN)?;
        }
        let made_up = if given.is_none() { Some(random_password()?) } else { None };
        let password = made_up.clone().or_else(|| given.map(Zeroizing::new)).ok_or(HashingError::Failed)?;
        let user = NewUser {
            id: UserId(clock.new_id()),
            username: ADMIN.parse().map_err(|_| HashingError::Failed)?,
            password_hash: Some(passwords.hash(password).await?),
            role: Role::Admin,
            status: UserStatus::Active,
            team_id: None,
            models: Allowed::default(),
            created_at: clock.now(),
        };
        Ok(Some(Self { user, made_up }))
    }

    /// Makes the user. Of several replicas that start at once one does.
    pub(super) async fn make(self, base: &Foundation) -> Result<Option<FirstStart>, StartError> {
        let Self { user, made_up } = self;
        let id = user.id;
        let first = base.store.create_first_admin(user, made_up.as_ref().map(|_| &*base.chain)).await?;
        Ok(first.then_some(FirstStart { user: id, password: made_up }))
    }
}

/// A password of 144 random bits.
pub fn random_password() -> Result<Zeroizing<String>, HashingError> {
    let bytes: [u8; RANDOM_BYTES] = crypto::random().map_err(|_| HashingError::Failed)?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes)))
}
