//! The `saphan-hub` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    saphan_hub::cli::run(std::env::args_os())
}
