//! What a start would find around the configuration: the master key, the data directory, the ports, the first password.
//! Looked at, never changed.

use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use crate::{
    app::{Secrets, is_shared, opens_store},
    config::{Config, ConfigError},
    data_dir::{self, DataDirError},
    domain::password,
    store::migrations::{self, Found},
};

/// What was found.
#[derive(Default)]
pub(super) struct Surroundings {
    pub mistakes: Vec<ConfigError>,
    pub notes: Vec<String>,
}

/// Looks at everything that a start with this configuration would meet.
pub(super) fn of(config: &Config, secrets: &Secrets) -> Surroundings {
    let mut found = Surroundings::default();
    let Ok(url) = config.store_url() else { return found };
    found.mistakes.extend(master_key(config, secrets, &url));
    found.mistakes.extend(data_dir(config));
    found.mistakes.extend(store_folder(config, &url));
    found.mistakes.extend(first_password(secrets, &url));
    if data_dir::is_in_use(&config.data_dir) {
        found.notes.push("a gateway runs on this data_dir: whether the ports are free was not tried".into());
    } else {
        found.mistakes.extend(ports(config));
    }
    found
}

fn master_key(config: &Config, secrets: &Secrets, url: &str) -> Option<ConfigError> {
    let given = secrets.master_key.as_deref();
    let path = || config.data_dir.display().to_string();
    let error = match data_dir::read_master_key(&config.data_dir, given, is_shared(url)) {
        // What cannot be read is told of elsewhere.
        Ok(master) if opens_store(&master, url).unwrap_or(true) => return None,
        Ok(_) => DataDirError::KeyIsOfAnother(path()),
        // The first start makes one.
        Err(DataDirError::NoKey(_)) if !migrations::has_sealed(url).unwrap_or(false) => return None,
        Err(DataDirError::NoKey(_)) => DataDirError::KeyIsElsewhere(path()),
        Err(error) => error,
    };
    let origin =
        if given.is_some() || is_shared(url) { "environment variable TOLLGATE_MASTER_KEY" } else { "data_dir" };
    Some(ConfigError { origin: origin.into(), key: "master key".into(), reason: error.to_string() })
}

fn data_dir(config: &Config) -> Option<ConfigError> {
    unusable(&config.data_dir).map(|reason| config.blame("data_dir", reason))
}

fn store_folder(config: &Config, url: &str) -> Option<ConfigError> {
    if is_shared(url) {
        return None;
    }
    let path = PathBuf::from(migrations::shown(url).ok()?);
    if path.is_dir() {
        return Some(config.blame("store.url", format!("{} is a folder", path.display())));
    }
    let folder = path.parent()?;
    if folder.ends_with(&config.data_dir) {
        return None;
    }
    unusable(folder).map(|reason| config.blame("store.url", reason))
}

/// Why no file can be made in a folder, which need not be there yet.
fn unusable(folder: &Path) -> Option<String> {
    let folder = std::path::absolute(folder).ok()?;
    let there = folder.ancestors().find(|path| path.symlink_metadata().is_ok())?;
    if !there.is_dir() {
        return Some(format!("{} is not a folder", there.display()));
    }
    let access = rustix::fs::access(there, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK);
    access.err().map(|error| format!("{} cannot be written to: {error}", there.display()))
}

/// The first password counts where there is no user yet.
fn first_password(secrets: &Secrets, url: &str) -> Option<ConfigError> {
    let given = secrets.admin_password.as_deref()?;
    if is_shared(url) || migrations::look(url) == Ok(Found::Ready) {
        return None;
    }
    let weak = password::check(given, "admin").err()?;
    let origin = "environment variable TOLLGATE_ADMIN_PASSWORD".into();
    Some(ConfigError { origin, key: "first password".into(), reason: weak.to_string() })
}

/// Both ports are taken at once, as a start does, and given back.
fn ports(config: &Config) -> Vec<ConfigError> {
    let take = |key: &str, host: IpAddr, port: u16| {
        let address = SocketAddr::new(host, port);
        TcpListener::bind(address)
            .map_err(|error| config.blame(key, format!("{address} cannot be listened at: {error}")))
    };
    let taken = [
        take("server.port", config.server.host, config.server.port),
        take("ops.port", config.ops.host, config.ops.port),
    ];
    taken.into_iter().filter_map(Result::err).collect()
}
