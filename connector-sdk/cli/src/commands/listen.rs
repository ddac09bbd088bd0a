//! `saphan listen`: every verified message to a local endpoint, so that any language can receive.

mod endpoint;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use saphan_connector::{Counts, Drained, Handled, HandlerError, Message};
use serde_json::{Value, json};

use self::endpoint::{Answer, Endpoint};
use super::{StopSignal, start_failure};
use crate::config::Config;
use crate::files::{self, Readers};
use crate::outcome::{Exit, Failure, Outcome};

#[derive(Debug, Args)]
#[command(after_help = CONTRACT)]
pub(crate) struct ListenArguments {
    /// The connection to the hub
    #[arg(long, value_name = "FILE", default_value = "saphan.toml", env = "SAPHAN_CONFIG")]
    config: PathBuf,

    /// The endpoint that gets each message; plain HTTP on this machine only, since bodies hold personal data
    #[arg(long, value_name = "URL")]
    forward_to: String,

    /// How long the endpoint may take for one message
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,

    /// Messages that the endpoint gets at once
    #[arg(long, value_name = "N", default_value_t = 8)]
    at_once: usize,

    /// Keep each message as <id>.saphan.json in this folder, before it is forwarded. These files hold the bodies
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,

    /// On Ctrl-C or SIGTERM: how long running messages may take to end
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    drain: u64,
}

pub(crate) async fn run(arguments: ListenArguments) -> Result<Outcome, Failure> {
    let config = Config::read(&arguments.config)?;
    let endpoint = Endpoint::new(&arguments.forward_to, Duration::from_secs(arguments.timeout))?;
    if let Some(folder) = &arguments.save {
        std::fs::create_dir_all(folder).map_err(|error| Failure::unwritable(folder, &error))?;
    }
    let mut stop = StopSignal::install()?;
    let forward = Arc::new(Forward { endpoint, save: arguments.save });
    let (receive, system) = (config.receive()?, config.system().clone());
    let connector = config
        .into_builder(JOURNAL)
        .receive(receive)
        .handlers_at_once(arguments.at_once)
        .handle_any(move |message| {
            let forward = Arc::clone(&forward);
            async move { forward.handle(&message).await }
        })
        .build()
        .await
        .map_err(|error| start_failure(&error))?;
    say(&format!("listening for {system}, forwarding to {}", arguments.forward_to));
    stop.received().await;
    say("stopping: running messages are finished");
    let counts = connector.counts();
    let drained = connector.shutdown(Duration::from_secs(arguments.drain)).await;
    let drained = drained.map_err(|error| {
        Failure::machine(format!("the journal could not be closed in order: {error}"), "Nothing is lost; start again.")
    })?;
    Ok(stopped(counts, drained))
}

/// What happens to each message.
struct Forward {
    endpoint: Endpoint,
    save: Option<PathBuf>,
}

impl Forward {
    async fn handle(&self, message: &Message<Value>) -> Result<Handled, HandlerError> {
        let named = format!("{} {} from {}", message.envelope().message_type, message.id(), message.sender());
        if let Err(error) = self.keep(message) {
            say(&format!("{named}: cannot be saved, tried again: {error}"));
            return Err(error.into());
        }
        match self.endpoint.post(message).await {
            Answer::Processed => {
                say(&format!("{named}: processed"));
                Ok(Handled::Done)
            }
            Answer::Rejected(code) => {
                say(&format!("{named}: rejected with {code}"));
                Ok(Handled::Reject(code))
            }
            Answer::Again { why, after } => {
                say(&format!("{named}: {why}; tried again"));
                Ok(Handled::Retry { after })
            }
        }
    }

    fn keep(&self, message: &Message<Value>) -> std::io::Result<()> {
        let Some(folder) = &self.save else { return Ok(()) };
        let text = serde_json::to_vec_pretty(&message.file())?;
        files::replace(&folder.join(format!("{}.saphan.json", message.id())), &text, Readers::Owner)
    }
}

/// For whoever watches; standard output is for the result. No personal data: ids, types and codes only.
fn say(line: &str) {
    use std::io::Write as _;
    // A closed standard error must not stop the exchange.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn stopped(counts: Counts, drained: Drained) -> Outcome {
    let mut text = format!(
        "stopped: {} received, {} processed, {} rejected, {} tried again\n",
        counts.received, counts.processed, counts.rejected, counts.retried
    );
    if drained.inbox > 0 {
        text.push_str(&format!("{} in the inbox; the next start goes on with them\n", drained.inbox));
    }
    if counts.unverified > 0 {
        text.push_str(&format!("{} did not verify and were not forwarded\n", counts.unverified));
    }
    let json = json!({
        "received": counts.received, "duplicates": counts.duplicates, "processed": counts.processed,
        "rejected": counts.rejected, "retried": counts.retried, "unverified": counts.unverified,
        "left": drained.inbox, "drained": drained.finished,
    });
    Outcome { exit: Exit::Done, text, json }
}

const CONTRACT: &str = "\
Each message is one POST with the exact body and these headers:
  Saphan-Message-Id, Saphan-Sender, Saphan-Type, Saphan-Schema, Saphan-Index,
  and where the message has them Saphan-Case, Saphan-Service, Saphan-Reply-To, Saphan-Purpose;
  ce-specversion, ce-id, ce-source, ce-type, ce-dataschema, ce-time, ce-subject (CloudEvents, binary mode).

The endpoint answers:
  2xx                          processed; its effect is durable
  422 and {\"code\": \"…\"}       rejected for good with this code, which the sender sees
  anything else, or nothing    tried again with back-off (Retry-After is heeded)

A message may come again after a crash of either side: keep Saphan-Sender and Saphan-Message-Id with its effect, in one
transaction. Only messages whose signature, body and proof were verified are forwarded.";

/// Below `data_dir`; apart from that of `send`, so that both may run at once.
const JOURNAL: &str = "listen";
