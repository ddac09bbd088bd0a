//! `cargo bench-exchange`: measures the exchange beside the raw broker.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use mimalloc::MiMalloc;
use saphan_conformance::bench::{Load, run};

/// As in the programs `saphan-hub` and `saphan`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Measures the raw broker, acceptance alone and the whole exchange in one run, with a private RabbitMQ node and a hub that
/// is a process of its own.
#[derive(Debug, Parser)]
#[command(name = "bench-exchange")]
struct Arguments {
    /// Also write the figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Messages of the exchange; the other parts are in proportion.
    #[arg(long, default_value_t = 20_000)]
    messages: usize,
    /// The length of the document, in MiB.
    #[arg(long, default_value_t = 2047)]
    document_mib: usize,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = arguments.next();
    if arguments.next().is_some_and(|first| first == "hub") {
        // The hub that is measured is this program, started again: nothing else needs to be built.
        return saphan_hub::cli::run(name.into_iter().chain(arguments));
    }
    match measure(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-exchange: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let load = Load {
        raw: arguments.messages * 2,
        accept: arguments.messages * 2,
        exchange: arguments.messages,
        paced: arguments.messages / 2,
        cases: arguments.messages / 10,
        document_mib: arguments.document_mib,
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(run(load, |doing| eprintln!("{doing} …")))?;
    print!("{report}");
    if let Some(path) = &arguments.json {
        let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
        serde_json::to_writer_pretty(file, &report)?;
    }
    Ok(())
}
