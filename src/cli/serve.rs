//! `tollgate serve`: starts the gateway, reloads on `SIGHUP`, drains and stops on `SIGTERM` or `SIGINT`.

mod manager;

use std::path::Path;

use tokio::signal::unix::{Signal, SignalKind, signal};

use self::manager::Manager;
use super::{Failure, check_config, environment, load, secrets, show, try_to_print};
use crate::{
    app::{ADMIN, FirstStart, Gateway},
    clock::Clock,
    config::{
        Config, mistyped_methods,
        routing::{BUILTIN_ECHO, MatchEntry, RouteEntry},
        unknown_variables,
    },
    data_dir::Reload,
    domain::principal::Role,
    telemetry,
};

pub(super) fn run(file: Option<&Path>) -> Result<(), Failure> {
    let config = load(file).map_err(|error| check_config::refused(file, error))?;
    let _log = telemetry::init_log(&config.log);
    actix::System::new().block_on(async {
        let mut signals = Signals::listen()?;
        for warning in unknown_variables(&config, environment()).into_iter().chain(mistyped_methods(&config)) {
            tracing::warn!("{warning}");
        }
        let gateway = Gateway::start(config.clone(), secrets(), Clock::system()).await?;
        welcome(&gateway, file, &config).await?;
        let manager = Manager::of_environment();
        manager.ready(&url(&gateway));
        tracing::info!(address = %gateway.address, ops = %gateway.ops_address, "serving");
        let mut reloads = Reloads { file, config, count: 0 };
        while let Command::Reload = signals.next().await {
            reloads.next(&gateway).await;
        }
        tracing::info!("draining");
        manager.stopping();
        tokio::select! {
            () = gateway.stop() => {}
            () = signals.stop_again() => {
                return Err(Failure::Failed("stopped by a second signal, before all requests had ended".into()));
            }
        }
        tracing::info!("stopped");
        Ok(())
    })
}

/// Reads the configuration again when it is asked for.
struct Reloads<'f> {
    file: Option<&'f Path>,
    /// As it was taken last.
    config: Config,
    count: u64,
}

impl Reloads<'_> {
    /// A bad file leaves everything as it is.
    async fn next(&mut self, gateway: &Gateway) {
        self.count = self.count.saturating_add(1);
        let mut reload = Reload { count: self.count, ..Reload::default() };
        let mut read = None;
        let taken = gateway.reload(|| {
            let config = load(self.file)?;
            read = Some(config.clone());
            Ok::<_, Failure>(config)
        });
        match (taken.await, read) {
            (Ok(sections), Some(config)) => {
                reload.changes = self.config.changes(&config);
                reload.need_restart = sections.iter().copied().map(str::to_owned).collect();
                self.config = config;
                told_taken(&reload);
            }
            (Ok(_), None) => {}
            (Err(refused), _) => {
                reload.mistakes = check_config::mistakes(self.file, &refused);
                for error in &reload.mistakes {
                    tracing::error!(%error, "the configuration was not taken; the running one stays");
                }
            }
        }
        gateway.note_reload(&reload).await;
    }
}

fn told_taken(reload: &Reload) {
    let changes = reload.changes.join("; ");
    tracing::info!(changes, "routes, upstreams, prices and the files of TLS were read again");
    if !reload.need_restart.is_empty() {
        tracing::warn!(sections = reload.need_restart.join(", "), "these sections have changed and need a restart");
    }
}

enum Command {
    Reload,
    Stop,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| Failure::Failed(format!("signals: {error}")));
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits for another signal to stop. What is on its way then is given up, as by a kill.
    async fn stop_again(&mut self) {
        while let Command::Reload = self.next().await {}
    }

    async fn next(&mut self) -> Command {
        tokio::select! {
            _ = self.hangup.recv() => Command::Reload,
            _ = self.terminate.recv() => Command::Stop,
            _ = self.interrupt.recv() => Command::Stop,
        }
    }
}

/// Prints the banner. A made-up password counts as shown once that is done.
async fn welcome(gateway: &Gateway, file: Option<&Path>, config: &Config) -> Result<(), Failure> {
    if let Some(user) = &gateway.unshown_password {
        let mend = reset_command(user, file);
        tracing::warn!(
            user,
            mend,
            "the password of this user was made up by an earlier start and may never have been shown"
        );
    }
    let text = banner(gateway, file, config);
    let made_up = gateway.first_start.as_ref().is_some_and(|first| first.password.is_some());
    if !made_up {
        if let Err(error) = try_to_print(&text) {
            tracing::warn!(%error, "the banner could not be printed");
        }
        return Ok(());
    }
    match show(&text) {
        Ok(()) => gateway.note_shown_password().await?,
        Err(error) => {
            let mend = reset_command(ADMIN, file);
            tracing::error!(
                user = ADMIN,
                mend,
                %error,
                "the made-up password of the first user could not be printed and is stored nowhere; make a new one"
            );
        }
    }
    Ok(())
}

fn reset_command(user: &str, file: Option<&Path>) -> String {
    let config = file.map(|file| format!(" --config {}", file.display())).unwrap_or_default();
    format!("tollgate admin reset-password {user}{config}")
}

fn url(gateway: &Gateway) -> String {
    let scheme = if gateway.is_tls() { "https" } else { "http" };
    format!("{scheme}://{}", gateway.address)
}

fn banner(gateway: &Gateway, file: Option<&Path>, config: &Config) -> String {
    let url = url(gateway);
    let mut text = format!("Tollgate is serving on {url}  (documentation: {url}/docs)\n");
    if let Some(first) = &gateway.first_start {
        text.push_str(&first_steps(&url, first, &FirstCall::of(config)));
    }
    if let Some(user) = &gateway.unshown_password {
        text.push_str(&lost_password(user, file));
    }
    text
}

fn lost_password(user: &str, file: Option<&Path>) -> String {
    let mend = reset_command(user, file);
    format!(
        "\nThe password of {user} was made up by an earlier start and may never have been shown. A new one:\n    {mend}\n\n"
    )
}

/// A call to try, which works with this configuration.
struct FirstCall {
    words: &'static str,
    path: String,
}

impl FirstCall {
    /// The echo service, where an administrator may ask a route that leads there; else who is asking.
    fn of(config: &Config) -> Self {
        let echoes = |route: &&RouteEntry| {
            route.upstream.as_deref() == Some(BUILTIN_ECHO)
                && route.methods.iter().any(|method| method == "GET")
                && route.roles.contains(&Role::Admin)
                && route.teams.is_empty()
                && route.users.is_empty()
        };
        let Some(route) = config.routes.iter().find(echoes) else {
            return Self { words: "Log in and ask who you are", path: "/me".into() };
        };
        let path = match route.matching {
            MatchEntry::Exact => route.path.clone(),
            MatchEntry::Prefix => format!("{}/hello", route.path.trim_end_matches('/')),
        };
        Self { words: "Log in and call the built-in echo service", path }
    }
}

/// Shown once: a password that was made up is stored nowhere.
fn first_steps(url: &str, first: &FirstStart, call: &FirstCall) -> String {
    let (line, password) = match &first.password {
        Some(password) => (format!("password: {}   (shown only now)", password.as_str()), password.to_string()),
        None => ("password: the one in TOLLGATE_ADMIN_PASSWORD".into(), "'\"$TOLLGATE_ADMIN_PASSWORD\"'".into()),
    };
    format!(
        "
This is the first start, so there is one user:
    user:     admin
    {line}

{}:
    TOKEN=$(curl -s {url}/auth/login -H 'content-type: application/json' \\
      -d '{{\"username\":\"admin\",\"password\":\"{password}\"}}' | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')
    curl -i {url}{} -H \"authorization: Bearer $TOKEN\"

",
        call.words, call.path
    )
}
