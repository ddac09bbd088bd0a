//! The demo: starts a hub, the portal and all agencies, lets them exchange applications and carry out once-only procedures, and
//! checks everything.
//!
//! - `options`: the command line;
//! - `exchange`: the running parts, and waiting for the work to be done;
//! - `traffic`: what the hub's own system does, as the log shows it;
//! - `audit`: the witness, and the audit at the end;
//! - `evidence`: the log and one message, checked as a stranger would, and the export;
//! - `report`: what is printed;
//! - `page`: the portal as a web page, with all of that behind it.

mod audit;
mod bars;
mod evidence;
mod exchange;
mod options;
mod page;
mod report;
mod traffic;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use clap::Parser as _;

use crate::applications::Plan;
use crate::procedures::Procedures;
use bars::Bars;
use exchange::Exchange;
use options::Options;
use report::Report;

/// Runs the demo with these arguments, the program's name first. With `hub` as the first of them this is the hub itself:
/// so the demo can start one as a process of its own without knowing where another program lies.
#[must_use]
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    if arguments.get(1).is_some_and(|first| first == "hub") {
        let rest = arguments.into_iter().skip(2);
        return saphan_hub::cli::run([OsString::from("saphan-hub")].into_iter().chain(rest));
    }
    let options = match Options::try_parse_from(arguments) {
        Ok(options) => options,
        Err(message) => {
            // Help goes to standard output and is no mistake; if nobody reads it, nothing is lost.
            let _ = message.print();
            return if message.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    // A provider that is installed already serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let done = tokio::runtime::Runtime::new().context("cannot start").and_then(|runtime| {
        runtime.block_on(async {
            let exchange = tokio::select! {
                done = run(&options) => done?,
                _ = tokio::signal::ctrl_c() => bail!("interrupted; everything that was started is stopped"),
            };
            // With JSON, standard output is for the one object.
            let say = |told: String| if options.json { eprintln!("{told}") } else { println!("{told}") };
            if options.portal {
                return page::show(exchange, &Procedures::new(SEED + 1)?, say).await;
            }
            if options.keep {
                say(format!("\nEverything runs on until you press Ctrl-C.\n{}", exchange.addresses()));
                tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")?;
            }
            exchange.stop().await
        })
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Starts everything, carries the work out, checks and reports it; answers what is running.
async fn run(options: &Options) -> anyhow::Result<Exchange> {
    let say = |text: String| {
        if !options.json {
            println!("{text}");
        }
    };
    if let Some(folder) = &options.export {
        evidence::prepare(folder)?;
    }
    let plan = Plan::new(SEED, options.applications)?;
    let procedures = Procedures::new(SEED + 1)?;
    say(format!("Starting {} …", options.parts()));
    let mut exchange = Exchange::start(&plan, &procedures, options.rabbitmq).await?;
    say(exchange.to_string());
    say(format!("Submitting {} applications of the four families of public services …", options.applications));
    let bars = Bars::new(options.applications, plan.messages());
    let exchanged = exchange.carry_out(&plan, &bars).await?;
    exchange.join_once_only(&procedures).await?;
    let once_only = exchange.carry_out_once_only(&procedures).await?;
    let log = evidence::check_log(&exchange, options.export.as_deref(), &bars).await?;
    drop(bars);
    let standing = exchange.standing();
    let recorded = (log.leaves.messages, log.leaves.refusals);
    ensure!(
        recorded == (standing.accepted, standing.refused),
        "the log records {recorded:?} messages and refusals, the systems know of {:?}",
        (standing.accepted, standing.refused)
    );
    let keys = evidence::fetch_keys(&exchange).await?;
    let shown = evidence::verify_one(&exchange, &keys)?;
    if let Some(folder) = &options.export {
        evidence::export(&exchange, &keys, folder)?;
    }
    let audited = exchange.overseer.audit(&exchange, options.export.as_deref()).await?;
    let report = Report::new(options, &exchange, &log, (exchanged, once_only), audited)?;
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        report::print(&report, &log, &shown, options);
    }
    Ok(exchange)
}

/// The same people in every run.
const SEED: u64 = 2569;
