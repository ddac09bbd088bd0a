//! The `saphan-hub` program.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Most of what is allocated lives for one message and crosses threads, which costs the C library's allocator twice as much.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    saphan_hub::cli::run(std::env::args_os())
}
