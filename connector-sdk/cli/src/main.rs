//! The `saphan` program; everything is in the library, so that other programs can embed it.

use std::process::ExitCode;

fn main() -> ExitCode {
    saphan_cli::run(std::env::args_os())
}
