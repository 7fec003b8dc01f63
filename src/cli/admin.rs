//! `tollgate admin`: users, straight in the store. A running gateway sees the change within a second.

use std::path::Path;

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use zeroize::Zeroizing;

use super::{Failure, consent::Recorded, is_output_discarded, load, print, secrets, show};
use crate::{
    app::{Deed, Recorder, random_password, recorder},
    config::secret::without_line_end,
    credentials::passwords::Passwords,
    domain::{
        allowed::Allowed,
        ids::UserId,
        password,
        principal::{InvalidUsername, Role, UserStatus, Username},
    },
    store::{
        Store,
        administered::{Changed, Created},
        filter::Filter,
        users::{NewUser, UserChange, UserRow},
    },
};

/// The variable that gives a password; without it one is made up and printed.
const PASSWORD: &str = "TOLLGATE_PASSWORD";

/// How many of the oldest users are looked at for administrators, and how many of these are named.
const MAX_SEARCHED: u32 = 1_000;
const MAX_NAMED: usize = 5;

#[derive(Subcommand)]
pub(super) enum Admin {
    /// Create a user. The password is `TOLLGATE_PASSWORD`, or made up and printed.
    CreateUser {
        username: String,
        #[arg(long, value_enum, default_value = "user")]
        role: RoleName,
        #[command(flatten)]
        recorded: Recorded,
    },
    /// Give a user a new password, `TOLLGATE_PASSWORD` or a made-up one, and end the user's sessions.
    ResetPassword {
        username: String,
        #[command(flatten)]
        recorded: Recorded,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum RoleName {
    Admin,
    User,
    Readonly,
    Auditor,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Admin => Self::Admin,
            RoleName::User => Self::User,
            RoleName::Readonly => Self::Readonly,
            RoleName::Auditor => Self::Auditor,
        }
    }
}

impl Admin {
    pub(super) fn run(self, file: Option<&Path>) -> Result<(), Failure> {
        let config = load(file)?;
        actix::System::new().block_on(async {
            match self {
                Self::CreateUser { username, role, recorded } => {
                    let recorder = recorder(&config, &secrets(), recorded.author()).await?;
                    create(&recorder, &username, role.into()).await
                }
                Self::ResetPassword { username, recorded } => {
                    let recorder = recorder(&config, &secrets(), recorded.author()).await?;
                    reset(&recorder, &username).await
                }
            }
        })
    }
}

async fn create(recorder: &Recorder, username: &str, role: Role) -> Result<(), Failure> {
    let Recorder { store, clock, .. } = recorder;
    let password = Password::choose(username)?;
    let user = NewUser {
        id: UserId(clock.new_id()),
        username: name(Username::new(username))?,
        password_hash: Some(password.hash().await?),
        role,
        status: UserStatus::Active,
        team_id: None,
        models: Allowed::default(),
        created_at: clock.now(),
    };
    let taken = || Failure::Failed(format!("there is a user {username} already"));
    if store.user_by_username(&user.username).await.map_err(failed)?.is_some() {
        return Err(taken());
    }
    let after = json!({ "username": user.username.to_string(), "role": role, "status": user.status });
    let change = json!({ "before": null, "after": after });
    recorder.note(Deed { command: "admin create-user", about: Some(user.id), change }).await.map_err(failed)?;
    match store.create::<UserRow>(user, None).await.map_err(failed)? {
        Created::New(row) => password.tell(&format!("created {} {}\n", row.role, row.username), username),
        _ => Err(taken()),
    }
}

async fn reset(recorder: &Recorder, username: &str) -> Result<(), Failure> {
    let Recorder { store, clock, .. } = recorder;
    let wanted = name(username.parse())?;
    let Some(user) = store.user_by_username(&wanted).await.map_err(failed)? else {
        return Err(unknown(store, username).await);
    };
    let password = Password::choose(username)?;
    let change = UserChange { password_hash: Some(password.hash().await?), ..UserChange::default() };
    let known = json!({ "username": user.username.to_string() });
    let told = json!({ "before": known, "after": known, "password_changed": true });
    let deed = Deed { command: "admin reset-password", about: Some(user.id), change: told };
    recorder.note(deed).await.map_err(failed)?;
    match store.change::<UserRow>(user.id, change, clock.now()).await.map_err(failed)? {
        Changed::Done { .. } => password.tell(&format!("{username} has a new password\n"), username),
        _ => Err(unknown(store, username).await),
    }
}

/// A name that nobody has. Who has lost that of the administrator as well finds it here.
async fn unknown(store: &Store, username: &str) -> Failure {
    let users = match store.users_page(Filter::default(), None, MAX_SEARCHED).await {
        Ok(users) => users,
        Err(error) => return failed(error),
    };
    let admins = users.iter().filter(|user| user.role == Role::Admin).take(MAX_NAMED);
    let admins: Vec<&str> = admins.map(|user| user.username.as_str()).collect();
    let named = if admins.is_empty() { String::new() } else { format!("; administrators are {}", admins.join(", ")) };
    Failure::Failed(format!("there is no user {username}{named}"))
}

fn name(name: Result<Username, InvalidUsername>) -> Result<Username, Failure> {
    name.map_err(|error| Failure::Configuration(format!("username: {error}")))
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}

struct Password {
    text: Zeroizing<String>,
    made_up: bool,
}

impl Password {
    /// # Errors
    /// A given one is too weak, or nobody would see one that is made up: then nothing has been changed.
    fn choose(username: &str) -> Result<Self, Failure> {
        let Some(text) = std::env::var(PASSWORD).ok().map(|text| without_line_end(&text).to_owned()) else {
            if is_output_discarded() {
                return Err(Failure::Configuration(format!(
                    "a made-up password is printed, and standard output is closed or /dev/null; nothing was changed. \
                     Leave standard output open, or give the password as {PASSWORD}"
                )));
            }
            return Ok(Self { text: random_password().map_err(failed)?, made_up: true });
        };
        password::check(&text, username).map_err(|error| Failure::Configuration(format!("{PASSWORD}: {error}")))?;
        Ok(Self { text: Zeroizing::new(text), made_up: false })
    }

    async fn hash(&self) -> Result<String, Failure> {
        Passwords::new(1, 1).map_err(failed)?.hash(self.text.clone()).await.map_err(failed)
    }

    /// Says what was done and, where it was made up, the password: it is shown once.
    fn tell(&self, done: &str, username: &str) -> Result<(), Failure> {
        if !self.made_up {
            print(done);
            return Ok(());
        }
        show(&format!("{done}password: {}\n", self.text.as_str())).map_err(|error| {
            Failure::Failed(format!(
                "{}, but the password could not be printed: {error}. Make a new one: tollgate admin reset-password {username}",
                done.trim_end()
            ))
        })
    }
}
