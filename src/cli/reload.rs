//! `tollgate reload`: has the gateway that runs here read its configuration again, and says what came of it.
//!
//! What is read is the file that the gateway was started with, by the gateway and with its environment; this command
//! only asks for it, and refuses to if it was given another file.

use std::{
    io::Write,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use super::{Failure, check_config, environment, load, print};
use crate::{
    app::StartError,
    config::Examined,
    data_dir::{self, Reload, Running},
};

/// How often it is looked whether the configuration was read, and how many times.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const TIMES: u32 = 200;

pub(super) fn run(file: Option<&Path>) -> Result<(), Failure> {
    let data_dir = data_dir_of(file)?;
    let nobody = || Failure::Failed(nobody_on(&data_dir));
    data_dir::check_reach(&data_dir.join("lock")).map_err(StartError::from)?;
    let running = data_dir::running(&data_dir).ok_or_else(nobody)?;
    same_file(file, &running, &data_dir)?;
    let before = data_dir::last_reload(&data_dir).unwrap_or_default().count;
    let pid = Pid::from_raw(running.pid).ok_or_else(nobody)?;
    kill_process(pid, Signal::HUP).map_err(|error| Failure::Failed(format!("process {}: {error}", running.pid)))?;
    for _ in 0..TIMES {
        thread::sleep(LOOK_AGAIN);
        if let Some(reload) = data_dir::last_reload(&data_dir).filter(|reload| reload.count > before) {
            return told(&reload, &running);
        }
        if !data_dir::is_in_use(&data_dir) {
            return Err(Failure::Failed(
                "the gateway has stopped before it read the configuration; its log says why".into(),
            ));
        }
    }
    let pid = running.pid;
    Err(Failure::Failed(format!(
        "the gateway (process {pid}) has not read the configuration in 10 s; its log says whether it was taken"
    )))
}

/// Says the whole path: a relative one leads elsewhere from another folder than the gateway's.
fn nobody_on(data_dir: &Path) -> String {
    let whole = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    let relative = if data_dir.is_relative() {
        format!(
            "; data_dir is \"{}\", which counts from the present folder: run this in the folder of the gateway, or let data_dir begin with /",
            data_dir.display()
        )
    } else {
        String::new()
    };
    format!(
        "no gateway runs on data_dir {}: start one with `tollgate serve`, or give the configuration that it was started with as --config FILE{relative}",
        whole.components().collect::<PathBuf>().display()
    )
}

/// Where the gateway of a configuration runs. That other things are wrong with it is for the gateway to say.
fn data_dir_of(file: Option<&Path>) -> Result<PathBuf, Failure> {
    match load(file) {
        Ok(config) => Ok(config.data_dir),
        Err(error) => {
            let examined = Examined::of(file, environment(), |_| vec![]);
            examined.config.map(|config| config.data_dir).ok_or_else(|| check_config::refused(file, error))
        }
    }
}

/// A gateway reads the file again that it was started with, and no other.
fn same_file(given: Option<&Path>, running: &Running, data_dir: &Path) -> Result<(), Failure> {
    let Some(given) = given else { return Ok(()) };
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if running.config.as_deref().is_some_and(|read| real(read) == real(given)) {
        return Ok(());
    }
    let (reads, instead) = match &running.config {
        Some(file) => (
            file.display().to_string(),
            format!("`tollgate reload --config {}` has it read that again", file.display()),
        ),
        None => (
            "no file".to_owned(),
            "`tollgate reload` without --config has it read its prices and certificates again".to_owned(),
        ),
    };
    Err(Failure::Configuration(format!(
        "nothing was read: the gateway that runs on data_dir {} reads {reads}, not {}. {instead}; for another file it must be started anew",
        data_dir.display(),
        given.display()
    )))
}

fn told(reload: &Reload, running: &Running) -> Result<(), Failure> {
    let file = running
        .config
        .as_ref()
        .map_or_else(|| "the built-in configuration".to_owned(), |file| file.display().to_string());
    if !reload.mistakes.is_empty() {
        let mut text: String = reload.mistakes.iter().flat_map(|mistake| [mistake.as_str(), "\n"]).collect();
        text.extend([&file, " was not taken; the running configuration stays\n"]);
        // Nothing is left to do if standard error is closed.
        drop(std::io::stderr().write_all(text.as_bytes()));
        return Err(Failure::ToldConfiguration);
    }
    let mut text = if reload.changes.is_empty() {
        format!("{file} was taken; nothing that a reload takes has changed\n")
    } else {
        format!("{file} was taken:\n")
    };
    text.extend(reload.changes.iter().flat_map(|change| ["  ", change, "\n"]));
    if !reload.need_restart.is_empty() {
        text.extend(["not taken, because it needs a restart: ", &reload.need_restart.join(", "), "\n"]);
    }
    print(&text);
    Ok(())
}
