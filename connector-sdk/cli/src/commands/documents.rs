//! `saphan documents`: files that travel beside messages.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use saphan_connector::hub_api::HubError;
use saphan_connector::{DocumentError, Documents};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::EvidenceTypeId;
use serde_json::json;

use super::start_failure;
use crate::config::Config;
use crate::outcome::{Exit, Failure, Outcome};
use crate::tls::INSECURE_ADVICE;

#[derive(Debug, Subcommand)]
pub(crate) enum DocumentsCommand {
    /// Upload a document. Prints the reference that `saphan send --document` takes
    Put(PutArguments),
    /// Download a document that the system uploaded, or that a message to it cites
    Get(GetArguments),
}

#[derive(Debug, Args)]
pub(crate) struct PutArguments {
    /// The document
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// What it is, e.g. application/pdf; the hub compares it with the content
    #[arg(long, value_name = "TYPE")]
    media_type: String,

    /// What it proves, an evidence type of the catalogue
    #[arg(long, value_name = "ID")]
    evidence_type: Option<EvidenceTypeId>,

    /// The connection to the hub
    #[arg(long, value_name = "FILE", default_value = "saphan.toml", env = "SAPHAN_CONFIG")]
    config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// The document's commitment, as the envelope that cites it has it
    // One in 64 begins with a hyphen.
    #[arg(value_name = "COMMIT", allow_hyphen_values = true)]
    commit: Sha256Hash,

    /// The file to write; it must not exist yet
    #[arg(long, value_name = "FILE")]
    to: PathBuf,

    /// The connection to the hub
    #[arg(long, value_name = "FILE", default_value = "saphan.toml", env = "SAPHAN_CONFIG")]
    config: PathBuf,
}

pub(crate) async fn run(command: DocumentsCommand) -> Result<Outcome, Failure> {
    match command {
        DocumentsCommand::Put(arguments) => put(arguments).await,
        DocumentsCommand::Get(arguments) => get(arguments).await,
    }
}

async fn put(arguments: PutArguments) -> Result<Outcome, Failure> {
    let documents = documents(Config::read(&arguments.config)?)?;
    let uploaded = documents.upload_file(&arguments.file, &arguments.media_type).await;
    let mut reference = uploaded.map_err(|error| failure(&error))?;
    reference.evidence_type = arguments.evidence_type;
    let json = json!(reference);
    Ok(Outcome { exit: Exit::Done, text: format!("{json:#}"), json })
}

async fn get(arguments: GetArguments) -> Result<Outcome, Failure> {
    let GetArguments { commit, to, config } = arguments;
    let documents = documents(Config::read(&config)?)?;
    let found = documents.find(commit).await.map_err(|error| failure(&error))?;
    let reference = found.ok_or_else(|| failure(&DocumentError::NotThere { commit }))?;
    documents.download_file(&reference, &to).await.map_err(|error| failure(&error))?;
    let text = format!("{} bytes of {} in {}", reference.len, reference.media_type, to.display());
    let json = json!({ "commit": commit, "len": reference.len, "media_type": reference.media_type, "file": to });
    Ok(Outcome { exit: Exit::Done, text, json })
}

fn documents(config: Config) -> Result<Documents, Failure> {
    config.into_documents().map_err(|error| start_failure(&error))
}

fn failure(error: &DocumentError) -> Failure {
    match error {
        DocumentError::Hub(HubError::Problem { document, .. }) => {
            let detail = document.detail.as_ref().map(|detail| format!("; {detail}")).unwrap_or_default();
            let what = format!("the hub refused: {} ({}){detail}", document.title, document.code);
            if document.retry {
                Failure::hub(what, "Try again later.")
            } else {
                Failure::refused(what, "Do what it says.")
            }
        }
        DocumentError::Hub(HubError::Insecure { .. }) => Failure::hub(error, INSECURE_ADVICE),
        DocumentError::Hub(_) => Failure::hub(error, "Check the address, and that the hub is running; then try again."),
        DocumentError::NotThere { .. } => Failure::refused(
            error,
            "Check the commitment; a message that cites the document must have been sent by this system or to it.",
        ),
        DocumentError::Untrusted => {
            Failure::refused(error, "Nothing was kept. Ask the hub's operator, on another way than through the hub.")
        }
        DocumentError::Empty | DocumentError::MediaType { .. } => Failure::caller(error, "Correct the arguments."),
        DocumentError::File(_) => Failure::caller(error, "Check the path, its permissions and the free space."),
        _ => Failure::machine(error, "Try again."),
    }
}
