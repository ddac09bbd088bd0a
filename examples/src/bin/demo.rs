//! `cargo demo`: applications and their answers through a hub of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    saphan_examples::demo::main(std::env::args_os())
}
