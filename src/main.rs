//! The `tollgate` program: parses its command line and runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    tollgate::cli::run()
}
