//! `tollgate completions` and `tollgate man`: what shells and `man` want to know of the command line.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use super::{Failure, print};

#[derive(Args)]
pub(super) struct Completions {
    /// The shell to complete in.
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self, mut command: Command) {
        let mut script = vec![];
        clap_complete::generate(self.shell, &mut command, "tollgate", &mut script);
        print(&String::from_utf8_lossy(&script));
    }
}

#[derive(Args)]
pub(super) struct Man {
    /// A folder for one page a command; without it the page of `tollgate` itself is printed.
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(self, command: Command) -> Result<(), Failure> {
        let Some(folder) = self.output else {
            let mut page = vec![];
            clap_mangen::Man::new(command).render(&mut page).map_err(|error| Failure::Failed(error.to_string()))?;
            print(&String::from_utf8_lossy(&page));
            return Ok(());
        };
        let failed = |error: std::io::Error| Failure::Failed(format!("{}: {error}", folder.display()));
        std::fs::create_dir_all(&folder).map_err(failed)?;
        clap_mangen::generate_to(command, &folder).map_err(failed)
    }
}
