//! The `saphan` program; everything is in the library, so that other programs can embed it.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Most of what is allocated lives for one message and crosses threads, which costs the C library's allocator twice as much.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    saphan_cli::run(std::env::args_os())
}
