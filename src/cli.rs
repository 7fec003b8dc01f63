//! The command line. Exit status: 0 done, 1 ran and failed, 2 bad arguments or configuration.

mod admin;
mod apply;
mod audit;
mod backup;
mod check_config;
mod consent;
mod health;
mod keys;
mod ledger;
mod migrate;
mod openapi;
mod prices;
mod progress;
mod reload;
mod replay;
mod serve;
mod shell;
mod unreachable;
mod usage;

use std::{
    fs::{self, File},
    io::{self, Write},
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, MetadataExt},
    },
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

use clap::{CommandFactory, Parser, Subcommand};

use crate::{
    app::{Secrets, StartError},
    config::{Config, ConfigError, secret::without_line_end},
};

/// An API gateway that authenticates, authorises, limits, forwards and records every call.
#[derive(Parser)]
#[command(name = "tollgate", version)]
struct Arguments {
    /// A TOML file, laid over the built-in configuration.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Start the gateway (the default).
    Serve,
    /// Read the configuration and say all that is wrong with it, without starting anything.
    CheckConfig(check_config::CheckConfig),
    /// Ask the gateway that runs here whether it is ready: 0 if it is, 1 if not.
    Health,
    /// Check the configuration and have the gateway that runs here read it again: 0 if it was taken, 1 if not.
    Reload,
    /// Bring the store's schema up to date.
    Migrate(migrate::Migrate),
    /// Print the OpenAPI document.
    Openapi,
    /// Bring teams, users, API keys, upstreams, models, routes, limits and budgets to what a file says.
    Apply(apply::Apply),
    /// Manage users without a running gateway.
    #[command(subcommand)]
    Admin(admin::Admin),
    /// Verify, export, erase from and shorten the audit log.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Rotate the signing key, or change the master key.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Copy the store into a file, while gateways use it.
    Backup(backup::Backup),
    /// Put a copy in the place of the store, while no gateway runs.
    Restore(backup::Restore),
    /// Check the books of money.
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    /// Ask the audit log what a limit or a budget would have refused.
    Replay(replay::Replay),
    /// Add up what calls took and cost.
    Usage(usage::Usage),
    /// Print what a shell needs to complete commands.
    Completions(shell::Completions),
    /// Print the manual page, or write those of all commands.
    Man(shell::Man),
    /// Set what models cost.
    #[command(subcommand)]
    Prices(prices::Prices),
}

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Configuration(String),
    #[error("{0}")]
    Failed(String),
    /// Every mistake of the configuration has been printed.
    #[error("the configuration is not valid")]
    ToldConfiguration,
    /// Whoever read standard output has closed it, and needs no more.
    #[error("nobody reads on")]
    ReaderGone,
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Configuration(error.to_string())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        if error.is_configuration() { Self::Configuration(error.to_string()) } else { Self::Failed(error.to_string()) }
    }
}

/// Parses the command line and runs it.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(arguments.config.as_deref()),
        Command::CheckConfig(check) => check.run(arguments.config.as_deref()),
        Command::Health => health::run(arguments.config.as_deref()),
        Command::Migrate(migrate) => migrate.run(arguments.config.as_deref()),
        Command::Reload => reload::run(arguments.config.as_deref()),
        Command::Replay(replay) => replay.run(arguments.config.as_deref()),
        Command::Usage(usage) => usage.run(arguments.config.as_deref()),
        Command::Completions(completions) => {
            completions.run(Arguments::command());
            Ok(())
        }
        Command::Man(man) => man.run(Arguments::command()),
        Command::Openapi => openapi::run(),
        Command::Ledger(ledger) => ledger.run(arguments.config.as_deref()),
        Command::Audit(audit) => audit.run(arguments.config.as_deref()),
        Command::Backup(backup) => backup.run(arguments.config.as_deref()),
        Command::Restore(restore) => restore.run(arguments.config.as_deref()),
        Command::Keys(keys) => keys.run(arguments.config.as_deref()),
        Command::Prices(prices) => prices.run(arguments.config.as_deref()),
        Command::Apply(apply) => apply.run(arguments.config.as_deref()),
        Command::Admin(admin) => admin.run(arguments.config.as_deref()),
    };
    let Err(failure) = result else {
        return if IS_UNPRINTED.load(Ordering::Relaxed) { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    };
    if matches!(failure, Failure::ReaderGone) {
        return ExitCode::SUCCESS;
    }
    if !matches!(failure, Failure::ToldConfiguration) {
        // Nothing is left to do if standard error is closed.
        drop(writeln!(std::io::stderr(), "tollgate: {failure}"));
    }
    match failure {
        Failure::Configuration(_) | Failure::ToldConfiguration => ExitCode::from(2),
        Failure::Failed(_) | Failure::ReaderGone => ExitCode::FAILURE,
    }
}

fn load(file: Option<&std::path::Path>) -> Result<Config, ConfigError> {
    Config::load(file, environment())
}

/// The variables of the process. One that is not UTF-8 is none of ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
}

fn secrets() -> Secrets {
    let read = |name| {
        let value = std::env::var(name).ok().map(|value| without_line_end(&value).to_owned());
        value.filter(|value| !value.is_empty())
    };
    Secrets { master_key: read("TOLLGATE_MASTER_KEY"), admin_password: read("TOLLGATE_ADMIN_PASSWORD") }
}

/// Whether something that was printed could not be written though it had a reader, so that a file of it is not whole.
static IS_UNPRINTED: AtomicBool = AtomicBool::new(false);

/// Writes to standard output. A reader that went away is no failure; anything else is told, and the command ends with status 1.
fn print(text: &str) {
    is_printed(text);
}

/// The same; false where it was not written, so that nothing more need be.
fn is_printed(text: &str) -> bool {
    let Err(error) = try_to_print(text) else { return true };
    if error.kind() != io::ErrorKind::BrokenPipe && !IS_UNPRINTED.swap(true, Ordering::Relaxed) {
        let told = format!("tollgate: standard output could not be written, and is not whole: {error}");
        // Nothing is left to do if standard error is closed.
        drop(writeln!(io::stderr(), "{told}"));
    }
    false
}

fn try_to_print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// Prints what is shown once and never again.
///
/// # Errors
/// It cannot be written, or nobody can see it.
fn show(text: &str) -> io::Result<()> {
    if is_output_discarded() {
        return Err(io::Error::other("standard output is closed, or is /dev/null"));
    }
    try_to_print(text)
}

/// Whether standard output is the null device, which the runtime of Rust also opens in the place of one that is closed.
fn is_output_discarded() -> bool {
    let out = io::stdout().as_fd().try_clone_to_owned().and_then(|out| File::from(out).metadata());
    let (Ok(out), Ok(null)) = (out, fs::metadata("/dev/null")) else { return false };
    out.file_type().is_char_device() && out.rdev() == null.rdev()
}
