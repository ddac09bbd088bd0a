//! The `saphan` command line, and the checks behind it as a library.
//!
//! - [`run`]: the program, for `main` and for other programs that embed it;
//! - [`message_check`]: one message in a file, part by part;
//! - [`log_check`]: a whole log, over HTTP or from a folder;
//! - [`evidence`]: the file that proves a few messages to a stranger;
//! - [`audit_export`]: what an auditor's search has found, each row proven;
//! - [`receipts`]: receipts that were kept, held against the log;
//! - [`log_audit`]: a log that is followed from audit to audit;
//! - [`timestamps`]: what others say of a log's age;
//! - [`witness`]: cosigns checkpoints of logs;
//! - `commands`: one module a command, on `config` (the file `saphan.toml`), `trust_file`, `tls`, `outcome` and `progress`.

mod arguments;
pub mod audit_export;
mod commands;
mod config;
pub mod evidence;
mod files;
mod key;
pub mod log_audit;
pub mod log_check;
pub mod message_check;
mod outcome;
mod progress;
mod quorum;
pub mod receipts;
pub mod timestamps;
mod tls;
mod trust_file;
pub mod witness;

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use arguments::Arguments;
use outcome::{Exit, Failure};

/// Runs the program with these arguments, the program's name first, and says how it ended: 0 done, 1 no, 2 wrong use,
/// 3 not now.
pub fn run(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let wants_json = arguments.iter().any(|argument| argument == "--json");
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(message) => return wrong_use(&message, wants_json),
    };
    let json = arguments.json;
    start_log();
    let runtime = tokio::runtime::Builder::new_multi_thread().max_blocking_threads(THREADS).enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(commands::dispatch(arguments)),
        Err(error) => Err(Failure::machine(format!("cannot start: {error}"), "Free memory or threads, and try again.")),
    };
    outcome::print(result, json)
}

/// Help and version are what was asked for; anything else is a mistake in the arguments.
fn wrong_use(message: &clap::Error, json: bool) -> ExitCode {
    if json && message.use_stderr() {
        return outcome::print(Err(Failure::caller(in_one_line(message), "See `saphan --help`.")), json);
    }
    // If nobody reads it, nothing is lost.
    let _ = message.print();
    if message.use_stderr() { Exit::Usage.code() } else { Exit::Done.code() }
}

/// What is wrong, without how to use the program: that stands below it, and what is missing on lines between them.
fn in_one_line(message: &clap::Error) -> String {
    let text = message.to_string();
    let is_help = |line: &&str| line.starts_with("Usage:") || line.starts_with("For more information");
    let lines = text.trim_start_matches("error: ").lines().take_while(|line| !is_help(line)).map(str::trim);
    lines.filter(|line| !line.is_empty()).fold(String::new(), |said, line| match said.as_str() {
        "" => line.to_owned(),
        // A list follows a colon, and its items each other; possible values come in brackets.
        before if before.ends_with(':') || line.starts_with('[') => format!("{said} {line}"),
        _ => format!("{said}, {line}"),
    })
}

/// Warnings of the connector, on standard error; `SAPHAN_LOG` asks for more, such as `saphan_connector=debug`.
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("SAPHAN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let log = log.with_ansi(std::io::stderr().is_terminal()).finish().with(filter_fn(saphan_connector::may_be_logged));
    // A program that embeds this one may have a log already.
    let _ = log.try_init();
}

/// Threads for what blocks: files, names, and the checks of a log. Each keeps memory of its own; with the hundreds that the runtime
/// would start, the check of a log takes four times as much.
const THREADS: usize = 8;
