//! `tollgate reload`: checks the configuration, has the gateway that runs here read it again, and says what came of it.

use std::{net::SocketAddr, path::Path, thread, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

use super::{Failure, health, load, print};
use crate::data_dir::{self, Running};

/// How often it is asked whether the configuration was taken, and for how long.
const ASK_AGAIN: Duration = Duration::from_millis(50);
const TIMES: u32 = 200;

pub(super) fn run(file: Option<&Path>) -> Result<(), Failure> {
    let config = load(file)?;
    let nobody = || Failure::Failed(format!("no gateway runs on data_dir {}", config.data_dir.display()));
    let running = data_dir::running(&config.data_dir).ok_or_else(nobody)?;
    let before = counts(&running)?;
    let pid = Pid::from_raw(running.pid).ok_or_else(nobody)?;
    kill_process(pid, Signal::HUP).map_err(|error| Failure::Failed(format!("process {}: {error}", running.pid)))?;
    for _ in 0..TIMES {
        thread::sleep(ASK_AGAIN);
        let Counts { taken, refused } = counts(&running)?;
        if refused > before.refused {
            return Err(Failure::Failed("the configuration was refused; the gateway's log says why".into()));
        }
        if taken > before.taken {
            print("the configuration was taken\n");
            return Ok(());
        }
    }
    Err(Failure::Failed("the gateway has not read the configuration in time".into()))
}

/// How often a configuration was taken and refused.
struct Counts {
    taken: u64,
    refused: u64,
}

fn counts(running: &Running) -> Result<Counts, Failure> {
    let unclear = |error| Failure::Failed(format!("{}: {error}", running.ops_address));
    let address: SocketAddr = running.ops_address.parse().map_err(|_| unclear("no address".to_owned()))?;
    let metrics = health::fetch(address, "/metrics").map_err(|error| unclear(error.to_string()))?;
    let count = |result: &str| {
        let name = format!("tollgate_config_reloads_total{{result=\"{result}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    };
    Ok(Counts { taken: count("ok"), refused: count("failed") })
}
