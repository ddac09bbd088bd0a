//! `saphan audit`: what was so, found out from the hub's log and nothing else.

mod bundle;
mod language;
mod log;
mod message;
mod receipts;
mod registry;
mod search;
mod sign_in;
mod verify_export;

use clap::Subcommand;

use crate::outcome::{Failure, Outcome};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Follow a log: check what it got since the last audit, and that it still stands by all before
    Log(log::AuditLogArguments),
    /// Put everything that proves messages into one file
    Message(message::MessageArguments),
    /// Verify such files
    Bundle(bundle::BundleArguments),
    /// Hold receipts that were kept against the log: a contradiction is proof of misconduct
    Receipts(receipts::ReceiptsArguments),
    /// Who could send what to whom at some moment, once the whole log was checked
    Registry(registry::RegistryArguments),
    /// Search a hub's log by system, service, type, time, case, outcome or code; the question is an entry of the log
    Search(search::SearchArguments),
    /// Verify what a search wrote into a file
    VerifyExport(verify_export::VerifyExportArguments),
    /// Sign a token for the sign-in page of the hub's console; the key stays here
    SignIn(sign_in::SignInArguments),
}

pub(crate) async fn run(command: AuditCommand, json: bool) -> Result<Outcome, Failure> {
    match command {
        AuditCommand::Log(arguments) => log::run(arguments, json).await,
        AuditCommand::Message(arguments) => message::run(arguments).await,
        AuditCommand::Bundle(arguments) => bundle::run(&arguments),
        AuditCommand::Receipts(arguments) => receipts::run(arguments).await,
        AuditCommand::Registry(arguments) => registry::run(arguments).await,
        AuditCommand::Search(arguments) => search::run(arguments).await,
        AuditCommand::VerifyExport(arguments) => verify_export::run(&arguments),
        AuditCommand::SignIn(arguments) => sign_in::run(&arguments),
    }
}
