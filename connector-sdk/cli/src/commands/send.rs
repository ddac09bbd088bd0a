//! `saphan send`: one message through the durable outbox.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use saphan_connector::{Accepted, Connector, OutgoingMessage, SendError};
use saphan_schemas::ids::{CaseId, Code, LegalBasis, MessageId, MessageType, SchemaId, ServiceId, SystemId};
use saphan_schemas::problem::ProblemDocument;
use serde_json::json;

use super::{StopSignal, start_failure};
use crate::config::Config;
use crate::files::{self, Readers};
use crate::outcome::{Exit, Failure, Outcome};

#[derive(Debug, Args)]
pub(crate) struct SendArguments {
    /// The body: a JSON file, or - for standard input. Its exact bytes are sent
    #[arg(value_name = "BODY")]
    body: PathBuf,

    /// The connection to the hub
    #[arg(long, value_name = "FILE", default_value = "saphan.toml", env = "SAPHAN_CONFIG")]
    config: PathBuf,

    /// The receiving system, e.g. th.dlt/licensing
    #[arg(long, value_name = "SYSTEM")]
    to: SystemId,

    /// The message type, e.g. application.submitted
    #[arg(long = "type", value_name = "TYPE")]
    message_type: MessageType,

    /// The schema's major version
    #[arg(long, value_name = "N", default_value_t = 1)]
    schema_version: u16,

    /// The message id, a UUIDv7, to continue an earlier attempt: the same id is sent once only
    #[arg(long, value_name = "ID")]
    id: Option<MessageId>,

    /// The public service it is about
    #[arg(long, value_name = "ID")]
    service: Option<ServiceId>,

    /// The case it belongs to, a UUIDv7
    #[arg(long, value_name = "ID")]
    case: Option<CaseId>,

    /// The message it answers
    #[arg(long, value_name = "ID")]
    reply_to: Option<MessageId>,

    /// Why the data may travel: a purpose code of the agreement
    #[arg(long, value_name = "CODE")]
    purpose: Option<Code>,

    /// Why the data may travel: law and section, as in the agreement
    #[arg(long, value_name = "TEXT")]
    legal_basis: Option<LegalBasis>,

    /// The id of the signed consent that allows it
    #[arg(long, value_name = "ID")]
    consent: Option<MessageId>,

    /// A document that it cites, as `saphan documents put` printed it; may be given more than once
    #[arg(long = "document", value_name = "FILE.json")]
    documents: Vec<PathBuf>,

    /// How long to wait for the receipt. After that the message stays in the outbox
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,

    /// Keep envelope, receipt and proof in this file, for `saphan verify`. The body is not in it
    #[arg(long, value_name = "FILE.saphan.json")]
    save: Option<PathBuf>,
}

pub(crate) async fn run(arguments: SendArguments) -> Result<Outcome, Failure> {
    let body = read_body(&arguments.body)?;
    let id = arguments.id.unwrap_or_default();
    let message = message(&arguments, id, body)?;
    let config = Config::read(&arguments.config)?;
    let mut stop = StopSignal::install()?;
    let connector = config.into_builder(JOURNAL).build().await.map_err(|error| start_failure(&error))?;
    let sent = tokio::time::timeout(Duration::from_secs(arguments.wait), connector.send(message));
    let result = tokio::select! {
        sent = sent => sent.ok(),
        () = stop.received() => None,
    };
    close(connector).await;
    match result {
        Some(Ok(accepted)) => done(&accepted, arguments.save.as_deref()),
        Some(Err(SendError::Refused(problem))) => Ok(refused(id, &problem)),
        Some(Err(error)) => Err(failure(id, &error)),
        None => Err(kept(id, "no receipt came in time")),
    }
}

fn read_body(path: &Path) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        let mut body = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut body);
        return read.map(|_| body).map_err(|error| Failure::unreadable(path, &error));
    }
    std::fs::read(path).map_err(|error| Failure::unreadable(path, &error))
}

fn message(arguments: &SendArguments, id: MessageId, body: Vec<u8>) -> Result<OutgoingMessage, Failure> {
    let schema = format!("{}@{}", arguments.message_type, arguments.schema_version);
    let schema: SchemaId =
        schema.parse().map_err(|error| Failure::caller(error, "Give the version as in the catalogue, 1 to 999."))?;
    let mut message = OutgoingMessage::bytes(arguments.to.clone(), schema, body).id(id);
    if let Some(service) = &arguments.service {
        message = message.service(service.clone());
    }
    if let Some(case) = arguments.case {
        message = message.case(case);
    }
    if let Some(reply_to) = arguments.reply_to {
        message = message.reply_to(reply_to);
    }
    if let Some(purpose) = &arguments.purpose {
        message = message.purpose(purpose.clone());
    }
    if let Some(legal_basis) = &arguments.legal_basis {
        message = message.legal_basis(legal_basis.clone());
    }
    if let Some(consent) = arguments.consent {
        message = message.consent(consent);
    }
    for path in &arguments.documents {
        message = message.document(files::read_json(path, "the reference of a document")?);
    }
    Ok(message)
}

/// Whatever the journal says at the end: what was durable is, and the answer is known already.
async fn close(connector: Connector) {
    if let Err(error) = connector.shutdown(CLOSING).await {
        tracing::warn!(%error, "the journal could not be closed in order");
    }
}

fn done(accepted: &Accepted, save: Option<&Path>) -> Result<Outcome, Failure> {
    let receipt = accepted.receipt();
    if let Some(path) = save {
        let file = json!({
            "envelope": accepted.envelope_text(), "receipt": accepted.receipt_text(), "proof": accepted.proof_text(),
        });
        files::replace(path, format!("{file:#}\n").as_bytes(), Readers::All)
            .map_err(|error| Failure::unwritable(path, &error))?;
    }
    let mut text = format!(
        "accepted by {}\n\n  id       {}\n  entry    {} of {}\n  schema   {}\n  leaf     {}\n",
        receipt.iss, receipt.jti, receipt.index, receipt.log, receipt.schema, receipt.leaf
    );
    if let Some(path) = save {
        text.push_str(&format!("  saved    {}\n", path.display()));
    }
    let json = json!({
        "state": "accepted", "id": receipt.jti, "index": receipt.index, "log": receipt.log, "hub": receipt.iss,
        "accepted_at": receipt.iat, "receipt": accepted.receipt_text(), "saved": save,
    });
    Ok(Outcome { exit: Exit::Done, text, json })
}

fn refused(id: MessageId, problem: &ProblemDocument) -> Outcome {
    let mut text = format!("refused: {} ({})\n", problem.title, problem.code);
    if let Some(detail) = &problem.detail {
        text.push_str(&format!("  {detail}\n"));
    }
    for place in &problem.errors {
        let pointer = if place.pointer.is_empty() { "(the whole body)" } else { &place.pointer };
        text.push_str(&format!("  {pointer}: {}\n", place.detail));
    }
    text.push_str(&format!("\n  id       {id}\n"));
    if let Some(index) = problem.index {
        text.push_str(&format!("  entry    {index}\n"));
    }
    let json = json!({ "state": "refused", "id": id, "problem": problem });
    Outcome { exit: Exit::No, text, json }
}

fn failure(id: MessageId, error: &SendError) -> Failure {
    match error {
        SendError::Invalid(error) => Failure::caller(error, "Correct the body or the arguments; nothing was stored."),
        SendError::DuplicateId { .. } => Failure::caller(error, "Leave out --id for a new message; nothing was sent."),
        SendError::Stopped { kept: None } | SendError::Journal(_) => {
            Failure::machine(error, "Check `data_dir` and the free space; nothing was sent.")
        }
        SendError::Key(error) => Failure::machine(
            format!("{error}; nothing was stored or sent"),
            "See that the key's device is there, and send again.",
        ),
        error => kept(id, error),
    }
}

fn kept(id: MessageId, why: impl std::fmt::Display) -> Failure {
    let what = format!("{why}; the message {id} is in the outbox");
    let advice = format!("Run the same command with --id {id} to go on: it is sent once only.");
    Failure::hub(what, advice)
}

/// Below `data_dir`; apart from that of `listen`, so that both may run at once.
const JOURNAL: &str = "send";
const CLOSING: Duration = Duration::from_secs(2);
