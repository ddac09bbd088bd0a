//! `saphan witness`: cosigns the checkpoints of logs, so that nobody can be shown another history.

mod check;

pub(crate) use check::read_policy;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use saphan_schemas::log::VerifierKey;
use serde_json::json;
use tokio::net::TcpListener;

use super::StopSignal;
use crate::files::read_text;
use crate::outcome::{Exit, Failure, Outcome};
use crate::witness::folder::{StateError, StateFolder};
use crate::witness::{Witness, service};

#[derive(Debug, Subcommand)]
pub(crate) enum WitnessCommand {
    /// Make a state folder with a new key
    Init(InitArguments),
    /// Add a log, or another key of a log, while the witness does not run
    AddLog(AddLogArguments),
    /// Show the witness's key, and what it cosigned last, while it does not run
    Show(StateArguments),
    /// Answer logs that ask for cosignatures (C2SP tlog-witness), until Ctrl-C or SIGTERM
    Serve(ServeArguments),
    /// Check offline whether a checkpoint is good by a policy: signed by its log, and cosigned by enough witnesses
    Check(check::CheckArguments),
}

#[derive(Debug, Args)]
pub(crate) struct StateArguments {
    /// The state folder. Never bring it back from a copy: an old state would cosign a second history
    #[arg(long, value_name = "DIR", default_value = "saphan-witness")]
    state: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    #[command(flatten)]
    state: StateArguments,

    /// The witness's name, a URL without scheme, such as witness.agency.example/w1
    #[arg(long, value_name = "NAME")]
    name: String,

    /// The key of a log, or a file with it, such as https://<hub>/v1/log/vkey gives; may be given more than once
    #[arg(long, value_name = "FILE|TEXT")]
    log: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct AddLogArguments {
    #[command(flatten)]
    state: StateArguments,

    /// The key of a log, or a file with it
    #[arg(value_name = "FILE|TEXT")]
    log: String,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    state: StateArguments,

    /// Where to listen for plain HTTP. All that passes is public; let a proxy speak TLS, so that nobody in between can hold it up
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8480")]
    listen: SocketAddr,
}

pub(crate) async fn run(command: WitnessCommand) -> Result<Outcome, Failure> {
    match command {
        WitnessCommand::Init(arguments) => init(&arguments),
        WitnessCommand::AddLog(arguments) => add_log(&arguments),
        WitnessCommand::Show(arguments) => show(&arguments.state),
        WitnessCommand::Serve(arguments) => serve(arguments).await,
        WitnessCommand::Check(arguments) => check::run(&arguments),
    }
}

fn init(InitArguments { state, name, log }: &InitArguments) -> Result<Outcome, Failure> {
    let logs = log.iter().map(|log| log_key(log)).collect::<Result<Vec<_>, _>>()?;
    let mut folder = StateFolder::create(&state.state, name).map_err(|error| state_failure(&error))?;
    for log in logs {
        folder.add_log(log).map_err(|error| state_failure(&error))?;
    }
    let key = folder.key().to_string();
    let text = format!(
        "The witness's key, for the operators of logs and for policies:\n\n  {key}\n\nIts state is in {}. It must not be copied \
         to a second place, nor be brought back from a copy.\n",
        state.state.display()
    );
    Ok(Outcome { exit: Exit::Done, text, json: json!({ "key": key, "state": state.state }) })
}

fn add_log(AddLogArguments { state, log }: &AddLogArguments) -> Result<Outcome, Failure> {
    let log = log_key(log)?;
    let origin = log.name().to_owned();
    let mut folder = StateFolder::take(&state.state).map_err(|error| state_failure(&error))?;
    let added = folder.add_log(log).map_err(|error| state_failure(&error))?;
    let text = if added { format!("{origin}: added\n") } else { format!("{origin}: the key was there already\n") };
    Ok(Outcome { exit: Exit::Done, text, json: json!({ "origin": origin, "added": added }) })
}

fn show(state: &Path) -> Result<Outcome, Failure> {
    let folder = StateFolder::take(state).map_err(|error| state_failure(&error))?;
    let logs = folder.logs(folder.key()).map_err(|error| state_failure(&error))?;
    let key = folder.key().to_string();
    let mut text = format!("{key}\n");
    for log in &logs {
        text.push_str(&format!("  {}  {} entries\n", log.origin(), log.size()));
    }
    let logs: Vec<_> = logs.iter().map(|log| json!({ "origin": log.origin(), "size": log.size() })).collect();
    Ok(Outcome { exit: Exit::Done, text, json: json!({ "key": key, "logs": logs }) })
}

async fn serve(ServeArguments { state, listen }: ServeArguments) -> Result<Outcome, Failure> {
    let witness = Arc::new(Witness::open(&state.state).map_err(|error| state_failure(&error))?);
    let key = witness.key().to_string();
    let cannot_listen = |error| {
        Failure::machine(
            format!("cannot listen on {listen}: {error}"),
            "Choose an address of this machine that is free.",
        )
    };
    let listener = TcpListener::bind(listen).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    // Before the line is printed: whoever reads it may send a signal at once.
    let mut stop = StopSignal::install()?;
    say(&format!("witness {key}"));
    say(&format!("listening on http://{address}"));
    service::serve(listener, witness, async move { stop.received().await }).await.map_err(cannot_listen)?;
    Ok(Outcome { exit: Exit::Done, text: "stopped\n".to_owned(), json: json!({ "key": key }) })
}

/// For whoever watches; standard output is for the result.
fn say(line: &str) {
    use std::io::Write as _;
    // A closed standard error must not stop the witness.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A key as text, or in a file. A key always has a `+` in it, and a base64 with `=` or `/`; a file of such a name is not read.
fn log_key(given: &str) -> Result<VerifierKey, Failure> {
    let text = if given.contains('+') { given.to_owned() } else { read_text(Path::new(given))? };
    text.trim().parse().map_err(|error| {
        Failure::caller(
            format!("{given} is not the key of a log: {error}"),
            "Give the text that /v1/log/vkey of the hub gives.",
        )
    })
}

fn state_failure(error: &StateError) -> Failure {
    match error {
        StateError::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Failure::caller(error, "Name the state folder with --state, or make it with `saphan witness init`.")
        }
        StateError::File { .. } => Failure::machine(error, "Check the folder, its permissions and the free space."),
        StateError::InUse { .. } => Failure::caller(error, "Stop the other one first, or use another folder."),
        StateError::Exists { .. } => Failure::caller(error, "Use it, or name another folder with --state."),
        StateError::Damaged { .. } => Failure::machine(
            error,
            "Do not repair it by hand and do not take an old copy: what was cosigned last would be forgotten. If the disk does not \
             give the file back, retire this witness and make a new one with a new key.",
        ),
        StateError::Key(_) => Failure::caller(error, "Put the witness's key file back, readable by its owner only."),
        StateError::NewKey(_) => Failure::caller(error, "Give a name such as witness.agency.example/w1."),
    }
}
