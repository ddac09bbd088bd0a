//! `cargo bench-log`: audits a long log, and measures a hub as its log grows.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use mimalloc::MiMalloc;
use saphan_conformance::bench::log::{AUDITOR, Sizes, run, run_auditor};

/// As in the programs `saphan-hub` and `saphan`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Makes long logs, properly signed, and measures an audit beside the machine's raw ES256 verifications, and start-up, acceptance
/// and memory of a hub with logs of several lengths. With the lengths given below it takes five minutes and 14 GB of disk.
#[derive(Debug, Parser)]
#[command(name = "bench-log")]
struct Arguments {
    /// Also write the figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The lengths of the log to audit, ascending; 0 for no audit.
    #[arg(long, value_name = "ENTRIES", value_delimiter = ',', default_value = "100000,1000000")]
    audits: Vec<u64>,
    /// The lengths of the hubs' logs, ascending; 0 for no hub.
    #[arg(long, value_name = "ENTRIES", value_delimiter = ',', default_value = "10000,1000000,10000000")]
    hubs: Vec<u64>,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = arguments.next();
    // What is measured is this program, started again: nothing else needs to be built.
    match arguments.next() {
        Some(first) if first == "hub" => saphan_hub::cli::run(name.into_iter().chain(arguments)),
        Some(first) if first == AUDITOR => run_auditor(name.into_iter().chain(arguments)),
        _ => match measure(&Arguments::parse()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("bench-log: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let some = |sizes: &[u64]| sizes.iter().copied().filter(|entries| *entries > 0).collect();
    let sizes = Sizes { audits: some(&arguments.audits), hubs: some(&arguments.hubs) };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let figures = runtime.block_on(run(&sizes, |doing| eprintln!("{doing} …")))?;
    print!("{figures}");
    if let Some(path) = &arguments.json {
        let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
        serde_json::to_writer_pretty(file, &figures)?;
    }
    Ok(())
}
