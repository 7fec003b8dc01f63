//! The `tollgate` program: parses its command line and runs it.

use std::process::ExitCode;

/// A call makes some hundred small allocations on one thread and drops many on another; the C library's allocator is slow
/// at both.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tollgate::cli::run()
}
